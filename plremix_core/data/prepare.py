"""Data sets by name or from folders, the part of one that a run trains on, and its noise."""

import dataclasses
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from .noise import HUMAN
from ..engine.checks import require
from . import catalogue, folders, label_files
from . import noise as noise_module
from .dataset import Dataset, from_arrays
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

    Returns
    -------
    Dataset
        Given labels are those of the folders; the true ones are unknown. Mean and deviation are measured on up to
        1000 images.

    Raises
    ------
    ValueError
        If a folder, file, label or image is not as said here; the message names it.

    Source
    ------
    ours

    Differs
    -------
    nothing
    """
    root = Path(root)
    files, names = _listed(root, train, class_names)
    tests = _listed(root, test, names)[0] if test else folders.Listed(root, [], [])
    layout = folders.Layout(names, files, tests, folders.Listed(root, [], []), False)
    return _settled(_unread(name or root.absolute().name, layout, image_size, None), memory)


def _listed(root: Path, place: str, names: tuple[str, ...] | None) -> tuple[folders.Listed, tuple[str, ...]]:
    if (root / place).is_file():
        return folders.list_file(root, place, names)
    return folders.class_folders(root / place, names)


def load(
    name: str, folder: str | Path | None = None, *, image_size: int | None = None, memory: int | None = None
) -> Dataset:
    """Load a known data set, with its true labels if they are known.

    Parameters
    ----------
    name : str
        fashion_mnist (bundled), cifar10, cifar100; tiny_imagenet, clothing1m, webvision (its first 50 classes);
        "folder": your own class folders, in `folder` itself or in its train/ and test/.
    folder : path, optional
        Where ``cifar10.npz`` (arrays train_images, train_labels, test_images, test_labels) or torchvision's
        download lies, or that file itself; by default the repository's data/. CIFAR is downloaded there by
        torchvision if it is missing. For the others the unpacked data set; by default data/ and the name.
    image_size : int, optional
        See `from_folder`; by default 64, 256, 320 and 64 pixels for the last four. Of no use for the first three.
    memory : int, optional
        See `from_folder`.

    Returns
    -------
    Dataset
        Given = true labels, or those that came with the images. The hold-out of clothing1m is its validation set.

    Raises
    ------
    ValueError
        If the name is unknown, the content is not that of the data set, or its layout is another one.

    Source
    ------
    Release: data/*.py.

    Differs
    -------
    The release unpickles and hashes CIFAR's archive at every epoch.
    """
    return _settled(_opened(name, folder, image_size), memory)


def _opened(name: str, folder: str | Path | None, image_size: int | None) -> Dataset:
    """The data set, images of folders not read yet."""
    if name in folders.LAYOUTS:
        root = catalogue.FOLDER / name if folder is None else Path(folder)
        size = catalogue.IMAGE_SIZE[name] if image_size is None else image_size
        return _unread(name, folders.LAYOUTS[name](root), size, catalogue.STATISTICS[name])
    arrays = catalogue.read(name, catalogue.FOLDER if folder is None else Path(folder))
    train_images, train_labels, test_images, test_labels = (arrays[part] for part in catalogue.PARTS)
    names, statistics = catalogue.CLASS_NAMES[name], catalogue.STATISTICS[name]
    tests = test_images, test_labels, names
    return from_arrays(train_images, train_labels, *tests, true=train_labels, name=name, statistics=statistics)


def _unread(name: str, layout: folders.Layout, image_size: int, statistics: tuple | None) -> Dataset:
    parts = [layout.train, layout.test, layout.validation]
    shape = None if image_size else ImageFiles(layout.train.root, layout.train.paths, 0).shape
    train, test, validation = (ImageFiles(part.root, part.paths, image_size, shape=shape) for part in parts)
    labels, test_labels, validation_labels = (torch.tensor(part.labels, dtype=torch.int64) for part in parts)
    if statistics is None:
        some = train[torch.linspace(0, len(train) - 1, min(SAMPLED, len(train))).long()]
        pixels = some.double().div(255).transpose(0, 1).flatten(1)  # (n, 3, H, W) -> (3, n*H*W)
        statistics = tuple(pixels.mean(dim=1).tolist()), tuple(pixels.std(dim=1).clamp_min(1e-3).tolist())
    tests = test, test_labels, layout.names
    true = labels if layout.known else None
    return Dataset(name, train, labels, true, *tests, *statistics, validation, validation_labels)


def _settled(data: Dataset, memory: int | None, device: str = "auto") -> Dataset:
    """Images of files read into memory as far as `memory` bytes go."""
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


def prepare(config, folder: str | Path | None = None, *, memory: int | None = None) -> Dataset:
    """Load the data set of `config`, take its part, set the hold-out aside and corrupt the labels.

    Parameters
    ----------
    config : Config
        Fields dataset, image_size, train_size, holdout, noise, rate, label_file, seed and device are used.
    folder : path, optional
        See `load`; the files of human labels lie there too.
    memory : int, optional
        See `from_folder`.

    Returns
    -------
    Dataset
        The hold-out keeps its given labels and is class-balanced like the rest (by given labels where the true ones
        are unknown). With holdout = 0 it is the one of `load`.

    Raises
    ------
    ValueError
        If the data set is too small for train_size + holdout, or has not that noise.

    Source
    ------
    ours

    Differs
    -------
    The same seed gives the same part and the same noise; the release seeds neither, and draws another part of
    Clothing1M for every epoch.
    """
    whole = _opened(config.dataset, folder, config.image_size)
    size = config.train_size or len(whole.images) - config.holdout
    require(size > 0, "holdout", f"below the {len(whole.images)} training images", config.holdout, "Lower it.")
    wanted = size + config.holdout
    require(
        0 < wanted <= len(whole.images), "train_size", f"at most {len(whole.images)} with holdout", wanted, "Lower it."
    )
    labels = whole.given if whole.true is None else whole.true
    chosen = _balanced(labels.numpy(), wanted, np.random.default_rng([config.seed, 0x64617461]))
    images = _taken(whole.images, chosen)
    given = _given(config, whole, chosen, images, folder)
    part = dataclasses.replace(
        whole,
        images=_taken(images, slice(size)),
        given=given[:size],
        true=None if whole.true is None else whole.true[chosen[:size]],
    )
    if config.holdout:
        part = dataclasses.replace(part, holdout_images=_taken(images, slice(size, None)), holdout_given=given[size:])
    return _settled(part, memory, config.device)


def _taken(images: Tensor | ImageFiles, index: Tensor | slice) -> Tensor | ImageFiles:
    return images.subset(index) if isinstance(images, ImageFiles) else images[index]


def _given(config, whole: Dataset, chosen: Tensor, images: Tensor, folder: str | Path | None) -> Tensor:
    """Given labels (n,) of the chosen samples (n,), whose images are `images`."""
    if config.noise == "none":
        return whole.given[chosen]
    if config.noise == "file":
        given = label_files.read(config.label_file, len(whole.given), whole.num_classes)
        return torch.from_numpy(given)[chosen]
    known = whole.true is not None
    require(known, "noise", f"none or file on {whole.name}", config.noise, "Its true labels are not known.")
    if config.noise in HUMAN:
        place = catalogue.FOLDER if folder is None else Path(folder)
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
