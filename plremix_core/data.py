"""Data sets by name or from folders, the part of one that a run trains on, and its noise."""

import dataclasses
import warnings
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from . import label_files, sources
from . import noise as noise_module
from .checks import require
from .config import HUMAN, Config
from .dataset import Dataset, from_arrays

__all__ = ["Dataset", "from_arrays", "load", "prepare"]


def load(name: str, folder: str | Path | None = None) -> Dataset:
    """Load a known data set with its true labels, checked by the sums of its content.

    Parameters
    ----------
    name : str
        fashion_mnist (bundled), cifar10 or cifar100.
    folder : path, optional
        Where ``cifar10.npz`` (arrays train_images, train_labels, test_images, test_labels) or torchvision's
        download lies, or that file itself; by default the repository's data/. CIFAR is downloaded there by
        torchvision if it is missing.

    Returns
    -------
    Dataset
        With given = true labels; see `prepare` for noise.

    Raises
    ------
    ValueError
        If the name is unknown or the content is not that of the data set.

    Source
    ------
    ours

    Differs
    -------
    The release unpickles and hashes the archive at every epoch.
    """
    arrays = sources.read(name, sources.FOLDER if folder is None else Path(folder))
    train_images, train_labels, test_images, test_labels = (arrays[part] for part in sources.PARTS)
    names, statistics = sources.CLASS_NAMES[name], sources.STATISTICS[name]
    tests = test_images, test_labels, names
    return from_arrays(train_images, train_labels, *tests, true=train_labels, name=name, statistics=statistics)


def prepare(config: Config, folder: str | Path | None = None) -> Dataset:
    """Load the data set of `config`, take its part, set the hold-out aside and corrupt the labels.

    Parameters
    ----------
    config : Config
        Fields dataset, train_size, holdout, noise, rate, label_file and seed are used.
    folder : path, optional
        See `load`; the files of human labels lie there too.

    Returns
    -------
    Dataset
        The hold-out keeps its given labels and is class-balanced like the rest.

    Raises
    ------
    ValueError
        If the data set is too small for train_size + holdout, or has not that noise.

    Source
    ------
    ours

    Differs
    -------
    The same seed gives the same part and the same noise; the release seeds neither.
    """
    whole = load(config.dataset, folder)
    size = config.train_size or len(whole.images) - config.holdout
    require(size > 0, "holdout", f"below the {len(whole.images)} training images", config.holdout, "Lower it.")
    wanted = size + config.holdout
    require(
        0 < wanted <= len(whole.images), "train_size", f"at most {len(whole.images)} with holdout", wanted, "Lower it."
    )
    labels = whole.given if whole.true is None else whole.true
    chosen = _balanced(labels.numpy(), wanted, np.random.default_rng([config.seed, 0x64617461]))
    images = whole.images[chosen]
    given = _given(config, whole, chosen, images, folder)
    return dataclasses.replace(
        whole,
        images=images[:size],
        given=given[:size],
        true=None if whole.true is None else whole.true[chosen[:size]],
        holdout_images=images[size:],
        holdout_given=given[size:],
    )


def _given(config: Config, whole: Dataset, chosen: Tensor, images: Tensor, folder: str | Path | None) -> Tensor:
    """Given labels (n,) of the chosen samples (n,), whose images are `images`."""
    if config.noise == "none":
        return whole.given[chosen]
    if config.noise == "file":
        given = label_files.read(config.label_file, len(whole.given), whole.num_classes)
        if whole.true is not None and noise_module.real_rate(given, whole.true.numpy()) > 1 - 1 / whole.num_classes:
            warnings.warn(f"{config.label_file} is right no more often than by chance: another order?", stacklevel=3)
        return torch.from_numpy(given)[chosen]
    known = whole.true is not None
    require(known, "noise", f"none or file on {whole.name}", config.noise, "Its true labels are not known.")
    if config.noise in HUMAN:
        place = sources.FOLDER if folder is None else Path(folder)
        place = place.parent if place.suffix == ".npz" else place
        given = label_files.human(config.noise, config.dataset, place, whole.true.numpy())
        return torch.from_numpy(given)[chosen]
    true, rate = whole.true[chosen].numpy(), config.rate
    classes = whole.num_classes
    return torch.from_numpy(noise_module.corrupt(true, config.noise, rate, classes, whole.name, config.seed, images))


def _balanced(labels: np.ndarray, size: int, rng: np.random.Generator) -> Tensor:
    """Indices of `size` samples whose classes come in turn, in random order within a class."""
    order = rng.permutation(len(labels))
    rank = np.empty(len(labels), dtype=np.int64)
    for c in np.unique(labels):
        members = order[labels[order] == c]
        rank[members] = np.arange(len(members))
    return torch.from_numpy(order[np.argsort(rank[order], kind="stable")][:size])
