"""Checks of the exercises of notebook 00."""

from collections.abc import Callable

import numpy as np
from sklearn.metrics import precision_score, recall_score, roc_auc_score


def _samples(seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    right = rng.random(60) < 0.6
    return (rng.random(60) + 0.4 * right).round(1), right  # rounded: there are ties


def e0_1(answer: Callable) -> bool | str:
    for seed in range(5):
        w, right = _samples(seed)
        clean, found = w > 0.6, None
        found = float(answer(clean.copy(), right.copy()))
        if abs(found - precision_score(right, clean)) < 1e-9:
            return (
                "That is the precision: a share of the samples called clean. Recall is a share of those that are right."
            )
        if abs(found - recall_score(right, clean)) > 1e-9:
            return f"For one example it should give {recall_score(right, clean):.4f}; yours gives {found:.4f}."
    return True


def e0_2(answer: Callable) -> bool | str:
    constant = float(answer(np.ones(10), np.arange(10) < 4))
    if abs(constant - 0.5) > 1e-9:
        return f"If all scores are equal, every pair is a tie and counts one half; yours gives {constant:.2f}."
    for seed in range(5):
        w, right = _samples(seed)
        found, true = float(answer(w.copy(), right.copy())), roc_auc_score(right, w)
        if abs(found - (1 - true)) < 1e-9:
            return "Yours is one minus AUC: count the pairs in which the clean sample has the higher score."
        if abs(found - true) > 1e-9:
            return f"For one example it should give {true:.4f}; yours gives {found:.4f}."
    return True


def e0_3(answer: float) -> bool | str:
    if abs(answer - 0.8) < 1e-9:
        return "That is the rate of replacement. Some replacements are right by chance."
    if abs(answer - 72) < 1e-6:
        return "Give a fraction and not a percentage."
    return abs(answer - 0.72) < 1e-6 or "Multiply the probability of a replacement by that of a wrong class."


WRONG = {
    "E0.1": lambda clean, right: (clean & right).sum() / clean.sum(),
    "E0.2": lambda w, right: (w[right][:, None] > w[~right][None]).mean(),
    "E0.3": 0.8,
}
