"""The losses of PLReMix as pure functions: contrast, its relaxation, and the semi-supervised terms.

Nothing here holds state, draws random numbers or moves tensors between devices.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from .checks import check_labels, require


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


def repel_all(size: int, device: torch.device | str = "cpu") -> Tensor:
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


def log_repulsion(projections: Tensor, mask: Tensor, temperature: float) -> tuple[Tensor, Tensor]:
    """Compare, for every anchor, its repelled images with its own other view.

    ``v = log sum_j exp((q_i . q_j - q_i . q_p) / temperature)`` over all views j of the images that
    repel image i, p another view of image i. Both forms of the loss are functions of `v`:
    FlatNCE has the gradient of mean v, InfoNCE is softplus(v).

    Parameters
    ----------
    projections : Tensor of shape (B, V, D), float
        V >= 2 views of each image, of any length; normalised inside.
    mask : Tensor of shape (B, B), int8
        As returned by `plr_mask`: -1 marks the pairs that repel.
    temperature : float
        tau > 0.

    Returns
    -------
    v : Tensor of shape (V * B, V - 1), float
        One value a positive pair; 0 for anchors without negatives. Dimensionless (nats).
    valid : Tensor of shape (V * B,), bool
        Whether the anchor has a negative.

    Raises
    ------
    ValueError
        If shapes disagree or `temperature` is not positive.

    Source
    ------
    FlatNCE (arXiv:2107.01152), equation 6, restricted to the pairs of the mask.

    Differs
    -------
    Anchors without negatives give 0 with zero gradient; the release divides by an empty count.
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
    repel = (mask < 0).repeat(views, views)  # (B, B) -> (V*B, V*B)
    valid = repel.any(dim=1)
    negatives = similarity.masked_fill(~repel, -math.inf)
    negatives = torch.where(valid[:, None], negatives, torch.zeros_like(negatives)).logsumexp(dim=1)
    anchor = torch.arange(views * batch, device=q.device)
    others = torch.stack([(anchor + shift * batch) % (views * batch) for shift in range(1, views)], dim=1)
    v = negatives[:, None] - similarity.gather(1, others)  # (V*B, V-1)
    return torch.where(valid[:, None], v, torch.zeros_like(v)), valid


def contrast_from(v: Tensor, valid: Tensor, flat: bool) -> Tensor:
    """Turn the values of `log_repulsion` into the loss that is minimised.

    Parameters
    ----------
    v : Tensor of shape (V * B, V - 1), float
        Values of `log_repulsion`.
    valid : Tensor of shape (V * B,), bool
        Anchors that have a negative; the others are left out of the mean.
    flat : bool
        True: FlatNCE, always 1 in value, only the gradient means anything. False: InfoNCE.

    Returns
    -------
    Tensor of shape (), float
        The loss; 0 with zero gradient if no anchor has a negative.

    Source
    ------
    FlatNCE (arXiv:2107.01152), equation 8; release: utils/losses.py.

    Differs
    -------
    The empty batch is 0 and not NaN.
    """
    terms = torch.exp(v - v.detach()) if flat else F.softplus(v)
    weight = valid.to(v.dtype) / valid.sum().clamp_min(1)
    return (terms.mean(dim=1) * weight).sum()


def plr_loss(projections: Tensor, mask: Tensor, temperature: float = 1.0, flat: bool = True) -> Tensor:
    """Contrast with relaxed negatives: only pairs that repel in the mask are pushed apart.

    Parameters
    ----------
    projections : Tensor of shape (B, V, D), float
        Views of each image; normalised inside.
    mask : Tensor of shape (B, B), int8
        As returned by `plr_mask`.
    temperature : float
        tau > 0.
    flat : bool
        FlatNCE (CIFAR, Tiny-ImageNet) or InfoNCE (Clothing1M, WebVision).

    Returns
    -------
    Tensor of shape (), float
        With `flat` the value is 1 whatever the input; watch the mean of `log_repulsion` instead.

    Raises
    ------
    ValueError
        If shapes disagree or `temperature` is not positive.

    Source
    ------
    Paper arXiv:2402.17589v2, the PLR loss; release: utils/losses.py.

    Differs
    -------
    0 with a zero gradient when no anchor of the batch has a negative; the release gives NaN.
    """
    return contrast_from(*log_repulsion(projections, mask, temperature), flat=flat)


def flat_nce(projections: Tensor, temperature: float = 0.1) -> Tensor:
    """FlatNCE with every other image of the batch repelling; see `plr_loss` for the arguments."""
    return plr_loss(projections, repel_all(len(projections), projections.device), temperature, flat=True)


def info_nce(projections: Tensor, temperature: float = 0.1) -> Tensor:
    """InfoNCE (SimCLR's loss) with every other image repelling; see `plr_loss` for the arguments."""
    return plr_loss(projections, repel_all(len(projections), projections.device), temperature, flat=False)


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
    powered = probabilities ** (1 / temperature)
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


def prior_penalty(logits: Tensor) -> Tensor:
    """KL divergence in nats from the uniform prior to the mean prediction of logits of shape (B, C).

    Source: DivideMix (arXiv:2002.07394), equation 11. Differs: the mean is clamped, an absent class
    does not give infinity.
    """
    mean = logits.softmax(dim=1).mean(dim=0)
    prior = 1 / logits.shape[1]
    return (prior * (math.log(prior) - mean.clamp_min(torch.finfo(mean.dtype).tiny).log())).sum()
