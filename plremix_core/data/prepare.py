"""Data sets by name or from folders, the part of one that a run trains on, and its noise."""

import dataclasses
from pathlib import Path

import numpy as np
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
    """Make a data set of your own images: one folder a class, or a list file.

    Parameters
    ----------
    root : path
        Folder of the images.
    train, test : str
        Inside `root`: a folder with one folder a class, or a list file with a line ``path label`` an image, paths
        relative to `root`. Without `train` the class folders lie in `root` itself; without `test` there is no test set.
    image_size : int
        Side of the square images, pixels: shorter sides are resized to it. 0 = all files already have one shape.
    class_names : tuple of str, optional
        Classes in order of their numbers; by default the names of the folders, sorted.
    name : str
        Shown in reports; by default the name of the folder.
    memory : int, optional
        Bytes that the images may take in memory; by default half of what is free. Above it they stay in their files
        and are read while training.

    Raises
    ------
    ValueError
        If a folder, file, label or image is not as said here; the message names it.
    """
    root = Path(root)
    files, names = _list_images(root, train, class_names)
    nothing = folders.Listed(root, [], [])
    tests = _list_images(root, test, names)[0] if test else nothing
    source = catalogue.Source(layout=lambda _: folders.Layout(names, files, tests, nothing), true_labels=False)
    return _read_files(_open_files(name or root.absolute().name, source, root, image_size), memory)


def _list_images(root: Path, place: str, names: tuple[str, ...] | None) -> tuple[folders.Listed, tuple[str, ...]]:
    if (root / place).is_file():
        return folders.list_file(root, place, names)
    return folders.class_folders(root / place, names)


def load(
    name: str, folder: str | Path | None = None, *, image_size: int | None = None, memory: int | None = None
) -> Dataset:
    """Load a known data set.

    Parameters
    ----------
    name : str
        Key of catalogue.SOURCES: fashion_mnist (bundled), cifar10, cifar100; tiny_imagenet, clothing1m, webvision (its
        first 50 classes); "folder": your own class folders, in `folder` itself or in its train/ and test/.
    folder : path, optional
        Where ``cifar10.npz`` or torchvision's download lies, or goes, or that file itself; by default the repository's
        data/. Of images in files the unpacked data set; by default data/ and the name.
    image_size, memory : int, optional
        See `from_folder`; the size is by default that of the catalogue.

    Raises
    ------
    ValueError
        If the name is unknown, the content is not that of the data set, or its layout is another one.
    """
    return _read_files(_open(name, folder, image_size), memory)


def _open(name: str, folder: str | Path | None, image_size: int | None) -> Dataset:
    """Load a known data set; images in files are not read."""
    source = catalogue.find(name)
    if source.layout:
        root = catalogue.FOLDER / name if folder is None else Path(folder)
        return _open_files(name, source, root, source.image_size if image_size is None else image_size)
    arrays = catalogue.read_arrays(name, catalogue.FOLDER if folder is None else Path(folder))
    true = arrays["train_labels"] if source.true_labels else None
    given = [arrays[part] for part in catalogue.PARTS]
    return from_arrays(*given, source.class_names, true=true, name=name, statistics=source.statistics)


def _open_files(name: str, source: catalogue.Source, root: Path, image_size: int) -> Dataset:
    """Make a data set of images in files, which are not read."""
    names, *parts = source.layout(root)
    shape = None if image_size else ImageFiles(parts[0].root, parts[0].paths, 0).shape
    train, test, holdout = (ImageFiles(part.root, part.paths, image_size, shape=shape) for part in parts)
    given, test_labels, holdout_given = (torch.tensor(part.labels, dtype=torch.int64) for part in parts)
    some = torch.linspace(0, len(train) - 1, min(SAMPLED, len(train))).long()
    mean, std = source.statistics or measure(train[some])
    true = given if source.true_labels else None
    return Dataset(name, train, given, true, test, test_labels, names, mean, std, holdout, holdout_given)


def _read_files(data: Dataset, memory: int | None, device: str = "auto") -> Dataset:
    """Read images of files into memory as far as `memory` bytes go."""
    if not isinstance(data.images, ImageFiles):
        return data
    limit, kept, origin = memory_limit(device) if memory is None else memory, {}, ""
    for part in ("images", "test_images", "holdout_images"):
        files = getattr(data, part)
        origin += files.signature() if part != "holdout_images" else ""
        fits = files.shape.numel() <= limit
        kept[part] = in_memory(files) if fits else files
        limit -= files.shape.numel() if fits else 0
    return dataclasses.replace(data, **kept, origin=origin, files=tuple(data.images.paths))


def prepare(settings: object, folder: str | Path | None = None, *, memory: int | None = None) -> Dataset:
    """Load the data set of a run, take its part, set the hold-out aside and corrupt the labels.

    Parameters
    ----------
    settings : Config
        Its fields dataset, image_size, train_size, holdout, noise, rate, label_file, seed and device are read.
    folder, memory : optional
        See `load`; the files of human labels lie in the folder, too.

    Returns
    -------
    Dataset
        The hold-out keeps its given labels and is class-balanced like the rest (by given labels where the true ones
        are unknown). With holdout = 0 it is the one of `load`.

    Raises
    ------
    ValueError
        If the data set is too small for train_size + holdout, or does not have that noise.

    Differs
    -------
    The same seed gives the same part and the same noise. The release seeds neither, and draws another part of
    Clothing1M for every epoch.
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
        return torch.from_numpy(label_files.human(kind, settings.dataset, place, whole.true.numpy()))[chosen]
    true = whole.true[chosen].numpy()
    given = noise.corrupt(true, kind, settings.rate, classes, whole.name, settings.seed, images)
    return torch.from_numpy(given)


def _draw_balanced(labels: np.ndarray, size: int, rng: np.random.Generator) -> Tensor:
    """Draw `size` indices whose classes come in turn, in random order within a class."""
    order = rng.permutation(len(labels))
    rank = np.empty(len(labels), dtype=np.int64)
    for c in np.unique(labels):
        members = order[labels[order] == c]
        rank[members] = np.arange(len(members))
    return torch.from_numpy(order[np.argsort(rank[order], kind="stable")][:size])
