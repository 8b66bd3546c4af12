"""Noisy labels drawn at a rate from an explicit generator."""

from collections.abc import Sequence

import numpy as np

from ..engine.checks import require
from .catalogue import SOURCES

RATED = ("sym", "asym", "asym-consecutive", "instance")  # drawn at a rate, see `corrupt`
HUMAN = tuple(kind for source in SOURCES.values() for kind in source.human)  # given by people, see `label_files.human`
NOISES = (*RATED, *HUMAN, "file", "none")
CHUNK_BYTES = 1 << 26  # images are projected so many bytes at a time, as float32


def instance_dependent(
    labels: np.ndarray, images: Sequence, rate: float, num_classes: int, rng: np.random.Generator
) -> np.ndarray:
    """Mistake images for the class that a random projection of their pixels, 0..255, points to.

    Each sample has its own probability of a wrong label, from a normal distribution of mean `rate` and deviation 0.1
    cut to [0, 1]. The wrong label is drawn from the softmax of the projection that belongs to the true class. Nominal
    rates 0.1, 0.2, 0.4 become real rates of 0.129, 0.206, 0.400; rate 0 changes nothing.
    Source: Xia et al., Part-dependent label noise, arXiv:2006.07836, algorithm 2.
    """
    from scipy.stats import truncnorm  # takes a second

    given = labels.copy()
    if rate == 0:
        return given
    flip = truncnorm.rvs(-rate / 0.1, (1 - rate) / 0.1, loc=rate, scale=0.1, size=len(labels), random_state=rng)
    draws = rng.random(len(labels))
    size = images.shape[1:].numel()
    chunk = max(1, CHUNK_BYTES // (4 * size))
    for c in range(num_classes):
        projection = rng.standard_normal((size, num_classes), dtype=np.float32)  # one in memory at a time
        members = np.flatnonzero(labels == c)
        for part in np.split(members, range(chunk, len(members), chunk)):
            pixels = images[part].cpu().numpy().reshape(len(part), len(projection))
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
    images: Sequence | None = None,
) -> np.ndarray:
    """Draw given labels (N,) for a noise of RATED, or none, at `rate` from true `labels`.

    Of floor(`rate` N) drawn samples sym draws the labels anew, uniformly over all classes, so that the real rate is
    about r (C - 1) / C; asym changes those of the classes that look like another one (data/catalogue.yaml has the
    pairs), asym-consecutive to the next number in blocks of five, as in the released label file of CIFAR-100. instance
    is `instance_dependent`, the only one that looks at `images`. Release: data/cifar.py, data/asymmetric_noise.py.
    """
    rng, given = np.random.default_rng([seed, 0x6E6F6973]), labels.copy()
    kinds = (*RATED, "none")
    require(noise in kinds, "noise", f"one of {', '.join(kinds)}", noise, "Human noise and files: label_files.")
    if noise == "none":
        return given
    require(0 <= rate < 1, "rate", "in [0, 1)", rate, "It is a fraction, not a percentage.")
    if noise == "instance":
        number = None if images is None else len(images)
        require(number == len(labels), "images", f"{len(labels)}, one a label", number, "Pass those of the labels.")
        return instance_dependent(labels, images, rate, num_classes, rng)
    chosen = rng.permutation(len(labels))[: int(rate * len(labels))]
    if noise == "sym":
        given[chosen] = rng.integers(num_classes, size=len(chosen))
        return given
    having = [name for name, source in SOURCES.items() if noise in source.asymmetric]
    rule = f"sym, instance or none unless the data set is one of {', '.join(having)}"
    require(dataset in having, "noise", rule, noise, "Use sym.")
    pairs = SOURCES[dataset].asymmetric[noise]
    given[chosen] = [pairs.get(label, label) for label in labels[chosen].tolist()]
    return given


def real_rate(given: np.ndarray, true: np.ndarray) -> float:
    """Share of given labels that are wrong, in [0, 1]; the nominal rate counts some that stayed right."""
    return float((given != true).mean())
