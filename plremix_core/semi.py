"""Terms of the semi-supervised loss, as pure functions. Use them from `losses`."""

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from .engine.checks import require


def mixmatch_loss(logits_x: Tensor, targets_x: Tensor, logits_u: Tensor, targets_u: Tensor) -> tuple[Tensor, Tensor]:
    """Supervised and unsupervised part of the semi-supervised loss.

    Parameters
    ----------
    logits_x, logits_u : Tensor of shape (B, C), float
        Outputs for the mixed images of the clean and of the noisy part.
    targets_x, targets_u : Tensor of shape (B, C), float
        Soft targets, rows summing to 1.

    Returns
    -------
    loss_x : Tensor of shape ()
        Soft cross-entropy in nats. 0 if the part is empty.
    loss_u : Tensor of shape ()
        Mean squared error between softmax and target over all B * C entries. 0 if empty.

    Source
    ------
    DivideMix (arXiv:2002.07394), equations 9 and 10.

    Differs
    -------
    Empty parts give 0; the release gives NaN.
    """
    loss_x = -(targets_x * F.log_softmax(logits_x, dim=1)).sum() / max(len(logits_x), 1)
    loss_u = ((logits_u.softmax(dim=1) - targets_u) ** 2).sum() / max(logits_u.numel(), 1)
    return loss_x, loss_u


def sharpen(probabilities: Tensor, temperature: float = 0.5) -> Tensor:
    """Raise to the power 1 / temperature and normalise.

    Parameters
    ----------
    probabilities : Tensor of shape (B, C), float
        Rows summing to 1.
    temperature : float
        T > 0; below 1 the largest entry grows.

    Returns
    -------
    Tensor of shape (B, C), float
        Rows summing to 1.

    Raises
    ------
    ValueError
        If `temperature` is not positive.

    Source
    ------
    MixMatch (arXiv:1905.02249), equation 7.

    Differs
    -------
    nothing
    """
    require(temperature > 0, "temperature", "> 0", temperature, "The paper uses 0.5.")
    powered = (probabilities / probabilities.amax(dim=1, keepdim=True)) ** (1 / temperature)  # the largest is 1
    return powered / powered.sum(dim=1, keepdim=True)


def ramp_up(epoch: float, warm_up: int, length: int = 16) -> float:
    """Return the weight of the unsupervised part: 0 until `warm_up`, then linear to 1 in `length` epochs.

    Parameters
    ----------
    epoch : float
        Fractional epoch.
    warm_up, length : int
        Epochs of warm-up and of the ramp.

    Returns
    -------
    float
        Fraction in [0, 1].

    Source
    ------
    Release: utils/train_utils.py, linear ramp-up of DivideMix.

    Differs
    -------
    A ramp of length 0 is a step.
    """
    return min(max((epoch - warm_up) / length, 0.0), 1.0) if length else float(epoch >= warm_up)


def confidence_penalty(logits: Tensor) -> Tensor:
    """Mean of sum_c p_c log p_c in nats, for logits of shape (B, C): it punishes confident predictions.

    Source: DivideMix (arXiv:2002.07394), equation 6. Differs: log-softmax, so that gaps of 100 do not give NaN.
    """
    log_p = F.log_softmax(logits, dim=1)
    return (log_p.exp() * log_p).sum(dim=1).mean()


def prior_penalty(logits: Tensor, average: Callable[[Tensor], Tensor] = lambda mean: mean) -> Tensor:
    """KL divergence in nats from the uniform prior to the mean prediction of logits of shape (B, C).

    `average` takes the mean prediction (C,) of a share of the batch to that of the whole; see `distributed`.

    Source: DivideMix (arXiv:2002.07394), equation 11. Differs: the mean is clamped, an absent class
    does not give infinity.
    """
    mean = average(logits.softmax(dim=1).mean(dim=0))
    prior = 1 / logits.shape[1]
    return (prior * (math.log(prior) - mean.clamp_min(torch.finfo(mean.dtype).tiny).log())).sum()
