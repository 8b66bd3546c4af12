"""Rank the training images of a trained pair of networks by how suspect their labels are; clean a data set by it."""

import dataclasses
import itertools
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from torchvision.transforms.v2 import functional as V

from ..config import Config
from ..data.dataset import Dataset
from ..data.features import Features
from ..data.image_files import ImageFiles
from ..engine.checks import require
from ..engine.files import write_atomic
from ..presets import for_folder
from ..trainer import Trainer
from . import features


def rank(trainer: Trainer) -> pd.DataFrame:
    """Rank all training images, the most suspect label first; a trainer that has not warmed up is refused.

    Columns as from `find`, but p_clean (mean of both networks' splits), confidence (probability of the suggestion, the
    argmax of the summed logits of both networks) and loss (mean of both classifiers', against the given label, nats).
    Sorted by loss, the largest first, as p_clean is 0 or 1 to many digits away from its boundary (notebook 08).
    """
    least = max(1, trainer.config.warm_up * trainer.config.spec.semi)
    require(trainer.epoch >= least, "training", f"past its warm-up, epoch {least}", trainer.epoch, "Train longer.")
    outputs = [trainer.per_sample(net) for net in trainer.nets]
    splits = [trainer.split(out, trainer.epoch, which) for which, out in enumerate(outputs)]
    confidence, suggested = sum(out["logits"] for out in outputs).softmax(dim=1).cpu().max(dim=1)
    loss = sum(out["loss_cls"] for out in outputs).cpu().numpy() / len(outputs)
    p_clean = np.mean([split.p_clean for split in splits], axis=0)
    measured = dict(p_clean=p_clean, confidence=confidence.numpy(), loss=loss)
    table = _tabulate(trainer.data, suggested.numpy(), **measured)
    return table.sort_values(["loss", "p_clean"], ascending=[False, True], ignore_index=True)


def hold_out(data: Dataset, seed: int) -> tuple[Dataset, np.ndarray]:
    """Return the data with a hold-out, their own or a tenth of the training images, and a mask (N,) of the latter."""
    size = len(data.given)
    held = torch.zeros(size, dtype=torch.bool)
    if len(data.holdout_given):
        return data, held.numpy()
    count = max(1, min(max(size // 10, min(100, size // 5)), 2000))
    held[np.random.default_rng([seed, 0x68656C64]).permutation(size)[:count]] = True
    aside = _kept(data, held)
    notes = (*data.notes, "the hold-out is drawn from the training images; all are ranked")
    new = dict(holdout_images=aside.images, holdout_given=aside.given, notes=notes)
    return dataclasses.replace(_kept(data, ~held), **new), held.numpy()


def find(
    data: Dataset, config: Config, *, folder: Path | None = None, on_start: Callable = lambda trainer: None
) -> tuple[pd.DataFrame, dict]:
    """Train on the images that are not held out and rank the labels of all of them, the most suspect first.

    A method without a split is ranked by the margin (logit of the given label minus the best other one) averaged over
    both networks and all epochs, one with a split by that of its last epoch. An image that was held out is compared
    with the others that were, as margins are smaller there. A training that was interrupted in `folder` goes on there;
    `on_start` is called with the trainer.

    Columns of the table: index, file (if there are files), given, suggested, suggested_number (in [0, C)), probability
    (mean of what the networks give to the suggestion), margin (nats), wrong (if the true labels are known). Facts: held
    (number of images held out), accuracy (share of them whose given label is predicted), chance (that of the commonest
    class).
    """
    (part, held), given = hold_out(data, config.seed), data.given.numpy()
    begun = folder is not None and any(folder.glob("epoch-*.pt"))
    trainer = Trainer.resume(folder, part) if begun else Trainer(config, part, folder)
    # margins and probabilities, (N, 1 + C)
    sums = np.fromfile(folder / f"sums-{trainer.epoch}", "f4").reshape(-1, 1 + data.num_classes) if begun else 0.0

    def add(trainer: Trainer, row: dict) -> None:
        nonlocal sums
        logits = [trainer.predict(net, data.images)[0].float().cpu() for net in trainer.nets]
        found = [np.column_stack([features.margin(one.numpy(), given), one.softmax(dim=1)]) for one in logits]
        sums = np.mean(found, axis=0) + (0.0 if config.spec.semi else sums)
        if folder is not None:
            write_atomic(folder / f"sums-{trainer.epoch}", sums.astype("f4").tobytes())

    on_start(trainer)
    history = trainer.fit(on_epoch=add).table
    margins, *p = (sums / (1 if config.spec.semi else config.epochs)).T
    table = _tabulate(data, np.argmax(p, axis=0), probability=np.max(p, axis=0), margin=margins)
    place = pd.Series(margins).groupby(held).rank(pct=True).argsort(kind="stable")
    accuracy, chance = history["holdout_accuracy"].iloc[-1], np.bincount(given).max() / len(given)
    facts = dict(held=len(part.holdout_given), accuracy=accuracy, chance=chance)
    return table.iloc[place].reset_index(drop=True), facts


def _tabulate(data: Dataset, suggested: np.ndarray, **measured: np.ndarray) -> pd.DataFrame:
    """A row an image: what is known of it, the suggested class (its number) and what was measured."""
    names = np.array(data.class_names, dtype=object)
    columns = {"index": range(len(data.given)), "file": data.files or None, "given": names[data.given.numpy()]}
    columns |= {"suggested": names[suggested], "suggested_number": suggested} | measured
    columns |= {"wrong": None if data.true is None else (data.true != data.given).numpy()}
    return pd.DataFrame({name: values for name, values in columns.items() if values is not None})


def settings_for(data: Dataset, method: str = "ce", **changes: object) -> Config:
    """Settings of `find` for images whose noise nobody knows; the steps follow the number of images, 16 passes."""
    features.require_repeated(data.given.numpy())
    steps = dict(steps_per_epoch=max(20 if method == "ce" else 40, len(data.given) // 64))
    return for_folder(data.num_classes, method=method, **(steps | changes))


def image_features(images: torch.Tensor | ImageFiles, side: int = 32, cell: int = 4, bins: int = 8) -> np.ndarray:
    """Histograms of gradient directions of uint8 images (N, c, H, W), and their colours, both cell by cell: (N, D)."""
    found = []
    for part in images.split(512):
        small = V.resize(part.cpu().float() / 255, [side, side], antialias=True)
        dy, dx = torch.gradient(small.mean(dim=1), dim=(1, 2))
        place = torch.atan2(dy, dx).remainder(torch.pi) * bins / torch.pi  # direction without sign, in bins
        low, strength = place.floor(), torch.hypot(dx, dy)
        weights = [(low % bins == b) * (1 + low - place) + ((low + 1) % bins == b) * (place - low) for b in range(bins)]
        cells = F.avg_pool2d(torch.stack([weight * strength for weight in weights], dim=1), cell)  # (n, bins, 8, 8)
        around = F.avg_pool2d(cells.square().sum(dim=1, keepdim=True), 3, stride=1, padding=1).sqrt()
        parts = cells / (around + 0.01), F.avg_pool2d(small, cell)
        found.append(torch.cat([one.flatten(1) for one in parts], dim=1).numpy())
    return np.concatenate(found)


def cross_check(table: pd.DataFrame, data: Dataset, seed: int = 0) -> tuple[pd.DataFrame, float]:
    """Add the rankings of `features.rank` by `image_features` to a table of `find`.

    New columns: rank (1 = most suspect), rank_features, rank_votes, and agree: how many of network, regression and
    neighbours prefer another class than the given one. Also returns the accuracy of the regression on given labels.
    """
    given = data.given.numpy()
    second = features.rank(Features(image_features(data.images), given, data.class_names), seed)
    added = second[["rank", "rank_votes", "agree"]].rename(columns={"rank": "rank_features"})
    table = table.assign(rank=range(1, len(table) + 1)).join(added, on="index")
    table["agree"] += table["suggested_number"] != given[table["index"]]
    return table, float((second["suggested"] == given).mean())


def cleaned(data: Dataset, table: pd.DataFrame, count: int, how: str = "drop") -> Dataset:
    """Return a data set without the first `count` suspects of a ranking, or (`how="relabel"`) as suggested for them.

    `table` is as from `rank`, in any order of its rows; `count` lies in [0, N). Hold-out and test set stay.
    """
    require(0 <= count < len(data.given), "count", f"in [0, {len(data.given)})", count, "Keep some images.")
    require(how in ("drop", "relabel"), "how", "drop or relabel", how, "Check the spelling.")
    first = table[["index", "suggested_number"]][:count].to_numpy(copy=True)
    index, label = torch.from_numpy(first).T
    if how == "relabel":
        return dataclasses.replace(data, given=data.given.index_copy(0, index, label))
    return _kept(data, torch.ones(len(data.given), dtype=torch.bool).index_fill(0, index, False))


def _kept(data: Dataset, kept: torch.Tensor) -> Dataset:
    """The part of the training images that a mask (N,) selects."""
    images = data.images.subset(kept) if isinstance(data.images, ImageFiles) else data.images[kept]
    part = dict(images=images, given=data.given[kept], true=None if data.true is None else data.true[kept])
    return dataclasses.replace(data, files=tuple(itertools.compress(data.files, kept.tolist())), **part)
