"""The losses of PLReMix as pure functions: negative pairs, contrastive losses, semi-supervised terms.

Nothing here holds state, draws random numbers or moves tensors between devices.
"""

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from .engine.checks import check_labels, require


def plr_mask(logits: Tensor, labels: Tensor, k: int) -> Tensor:
    """Mark the negative pairs of a batch: images whose candidate sets share no class.

    The candidate set of an image holds its `k` most probable classes and its given label. Two images that the network
    takes for the same class are therefore not a negative pair, whatever their given labels say.

    Parameters
    ----------
    logits : Tensor of shape (B, C), float
        Classifier outputs; only their order within a row matters.
    labels : Tensor of shape (B,), int64
        Given labels in [0, C), which may be wrong.
    k : int
        Predicted classes in a candidate set (kappa in the paper), in [1, C].

    Returns
    -------
    Tensor of shape (B, B), int8
        +1 on the diagonal, -1 for negative pairs, 0 for pairs that are left out of the loss. Symmetric.

    Source
    ------
    Paper arXiv:2402.17589v2, the negative set of the PLR loss; release: utils/train_utils.py, build_mask_step.

    Examples
    --------
    >>> plr_mask(torch.eye(3), torch.tensor([0, 1, 0]), k=1).tolist()
    [[1, -1, 0], [-1, 1, -1], [0, -1, 1]]
    """
    require(logits.ndim == 2, "logits", "of shape (B, C)", tuple(logits.shape), "Pass one row a sample.")
    classes = logits.shape[1]
    require(1 <= k <= classes, "k", f"in [1, {classes}]", k, "Use 3, 2 or 1 as in the paper's schedule.")
    check_labels(labels, classes, size=logits.shape[0])
    candidates = F.one_hot(labels, classes).to(torch.float32)  # (B,) -> (B, C)
    candidates = candidates.scatter(1, logits.topk(k, dim=1).indices, 1.0)
    negative = (candidates @ candidates.T) == 0  # (B, C) -> (B, B)
    return torch.eye(len(labels), dtype=torch.int8, device=logits.device) - negative.to(torch.int8)


def all_negatives(size: int, device: torch.device | str = "cpu") -> Tensor:
    """Return the mask (B, B) of ordinary contrastive learning: every other image is a negative."""
    return 2 * torch.eye(size, dtype=torch.int8, device=device) - 1


def similarities(projections: Tensor, mask: Tensor, temperature: float) -> tuple[Tensor, Tensor]:
    """Compare every view with its positives and its negatives, as cosines over the temperature.

    Parameters
    ----------
    projections : Tensor of shape (B, V, D), float
        V >= 2 views of each image, of any length; normalised inside.
    mask : Tensor of shape (B, B), int8
        As from `plr_mask`: -1 marks the negative pairs.
    temperature : float
        tau > 0.

    Returns
    -------
    positives : Tensor of shape (V * B, V - 1), float
        With the other views of the same image.
    negatives : Tensor of shape (V * B, V * B), float
        With all views; -inf where the mask has no negative pair.
    """
    shape, views_first = tuple(projections.shape), "Stack the views along dimension 1."
    require(len(shape) == 3 and shape[1] >= 2, "projections", "of shape (B, V, D) with V >= 2", shape, views_first)
    batch, views, _ = shape
    fits = tuple(mask.shape) == (batch, batch)
    require(fits, "mask", f"of shape ({batch}, {batch})", tuple(mask.shape), "Use plr_mask.")
    require(temperature > 0, "temperature", "> 0", temperature, "The paper uses 1.0 for PLR and 0.1 in warm-up.")
    q = F.normalize(projections, dim=2).transpose(0, 1).flatten(0, 1)  # (B, V, D) -> (V*B, D)
    similarity = q @ q.T / temperature  # (V*B, V*B)
    anchor = torch.arange(views * batch, device=q.device)
    others = torch.stack([(anchor + shift * batch) % (views * batch) for shift in range(1, views)], dim=1)
    negative = (mask < 0).repeat(views, views)  # (B, B) -> (V*B, V*B)
    return similarity.gather(1, others), similarity.masked_fill(~negative, -math.inf)


def log_sum(negatives: Tensor) -> Tensor:
    """Log of the summed exponentials of each row, (A, A) -> (A,); a row without negatives gives -inf, zero gradient."""
    some = (negatives > -math.inf).any(dim=1)
    sums = torch.where(some[:, None], negatives, torch.zeros_like(negatives)).logsumexp(dim=1)
    return torch.where(some, sums, torch.full_like(sums, -math.inf))


def log_ratio(positives: Tensor, negatives: Tensor) -> tuple[Tensor, Tensor]:
    """`log_negative_ratio` of what `similarities` returns."""
    sums = log_sum(negatives)
    valid = sums > -math.inf
    return torch.where(valid[:, None], sums[:, None] - positives, torch.zeros_like(positives)), valid


def log_negative_ratio(projections: Tensor, mask: Tensor, temperature: float) -> tuple[Tensor, Tensor]:
    """Compare the negatives of every anchor with its positives; arguments as for `similarities`.

    ``v = log sum_j exp((q_i . q_j - q_i . q_p) / tau)``, j over all views of the negatives of image i, p another view
    of image i, has shape (V * B, V - 1) and is 0, with zero gradient, for anchors without negatives; the second result,
    (V * B,), says which anchors have some. FlatNCE has the gradient of mean v, InfoNCE with two views is softplus(v).

    Source: FlatNCE (arXiv:2107.01152), equation 6, over the negative pairs of the mask.
    """
    return log_ratio(*similarities(projections, mask, temperature))


def _flat_nce(positives: Tensor, negatives: Tensor) -> Tensor:
    """Mean over the anchors that have a negative; always 1 in value, the gradient is that of mean v.

    Source: FlatNCE (arXiv:2107.01152), equation 8; release: losses/losses.py, PLRLoss with flat=True.
    Differs: 0 with zero gradient if no anchor has a negative, where the release gives NaN.
    """
    v, valid = log_ratio(positives, negatives)
    weight = valid.to(v.dtype) / valid.sum().clamp_min(1)
    return (torch.exp(v - v.detach()).mean(dim=1) * weight).sum()


def _info_nce(positives: Tensor, negatives: Tensor) -> Tensor:
    """Cross-entropy of each positive against all positives and negatives, mean over all anchors.

    Source: SupCon (arXiv:2004.11362), equation 2; release: losses/losses.py, PLRLoss with flat=False.
    """
    everything = torch.logaddexp(log_sum(negatives), positives.logsumexp(dim=1))
    return (everything[:, None] - positives).mean()


CONTRASTS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {  # config.contrast: a loss of what `similarities` returns
    "flat_nce": _flat_nce,
    "info_nce": _info_nce,
}


def plr_loss(projections: Tensor, mask: Tensor, temperature: float = 1.0, flat: bool = True) -> Tensor:
    """Contrastive loss that pushes apart only the negative pairs of the mask; arguments as for `similarities`.

    FlatNCE (`flat`; CIFAR, Tiny-ImageNet) is 1 whatever its input: watch the mean of `log_negative_ratio`. Else InfoNCE
    (Clothing1M, WebVision).

    Source: paper arXiv:2402.17589v2, the PLR loss; release: losses/losses.py, PLRLoss.
    """
    return CONTRASTS["flat_nce" if flat else "info_nce"](*similarities(projections, mask, temperature))


def flat_nce(projections: Tensor, temperature: float = 0.1) -> Tensor:
    """FlatNCE with every other image a negative; see `plr_loss` for the arguments."""
    return plr_loss(projections, all_negatives(len(projections), projections.device), temperature, flat=True)


def info_nce(projections: Tensor, temperature: float = 0.1) -> Tensor:
    """InfoNCE (SimCLR's loss) with every other image a negative; see `plr_loss` for the arguments."""
    return plr_loss(projections, all_negatives(len(projections), projections.device), temperature, flat=False)


def mixmatch_loss(logits_x: Tensor, targets_x: Tensor, logits_u: Tensor, targets_u: Tensor) -> tuple[Tensor, Tensor]:
    """Soft cross-entropy of the labeled part (nats) and mean squared error of the unlabeled part.

    All arguments have shape (n, C); targets are probabilities. An empty part gives 0 (the release gives NaN).

    Source: DivideMix (arXiv:2002.07394), equations 9 and 10; release: losses/losses.py, SemiLoss.
    """
    loss_x = -(targets_x * F.log_softmax(logits_x, dim=1)).sum() / max(len(logits_x), 1)
    loss_u = ((logits_u.softmax(dim=1) - targets_u) ** 2).sum() / max(logits_u.numel(), 1)
    return loss_x, loss_u


def sharpen(probabilities: Tensor, temperature: float = 0.5) -> Tensor:
    """Raise probabilities (B, C) to the power 1 / temperature and normalise each row.

    Source: MixMatch (arXiv:1905.02249), equation 7.
    """
    require(temperature > 0, "temperature", "> 0", temperature, "The paper uses 0.5.")
    powered = (probabilities / probabilities.amax(dim=1, keepdim=True)) ** (1 / temperature)  # the largest is 1
    return powered / powered.sum(dim=1, keepdim=True)


def ramp_up(epoch: float, warm_up: int, length: int = 16) -> float:
    """Weight of the unlabeled part in [0, 1]: 0 until `warm_up`, then linear to 1 within `length` epochs.

    Source: release, losses/losses.py, SemiLoss.linear_rampup.
    Differs: the fractional epoch counts steps over steps; the release divides by ``len(part) // batch + 1``.
    """
    return min(max((epoch - warm_up) / length, 0.0), 1.0) if length else float(epoch >= warm_up)


def confidence_penalty(logits: Tensor) -> Tensor:
    """Mean of sum_c p_c log p_c in nats, for logits (B, C): adding it to a loss punishes confident predictions.

    Source: DivideMix (arXiv:2002.07394), equation 6. Log-softmax keeps it finite where the release gives NaN.
    """
    log_p = F.log_softmax(logits, dim=1)
    return (log_p.exp() * log_p).sum(dim=1).mean()


def prior_penalty(logits: Tensor) -> Tensor:
    """KL divergence in nats from the uniform prior to the mean prediction of logits (B, C).

    Source: DivideMix (arXiv:2002.07394), equation 11. The mean is clamped: an absent class gives no infinity.
    """
    mean, prior = logits.softmax(dim=1).mean(dim=0), 1 / logits.shape[1]
    return (prior * (math.log(prior) - mean.clamp_min(torch.finfo(mean.dtype).tiny).log())).sum()
