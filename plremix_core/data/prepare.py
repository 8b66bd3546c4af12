"""Data sets by name or from folders, the part of one that a run trains on, and its noise."""

import dataclasses
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from ..engine.checks import require
from . import catalogue, folders, label_files, noise
from .dataset import Dataset, from_arrays, measure
from .image_files import ImageFiles, in_memory, memory_limit

__all__ = ["Dataset", "from_arrays", "from_folder", "load", "prepare"]
SAMPLED = 1000  # images that mean and deviation are measured on


def from_folder(
    root: str | Path,
    train: str = "",
    test: str = "",
    *,
    image_size: int = 0,
    class_names: tuple[str, ...] | None = None,
    name: str = "",
    memory: int | None = None,
) -> Dataset:
    """Make a data set of your own images, whose true labels are unknown.

    `train` and `test` are, in `root`, a folder with one folder a class, or a list file with a line ``path label`` an
    image, paths relative to `root`. Without `train` the class folders lie in `root` itself; without `test` there is no
    test set. Images become squares of `image_size` pixels (0 = all files already have one shape). Classes are numbered
    in the order of `class_names`, by default the folders' names, sorted. Images that need more than `memory` bytes, by
    default half of what is free, stay in their files and are read while training.
    """
    root = Path(root)
    layout = folders.own(root, train, test, class_names)
    return _read_files(_open_layout(name or root.absolute().name, root, layout, image_size), memory)


def load(
    name: str, folder: str | Path | None = None, *, image_size: int | None = None, memory: int | None = None
) -> Dataset:
    """Load a data set of catalogue.SOURCES, with the labels that come with its images.

    `folder` is where the .npz or torchvision's download lies, or goes, or that .npz itself; of images in files the
    unpacked data set. By default it is the repository's data/, or the name in it. Others as for `from_folder`.
    """
    return _read_files(_open(name, folder, image_size), memory)


def _open(name: str, folder: str | Path | None, image_size: int | None) -> Dataset:
    """Make a data set of the catalogue; images in files are not read."""
    known = ", ".join(catalogue.SOURCES)
    remedy = "For your own use data.from_arrays or data.from_folder."
    require(name in catalogue.SOURCES, "dataset", f"one of {known}", name, remedy)
    source = catalogue.SOURCES[name]
    place = catalogue.FOLDER if folder is None else Path(folder)
    if source.layout:
        place = place / name if folder is None else place
        size = source.image_size if image_size is None else image_size
        return _open_layout(name, place, source.layout(place), size, source.statistics, source.true_labels)
    arrays = catalogue.read_arrays(name, place)
    true = arrays["train_labels"] if source.true_labels else None
    given = [arrays[part] for part in catalogue.PARTS]
    return from_arrays(*given, source.class_names, true=true, name=name, statistics=source.statistics)


def _open_layout(
    name: str, root: Path, layout: folders.Layout, size: int, statistics: tuple | None = None, true_labels: bool = False
) -> Dataset:
    """Make a data set of images in files, which are not read."""
    names, *parts = layout
    paths = [[path for path, _ in pairs] for pairs in parts]
    shape = None if size else ImageFiles(root, paths[0], 0).shape
    train, test, holdout = (ImageFiles(root, below, size, shape=shape) for below in paths)
    given, test_labels, holdout_given = (torch.tensor([c for _, c in pairs], dtype=torch.int64) for pairs in parts)
    some = torch.linspace(0, len(train) - 1, min(SAMPLED, len(train))).long()
    mean, std = statistics or measure(train[some])
    true = given if true_labels else None
    return Dataset(name, train, given, true, test, test_labels, names, mean, std, holdout, holdout_given)


def _read_files(data: Dataset, memory: int | None, device: str = "auto") -> Dataset:
    """Read images of files into memory as far as `memory` bytes go."""
    if not isinstance(data.images, ImageFiles):
        return data
    origin = data.images.signature() + data.test_images.signature()
    limit, kept = memory_limit(device) if memory is None else memory, {}
    for part in ("images", "test_images", "holdout_images"):
        files = getattr(data, part)
        if files.shape.numel() <= limit:
            kept[part] = in_memory(files)
            limit -= files.shape.numel()
    return dataclasses.replace(data, **kept, origin=origin, files=tuple(data.images.paths))


def prepare(settings: object, folder: str | Path | None = None, *, memory: int | None = None) -> Dataset:
    """Load the data set of a run, take its part, set the hold-out aside and corrupt the labels.

    Read are the fields dataset, image_size, train_size, holdout, noise, rate, label_file, seed and device of the
    `settings`, a Config. `folder` and `memory` are those of `load`; the files of human labels lie in the folder, too.
    The hold-out keeps its given labels and is class-balanced like the rest; with holdout = 0 it is the one of `load`.

    Differs: seeded; the release seeds neither part nor noise, and draws another part of Clothing1M for every epoch.
    """
    whole = _open(settings.dataset, folder, settings.image_size)
    count, holdout = len(whole.images), settings.holdout
    size = settings.train_size or count - holdout
    require(size > 0, "holdout", f"below the {count} training images", holdout, "Lower it.")
    require(size + holdout <= count, "train_size", f"at most {count} with holdout", size + holdout, "Lower it.")
    labels = whole.given if whole.true is None else whole.true
    chosen = _draw_balanced(labels.numpy(), size + holdout, np.random.default_rng([settings.seed, 0x64617461]))
    images = _select(whole.images, chosen)
    given = _corrupt(settings, whole, chosen, images, folder)
    true = None if whole.true is None else whole.true[chosen[:size]]
    part = dataclasses.replace(whole, images=_select(images, slice(size)), given=given[:size], true=true)
    if holdout:
        held = _select(images, slice(size, None))
        part = dataclasses.replace(part, holdout_images=held, holdout_given=given[size:])
    return _read_files(part, memory, settings.device)


def _select(images: Tensor | ImageFiles, index: Tensor | slice) -> Tensor | ImageFiles:
    return images.subset(index) if isinstance(images, ImageFiles) else images[index]


def _corrupt(settings: object, whole: Dataset, chosen: Tensor, images: Tensor, folder: str | Path | None) -> Tensor:
    """Return the given labels (n,) of the chosen samples (n,), whose images are `images`."""
    kind, classes = settings.noise, whole.num_classes
    if kind == "none":
        return whole.given[chosen]
    if kind == "file":
        return torch.from_numpy(label_files.read(settings.label_file, len(whole.given), classes))[chosen]
    known = whole.true is not None
    require(known, "noise", f"none or file on {whole.name}", kind, "Its true labels are not known.")
    if kind in noise.HUMAN:
        place = catalogue.FOLDER if folder is None else Path(folder)
        place = place.parent if place.suffix == ".npz" else place
        return torch.from_numpy(label_files.human(kind, whole.name, place, whole.true.numpy()))[chosen]
    true = whole.true[chosen].numpy()
    given = noise.corrupt(true, kind, settings.rate, classes, whole.name, settings.seed, images)
    return torch.from_numpy(given)


def _draw_balanced(labels: np.ndarray, size: int, rng: np.random.Generator) -> Tensor:
    """Draw `size` indices whose classes come in turn, in random order within a class."""
    order = rng.permutation(len(labels))
    rank = pd.Series(order).groupby(labels[order]).cumcount().to_numpy()
    return torch.from_numpy(order[np.argsort(rank, kind="stable")][:size])
