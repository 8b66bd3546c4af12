"""Checks of the exercises of notebook 02; the notebook says what is asked."""

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F

from plremix_core import losses
from plremix_core.analysis import negatives


def _batch(size: int = 6, tau: float = 0.3) -> tuple[torch.Tensor, float]:
    draws = torch.Generator().manual_seed(size)
    return torch.randn(size, 2, 5, dtype=torch.float64, generator=draws).requires_grad_(), tau


def _scores(q: torch.Tensor, tau: float) -> torch.Tensor:
    z = F.normalize(q, dim=2).transpose(0, 1).flatten(0, 1)
    return z @ z.T / tau


def _slope(value: torch.Tensor, q: torch.Tensor) -> torch.Tensor | None:
    """Gradient of a loss, or None if it does not depend on q."""
    return torch.autograd.grad(value, q, allow_unused=True)[0] if value.requires_grad else None


def _close(one: torch.Tensor, two: torch.Tensor) -> bool:
    return bool(one.shape == two.shape and torch.allclose(one.double(), two.double(), rtol=1e-6, atol=1e-9))


def e2_1(answer: Callable) -> bool | str:
    """InfoNCE as a cross-entropy."""
    q, tau = _batch()
    found, right = answer(q, tau), losses.info_nce(q, tau)
    if not isinstance(found, torch.Tensor) or found.ndim:
        return "return one number, a tensor of shape ()."
    own = F.cross_entropy(_scores(q, tau), torch.arange(12).roll(6))
    if _close(found, own):
        return "the anchor is still among the choices: its score with itself, 1/τ, is the largest of the row."
    if not _close(found, right):
        return "the value differs from losses.info_nce. Is the positive of row i in column i + B, modulo 2B?"
    slope = _slope(found, q)
    if slope is None or not _close(slope, _slope(right, q)):
        return "the value is right, the gradient is not. Did you detach something?"
    sharp = answer(q.detach().float(), 0.01)
    return bool(torch.isfinite(sharp)) or "not finite at τ = 0.01: leave the exponentials to F.cross_entropy."


def e2_2(answer: Callable) -> bool | str:
    """FlatNCE from the log-ratio."""
    q, tau = _batch()
    found = answer(q, tau)
    if not isinstance(found, torch.Tensor) or found.ndim:
        return "return one number, a tensor of shape ()."
    v = losses.log_negative_ratio(q, losses.all_negatives(6), tau)[0].mean()
    if _close(found, v):
        return (
            "that is mean v: its gradient is right, its value is not 1. Put the exponential around v minus a constant."
        )
    if abs(found.item() - 1) > 1e-6:
        return f"the value is {found.item():.3g}, not 1. What must the exponent be in value?"
    slope = _slope(found, q)
    if slope is None or not slope.abs().max():
        return "the value is 1 and the gradient is 0: only the second v may be a constant (detach)."
    return _close(slope, torch.autograd.grad(v, q)[0]) or "the gradient differs from that of mean v. Sum or mean?"


def e2_3(answer: Callable) -> bool | str:
    """Own-class share of the repulsion."""
    for size, tau in ((6, 0.3), (9, 1.0)):
        q, _ = _batch(size)
        classes = torch.arange(size) % 3
        found = float(answer(q.detach(), classes, tau))
        right = negatives.negative_pairs(q, losses.all_negatives(size), classes, tau)["false_weight"]
        count = (size / 3 - 1) / (size - 1)
        if abs(found - count) < 1e-6:
            return "that is the share of the pairs. Weigh them by the softmax over the negatives."
        if abs(found - 2 * size * right) < 1e-6:
            return "that is the sum over the anchors; the mean is asked."
        if abs(found - right) > 1e-6:
            return "not the share. Softmax along a row, then add up the weights of the anchor's own class."
    return True


def e2_4(answer: float) -> bool | str:
    """Slope of InfoNCE at v = -4."""
    if abs(answer - math.log1p(math.exp(-4))) < 5e-5:
        return "that is the value of the loss there (nearly the same, as it happens). Differentiate it."
    if abs(answer - 1) < 1e-6:
        return "that is FlatNCE. The logarithm of 1 + e^v divides by 1 + e^v."
    return abs(answer - 1 / (1 + math.exp(4))) < 5e-5 or "differentiate the logarithm: e^v / (1 + e^v), at v = -4."


def e2_5(answer: float) -> bool | str:
    """Share of pairs of one given label that are of one class."""
    if abs(answer - 0.55) < 0.01:
        return "that is the chance that one label is right. A pair has two labels."
    if abs(answer - 0.55**2) < 0.005:
        return "both labels can also be wrong and both images of the same other class: nine ways."
    return abs(answer - (0.55**2 + 9 * 0.05**2)) < 0.005 or "add up: both right, or both of the same other class."


def _with_itself(q: torch.Tensor, tau: float) -> torch.Tensor:
    return F.cross_entropy(_scores(q, tau), torch.arange(2 * len(q)).roll(len(q)))


def _constant(q: torch.Tensor, tau: float) -> torch.Tensor:
    v = losses.log_negative_ratio(q, losses.all_negatives(len(q)), tau)[0]
    return torch.exp(v - v).mean()


def _count(q: torch.Tensor, classes: torch.Tensor, tau: float) -> float:
    return float(((classes[:, None] == classes).sum(dim=1) - 1).double().mean() / (len(classes) - 1))


WRONG = {"E2.1": _with_itself, "E2.2": _constant, "E2.3": _count, "E2.4": 1.0, "E2.5": 0.55}
