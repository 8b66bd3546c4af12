"""The methods of the one trainer; without torch, as a misspelt name must not wait seconds for it."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Method:
    """What a method switches on in the one trainer.

    Semi-supervised training on a split after warm-up (`semi`), else the label loss throughout. Negative pairs of the
    contrastive loss: "none" (no such loss), "all" other images, or the "relaxed" ones of `losses.plr_mask`. Losses that
    the mixture sees (`dims`): 1, the classifier's; 2, the prototype loss as well. Loss of the given labels: a
    class of label_losses by its name, or what makes one from the number of samples and of classes.
    """

    semi: bool = False
    negatives: str = "none"
    dims: int = 1
    label_loss: str | Callable[[int, int], object] = "CrossEntropy"


METHODS = {
    "ce": Method(),
    "elr": Method(label_loss="EarlyLearning"),
    "dividemix": Method(semi=True),  # MixUps strong views; DivideMix weak ones, and at 90 % noise averages five losses
    "dividemix-2d": Method(semi=True, dims=2),
    "naive": Method(semi=True, negatives="all"),
    "naive-2d": Method(semi=True, negatives="all", dims=2),
    "plr-1d": Method(semi=True, negatives="relaxed"),
    "plremix": Method(semi=True, negatives="relaxed", dims=2),
}
