"""What a training needs of a data set: images, given labels, test set and names."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from ..engine.checks import check_labels, require
from .features import as_array
from .image_files import ImageFiles
from .label_files import readable, tell_apart
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
    notes: tuple[str, ...] = ()  # how the data were understood and what was left out, in sentences
    source: dict = field(default_factory=dict)  # how they were made, for `sets.reopen`; empty for arrays
    own: bool = False  # files that nobody has checked

    def __post_init__(self) -> None:
        object.__setattr__(self, "class_names", tell_apart(self.class_names))

    @property
    def num_classes(self) -> int:
        """C."""
        return len(self.class_names)

    @property
    def real_rate(self) -> float | None:
        """Share of the given labels that are wrong, in [0, 1]; None if the true ones are unknown."""
        return None if self.true is None else real_rate(self.given.numpy(), self.true.numpy())

    def about(self) -> dict[str, object]:
        """What a network needs to be used without the data: names, statistics, shape of an image, N."""
        shape, statistics = list(self.images.shape[1:]), [list(self.mean), list(self.std)]
        return dict(names=list(self.class_names), statistics=statistics, shape=shape, samples=len(self.given))

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


def describe(data: Dataset) -> str:
    """Say how a data set was understood: images, classes with their counts, labels, hold-out, test set, what was left.

    It may be read already or not (see `sets.open_set`). One line a subject.
    """
    counts = torch.bincount(data.given, minlength=data.num_classes).tolist()
    named = ", ".join(f"{name} {count:,}" for name, count in zip(data.class_names, counts))
    channels, height, width = data.images.shape[1:]
    kind = f"{width} x {height} pixels, {'grey' if channels == 1 else 'RGB'}"
    wrong = "an unknown share" if data.real_rate is None else f"{data.real_rate:.1%}"
    held, tested = len(data.holdout_images), len(data.test_images)
    aside = f"{held:,} images, with their given labels" if held else "none; --holdout N sets N training images aside"
    unseen = f"{tested:,} images" if tested else "none, so accuracy on unseen images with right labels is not known"
    lines = [f"{len(data.given):,} training images of {data.num_classes} classes, {kind}", f"classes: {named}"]
    lines += [f"wrong labels: {wrong}", f"hold-out: {aside}", f"test set: {unseen}", *data.notes]
    if data.num_classes == 2:
        lines += ["two classes leave the contrastive loss few negative pairs; --method dividemix-2d does without it"]
    return readable("\n  ".join(lines))


Array = np.ndarray | Tensor | Sequence


def from_arrays(
    images: Array,
    given: Array,
    test_images: Array | None = None,
    test_labels: Array | None = None,
    class_names: Sequence[str] | int | None = None,
    *,
    true: Array | None = None,
    name: str = "arrays",
    statistics: tuple[tuple[float, ...], tuple[float, ...]] | None = None,
) -> Dataset:
    """Make a data set of arrays, tensors or lists, which are copied.

    Images are uint8 of shape (N, H, W), (N, H, W, 1) or (N, H, W, 3), labels integers in [0, C): `given` those of
    training images, which may be wrong, `test_labels` true ones; there may be no test set. `class_names` are C names,
    or their number; by default, the numbers that occur. `true` labels (N,) measure splits. `statistics`, mean and
    deviation of each channel with pixels in [0, 1], are by default measured on `images`.
    """
    both = (test_images is None) == (test_labels is None)
    lacking = "test_labels" if test_labels is None else "test_images"
    require(both, lacking, "given with the other one", None, "Pass both, or neither where there is no test set.")
    train = _pixels(images, "images")
    require(train.numel() > 0, "images", "of at least one pixel", tuple(train.shape), "Was anything read?")
    test = train[:0] if test_images is None else _pixels(test_images, "test_images")
    single, other = tuple(train.shape[1:]), tuple(test.shape[1:])
    require(single == other, "test_images", f"of (channels, height, width) = {single}", other, "Resize.")
    labels = {"given": given, "test_labels": [] if test_labels is None else test_labels}
    labels |= {} if true is None else {"true": true}
    for key, value in labels.items():
        array = as_array(value, key)
        whole = array.dtype.kind in "iu" or array.size == 0
        require(whole, key, "integers", array.dtype, "Number the classes from 0.")
        labels[key] = torch.from_numpy(array.astype(np.int64))
    if class_names is None or isinstance(class_names, (int, np.integer)):
        highest = max((int(value.max()) for value in labels.values() if value.numel()), default=0)
        class_names = [str(c) for c in range(highest + 1 if class_names is None else class_names)]
    listed = isinstance(class_names, (Sequence, np.ndarray)) and len(class_names) > 0
    require(listed, "class_names", "a list of names", class_names, "Example: ['cat', 'dog'].")
    for key, value in labels.items():
        check_labels(value, len(class_names), len(test if key == "test_labels" else train), key)
    mean, std = statistics or measure(train)
    return Dataset(
        name, train, labels["given"], labels.get("true"), test, labels["test_labels"], tuple(class_names), mean, std,
        holdout_images=train[:0], holdout_given=labels["given"][:0],
    )  # fmt: skip


def _pixels(value: Array, key: str) -> Tensor:
    """Images as a tensor (N, c, H, W) of their own, uint8; whole numbers of lists in 0..255 are taken for uint8."""
    array = as_array(value, key)
    if isinstance(value, (list, tuple)) and array.dtype.kind in "iu" and array.size:
        array = array.astype(np.uint8) if 0 <= array.min() and array.max() <= 255 else array
    remedy = "Scale to 0..255 and convert: (255 * images).round().astype('uint8') if they lie in [0, 1]."
    require(array.dtype == np.uint8, key, "uint8", array.dtype, remedy)
    shape_ok = array.ndim == 3 or (array.ndim == 4 and array.shape[3] in (1, 3))
    axes = "images.permute(0, 2, 3, 1)" if isinstance(value, Tensor) else "images.transpose(0, 2, 3, 1)"
    rule = "of shape (N, H, W), (N, H, W, 1) or (N, H, W, 3)"
    require(shape_ok, key, rule, array.shape, f"Move the channels last: {axes}.")
    array = array[:, None] if array.ndim == 3 else array.transpose(0, 3, 1, 2)
    return torch.from_numpy(np.array(array, order="C"))
