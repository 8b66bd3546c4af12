"""Checks of the exercises of notebook 08; see plremix_core/lessons/exercises.py."""

from collections.abc import Callable

import numpy as np
from sklearn.metrics import average_precision_score

from plremix_core.analysis import features

SEED = 8


def e8_1(answer: float) -> bool | str:
    if abs(answer - 0.9) < 1e-9:
        return "That is the precision: of those you looked at. Now: of those there are."
    if abs(answer - 0.09) < 1e-9:
        return "You divided by all images. Divide by the wrong labels there are, one in five of a thousand."
    return (
        abs(answer - 0.45) < 1e-6 or "How many labels are wrong in all? Which share of them is among the first hundred?"
    )


def e8_2(answer: Callable) -> bool | str:
    rng = np.random.default_rng(SEED)
    wrong, score = rng.random(60) < 0.3, rng.normal(size=60)
    found, right = float(answer(score, wrong)), average_precision_score(wrong, score)
    if abs(found - right) < 1e-9:
        return abs(float(answer(np.array([3.0, 2.0, 1.0]), np.array([True, True, True]))) - 1) < 1e-9
    if abs(found - average_precision_score(wrong, -score)) < 1e-9:
        return "You begin with the least suspect. The largest score stands first."
    order = wrong[np.argsort(-score)]
    if abs(found - (order.cumsum() / np.arange(1, 61)).mean()) < 1e-9:
        return "You average over all places. Only those count at which a wrong label stands."
    return "Sort, take the precision at every place, keep the places of wrong labels, average."


def e8_3(answer: Callable) -> bool | str:
    rng = np.random.default_rng(SEED)
    logits, given = rng.normal(size=(5, 40, 6)), rng.integers(0, 6, 40)
    found = np.asarray(answer(logits, given), dtype=float)
    right = np.mean([features.margin(one, given) for one in logits], axis=0)
    if found.shape != (40,):
        return f"One number a label, of shape (40,) for logits (5, 40, 6); yours has the shape {found.shape}."
    if np.allclose(found, right):
        return True
    own = logits[:, np.arange(40), given]
    if np.allclose(found, (own - logits.max(axis=2)).mean(axis=0)):
        return "The maximum must leave the given class out; else no margin is ever above 0."
    if np.allclose(found, features.margin(logits[-1], given)):
        return "That is the last epoch alone: average over the first axis."
    if np.allclose(found, -right):
        return "The sign: a suspect label has a small margin here."
    return "The logit of the given class minus the largest of the others, in each epoch; then the mean over epochs."


def e8_4(answer: Callable) -> bool | str:
    rng = np.random.default_rng(SEED)
    values, given = rng.normal(size=(50, 4)), rng.integers(0, 3, 50)
    found = np.asarray(answer(values, given, 5), dtype=float)
    distance = ((values[:, None] - values) ** 2).sum(axis=2)
    near = np.argsort(distance + np.diag(np.full(50, np.inf)), axis=1)[:, :5]
    if found.shape == (50,) and np.allclose(found, (given[near] == given[:, None]).mean(axis=1)):
        return True
    itself = np.argsort(distance, axis=1)[:, :5]
    if found.shape == (50,) and np.allclose(found, (given[itself] == given[:, None]).mean(axis=1)):
        return "Every image votes for itself here: leave it out of its own neighbours."
    return "Of the k nearest other rows, the share whose given label is that of the row: k = 5, so fifths."


def e8_5(answer: str) -> bool | str:
    if answer.lower() == "a":
        return "Longer training makes the network surer of what it was given, mistakes included."
    if answer.lower() == "b":
        return "What is not at the top of the ranking is not dropped either: good images would go first."
    return answer.lower() == "c" or 'Answer with "a", "b" or "c".'


def _itself(values: np.ndarray, given: np.ndarray, k: int) -> np.ndarray:
    near = np.argsort(((values[:, None] - values) ** 2).sum(axis=2), axis=1)[:, :k]
    return (given[near] == given[:, None]).mean(axis=1)


def _everywhere(score: np.ndarray, wrong: np.ndarray) -> float:
    return (wrong[np.argsort(-score)].cumsum() / np.arange(1, len(wrong) + 1)).mean()


def _with_itself(logits: np.ndarray, given: np.ndarray) -> np.ndarray:
    return (logits[:, np.arange(len(given)), given] - logits.max(axis=2)).mean(axis=0)


WRONG = {"E8.1": 0.9, "E8.2": _everywhere, "E8.3": _with_itself, "E8.4": _itself, "E8.5": "a"}
