"""Checks of the exercises of notebook 09; the notebook says what is asked."""

from collections.abc import Callable

import numpy as np
import scipy.stats


def _seeds(number: int, draws: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Accuracies of two methods: what a seed does to both is larger than what tells them apart."""
    shared = 0.75 + 0.03 * draws.standard_normal(number)
    return shared + 0.01 + 0.005 * draws.standard_normal(number), shared


def _interval(gaps: np.ndarray, quantile: float, deviation: float) -> np.ndarray:
    half = quantile * deviation / len(gaps) ** 0.5
    return np.array([gaps.mean(), gaps.mean() - half, gaps.mean() + half])


def e9_1(answer: Callable) -> bool | str:
    """Mean of the paired differences and the ends of its t interval."""
    draws = np.random.default_rng(9)
    for number in (3, 5, 8):
        ours, theirs = _seeds(number, draws)
        gaps, quantile = ours - theirs, scipy.stats.t.ppf(0.975, number - 1)
        found = np.asarray(answer(ours, theirs), dtype=float).ravel()
        if found.shape != (3,):
            return "return three numbers: the mean, the lower end, the upper end."
        spread, mean = gaps.std(ddof=1), gaps.mean()
        apart = (ours.var(ddof=1) + theirs.var(ddof=1)) ** 0.5
        wrong = {
            "the sign is the other way round: ours minus theirs.": _interval(-gaps, quantile, spread),
            "1.96 is for many seeds; so few need Student's t.": _interval(gaps, 1.96, spread),
            "np.std divides by n, and 1.96 is for many seeds.": _interval(gaps, 1.96, gaps.std()),
            "np.std divides by n; ask for n - 1 (ddof=1).": _interval(gaps, quantile, gaps.std()),
            "two independent samples have this interval; pair them by seed.": _interval(gaps, quantile, apart),
            "that is the spread of one seed, not of the mean.": _interval(gaps, quantile * number**0.5, spread),
        }
        for hint, value in wrong.items():
            if np.allclose(found, value, rtol=0, atol=1e-9):
                return hint
        if not np.allclose(found, _interval(gaps, quantile, spread), rtol=0, atol=1e-9):
            return "the mean is right, the ends are not." if abs(found[0] - mean) < 1e-9 else "the mean is wrong."
    return True


_UP, _DOWN, _OPEN = [0.02, 0.03, 0.025], [-0.02, -0.03, -0.025], [0.02, -0.03, 0.01]
_CASES = [  # paired differences of each comparison; verdict; what somebody overlooks who says something else
    ([_UP], "supported", "three seeds, all near to each other, on the right side: that supports the claim."),
    ([_DOWN], "contradicted", "an interval below zero contradicts the claim."),
    ([_OPEN], "undecided", "an interval that holds zero decides nothing, whatever the mean."),
    ([_UP[:2]], "undecided", "two seeds decide nothing, however near to each other they are."),
    ([_UP, _OPEN], "undecided", "half is not more than half."),
    ([_UP, _UP, _OPEN], "supported", "two of three support it and none contradicts it."),
    ([_UP, _UP, _UP, _DOWN], "undecided", "one comparison contradicts it: a majority is not enough."),
    ([_UP, _DOWN[:2], [-0.1]], "supported", "comparisons with one or two seeds count neither way."),
    ([_DOWN, _DOWN, _OPEN], "contradicted", "the rule is the same in both directions."),
    ([], "undecided", "no comparison, no verdict."),
]


def e9_2(answer: Callable) -> bool | str:
    """The rule of the verdicts."""
    for differences, right, hint in _CASES:
        found = answer([np.array(one) for one in differences])
        if found not in ("supported", "contradicted", "undecided"):
            return f'return "supported", "contradicted" or "undecided", not {found!r}.'
        if found != right:
            return hint
    return True


def e9_3(answer: int) -> bool | str:
    """Seeds that tell one point from 0 if the differences have a deviation of one point."""
    if answer == 4:
        return "with the quantile 1.96 it would be four; so few seeds need Student's t, which is larger."
    if answer in (5, 6):
        return f"at n = {answer} half of the interval is still more than a point."
    return answer == 7 or "find the least n with t(0.975, n - 1) / sqrt(n) < 1."


def e9_4(answer: float) -> bool | str:
    """Expected best of 200 epochs, in points above the mean, if epochs scatter with 0.5 points."""
    if abs(answer) < 1e-9:
        return "each epoch is right on average, their maximum is not."
    if abs(answer - 0.98) < 0.03 or abs(answer - 1) < 1e-9:
        return "one epoch in forty lies above 1.96 deviations, so of 200 about five do. The best lies further out."
    return abs(answer - 1.373) < 0.06 or "draw 200 normal numbers with that deviation, take the largest, repeat."


def _many_seeds(ours: np.ndarray, theirs: np.ndarray) -> np.ndarray:
    return _interval(ours - theirs, 1.96, (ours - theirs).std(ddof=1))


def _majority_of_means(differences: list) -> str:
    signs = [np.mean(one) > 0 for one in differences]
    return "undecided" if not signs else "supported" if np.mean(signs) > 0.5 else "contradicted"


WRONG = {"E9.1": _many_seeds, "E9.2": _majority_of_means, "E9.3": 4, "E9.4": 0.98}
