"""Wrong labels on purpose, from an explicit generator; nominal and real rate."""

import numpy as np
import torch
from torch import Tensor

from ..engine.checks import require

RATED = ("sym", "asym", "asym-consecutive", "instance")  # noises drawn at a rate; see `corrupt`
HUMAN = ("aggre", "random1", "random2", "random3", "worse", "fine")  # columns of CIFAR-10N, and CIFAR-100N (fine)
NOISES = (*RATED, *HUMAN, "file", "none")
SUPER_CLASS = (  # of CIFAR-100's 100 classes in order of their number; 20 super-classes of five
    4, 1, 14, 8, 0, 6, 7, 7, 18, 3, 3, 14, 9, 18, 7, 11, 3, 9, 7, 11, 6, 11, 5, 10, 7, 6, 13, 15, 3, 15, 0, 11, 1, 10,
    12, 14, 16, 9, 11, 5, 5, 19, 8, 8, 15, 13, 14, 17, 18, 10, 16, 4, 17, 4, 2, 0, 17, 4, 18, 17, 10, 3, 2, 12, 12, 16,
    12, 1, 9, 19, 2, 10, 0, 1, 16, 12, 9, 13, 15, 13, 16, 19, 2, 4, 6, 19, 5, 5, 8, 19, 18, 1, 2, 15, 6, 0, 17, 8, 14,
    13,
)  # fmt: skip


def next_in_group(groups: tuple[int, ...]) -> dict[int, int]:
    """Map each class to the next one of its group in order of numbers, the last one to the first."""
    members = [[c for c, group in enumerate(groups) if group == wanted] for wanted in sorted(set(groups))]
    return {c: group[(place + 1) % len(group)] for group in members for place, c in enumerate(group)}


ASYMMETRIC = {  # true class -> the class it is mistaken for
    "cifar10": {2: 0, 4: 7, 3: 5, 5: 3, 9: 1},  # bird>airplane deer>horse cat<>dog truck>automobile
    "cifar100": next_in_group(SUPER_CLASS),
    "fashion_mnist": {6: 0, 2: 4, 4: 2, 5: 7, 9: 7},  # shirt>T-shirt pullover<>coat sandal, ankle boot>sneaker
}
CONSECUTIVE = {"cifar100": next_in_group(tuple(c // 5 for c in range(100)))}  # the released label file's
CHUNK_BYTES = 1 << 26  # images are projected so many bytes at a time, as float32


def symmetric(labels: np.ndarray, rate: float, num_classes: int, rng: np.random.Generator) -> np.ndarray:
    """Draw a share of the labels anew, uniformly over all classes.

    Parameters
    ----------
    labels : ndarray of shape (N,), int64
        True labels in [0, C).
    rate : float
        Nominal rate r in [0, 1): floor(r N) labels are drawn anew.
    num_classes : int
        C. A new label may equal the true one, so the real rate is about r (C - 1) / C.
    rng : numpy.random.Generator
        Source of all draws.

    Returns
    -------
    ndarray of shape (N,), int64
        Given labels.

    Raises
    ------
    ValueError
        If `rate` lies outside [0, 1).

    Source
    ------
    Release: dataloader_cifar.py (protocol of DivideMix).

    Differs
    -------
    Seeded.
    """
    require(0 <= rate < 1, "rate", "in [0, 1)", rate, "It is a fraction, not a percentage.")
    given = labels.copy()
    chosen = rng.permutation(len(labels))[: int(rate * len(labels))]
    given[chosen] = rng.integers(num_classes, size=len(chosen))
    return given


def asymmetric(labels: np.ndarray, rate: float, pairs: dict[int, int], rng: np.random.Generator) -> np.ndarray:
    """Mistake a share of some classes for the class that looks like them.

    Parameters
    ----------
    labels : ndarray of shape (N,), int64
        True labels.
    rate : float
        Nominal rate r in [0, 1): floor(r N) samples are drawn; those of a class in `pairs` change.
    pairs : dict of int to int
        True class to given class.
    rng : numpy.random.Generator
        Source of all draws.

    Returns
    -------
    ndarray of shape (N,), int64
        Given labels.

    Raises
    ------
    ValueError
        If `rate` lies outside [0, 1).

    Source
    ------
    Release: dataloader_cifar.py.

    Differs
    -------
    Seeded.
    """
    require(0 <= rate < 1, "rate", "in [0, 1)", rate, "It is a fraction, not a percentage.")
    given = labels.copy()
    for index in rng.permutation(len(labels))[: int(rate * len(labels))]:
        given[index] = pairs.get(int(labels[index]), given[index])
    return given


def instance_dependent(
    labels: np.ndarray, images: Tensor, rate: float, num_classes: int, rng: np.random.Generator
) -> np.ndarray:
    """Mistake images for the class that a random projection of their pixels points to.

    Each sample has its own probability of a wrong label, from a normal distribution of mean r and deviation 0.1 cut
    to [0, 1]; which wrong label, is drawn from the softmax of the projection that belongs to its true class.

    Parameters
    ----------
    labels : ndarray of shape (N,), int64
        True labels in [0, C).
    images : Tensor or ImageFiles of shape (N, ...), uint8
        Their images.
    rate : float
        Nominal rate r in [0, 1), the mean before cutting: 0.1, 0.2, 0.4 become real rates of 0.129, 0.206, 0.400.
    num_classes : int
        C, at least 2.
    rng : numpy.random.Generator
        Source of all draws.

    Returns
    -------
    ndarray of shape (N,), int64
        Given labels.

    Raises
    ------
    ValueError
        If `rate` lies outside [0, 1), there is one class only, or images and labels differ in number.

    Source
    ------
    Xia et al., Part-dependent label noise, arXiv:2006.07836, algorithm 2; pixels in 0..255 as in their code.

    Differs
    -------
    One projection in memory at a time, float32. Rate 0 changes nothing.
    """
    from scipy.stats import truncnorm

    require(0 <= rate < 1, "rate", "in [0, 1)", rate, "It is a fraction, not a percentage.")
    require(num_classes > 1, "num_classes", "at least 2 for instance noise", num_classes, "Use none.")
    require(len(images) == len(labels), "images", f"{len(labels)}, one a label", len(images), "Pass the same part.")
    given = labels.copy()
    if rate == 0:
        return given
    flip = truncnorm.rvs(-rate / 0.1, (1 - rate) / 0.1, loc=rate, scale=0.1, size=len(labels), random_state=rng)
    draws = rng.random(len(labels))
    size = images.shape[1:].numel()
    chunk = max(1, CHUNK_BYTES // (4 * size))
    for c in range(num_classes):
        projection = rng.standard_normal((size, num_classes), dtype=np.float32)
        members = np.flatnonzero(labels == c)
        for part in np.split(members, range(chunk, len(members), chunk)):
            pixels = images[torch.from_numpy(part)].cpu().numpy().reshape(len(part), len(projection))
            scores = (pixels.astype(np.float32) @ projection).astype(np.float64)
            scores[:, c] = -np.inf
            weights = np.exp(scores - scores.max(axis=1, keepdims=True))
            chances = flip[part, None] * weights / weights.sum(axis=1, keepdims=True)
            chances[:, c] = 1 - flip[part]
            given[part] = (chances.cumsum(axis=1) <= draws[part, None]).sum(axis=1).clip(max=num_classes - 1)
    return given


def corrupt(
    labels: np.ndarray,
    noise: str,
    rate: float,
    num_classes: int,
    dataset: str,
    seed: int,
    images: Tensor | None = None,
) -> np.ndarray:
    """Given labels for a drawn `noise`, of config.RATED or none, at `rate`, seeded.

    See `symmetric`, `asymmetric` (asym: pairs that look alike; asym-consecutive: the next number in blocks of five, as
    in the released label file of CIFAR-100) and `instance_dependent`, the only one that looks at `images`.
    """
    rng = np.random.default_rng([seed, 0x6E6F6973])
    kinds = (*RATED, "none")
    require(noise in kinds, "noise", f"one of {', '.join(kinds)}", noise, "Human noise and files: label_files.")
    if noise == "none":
        return labels.copy()
    if noise == "sym":
        return symmetric(labels, rate, num_classes, rng)
    if noise == "instance":
        require(images is not None, "images", "given for instance noise", images, "Pass the images of the labels.")
        return instance_dependent(labels, images, rate, num_classes, rng)
    table = {"asym": ASYMMETRIC, "asym-consecutive": CONSECUTIVE}[noise]
    rule = f"sym, instance or none unless the data set is one of {', '.join(table)}"
    require(dataset in table, "noise", rule, noise, "Use sym.")
    return asymmetric(labels, rate, table[dataset], rng)


def real_rate(given: np.ndarray, true: np.ndarray) -> float:
    """Share of given labels that are wrong, in [0, 1]; the nominal rate counts some that stayed right."""
    return float((given != true).mean())
