"""The losses of PLReMix as pure functions: contrast and its relaxation; the other terms come from `semi`.

Nothing here holds state, draws random numbers or moves tensors between devices.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from .engine.checks import check_labels, require
from .semi import confidence_penalty, mixmatch_loss, prior_penalty, ramp_up, sharpen

__all__ = [
    "confidence_penalty",
    "CONTRASTS",
    "flat_nce",
    "info_nce",
    "log_negative_ratio",
    "log_sum",
    "mixmatch_loss",
    "plr_loss",
    "plr_mask",
    "prior_penalty",
    "ramp_up",
    "all_negatives",
    "sharpen",
    "similarities",
]


def plr_mask(logits: Tensor, labels: Tensor, k: int) -> Tensor:
    """Say for each pair of a batch whether it attracts, repels or is left alone.

    The candidate set of a sample is its `k` most probable classes and its given label.
    Two samples repel only if their candidate sets share no class, so that a wrong given
    label alone never pushes two samples apart that the network sees alike.

    Parameters
    ----------
    logits : Tensor of shape (B, C), float
        Classifier outputs before softmax; only their order within a row matters.
    labels : Tensor of shape (B,), int64
        Given labels in [0, C), which may be wrong.
    k : int
        Number of classes taken from the prediction (kappa in the paper), in [1, C].

    Returns
    -------
    Tensor of shape (B, B), int8
        +1 on the diagonal, -1 for pairs that repel, 0 for pairs left alone. Symmetric.

    Raises
    ------
    ValueError
        If shapes disagree, `k` lies outside [1, C] or a label outside [0, C).

    Source
    ------
    Paper arXiv:2402.17589v2, the negative set of the PLR loss. Release: utils/train_utils.py.

    Differs
    -------
    nothing

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
    repel = (candidates @ candidates.T) == 0  # (B, C) -> (B, B)
    return torch.eye(len(labels), dtype=torch.int8, device=logits.device) - repel.to(torch.int8)


def all_negatives(size: int, device: torch.device | str = "cpu") -> Tensor:
    """Return the mask of ordinary contrastive learning: every other image repels.

    Parameters
    ----------
    size : int
        Batch size B.
    device : torch.device or str
        Where the mask lives.

    Returns
    -------
    Tensor of shape (B, B), int8
        +1 on the diagonal, -1 elsewhere.

    Source
    ------
    SimCLR (arXiv:2002.05709), section 2.1.

    Differs
    -------
    nothing
    """
    return 2 * torch.eye(size, dtype=torch.int8, device=device) - 1


def similarities(projections: Tensor, mask: Tensor, temperature: float) -> tuple[Tensor, Tensor]:
    """Compare every view with its positives and its negatives.

    Parameters
    ----------
    projections : Tensor of shape (B, V, D), float
        V >= 2 views of each image, of any length; normalised inside.
    mask : Tensor of shape (B, B), int8
        As returned by `plr_mask`: -1 marks the negative pairs.
    temperature : float
        tau > 0.

    Returns
    -------
    positives : Tensor of shape (V * B, V - 1), float
        Cosine similarity over tau with the other views of the same image.
    negatives : Tensor of shape (V * B, V * B), float
        The same with all views; -inf where the mask has no negative pair.

    Raises
    ------
    ValueError
        If shapes disagree or `temperature` is not positive.
    """
    require(
        projections.ndim == 3 and projections.shape[1] >= 2,
        "projections",
        "of shape (B, V, D) with V >= 2",
        tuple(projections.shape),
        "Stack the views along dimension 1.",
    )
    batch, views, _ = projections.shape
    require(
        tuple(mask.shape) == (batch, batch), "mask", f"of shape ({batch}, {batch})", tuple(mask.shape), "Use plr_mask."
    )
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


def log_negative_ratio(projections: Tensor, mask: Tensor, temperature: float) -> tuple[Tensor, Tensor]:
    """Compare, for every anchor, its negatives with its positive.

    ``v = log sum_j exp((q_i . q_j - q_i . q_p) / temperature)`` over all views j of the negatives of image i,
    p another view of image i. FlatNCE has the gradient of mean v; InfoNCE with two views is softplus(v).

    Parameters
    ----------
    projections, mask, temperature : Tensor, Tensor, float
        As for `similarities`.

    Returns
    -------
    v : Tensor of shape (V * B, V - 1), float
        One value a positive pair, in nats; 0 with zero gradient for anchors without negatives.
    valid : Tensor of shape (V * B,), bool
        Whether the anchor has a negative.

    Raises
    ------
    ValueError
        If shapes disagree or `temperature` is not positive.

    Source
    ------
    FlatNCE (arXiv:2107.01152), equation 6, over the negative pairs of the mask.
    """
    return _ratio(*similarities(projections, mask, temperature))


def _ratio(positives: Tensor, negatives: Tensor) -> tuple[Tensor, Tensor]:
    sums = log_sum(negatives)
    valid = sums > -math.inf
    return torch.where(valid[:, None], sums[:, None] - positives, torch.zeros_like(positives)), valid


def _flat_nce(positives: Tensor, negatives: Tensor) -> Tensor:
    """Mean over the anchors that have a negative; always 1 in value, the gradient is that of mean v.

    Source: FlatNCE (arXiv:2107.01152), equation 8; release: losses/losses.py, PLRLoss with flat=True.
    Differs: 0 with zero gradient if no anchor has a negative, where the release gives NaN.
    """
    v, valid = _ratio(positives, negatives)
    weight = valid.to(v.dtype) / valid.sum().clamp_min(1)
    return (torch.exp(v - v.detach()).mean(dim=1) * weight).sum()


def _info_nce(positives: Tensor, negatives: Tensor) -> Tensor:
    """Cross-entropy of each positive against all positives and negatives, mean over all anchors.

    Source: SupCon (arXiv:2004.11362), equation 2; release: losses/losses.py, PLRLoss with flat=False.
    """
    everything = torch.logaddexp(log_sum(negatives), positives.logsumexp(dim=1))
    return (everything[:, None] - positives).mean()


CONTRASTS = {"flat_nce": _flat_nce, "info_nce": _info_nce}  # by config.contrast: a loss of what `similarities` returns


def plr_loss(projections: Tensor, mask: Tensor, temperature: float = 1.0, flat: bool = True) -> Tensor:
    """Contrast with relaxed negatives: only the negative pairs of the mask are pushed apart.

    Parameters
    ----------
    projections, mask, temperature : Tensor, Tensor, float
        As for `similarities`.
    flat : bool
        FlatNCE (CIFAR, Tiny-ImageNet) or InfoNCE (Clothing1M, WebVision).

    Returns
    -------
    Tensor of shape (), float
        With `flat` the value is 1 whatever the input; watch the mean of `log_negative_ratio` instead.

    Raises
    ------
    ValueError
        If shapes disagree or `temperature` is not positive.

    Source
    ------
    Paper arXiv:2402.17589v2, the PLR loss; release: losses/losses.py, PLRLoss.

    Differs
    -------
    FlatNCE is 0 with a zero gradient when no anchor of the batch has a negative; the release gives NaN.
    """
    return CONTRASTS["flat_nce" if flat else "info_nce"](*similarities(projections, mask, temperature))


def flat_nce(projections: Tensor, temperature: float = 0.1) -> Tensor:
    """FlatNCE with every other image a negative; see `plr_loss` for the arguments."""
    return plr_loss(projections, all_negatives(len(projections), projections.device), temperature, flat=True)


def info_nce(projections: Tensor, temperature: float = 0.1) -> Tensor:
    """InfoNCE (SimCLR's loss) with every other image a negative; see `plr_loss` for the arguments."""
    return plr_loss(projections, all_negatives(len(projections), projections.device), temperature, flat=False)
