"""Losses of the given labels, which a method puts in the place of cross-entropy."""

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
