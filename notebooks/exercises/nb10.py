"""Checks of the exercises of notebook 10; see plremix_core/lessons/exercises.py."""

from collections.abc import Callable

import torch

from plremix_core.presets import preset


def e10_1(answer: Callable) -> bool | str:
    """Twice as many splits with the same steps, in all and in the warm-up."""
    sizes = dict(epochs=6, warm_up=2, steps_per_epoch=10, lr_drops=(), kappa=((0, 3),))
    before = preset("fashion_mnist", "sym", 0.5, profile="quick", **sizes)
    after = answer(before)
    if not isinstance(after, type(before)):
        return "Return settings: config.replace(...)."
    steps = [(one.epochs * one.steps_per_epoch, one.warm_up * one.steps_per_epoch) for one in (before, after)]
    if steps[1][0] != steps[0][0]:
        return (
            f"Each network now takes {steps[1][0]} steps, not {steps[0][0]}: save in each epoch what you add in epochs."
        )
    if steps[1][1] != steps[0][1]:
        return f"The warm-up, counted in epochs too, now takes {steps[1][1]} steps, not {steps[0][1]}."
    if after.epochs - after.warm_up != 2 * (before.epochs - before.warm_up):
        return f"Epochs with a split: {after.epochs - after.warm_up}; wanted: {2 * (before.epochs - before.warm_up)}."
    same = after.replace(**{name: getattr(before, name) for name in ("epochs", "warm_up", "steps_per_epoch")}) == before
    return same or "You changed other settings as well."


def e10_2(answer: Callable) -> bool | str:
    """Mean over a choice that may be empty, by value and by gradient."""
    cases = [
        (torch.tensor([1.0, 5.0, 2.0, 4.0]), torch.tensor([True, False, True, True])),
        (torch.tensor([1.0, 5.0]), torch.tensor([True, True])),
        (torch.tensor([1.0, 5.0]), torch.tensor([False, False])),
        (torch.tensor([1.0, -torch.inf, 3.0]), torch.tensor([True, False, True])),
    ]
    for number, (values, valid) in enumerate(cases):
        leaf = values.clone().requires_grad_()
        found = answer(leaf, valid)
        if not isinstance(found, torch.Tensor) or found.shape != ():
            return "Return a scalar tensor."
        wanted = values[valid].mean() if valid.any() else torch.tensor(0.0)
        (gradient,) = torch.autograd.grad(found, leaf, allow_unused=True) if found.requires_grad else (None,)
        gradient = torch.zeros_like(values) if gradient is None else gradient
        if found.isnan() or gradient.isnan().any():
            return (
                "",
                "",
                "An empty choice gives NaN: 0 / 0.",
                "A value that is left out is infinite, and yours is NaN.",
            )[number] or "The result is NaN."
        if not torch.allclose(found, wanted):
            return (
                "Divide by the number of valid values, not by all." if number == 0 else f"Wrong for {values.tolist()}."
            )
        if not torch.allclose(gradient, valid / valid.sum().clamp_min(1)):
            return "The value is right, the gradient is not: each valid value must count alike, the others not at all."
    return True


def e10_3(answer: int) -> bool | str:
    """Epochs until the peer's share passes the own."""
    if answer in (50, 51):
        return "The steps shrink with what is left: the share is 0.99 to the power n, not 1 - 0.01 n."
    return answer == 69 or "Solve 0.99 to the power n = 1/2."


WRONG = {
    "E10.1": lambda config: config.replace(epochs=2 * config.epochs, steps_per_epoch=config.steps_per_epoch // 2),
    "E10.2": lambda values, valid: (values * valid).sum() / valid.sum().clamp_min(1),
    "E10.3": 50,
}
