"""One SGD step's losses: warm-up, and semi-supervised training with PLR on a divided set.

Everything random (views, mixing coefficient, permutation) is passed in, so that a step can be repeated exactly.
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from . import losses
from .config import Config
from .engine import distributed
from .model import Network


class Terms(NamedTuple):
    """The parts of a step's loss, scalars on the device; `total` is what is minimised.

    `contrast` is the mean of `losses.log_negative_ratio`, the readable quantity behind the flat loss;
    `negatives` the mean number of images that repel an anchor.
    """

    total: Tensor
    loss_x: Tensor
    loss_u: Tensor
    penalty: Tensor
    contrast: Tensor
    negatives: Tensor

    def detached(self) -> "Terms":
        """The same without the graph, so that keeping the terms of an epoch keeps no activations."""
        return Terms(*(value.detach() for value in self))


def contrast_terms(projections: Tensor, mask: Tensor, temperature: float, form: str) -> tuple[Tensor, Tensor, Tensor]:
    """Loss, mean log negative ratio and mean number of negatives for projections (B, V, D) under mask (B, B).

    With several processes the projections are a share of the batch and the mask is that of all shares, joined.
    """
    projections = distributed.gather_with_gradient(projections)
    v, valid = losses.log_negative_ratio(projections, mask, temperature)
    mean_v = v.detach().mean(dim=1).sum() / valid.sum().clamp_min(1)
    negatives = (mask < 0).sum() / len(mask)
    loss = losses.CONTRASTS[form](*losses.similarities(projections, mask, temperature))
    return loss, mean_v, negatives


def project_views(net: Network, strong: Tensor, small: Tensor | None) -> Tensor:
    """Projections (B, V, D) of strong (2, B, c, H, W) and, in a call of their own, small views (v, B, c, h, w)."""
    kinds = [strong] if small is None else [strong, small]
    projections = [net.project(kind.flatten(0, 1)).unflatten(0, (len(kind), -1)) for kind in kinds]
    return torch.cat(projections).transpose(0, 1)  # (V, B, D) -> (B, V, D)


def supervised_step(
    net: Network, weak: Tensor, strong: Tensor | None, given: Tensor, config: Config, small: Tensor | None = None
) -> Terms:
    """Cross-entropy of one weak view and, with strong views, the ordinary contrastive loss.

    Parameters
    ----------
    net : Network
        In train mode.
    weak : Tensor of shape (B, c, H, W), float
        One weak view of each image.
    strong : Tensor of shape (2, B, c, H, W), float, or None
        Two strong views; None for methods without contrast.
    given : Tensor of shape (B,), int64
        Given labels.
    config : Config
        Fields confidence_penalty, warm_up_temperature and contrast are used.
    small : Tensor of shape (v, B, c, h, w), float, optional
        Small crops of multi-crop.

    Returns
    -------
    Terms

    Source
    ------
    Paper arXiv:2402.17589v2, warm-up; release: utils/train_utils.py, warm-up.

    Differs
    -------
    With contrast = info_nce the loss is InfoNCE; the release on CIFAR applies the flat formula to its logits and pushes
    positives apart. With more than two views every other view of the image is a positive, in the release one.
    """
    logits = net.classify(weak)
    loss_x = F.cross_entropy(logits, given)
    zero = torch.zeros_like(loss_x)
    penalised = config.confidence_penalty and config.spec.semi  # plain cross-entropy stays plain
    penalty = losses.confidence_penalty(logits) if penalised else zero
    contrast, mean_v, negatives = zero, zero, zero
    if strong is not None:
        projections = project_views(net, strong, small)
        mask = losses.all_negatives(len(weak) * distributed.size(), weak.device)
        contrast, mean_v, negatives = contrast_terms(projections, mask, config.warm_up_temperature, config.contrast)
    return Terms(loss_x + penalty + contrast, loss_x, zero, penalty, mean_v, negatives)


@torch.no_grad()
def co_refine_and_co_guess(
    net: Network, peer: Network, weak_x: Tensor, weak_u: Tensor, given: Tensor, p_clean: Tensor, sharpening: float
) -> tuple[Tensor, Tensor]:
    """Refine the labels of the clean part and guess those of the noisy part.

    Parameters
    ----------
    net, peer : Network
        The trained network, in train mode, and the other one, in eval mode.
    weak_x, weak_u : Tensor of shape (2, B, c, H, W), float
        Two weak views of the clean and of the noisy batch.
    given : Tensor of shape (B,), int64
        Given labels of the clean batch.
    p_clean : Tensor of shape (B,), float
        Their probability of being right.
    sharpening : float
        Temperature T of `losses.sharpen`.

    Returns
    -------
    targets_x, targets_u : Tensor of shape (B, C), float
        Soft targets, rows summing to 1.

    Source
    ------
    DivideMix (arXiv:2002.07394), co-refinement and co-guessing; release: semi_train_step.

    Differs
    -------
    nothing
    """
    views = torch.cat([*weak_u, *weak_x])  # u1 u2 x1 x2: (4B, c, H, W)
    own_u, own_x = net.classify_views(views.unflatten(0, (4, -1))).softmax(dim=2).split(2)
    peer_u = peer.classify(views[: len(views) // 2]).softmax(dim=1).unflatten(0, (2, -1))
    targets_u = losses.sharpen((own_u[0] + own_u[1] + peer_u[0] + peer_u[1]) / 4, sharpening)
    w = p_clean[:, None]
    refined = w * F.one_hot(given, targets_u.shape[1]) + (1 - w) * (own_x[0] + own_x[1]) / 2
    return losses.sharpen(refined, sharpening), targets_u


def negative_mask(config: Config, logits: Tensor, given: Tensor, epoch: int) -> Tensor | None:
    """Mask (B, B) of the method's repelling pairs, from the peer's logits (B, C); None without contrast."""
    if config.spec.repel == "plr":
        return losses.plr_mask(logits, given, config.kappa_at(epoch))
    return losses.all_negatives(len(given), given.device) if config.spec.repel == "all" else None


def semi_step(
    net: Network,
    strong_x: Tensor,
    strong_u: Tensor,
    targets_x: Tensor,
    targets_u: Tensor,
    mask: Tensor | None,
    mix: float,
    permutation: Tensor,
    weight_u: float,
    config: Config,
    small: Tensor | None = None,
) -> Terms:
    """MixUp, semi-supervised losses and the (relaxed) contrastive loss of one batch.

    Parameters
    ----------
    net : Network
        In train mode.
    strong_x, strong_u : Tensor of shape (2, B, c, H, W), float
        Two strong views of the clean and of the noisy batch.
    targets_x, targets_u : Tensor of shape (B, C), float
        From `co_refine_and_co_guess`.
    mask : Tensor of shape (2 B, 2 B), int8, or None
        Pairs of the clean then the noisy batch; None for methods without contrast.
    mix : float
        MixUp coefficient in [0.5, 1].
    permutation : Tensor of shape (4 B,), int64
        Partners of MixUp.
    weight_u : float
        Weight of L_u in this step.
    config : Config
        Fields temperature, contrast and lambda_c are used; for ordinary contrast naive_temperature and naive_contrast.
    small : Tensor of shape (v, 2 B, c, h, w), float, optional
        Small crops of the clean then the noisy batch, for the contrast alone.

    Returns
    -------
    Terms

    Source
    ------
    Paper arXiv:2402.17589v2, training on the divided set; release: semi_train_step and plr_train_step.

    Differs
    -------
    nothing
    """
    kinds = distributed.gather(strong_x, 1), distributed.gather(strong_u, 1)
    views = torch.cat([view for kind in kinds for view in kind])  # x1 x2 u1 u2: (4B, c, H, W)
    all_x, all_u = distributed.gather(targets_x), distributed.gather(targets_u)
    targets = torch.cat([all_x, all_x, all_u, all_u])  # (4B, C)
    own = distributed.own_rows(len(views), 4, views.device)
    mixed, targets = ((mix * whole[own]).add_(whole[permutation[own]].mul_(1 - mix)) for whole in (views, targets))
    logits = net.classify(mixed)
    half = len(logits) // 2
    loss_x, loss_u = losses.mixmatch_loss(logits[:half], targets[:half], logits[half:], targets[half:])
    penalty = losses.prior_penalty(logits, distributed.mean_with_gradient)
    contrast = mean_v = negatives = torch.zeros_like(loss_x)
    if mask is not None:
        both = torch.cat([view for pair in zip(strong_x, strong_u) for view in pair])  # x1 u1 x2 u2
        projections = project_views(net, both.unflatten(0, (2, -1)), small)  # (2B, V, D)
        contrast, mean_v, negatives = contrast_terms(projections, mask, *config.contrast_after_warm_up)
    total = loss_x + weight_u * loss_u + penalty + config.lambda_c * contrast
    return Terms(total, loss_x, loss_u, penalty, mean_v, negatives)


COLUMN = {"loss_x": "x", "loss_u": "u"}  # names in histories, also recorded ones


def mean_terms(terms: list[Terms]) -> dict[str, float]:
    """Means over the steps of an epoch; the only wait for the device. Nothing if there was no step."""
    if not terms:
        return {}
    means = torch.stack([torch.stack([value.float() for value in step]) for step in terms]).mean(dim=0)
    names = [COLUMN.get(name, name) for name in Terms._fields]
    return dict(zip(names, distributed.mean(means).tolist()))
