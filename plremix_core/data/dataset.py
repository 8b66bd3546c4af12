"""What a training needs of a data set: images, given labels, test set and names."""

import hashlib
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ..engine.checks import check_labels, require
from .image_files import ImageFiles
from .noise import real_rate


@dataclass(frozen=True)
class Dataset:
    """Images with given labels, and the true ones where they are known; images are uint8 (N, channels, H, W)."""

    name: str
    images: Tensor | ImageFiles  # of training, in memory or read from files while training
    given: Tensor  # given labels (N,), int64, which may be wrong
    true: Tensor | None  # true labels (N,), if known; never used for training
    test_images: Tensor | ImageFiles  # there may be none
    test_labels: Tensor  # true labels (M,) of the test images
    class_names: tuple[str, ...]  # one a class
    mean: tuple[float, ...]  # for normalisation, pixels in [0, 1], one value a channel
    std: tuple[float, ...]
    holdout_images: Tensor | ImageFiles  # training images set aside, or Clothing1M's validation images; maybe none
    holdout_given: Tensor  # their given labels
    origin: str = ""  # signature of the files that images come from, in memory or not; empty for arrays
    files: tuple[str, ...] = ()  # paths of the files of `images` below the folder of the set; empty for arrays

    @property
    def num_classes(self) -> int:
        """C."""
        return len(self.class_names)

    @property
    def real_rate(self) -> float | None:
        """Share of the given labels that are wrong, in [0, 1]; None if the true ones are unknown."""
        return None if self.true is None else real_rate(self.given.numpy(), self.true.numpy())

    def fingerprint(self) -> str:
        """First 12 hex digits of the SHA-256 over training images (or `origin`), given labels and test set."""
        digest = hashlib.sha256(self.origin.encode())
        labels = (self.given, self.test_labels)
        for tensor in labels if self.origin else (self.images, self.given, self.test_images, self.test_labels):
            digest.update(tensor.cpu().contiguous().numpy().tobytes())
        return digest.hexdigest()[:12]


def measure(images: Tensor) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and deviation of each channel of images (N, c, H, W), uint8, pixels in [0, 1]; no deviation is 0."""
    pixels = images.double().div(255).transpose(0, 1).flatten(1)  # (N, c, H, W) -> (c, N*H*W)
    return tuple(pixels.mean(dim=1).tolist()), tuple(pixels.std(dim=1).clamp_min(1e-3).tolist())


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
    """Make a data set of arrays, which are copied.

    Images are uint8 of shape (N, H, W) or (N, H, W, 3), labels integers in [0, C): `given` those of training images,
    which may be wrong, `test_labels` true ones. `true` labels (N,) measure splits. `statistics`, mean and deviation
    of each channel with pixels in [0, 1], are by default measured on `images`.
    """
    for key, array in (("images", images), ("test_images", test_images)):
        shape_ok = array.ndim == 3 or (array.ndim == 4 and array.shape[3] == 3)
        require(array.dtype == np.uint8, key, "uint8", array.dtype, "Scale to 0..255 and convert.")
        require(shape_ok, key, "of shape (N, H, W) or (N, H, W, 3)", array.shape, "Move the channels last.")
    require(images.size > 0, "images", "at least one, of at least one pixel", images.shape, "Was anything read?")
    single, other = images.shape[1:], test_images.shape[1:]
    require(single == other, "test_images", f"shaped {single}", other, "Resize.")
    labels = {"given": given, "test_labels": test_labels} | ({} if true is None else {"true": true})
    for key, value in labels.items():
        kind = np.asarray(value).dtype
        require(np.issubdtype(kind, np.integer), key, "integers", kind, "Number the classes from 0.")
        labels[key] = torch.from_numpy(np.asarray(value).astype(np.int64))
        check_labels(labels[key], len(class_names), len(test_images if key == "test_labels" else images), key)
    train, test = _channels_first(images), _channels_first(test_images)
    mean, std = statistics or measure(train)
    return Dataset(
        name, train, labels["given"], labels.get("true"), test, labels["test_labels"], tuple(class_names), mean, std,
        holdout_images=train[:0], holdout_given=labels["given"][:0],
    )  # fmt: skip


def _channels_first(images: np.ndarray) -> Tensor:
    """Copy images (N, H, W) or (N, H, W, 3) into a tensor (N, c, H, W)."""
    images = images[:, None] if images.ndim == 3 else images.transpose(0, 3, 1, 2)
    return torch.from_numpy(np.array(images, order="C"))
