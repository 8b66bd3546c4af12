"""What a training needs of a data set: images, given labels, test set, names; made of arrays or by `data`."""

import hashlib
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ..engine.checks import check_labels, require
from . import noise
from .image_files import ImageFiles


@dataclass(frozen=True)
class Dataset:
    """Images with given labels, and the true ones where they are known.

    Attributes
    ----------
    name : str
        Name of the data set.
    images, test_images : Tensor or ImageFiles of shape (N, channels, H, W), uint8
        Training and test images, in memory or read from files when they are wanted. There may be no test images.
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
    holdout_images, holdout_given : Tensor or ImageFiles, and Tensor
        Training images set aside, with their given (wrong or right) labels, or Clothing1M's validation images; may be
        empty.
    origin : str
        Signature of the files that the images come from, whether they are in memory or not; empty for arrays.
    files : tuple of str
        Paths of the training images' files below the folder of the set, in the order of `images`; empty for arrays.
    """

    name: str
    images: Tensor | ImageFiles
    given: Tensor
    true: Tensor | None
    test_images: Tensor | ImageFiles
    test_labels: Tensor
    class_names: tuple[str, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    holdout_images: Tensor | ImageFiles
    holdout_given: Tensor
    origin: str = ""
    files: tuple[str, ...] = ()

    @property
    def num_classes(self) -> int:
        """C."""
        return len(self.class_names)

    @property
    def real_rate(self) -> float | None:
        """Share of the given labels that are wrong, in [0, 1]; None if the true ones are unknown."""
        return None if self.true is None else noise.real_rate(self.given.numpy(), self.true.numpy())

    def fingerprint(self) -> str:
        """First 12 hex digits of the SHA-256 over training images (or `origin`), given labels and test set."""
        digest = hashlib.sha256(self.origin.encode())
        labels = (self.given, self.test_labels)
        for tensor in labels if self.origin else (self.images, self.given, self.test_images, self.test_labels):
            digest.update(tensor.cpu().contiguous().numpy().tobytes())
        return digest.hexdigest()[:12]


def _channels_first(images: np.ndarray) -> Tensor:
    images = images[:, None] if images.ndim == 3 else images.transpose(0, 3, 1, 2)
    return torch.from_numpy(np.array(images, order="C"))  # a copy: what was passed may change or be read-only


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
    require(images.size > 0, "images", "at least one, of at least one pixel", images.shape, "Was anything read?")
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
