"""Checks of the exercises of notebook 07; see plremix_core/lessons/exercises.py."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from plremix_core import losses
from plremix_core.engine.seeds import generator

IMAGES, CLASSES, WIDTH = 12, 5, 6


def _batch() -> tuple[Tensor, Tensor, Tensor]:
    """Logits (2 B, C) and projections (2 B, D) of two views, and given labels (B,)."""
    rng = generator(7)
    logits, projections = (torch.randn(2 * IMAGES, size, generator=rng) for size in (CLASSES, WIDTH))
    return 3 * logits, projections, torch.randint(CLASSES, (IMAGES,), generator=rng)


def _slopes(function: Callable, kappa: int) -> Tensor:
    """Gradients of `function(loss, logits, projections, given, kappa)`: on the loss, then on the projections."""
    logits, projections, given = _batch()
    projections, loss = projections.requires_grad_(), torch.tensor(2.0, requires_grad=True)
    total = function(loss, logits, projections, given, kappa)
    found = torch.autograd.grad(total, [loss, projections], materialize_grads=True, allow_unused=True)
    return torch.cat([part.flatten() for part in found])


def _with_plr(loss, logits, projections, given, kappa, relaxed=True, in_order=True, guess_of=slice(None)):
    guess = logits.detach().softmax(dim=1).unflatten(0, (2, -1))[guess_of].mean(dim=0)
    mask = losses.plr_mask(guess, given, kappa) if relaxed else losses.all_negatives(IMAGES)
    pairs = projections.unflatten(0, (2, -1)).transpose(0, 1) if in_order else projections.unflatten(0, (-1, 2))
    return loss + losses.plr_loss(pairs, mask, 1.0)


def e7_1(answer: Callable) -> bool | str:
    def like(**options: object) -> bool:
        reference = lambda *arguments: _with_plr(*arguments, **options)  # noqa: E731
        return all(torch.allclose(_slopes(answer, k), _slopes(reference, k), atol=1e-6) for k in (1, 2))

    if like():
        return torch.allclose(_slopes(answer, CLASSES), _slopes(lambda loss, *others: loss, 1)) or (
            "With candidate sets of all classes no pair is negative: the loss of the method alone must remain."
        )
    if _slopes(answer, 1)[0] == 0:
        return "The loss of your method is gone: add it."
    if like(in_order=False):
        return "You pair rows 0 and 1. The two views of image 0 are rows 0 and B."
    if like(relaxed=False):
        return "Every other image is a negative here. The mask must come from the guess and the given labels."
    if like(guess_of=slice(1)):
        return "Your guess is that of the first view alone. Take the mean of both."
    if not _slopes(answer, 1)[1:].any():
        return "No gradient reaches the projections."
    return "The gradient on the projections is not that of PLR at temperature 1."


def e7_2(answer: Callable) -> bool | str:
    logits, _, _ = _batch()
    given = torch.arange(2 * IMAGES) % CLASSES
    p = logits.softmax(dim=1).gather(1, given[:, None])
    found = torch.as_tensor(answer(logits, given))
    if found.numel() != 1:
        return "Return one number, the mean over the batch."
    if torch.allclose(found, ((1 - p**0.7) / 0.7).mean()):
        return torch.allclose(answer(logits, given, 1.0), (1 - p).mean()) or "Use the argument q."
    if torch.allclose(found, F.cross_entropy(logits, given)):
        return "That is cross-entropy: there is no logarithm."
    if torch.allclose(found, (1 - p).pow(0.7).mean() / 0.7):
        return "The power q belongs to p, not to 1 - p."
    return "Check p: it is the softmax at the given label."


def e7_3(answer: float) -> bool | str:
    if abs(answer - 0.6) < 1e-6:
        return "Right size, but descent must raise the logit that the past was sure of."
    return abs(answer + 0.6) < 1e-6 or "Chain rule: first d(p . t)/dz_0 = p_0 (t_0 - p . t), then the logarithm."


def e7_4(answer: Callable) -> bool | str:
    logits, _, given = _batch()
    one, two = logits.unflatten(0, (2, -1))
    for k in (1, 2):
        masks = losses.plr_mask(one, given, k), losses.plr_mask(two, given, k)
        found = torch.as_tensor(answer(one, two, given, k))
        if found.shape != masks[0].shape:
            return "Return a mask (B, B)."
        if torch.equal(found.long(), torch.minimum(*masks).long()):
            return "Here one network is enough to make a pair negative. Both must agree."
        if torch.equal(found.long(), losses.plr_mask((one + two) / 2, given, k).long()):
            return "Averaged logits are one guess. Ask each network for its own."
        if not torch.equal(found.long(), torch.maximum(*masks).long()):
            return "1 on the diagonal, -1 where both masks have -1, 0 elsewhere."
    return True


def e7_5(answer: str) -> bool | str:
    if answer.lower() == "a":
        return "More seeds make a confounded difference more certain, not less confounded."
    if answer.lower() == "c":
        return "A larger network changes both sides alike. Two things differ between the runs."
    return answer.lower() == "b" or 'Answer with "a", "b" or "c".'


WRONG = {
    "E7.1": lambda *arguments: _with_plr(*arguments, in_order=False),
    "E7.2": lambda logits, given, q=0.7: F.cross_entropy(logits, given),
    "E7.3": 0.6,
    "E7.4": lambda one, two, given, k: torch.minimum(losses.plr_mask(one, given, k), losses.plr_mask(two, given, k)),
    "E7.5": "a",
}
