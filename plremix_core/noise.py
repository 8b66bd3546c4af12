"""Wrong labels on purpose, from an explicit generator; nominal and real rate."""

import numpy as np

from .checks import require

ASYMMETRIC = {  # true class -> the class it is mistaken for
    "cifar10": {2: 0, 4: 7, 3: 5, 5: 3, 9: 1},  # bird>airplane deer>horse cat<>dog truck>automobile
    # as in the released label file: groups of five consecutive numbers, which are not the official super-classes
    "cifar100": {label: label // 5 * 5 + (label + 1) % 5 for label in range(100)},
    "fashion_mnist": {6: 0, 2: 4, 4: 2, 5: 7, 9: 7},  # shirt>T-shirt pullover<>coat sandal, ankle boot>sneaker
}


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


def corrupt(labels: np.ndarray, noise: str, rate: float, num_classes: int, dataset: str, seed: int) -> np.ndarray:
    """Given labels for `noise` in sym, asym, none at `rate`, seeded; see `symmetric` and `asymmetric`."""
    rng = np.random.default_rng([seed, 0x6E6F6973])
    if noise == "none":
        return labels.copy()
    if noise == "sym":
        return symmetric(labels, rate, num_classes, rng)
    require(noise == "asym", "noise", "one of sym, asym, none", noise, "Check the spelling.")
    known = ", ".join(ASYMMETRIC)
    require(dataset in ASYMMETRIC, "noise", f"sym or none unless the data set is one of {known}", noise, "Use sym.")
    return asymmetric(labels, rate, ASYMMETRIC[dataset], rng)


def real_rate(given: np.ndarray, true: np.ndarray) -> float:
    """Share of given labels that are wrong, in [0, 1]; the nominal rate counts some that stayed right."""
    return float((given != true).mean())
