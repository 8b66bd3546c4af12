"""Data sets as arrays: the bundled part of Fashion-MNIST, CIFAR-10/100, and arrays of the user's own."""

import dataclasses
import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from . import noise as noise_module
from . import sources
from .checks import check_labels, require
from .config import Config


@dataclass(frozen=True)
class Dataset:
    """Images with given labels, and the true ones where they are known.

    Attributes
    ----------
    name : str
        Name of the data set.
    images, test_images : Tensor of shape (N, channels, H, W), uint8
        Training and test images.
    given : Tensor of shape (N,), int64
        Given labels of the training images, which may be wrong.
    true : Tensor of shape (N,), int64, or None
        True labels of the training images, if known. Never used for training.
    test_labels : Tensor of shape (M,), int64
        True labels of the test images.
    class_names : tuple of str
        One name a class; C = its length.
    mean, std : tuple of float
        For normalisation, pixels in [0, 1], one value a channel.
    holdout_images, holdout_given : Tensor
        Training images set aside, with their given (wrong or right) labels; may be empty.
    """

    name: str
    images: Tensor
    given: Tensor
    true: Tensor | None
    test_images: Tensor
    test_labels: Tensor
    class_names: tuple[str, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    holdout_images: Tensor
    holdout_given: Tensor

    @property
    def num_classes(self) -> int:
        """C."""
        return len(self.class_names)

    def fingerprint(self) -> str:
        """First 12 hex digits of the SHA-256 over training images, given labels and test set."""
        digest = hashlib.sha256()
        for tensor in (self.images, self.given, self.test_images, self.test_labels):
            digest.update(tensor.cpu().contiguous().numpy().tobytes())
        return digest.hexdigest()[:12]


def _channels_first(images: np.ndarray) -> Tensor:
    images = images[:, None] if images.ndim == 3 else images.transpose(0, 3, 1, 2)
    return torch.from_numpy(np.ascontiguousarray(images))


def from_arrays(
    images: np.ndarray,
    given: np.ndarray,
    test_images: np.ndarray,
    test_labels: np.ndarray,
    class_names: tuple[str, ...],
    *,
    true: np.ndarray | None = None,
    name: str = "arrays",
    statistics: tuple[tuple[float, ...], tuple[float, ...]] | None = None,
) -> Dataset:
    """Make a data set of arrays.

    Parameters
    ----------
    images, test_images : ndarray of shape (N, H, W) or (N, H, W, 3), uint8
        Grey or colour images.
    given, test_labels : ndarray of shape (N,), integers in [0, C)
        Given labels of the training images; true labels of the test images.
    class_names : tuple of str
        One name a class.
    true : ndarray of shape (N,), optional
        True labels of the training images, to measure the division by.
    name : str
        Shown in reports.
    statistics : pair of tuples of float, optional
        Mean and deviation a channel of pixels in [0, 1]; measured on `images` if left out.

    Returns
    -------
    Dataset

    Raises
    ------
    ValueError
        If an array has another type or shape, or a label lies outside [0, C).

    Source
    ------
    ours

    Differs
    -------
    nothing
    """
    for label, array in (("images", images), ("test_images", test_images)):
        shape_ok = array.ndim == 3 or (array.ndim == 4 and array.shape[3] == 3)
        require(array.dtype == np.uint8, label, "uint8", array.dtype, "Scale to 0..255 and convert.")
        require(shape_ok, label, "of shape (N, H, W) or (N, H, W, 3)", array.shape, "Move the channels last.")
    require(
        images.shape[1:] == test_images.shape[1:],
        "test_images",
        f"shaped {images.shape[1:]}",
        test_images.shape[1:],
        "Resize.",
    )
    train = _channels_first(images)
    labels = {"given": given, "test_labels": test_labels} | ({} if true is None else {"true": true})
    for key, value in labels.items():
        kind = np.asarray(value).dtype
        require(np.issubdtype(kind, np.integer), key, "integers", kind, "Number the classes from 0.")
    labels = {key: torch.from_numpy(np.asarray(value).astype(np.int64)) for key, value in labels.items()}
    for key, value in labels.items():
        check_labels(value, len(class_names), len(test_images if key == "test_labels" else images), key)
    if statistics is None:
        pixels = train.double().div(255).transpose(0, 1).flatten(1)  # (N, c, H, W) -> (c, N*H*W)
        statistics = tuple(pixels.mean(dim=1).tolist()), tuple(pixels.std(dim=1).clamp_min(1e-3).tolist())
    empty = train[:0], labels["given"][:0]
    tests = _channels_first(test_images), labels["test_labels"]
    return Dataset(name, train, labels["given"], labels.get("true"), *tests, tuple(class_names), *statistics, *empty)


def load(name: str, folder: str | Path | None = None) -> Dataset:
    """Load a known data set with its true labels, checked by the sums of its content.

    Parameters
    ----------
    name : str
        fashion_mnist (bundled), cifar10 or cifar100.
    folder : path, optional
        Where ``cifar10.npz`` (arrays train_images, train_labels, test_images, test_labels) or torchvision's
        download lies; by default the repository's data/. CIFAR is downloaded there by torchvision if it is missing.

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
        Fields dataset, train_size, holdout, noise, rate and seed are used.
    folder : path, optional
        See `load`.

    Returns
    -------
    Dataset
        The hold-out keeps its given labels and is class-balanced like the rest.

    Raises
    ------
    ValueError
        If the data set is too small for train_size + holdout.

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
    chosen = _balanced(whole.true.numpy(), wanted, np.random.default_rng([config.seed, 0x64617461]))
    true = whole.true[chosen]
    given = noise_module.corrupt(
        true.numpy(), config.noise, config.rate, whole.num_classes, config.dataset, config.seed
    )
    images, given = whole.images[chosen], torch.from_numpy(given)
    return dataclasses.replace(
        whole,
        images=images[:size],
        given=given[:size],
        true=true[:size],
        holdout_images=images[size:],
        holdout_given=given[size:],
    )


def _balanced(labels: np.ndarray, size: int, rng: np.random.Generator) -> Tensor:
    """Indices of `size` samples whose classes come in turn, in random order within a class."""
    order = rng.permutation(len(labels))
    rank = np.empty(len(labels), dtype=np.int64)
    for c in np.unique(labels):
        members = order[labels[order] == c]
        rank[members] = np.arange(len(members))
    return torch.from_numpy(order[np.argsort(rank[order], kind="stable")][:size])
