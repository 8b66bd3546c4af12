"""Rank the training images of a trained pair of networks by how suspect their labels are; clean a data set by it."""

import dataclasses
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from ..data.dataset import Dataset
from ..data.image_files import ImageFiles
from ..engine.checks import require
from ..engine.files import write_atomic
from ..trainer import Trainer

TEXT = ("file", "given", "suggested")
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")  # a cell that begins so is run as a formula by spreadsheets


def rank(trainer: Trainer) -> pd.DataFrame:
    """Rank all training images, the most suspect label first; a trainer that has not warmed up is refused.

    Returns a row an image: index (place in the data), file (if the images come from files), given and suggested (names;
    suggested is the argmax of the summed logits of both networks), p_clean (mean of both networks' splits), confidence
    (probability of the suggested class), loss (classifier loss against the given label, mean of both networks, nats),
    and wrong (bool) if the true labels are known. Sorted by loss, the largest first, because p_clean is 0 or 1 to many
    digits away from its boundary (the loss ranked better in eight of nine runs; data/results/suspects.csv).
    """
    least = max(1, trainer.config.warm_up * trainer.config.spec.semi)
    require(trainer.epoch >= least, "training", f"past its warm-up, epoch {least}", trainer.epoch, "Train longer.")
    outputs = [trainer.per_sample(net) for net in trainer.nets]
    splits = [trainer.split(out, trainer.epoch, which) for which, out in enumerate(outputs)]
    confidence, suggested = sum(out["logits"] for out in outputs).softmax(dim=1).cpu().max(dim=1)
    data, names = trainer.data, np.array(trainer.data.class_names, dtype=object)
    columns = {
        "index": range(len(data.given)),
        "file": data.files or None,
        "given": names[data.given.numpy()],
        "suggested": names[suggested.numpy()],
        "p_clean": np.mean([split.p_clean for split in splits], axis=0),
        "confidence": confidence.numpy(),
        "loss": sum(out["loss_cls"] for out in outputs).cpu().numpy() / len(outputs),
        "wrong": None if data.true is None else (data.true != data.given).numpy(),
    }
    table = pd.DataFrame({name: values for name, values in columns.items() if values is not None})
    return table.sort_values(["loss", "p_clean"], ascending=[False, True], ignore_index=True)


def losses_over_epochs(trainer: Trainer) -> np.ndarray:
    """Train to the last epoch and return the loss of every given label after each epoch: (E, N), nats.

    It is the mean over the trainer's networks. Its mean over epochs ranks labels that are wrong at random better than
    the last epoch alone: one that is learnt by heart in the end was expensive for longer. Labels mistaken for
    look-alikes it ranks worse (notebook 08).

    Source: the area under the margin, arXiv:2001.10528, with the loss in place of the margin.
    """
    losses = []

    def keep(trainer: Trainer, _row: dict) -> None:
        found = [trainer.per_sample(net)["loss_cls"] for net in trainer.nets]
        losses.append((sum(found) / len(found)).cpu().numpy())

    trainer.fit(progress=False, on_epoch=keep)
    return np.stack(losses)


def precision_at(wrong: np.ndarray) -> np.ndarray:
    """Return the share of wrong labels among the first k of a ranking, for k = 1..N.

    >>> precision_at(np.array([True, False, True, True]))
    array([1.        , 0.5       , 0.66666667, 0.75      ])
    """
    return pd.Series(wrong).expanding().mean().to_numpy()


def cleaned(data: Dataset, table: pd.DataFrame, count: int, how: str = "drop") -> Dataset:
    """Return a data set without the first `count` suspects of a ranking, or (`how="relabel"`) as suggested for them.

    `table` is as from `rank`, in any order of its rows; `count` lies in [0, N). Hold-out and test set stay.
    """
    require(0 <= count < len(data.given), "count", f"in [0, {len(data.given)})", count, "Keep some images.")
    require(how in ("drop", "relabel"), "how", "drop or relabel", how, "Check the spelling.")
    first = torch.from_numpy(table["index"].to_numpy()[:count].copy())
    if how == "relabel":
        given = data.given.clone()
        given[first] = torch.tensor([data.class_names.index(name) for name in table["suggested"][:count]]).long()
        return dataclasses.replace(data, given=given)
    kept = torch.ones(len(data.given), dtype=torch.bool)
    kept[first] = False
    return dataclasses.replace(
        data,
        images=data.images.subset(kept) if isinstance(data.images, ImageFiles) else data.images[kept],
        given=data.given[kept],
        true=None if data.true is None else data.true[kept],
        files=tuple(file for file, stays in zip(data.files, kept.tolist()) if stays),
    )


def write_csv(table: pd.DataFrame, path: str | Path) -> None:
    """Write a ranking as CSV (UTF-8, RFC 4180), atomically; an existing file is replaced.

    Names of classes and files are text from outside: one that a spreadsheet would run as a formula gets an apostrophe
    in front. What is no valid Unicode is written as an escape.
    """
    quoted = {n: table[n].map(lambda cell: "'" * cell.startswith(FORMULA) + cell) for n in TEXT if n in table}
    content = table.assign(**quoted).to_csv(index=False, float_format="%.6g", lineterminator="\r\n")
    write_atomic(Path(path), content.encode("utf-8", "backslashreplace"))
