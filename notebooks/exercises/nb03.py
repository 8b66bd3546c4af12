"""Checks of the exercises of notebook 03; the notebook says what is asked."""

from collections.abc import Callable

import torch
import torch.nn.functional as F

from plremix_core import losses


def _batch(size: int = 24, classes: int = 10) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    draws = torch.Generator().manual_seed(size)
    logits = torch.randn(size, classes, generator=draws)
    given = torch.randint(classes, (size,), generator=draws)
    return logits, given, torch.randn(size, 2, 6, dtype=torch.float64, generator=draws).requires_grad_()


def _sets(logits: torch.Tensor, kappa: int) -> torch.Tensor:
    return torch.zeros_like(logits).scatter(1, logits.topk(kappa, dim=1).indices, 1.0)


def e3_1(answer: Callable) -> bool | str:
    """The mask of negative pairs without a loop."""
    for kappa in (1, 2, 3, 6):
        logits, given, _ = _batch()
        found, right = answer(logits.clone(), given.clone(), kappa), losses.plr_mask(logits, given, kappa) < 0
        if not isinstance(found, torch.Tensor) or found.shape != right.shape:
            return "return a tensor of shape (B, B)."
        if found.dtype != torch.bool:
            return "return True and False (a comparison does it), not numbers."
        member = _sets(logits, kappa)
        if torch.equal(found, member @ member.T == 0) and not torch.equal(found, right):
            return "the given label must be in the set, too, whether it is predicted or not."
        if torch.equal(found, given[:, None] != given[None]):
            return "that compares given labels only. Where are the predictions?"
        if torch.equal(found, ~right):
            return "the other way round: True where two sets share nothing."
        if not torch.equal(found, right):
            return f"not the mask at κ = {kappa}. Count the classes that two sets share: 0 makes a negative pair."
    return True


def e3_2(answer: Callable) -> bool | str:
    """The PLR loss, with anchors and batches without negatives."""
    logits, given, q = _batch()
    for kappa, case in ((1, "every anchor has a negative"), (4, "some anchors have none"), (6, "no anchor has one")):
        mask = losses.plr_mask(logits, given, kappa)
        found, right = answer(q, mask < 0, 0.5), losses.plr_loss(q, mask, 0.5)
        if not isinstance(found, torch.Tensor) or found.ndim or not found.requires_grad:
            return f"return a scalar tensor that depends on q, also if {case}."
        if not torch.isfinite(found):
            return f"the loss is {float(found.detach())} if {case}: v of an anchor without a negative is -inf."
        if abs(float(found.detach() - right.detach())) > 1e-6:
            return f"the value is {float(found.detach()):.3g} and not {float(right.detach()):.3g} if {case}."
        slopes = [torch.autograd.grad(x, q, materialize_grads=True)[0] for x in (found, right)]
        if not torch.isfinite(slopes[0]).all():
            return f"the gradient is NaN if {case}: select the rows before logsumexp, not after."
        if not torch.allclose(*slopes, rtol=1e-6, atol=1e-9):
            return f"the value is right, the gradient is not, if {case}. Is the second v detached, and the mean over A?"
    return True


def e3_3(answer: float) -> bool | str:
    """Share of same-class pairs that are negatives by their given labels."""
    if abs(answer - 0.45) < 0.01:
        return "that is the chance that one label is wrong. A pair has two labels, and both must say the same."
    if abs(answer - (1 - 0.55**2)) < 0.01:
        return "two wrong labels can also agree: nine ways."
    right = abs(answer - (1 - 0.55**2 - 9 * 0.05**2)) < 0.01
    return right or "add up the ways in which two labels agree: both right, or both wrong alike."


def e3_4(answer: Callable) -> bool | str:
    """Candidate sets by probability mass."""
    for mass in (0.5, 0.9, 1e-6):
        logits, given, _ = _batch()
        found = answer(2 * logits, given, mass)
        if not isinstance(found, torch.Tensor) or found.shape != logits.shape or found.dtype != torch.bool:
            return "return membership: a bool tensor of shape (B, C)."
        right = torch.zeros_like(found)
        for row, (scores, label) in enumerate(zip((2 * logits).softmax(dim=1).tolist(), given.tolist())):
            total = 0.0
            for c in sorted(range(len(scores)), key=lambda c: -scores[c]):
                if total < mass:
                    right[row, c] = True
                total += scores[c]
            right[row, label] = True
        if not found.any(dim=1).all() or (mass < 0.01 and not torch.equal(found, right)):
            return "the most probable class belongs to every set, even where it has more than `mass` alone."
        if not found.gather(1, given[:, None]).all():
            return "the given label must be in the set, too."
        if not torch.equal(found, right):
            return (
                f"not the sets at mass = {mass}. The class that crosses the line is in; mind the order of the classes."
            )
    return True


def e3_5(answer: str) -> bool | str:
    """The run that refutes false negatives as the cause."""
    hints = {
        "a": "InfoNCE shows that the push matters. Its mask has the same false negatives.",
        "b": "random has more false negatives and does not collapse: good, but look for a collapse without any.",
        "d": "true class has no false negative and does not collapse: that would fit the explanation.",
    }
    return answer.lower().strip("*. ") == "c" or hints.get(answer.lower().strip("*. "), "one letter: a, b, c or d.")


def _without_given(logits: torch.Tensor, given: torch.Tensor, kappa: int) -> torch.Tensor:
    member = _sets(logits, kappa)
    return member @ member.T == 0


def _too_late(q: torch.Tensor, negative: torch.Tensor, tau: float) -> torch.Tensor:
    z = F.normalize(q, dim=2).transpose(0, 1).flatten(0, 1)
    scores = (z @ z.T / tau).masked_fill(~negative.repeat(2, 2), -torch.inf)
    v = scores.logsumexp(dim=1) - (z * z.roll(len(q), dims=0)).sum(dim=1) / tau
    return torch.exp(v - v.detach()).mean()


def _below_mass(logits: torch.Tensor, given: torch.Tensor, mass: float) -> torch.Tensor:
    ordered, classes = logits.softmax(dim=1).sort(dim=1, descending=True)
    member = torch.zeros_like(ordered, dtype=torch.bool).scatter(1, classes, ordered.cumsum(dim=1) <= mass)
    return member.scatter(1, given[:, None], True)


WRONG = {"E3.1": _without_given, "E3.2": _too_late, "E3.3": 0.45, "E3.4": _below_mass, "E3.5": "b"}
