"""Rank the training images of a trained pair of networks by how suspect their labels are; clean a data set by it."""

import dataclasses
import math
import time
from collections.abc import Callable

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
from ..presets import for_folder
from ..trainer import Trainer
from . import features
from .features import margin

Table, Hook = pd.DataFrame, Callable[[Trainer, dict], None]
SECOND, FAVOURITES = {"features": "margin", "votes": "votes"}, ("suggested", "neighbours")  # columns of features.rank


def rank(trainer: Trainer) -> pd.DataFrame:
    """Rank all training images, the most suspect label first; a trainer that has not warmed up is refused.

    Returns a row an image: index (place in the data), file (if the images come from files), given and suggested (names;
    suggested is the argmax of the summed logits of both networks), suggested_number (in [0, C)), p_clean (mean of both
    networks' splits), confidence (probability of the suggested class), loss (classifier loss against the given label,
    mean of both networks, nats), and wrong (bool) if the true labels are known. Sorted by loss, the largest first,
    because p_clean is 0 or 1 to many digits away from its boundary (notebook 08).
    """
    least = max(1, trainer.config.warm_up * trainer.config.spec.semi)
    require(trainer.epoch >= least, "training", f"past its warm-up, epoch {least}", trainer.epoch, "Train longer.")
    outputs = [trainer.per_sample(net) for net in trainer.nets]
    splits = [trainer.split(out, trainer.epoch, which) for which, out in enumerate(outputs)]
    confidence, suggested = sum(out["logits"] for out in outputs).softmax(dim=1).cpu().max(dim=1)
    table = _tabulate(
        trainer.data,
        suggested.numpy(),
        p_clean=np.mean([split.p_clean for split in splits], axis=0),
        confidence=confidence.numpy(),
        loss=sum(out["loss_cls"] for out in outputs).cpu().numpy() / len(outputs),
    )
    return table.sort_values(["loss", "p_clean"], ascending=[False, True], ignore_index=True)


def find(data: Dataset, config: Config, *, progress: bool = True, on_epoch: Hook | None = None) -> tuple[Table, dict]:
    """Train on nine tenths of the images and rank the labels of all of them, the most suspect first.

    A method without a split is ranked by the margin (logit of the given label minus the best other one) averaged over
    both networks and all epochs, one with a split by that of its last epoch. An image that was held out is compared
    with the others that were, as margins are smaller there.

    Returns
    -------
    table : DataFrame
        Columns index, file (if there are files), given, suggested, suggested_number (in [0, C)), probability (mean of
        what the networks give to the suggestion), margin (nats), wrong (if the true labels are known).
    facts : dict
        held (number of images held out), accuracy (share of them whose given label is predicted), chance (share of the
        commonest class), seconds.
    """
    given, start = data.given.numpy(), time.perf_counter()
    count = min(max(len(given) // 10, min(100, len(given) // 5)), 2000)
    require(count > 0, "training images", "five at least", len(given), "Add images.")
    held = np.zeros(len(given), dtype=bool)
    held[np.random.default_rng([config.seed, 0x68656C64]).permutation(len(given))[:count]] = True
    mask, sums = torch.from_numpy(held), {"margin": 0.0, "p": 0.0}
    part = dataclasses.replace(
        _kept(data, ~mask), holdout_images=_of(data.images, mask), holdout_given=data.given[mask]
    )
    trainer = Trainer(config, part)
    require(part.given.unique().numel() > 1, "classes", "two at least", 1, "Put the images into class folders.")

    def add(trainer: Trainer, row: dict) -> None:
        logits = [trainer.predict(net, data.images)[0].float().cpu() for net in trainer.nets]
        keep = 0 if config.spec.semi else 1
        sums["margin"] = keep * sums["margin"] + np.mean([margin(one.numpy(), given) for one in logits], axis=0)
        sums["p"] = keep * sums["p"] + np.mean([one.softmax(dim=1).numpy() for one in logits], axis=0)
        if on_epoch is not None:
            on_epoch(trainer, row)

    row = trainer.fit(progress=progress, on_epoch=add).table.iloc[-1]
    shown = 1 if config.spec.semi else config.epochs
    margins, p = sums["margin"] / shown, sums["p"] / shown
    place = pd.Series(margins).groupby(held).rank(pct=True).to_numpy()
    table = _tabulate(data, p.argmax(axis=1), probability=p.max(axis=1), margin=margins)
    chance = np.bincount(given).max() / len(given)
    facts = dict(held=count, accuracy=row["holdout_accuracy"], chance=chance, seconds=time.perf_counter() - start)
    return table.iloc[np.argsort(place, kind="stable")].reset_index(drop=True), facts


def _tabulate(data: Dataset, suggested: np.ndarray, **measured: np.ndarray) -> Table:
    """A row an image: what is known of it, the suggested class (its number) and what was measured."""
    names = np.array(data.class_names, dtype=object)
    columns = {"index": range(len(data.given)), "file": data.files or None, "given": names[data.given.numpy()]}
    columns |= {"suggested": names[suggested], "suggested_number": suggested} | measured
    columns |= {"wrong": None if data.true is None else (data.true != data.given).numpy()}
    return pd.DataFrame({name: values for name, values in columns.items() if values is not None})


def settings_for(data: Dataset, method: str = "ce", **changes: object) -> Config:
    """Settings of `find` for images whose noise nobody knows; the steps follow the number of images, 16 passes."""
    passes = 0 if method == "ce" else 40
    steps = changes.pop("steps_per_epoch", max(passes, 20, len(data.given) // 64))
    return for_folder(data.num_classes, method=method, steps_per_epoch=steps, **changes)


def image_features(images: torch.Tensor | ImageFiles, side: int = 32, cell: int = 4, bins: int = 8) -> np.ndarray:
    """Histograms of gradient directions of uint8 images (N, c, H, W), and their colours, both cell by cell: (N, D)."""
    found = []
    for part in images.split(512):
        small = V.resize(part.cpu().float() / 255, [side, side], antialias=True)
        dy, dx = torch.gradient(small.mean(dim=1), dim=(1, 2))
        place = torch.atan2(dy, dx).remainder(math.pi) * bins / math.pi  # direction without sign, in bins
        low, strength = place.floor(), torch.hypot(dx, dy)
        weights = [(low % bins == b) * (1 + low - place) + ((low + 1) % bins == b) * (place - low) for b in range(bins)]
        cells = F.avg_pool2d(torch.stack([weight * strength for weight in weights], dim=1), cell)  # (n, bins, 8, 8)
        around = F.avg_pool2d(cells.square().sum(dim=1, keepdim=True), 3, stride=1, padding=1).sqrt()
        parts = cells / (around + 0.01), F.avg_pool2d(small, cell)
        found.append(torch.cat([one.flatten(1) for one in parts], dim=1).numpy())
    return np.concatenate(found)


def cross_check(table: Table, data: Dataset, seed: int = 0) -> tuple[Table, float]:
    """Add the rankings of `features.rank` by `image_features` to a table of `find`.

    New columns: rank (1 = most suspect), rank_features, rank_votes, and agree: how many of the three (network,
    regression, neighbours) prefer another class than the given one. Also returns the accuracy of the regression on
    given labels of images that it was not fitted on.
    """
    given = data.given.numpy()
    second = features.rank(Features(image_features(data.images), given, data.class_names), seed)
    places = {f"rank_{name}": second[column].rank(method="first") for name, column in SECOND.items()}
    added = pd.DataFrame(places).astype(int).iloc[table["index"]].reset_index(drop=True)
    rows = table["index"].to_numpy()
    favourites = [table["suggested_number"].to_numpy(), *(second[c].to_numpy()[rows] for c in FAVOURITES)]
    added["agree"] = np.sum([one != given[rows] for one in favourites], axis=0)
    accuracy = float((second["suggested"] == given).mean())
    return pd.concat([table, pd.DataFrame({"rank": np.arange(1, len(table) + 1)}), added], axis=1), accuracy


def cleaned(data: Dataset, table: pd.DataFrame, count: int, how: str = "drop") -> Dataset:
    """Return a data set without the first `count` suspects of a ranking, or (`how="relabel"`) as suggested for them.

    `table` is as from `rank`, in any order of its rows; `count` lies in [0, N). Hold-out and test set stay.
    """
    require(0 <= count < len(data.given), "count", f"in [0, {len(data.given)})", count, "Keep some images.")
    require(how in ("drop", "relabel"), "how", "drop or relabel", how, "Check the spelling.")
    first = torch.from_numpy(table["index"].to_numpy()[:count].copy())
    if how == "relabel":
        given = data.given.clone()
        given[first] = torch.from_numpy(table["suggested_number"].to_numpy()[:count].copy()).long()
        return dataclasses.replace(data, given=given)
    kept = torch.ones(len(data.given), dtype=torch.bool)
    kept[first] = False
    return _kept(data, kept)


def _of(images: torch.Tensor | ImageFiles, mask: torch.Tensor) -> torch.Tensor | ImageFiles:
    return images.subset(mask) if isinstance(images, ImageFiles) else images[mask]


def _kept(data: Dataset, kept: torch.Tensor) -> Dataset:
    """The part of the training images that a mask (N,) selects."""
    true = None if data.true is None else data.true[kept]
    files = tuple(file for file, stays in zip(data.files, kept.tolist()) if stays)
    return dataclasses.replace(data, images=_of(data.images, kept), given=data.given[kept], true=true, files=files)
