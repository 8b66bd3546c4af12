"""The methods of the one trainer; without torch, as a misspelt name must not wait seconds for it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import nn


def early_learning(samples: int, classes: int) -> "nn.Module":
    """Label loss of ELR for so many samples and classes."""
    from .model import EarlyLearning

    return EarlyLearning(samples, classes)


@dataclass(frozen=True)
class Method:
    """What a method switches on in the one trainer.

    Semi-supervised training on a split after warm-up (`semi`), else the label loss throughout. Negative pairs of the
    contrastive loss: "none" (no such loss), "all" other images, or the "relaxed" ones of `losses.plr_mask`. Losses that
    the mixture sees (`dims`): 1, the classifier's; 2, the prototype loss as well. What makes the loss of the given
    labels for a network, from the number of samples and of classes (None: cross-entropy).
    """

    semi: bool = False
    negatives: str = "none"
    dims: int = 1
    label_loss: "Callable[[int, int], nn.Module] | None" = None


METHODS = {
    "ce": Method(),
    "elr": Method(label_loss=early_learning),
    "dividemix": Method(semi=True),  # MixUps strong views; DivideMix weak ones, and at 90 % noise averages five losses
    "dividemix-2d": Method(semi=True, dims=2),
    "naive": Method(semi=True, negatives="all"),
    "naive-2d": Method(semi=True, negatives="all", dims=2),
    "plr-1d": Method(semi=True, negatives="relaxed"),
    "plremix": Method(semi=True, negatives="relaxed", dims=2),
}
