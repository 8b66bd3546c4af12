"""Checks of the exercises of notebook 06; see plremix_core/lessons/exercises.py."""

from collections.abc import Callable

import numpy as np
from sklearn.metrics import silhouette_score

from plremix_core.analysis import clusters

SEED, K = 6, 4


def _vectors(classes: int = 4, count: int = 90, width: int = 5, spread: float = 0.8) -> tuple[np.ndarray, np.ndarray]:
    """Unit vectors (n, D) around class centres, and labels of classes of different sizes (n,)."""
    rng = np.random.default_rng(SEED)
    labels = np.sort(rng.choice(classes, count, p=np.arange(1, classes + 1) / sum(range(classes + 1))))
    q = rng.normal(size=(classes, width))[labels] + spread * rng.normal(size=(count, width))
    return q / np.linalg.norm(q, axis=1, keepdims=True), labels


def _distances(spread: float = 0.8) -> tuple[np.ndarray, np.ndarray]:
    q, labels = _vectors(spread=spread)
    distance = 1 - q @ q.T
    np.fill_diagonal(distance, 0)
    return distance.clip(0), labels


def e6_1(answer: str) -> bool | str:
    if answer.lower() == "a":
        return "A map does not keep distances. Compare the table below F6.4 with the truth."
    if answer.lower() == "b":
        return "Not even the order is safe: only neighbourhoods are fitted."
    return answer.lower() == "c" or 'Answer with "a", "b" or "c".'


def e6_2(answer: Callable) -> bool | str:
    q, labels = _vectors()
    found, right = float(answer(q, labels)), clusters.compactness(q, labels)["within_between"]
    if abs(found - right) < 1e-9:
        one = np.full((40, 3), 3**-0.5) + 1e-3 * np.random.default_rng(SEED).normal(size=(40, 3))
        one, two = one / np.linalg.norm(one, axis=1, keepdims=True), np.arange(40) % 2
        return bool(abs(float(answer(one, two)) - clusters.compactness(one, two)["within_between"]) < 1e-4)
    d, same = 1 - q @ q.T, labels[:, None] == labels
    if abs(found - d[same].mean() / d[~same].mean()) < 1e-9:
        return "You count every image as a pair with itself: take n_c out of the sum and out of the count."
    if abs(found - right) < 0.2:
        return "Close. Classes have different sizes: all pairs count alike, so a large class counts for more."
    return "Check it against within_between of section 1 on a few random unit vectors."


def e6_3(answer: Callable) -> bool | str:
    distance, labels = _distances()
    found, right = float(answer(distance, labels)), silhouette_score(distance, labels, metric="precomputed")
    if abs(found - right) < 1e-9:
        return True
    member = labels[:, None] == np.unique(labels)
    sums, size = distance @ member, member.sum(axis=0)
    a, own = (sums * member).sum(axis=1) / (size[labels] - 1), size[labels]
    b = (sums * ~member).sum(axis=1) / (len(labels) - own)
    if abs(found - ((b - a) / np.maximum(a, b)).mean()) < 1e-9:
        return "You take the mean over all other classes. It must be the nearest other class."
    a, b = (sums * member).sum(axis=1) / own, np.where(member, np.inf, sums / size).min(axis=1)
    if abs(found - ((b - a) / np.maximum(a, b)).mean()) < 1e-9:
        return "An image is not one of the others of its class: divide its own sum by one less."
    return "Look at one image: which numbers are its a and its b?"


def e6_4(answer: float) -> bool | str:
    if abs(answer - 2) < 0.01:
        return "Two classes can be opposite each other, ten cannot all be."
    if abs(answer + 1 / 9) < 0.01:
        return "That is the smallest mean product. What distance belongs to it?"
    return abs(answer - 10 / 9) < 0.005 or "Write the square out: C terms of at most 1 and C (C - 1) products."


def e6_5(answer: Callable) -> bool | str:
    distance, true = _distances(spread=1.6)
    rng = np.random.default_rng(SEED)
    given = np.where(rng.random(len(true)) < 0.4, rng.integers(0, 4, len(true)), true)
    wrong, found = given != true, float(answer(distance, given, true, K))
    right, itself, everyone, by_given = (
        _closer(distance, given, true, **options)[chosen].mean()
        for options, chosen in (({}, wrong), ({"itself": True}, wrong), ({}, true >= 0), ({"votes": given}, wrong))
    )
    if abs(found - right) < 1e-9:
        return True
    if abs(found - itself) < 1e-9:
        return "Every image is its own nearest neighbour, at distance 0: leave it out."
    if abs(found - everyone) < 1e-9:
        return "Only the wrongly labelled images count."
    if abs(found - by_given) < 1e-9:
        return "The neighbours vote with their true classes."
    return "Take one image: how many of its k neighbours have its true class, how many its given one? More counts."


def _closer(distance, given, true, itself=False, votes=None) -> np.ndarray:
    """Whether the K nearest of each image have its true class more often than its given one."""
    apart = np.where(np.eye(len(true), dtype=bool) & (not itself), np.inf, distance)
    nearest = (true if votes is None else votes)[np.argsort(apart, axis=1)[:, :K]]
    return (nearest == true[:, None]).sum(axis=1) > (nearest == given[:, None]).sum(axis=1)


def _with_itself(q, labels):
    d, same = 1 - q @ q.T, labels[:, None] == labels
    return d[same].mean() / d[~same].mean()


def _mean_of_others(distance, labels):
    same, other = labels[:, None] == labels, ~np.eye(len(labels), dtype=bool)
    a, b = ((distance * pairs).sum(axis=1) / pairs.sum(axis=1) for pairs in (same & other, ~same))
    return ((b - a) / np.maximum(a, b)).mean()


WRONG = {
    "E6.1": "a",
    "E6.2": _with_itself,
    "E6.3": _mean_of_others,
    "E6.4": 2.0,
    "E6.5": lambda distance, given, true, k: _closer(distance, given, true, itself=True)[given != true].mean(),
}
