"""Checks of the exercises of notebook 04."""

from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F

from plremix_core.model import update_prototypes


def e4_1(em_round: Callable) -> bool | str:
    """One round of EM for two exponential distributions."""
    loss = np.random.default_rng(0).exponential(size=200) * np.repeat([0.2, 2], [140, 60])
    for weights, rates in (((0.7, 0.3), (4.0, 0.6)), ((0.5, 0.5), (1.0, 3.0))):
        weights, rates = np.array(weights), np.array(rates)
        r = _responsibilities(loss, weights, rates)
        found = em_round(loss, weights, rates)
        if not isinstance(found, tuple) or [np.shape(part) for part in found] != [(2,), (2,)]:
            return "Return two things, the new weights (2,) and the new rates (2,)."
        one, two = (np.asarray(part, dtype=float) for part in found)
        mean = (r * loss[:, None]).sum(axis=0) / r.sum(axis=0)
        if np.allclose(one, r.mean(axis=0)) and np.allclose(two, 1 / mean):
            continue
        if np.allclose(two, mean):
            return "That is the weighted mean of the losses. A high rate means small losses: which way round?"
        if np.allclose(one, r.sum(axis=0)):
            return "Weights are shares: they add up to 1."
        if np.allclose(one, _responsibilities(loss, np.ones(2), rates).mean(axis=0)):
            return "The E step needs the weights, too: a frequent component is more likely beforehand."
        if np.allclose(one, _responsibilities(loss, weights / rates, rates).mean(axis=0)):
            return "The density of an exponential distribution has the rate in front as well."
        return False
    return True


def e4_2(answer: float) -> bool | str:
    """Smallest prototype loss without temperature, ten classes."""
    if abs(answer) < 1e-3:
        return "Zero would need a probability of 1. What does softmax give if one entry is 1 and nine are -1?"
    if abs(answer - np.log(1 + 9 * np.exp(-1))) < 0.01:
        return "You put the nine other cosines at 0. A cosine can be smaller than that."
    if abs(answer - 1 / (1 + 9 * np.exp(-2))) < 0.01:
        return "That is the probability. The loss is minus its logarithm."
    if abs(answer - np.log(1 + 9 * np.exp(-2))) < 0.01:
        return True
    return "The loss is least if the own cosine is 1 and the nine others are -1: put them into the softmax."


def e4_3(move: Callable) -> bool | str:
    """Update of the prototypes, against the core."""
    draws = torch.Generator().manual_seed(0)
    old = F.normalize(torch.randn(5, 8, generator=draws), dim=1)
    q = F.normalize(torch.randn(40, 8, generator=draws), dim=1)
    labels = torch.randint(4, (40,), generator=draws)  # no sample of class 4
    for momentum in (0.99, 0.5):
        new = torch.as_tensor(move(old, q, labels, momentum))
        right = update_prototypes(old, q, labels, momentum)
        if new.shape != old.shape:
            return f"Return all prototypes, shape {tuple(old.shape)}; you returned {tuple(new.shape)}."
        if torch.allclose(new, right, atol=1e-5):
            continue
        if torch.allclose(new, update_prototypes(old, q, labels, 1 - momentum), atol=1e-5):
            return "The momentum is the share of the old prototype."
        if new.isfinite().all() and not torch.allclose(new.norm(dim=1), torch.ones(5), atol=1e-4):
            return "A prototype has unit length: normalise after the blend."
        if not torch.allclose(new[4], old[4], atol=1e-5):
            return "The class without selected samples must stay where it is."
        if torch.allclose(new, _raw_sum(old, q, labels, momentum), atol=1e-5):
            return "Normalise the sum of a class before the blend: otherwise a large class moves its prototype further."
        return "Follow the equation line by line: sum by class, normalise, blend by the momentum, normalise again."
    return True


def e4_4(select: Callable) -> bool | str:
    """Mask of the confident samples."""
    draws = torch.Generator().manual_seed(0)
    p_model, tau = torch.tensor([0.5, 0.3, 0.2]), torch.tensor(0.7)
    p = torch.softmax(2 * torch.randn(200, 3, generator=draws), dim=1)
    p = torch.cat([p, torch.tensor([[0.7, 0.2, 0.1]])])  # exactly at the threshold
    confidence, found = p.max(dim=1)
    mask = torch.as_tensor(select(p, tau, p_model))
    if mask.shape != found.shape or mask.dtype != torch.bool:
        return "Return one True or False a sample."
    if torch.equal(mask, confidence >= tau):
        return "That is one threshold for all classes. A class that is predicted less often has a lower one."
    if torch.equal(mask, confidence >= tau * p_model[found]):
        return "Divide by the largest entry of p_model: for the most frequent class the threshold stays as it is."
    if torch.equal(mask, confidence > tau * (p_model / p_model.max())[found]):
        return "A sample exactly at the threshold is selected, too."
    return torch.equal(mask, confidence >= tau * (p_model / p_model.max())[found])


def _responsibilities(loss: np.ndarray, weights: np.ndarray, rates: np.ndarray) -> np.ndarray:
    both = weights * rates * np.exp(-np.outer(loss, rates))
    return both / both.sum(axis=1, keepdims=True)


def _raw_sum(old: torch.Tensor, q: torch.Tensor, labels: torch.Tensor, momentum: float) -> torch.Tensor:
    sums = torch.zeros_like(old).index_add_(0, labels, q)
    return F.normalize(momentum * old + (1 - momentum) * sums, dim=1)


def _mean_for_rate(loss, weights, rates):
    r = _responsibilities(loss, weights, rates)
    return r.mean(axis=0), (r * loss[:, None]).sum(axis=0) / r.sum(axis=0)


def _one_bar(p, tau, p_model):
    return p.max(dim=1).values >= tau


WRONG = {
    "E4.1": _mean_for_rate,
    "E4.2": 0.0,
    "E4.3": lambda old, q, labels, momentum: update_prototypes(old, q, labels, 1 - momentum),
    "E4.4": _one_bar,
}
