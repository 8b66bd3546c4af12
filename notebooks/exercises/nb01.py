"""Checks of the exercises of notebook 01."""

from collections.abc import Callable

import numpy as np


def e1_1(answer: float) -> bool | str:
    """Nominal rate at which half of the labels are wrong, ten classes."""
    if abs(answer - 0.5) < 1e-6:
        return "Then fewer than half are wrong: one drawn label in ten is the true class again."
    if abs(answer - 0.45) < 0.002:
        return "That is the real rate at nominal 0.5. The question goes the other way."
    if answer > 1:
        return "Give the rate as a fraction between 0 and 1."
    if abs(0.9 * answer - 0.5) < 0.002:
        return True
    return "A replaced label is wrong in nine of ten draws. So which rate r gives 0.9 r = 0.5?"


def e1_2(keep: Callable) -> bool | str:
    """Small-loss trick: the mask of the samples that are kept."""
    loss = np.array([0.2, 3.0, 0.5, 1.5, 0.7])
    kept = np.asarray(keep(loss, 0.4))
    if kept.shape != loss.shape or kept.dtype != bool:
        return "Return one True or False a sample: an array of the shape of the losses."
    if np.array_equal(kept, np.argsort(loss) < 3):
        return "argsort says which sample comes first, second, ...: sort its result once more to get the rank of each."
    if kept[1]:
        return "The largest loss is kept: those are the suspects."
    if kept.sum() == 2:
        return "The rate is the share to leave out, not the share to keep."
    many = np.random.default_rng(0).exponential(size=1000)
    for rate in (0.0, 0.2, 0.9):
        found, wanted = np.asarray(keep(many, rate)), round((1 - rate) * 1000)
        if not np.array_equal(found, many <= np.sort(many)[wanted - 1]):
            return f"Of 1000 losses at rate {rate:g} keep the {wanted} smallest ones; you kept {found.sum()}."
    return kept.tolist() == [True, False, True, False, True]


def e1_3(posterior: Callable) -> bool | str:
    """Posterior of the component with the smaller mean."""
    rng = np.random.default_rng(0)
    for clean in (0, 1):
        means = np.array([0.1, 0.7])[:: 1 if clean == 0 else -1]
        weights, stds, loss = np.array([0.3, 0.7]), np.array([0.05, 0.3]), rng.random(50)
        bells = np.exp(-(((loss[:, None] - means) / stds) ** 2) / 2)
        found = np.asarray(posterior(loss, weights, means, stds), dtype=float)
        if found.shape != loss.shape:
            return f"Return one number a sample, shape {loss.shape}; you returned {found.shape}."
        right = _share(weights * bells / stds, clean)
        if np.allclose(found, right):
            continue
        if np.allclose(found, 1 - right):
            return "That is the other component. The clean one has the smaller mean, whatever its number."
        if np.allclose(found, _share(weights * bells, clean)):
            return "A density is divided by its standard deviation: a narrow component is also a high one."
        if np.allclose(found, _share(bells / stds, clean)):
            return "The weights are missing: a component with more samples is more likely beforehand."
        return "Divide weight times density of the clean component by the sum of both products, sample by sample."
    return True


def e1_4(answer: int) -> bool | str:
    """Side of the curve at the middle of three wrong labels that agree."""
    if answer == 0:
        return "A single wrong label contradicts its neighbours. Here its neighbours have the same wrong label."
    return answer == 1


def _share(joint: np.ndarray, clean: int) -> np.ndarray:
    return joint[:, clean] / joint.sum(axis=1)


def _keep_too_few(loss, rate):
    return np.argsort(np.argsort(loss)) < round(rate * len(loss))


def _unweighted(loss, weights, means, stds):
    return _share(np.exp(-(((loss[:, None] - means) / stds) ** 2) / 2) / stds, int(np.argmin(means)))


WRONG = {"E1.1": 0.5, "E1.2": _keep_too_few, "E1.3": _unweighted, "E1.4": 0}
