"""The methods of the one trainer, and the losses that they put on the given labels."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class CrossEntropy(nn.Module):
    """Cross-entropy with the given labels; the pattern of a label loss.

    A label loss is made for every network, with the number of samples and of classes. It is a part of the network: its
    parameters are trained and its buffers are saved with it.
    """

    def __init__(self, samples: int, classes: int) -> None:
        super().__init__()

    def forward(self, logits: Tensor, given: Tensor, index: Tensor) -> Tensor:
        """Loss () in nats of logits (B, C) of the samples `index` (B,), whose given labels are `given` (B,)."""
        return F.cross_entropy(logits, given)


class EarlyLearning(nn.Module):
    """Early-learning regularisation: cross-entropy that keeps predictions near their own running mean.

    Source: ELR (arXiv:2007.00151), equations 5 and 9, with the constants of its code for CIFAR-10.
    """

    def __init__(self, samples: int, classes: int, momentum: float = 0.7, weight: float = 3.0) -> None:
        super().__init__()
        self.momentum, self.weight = momentum, weight
        self.register_buffer("memory", torch.zeros(samples, classes))

    def forward(self, logits: Tensor, given: Tensor, index: Tensor) -> Tensor:
        p = logits.softmax(dim=1).clamp(1e-4, 1 - 1e-4)
        p_now = (p / p.sum(dim=1, keepdim=True)).detach().to(self.memory.dtype)
        self.memory[index] = self.momentum * self.memory[index] + (1 - self.momentum) * p_now
        agreement = (self.memory[index] * p).sum(dim=1)
        return F.cross_entropy(logits, given) + self.weight * (1 - agreement).log().mean()


@dataclass(frozen=True)
class Method:
    """What a method switches on in the one trainer.

    Semi-supervised training on a split after warm-up (`semi`), else the label loss throughout. Negative pairs of the
    contrastive loss: "none" (no such loss), "all" other images, or the "relaxed" ones of `losses.plr_mask`. Losses that
    the mixture sees (`dims`): 1, the classifier's; 2, the prototype loss as well. Loss of the given labels.
    """

    semi: bool = False
    negatives: str = "none"
    dims: int = 1
    label_loss: type[nn.Module] = CrossEntropy


METHODS = {
    "ce": Method(),
    "elr": Method(label_loss=EarlyLearning),
    "dividemix": Method(semi=True),  # MixUps strong views; DivideMix weak ones, and at 90 % noise averages five losses
    "dividemix-2d": Method(semi=True, dims=2),
    "naive": Method(semi=True, negatives="all"),
    "naive-2d": Method(semi=True, negatives="all", dims=2),
    "plr-1d": Method(semi=True, negatives="relaxed"),
    "plremix": Method(semi=True, negatives="relaxed", dims=2),
}
