"""The loss of one SGD step: on the given labels, and semi-supervised with PLR on a split set.

Everything random (views, mixing coefficient, permutation) is passed in, so that a step can be repeated exactly.
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from . import losses
from .config import Config
from .model import Network


class Terms(NamedTuple):
    """The parts of a step's loss, scalars on the device; `total` is what is minimised, `contrast` the mean of
    `losses.log_negative_ratio`, readable where the flat loss is not, `negatives` the mean number of an image's."""

    total: Tensor
    loss_x: Tensor
    loss_u: Tensor
    penalty: Tensor
    contrast: Tensor
    negatives: Tensor

    def detached(self) -> "Terms":
        """The same without the graph, so that keeping the terms of an epoch keeps no activations."""
        return Terms(*(value.detach() for value in self))


COLUMNS = [name.removeprefix("loss_") for name in Terms._fields]  # of the history


def negative_mask(config: Config, logits: Tensor | None, given: Tensor, epoch: int) -> Tensor | None:
    """Mask (B, B) of the method's negative pairs, from the peer's logits (B, C); None without contrast."""
    if config.spec.negatives == "relaxed":
        return losses.plr_mask(logits, given, config.kappa_at(epoch))
    return losses.all_negatives(len(given), given.device) if config.spec.negatives == "all" else None


def contrast_terms(projections: Tensor, mask: Tensor, temperature: float, form: str) -> tuple[Tensor, Tensor, Tensor]:
    """Loss, mean log negative ratio and mean number of negatives for projections (B, V, D) under mask (B, B)."""
    pairs = losses.similarities(projections, mask, temperature)
    v, valid = losses.log_ratio(*(part.detach() for part in pairs))
    mean_v = v.mean(dim=1).sum() / valid.sum().clamp_min(1)
    return losses.CONTRASTS[form](*pairs), mean_v, (mask < 0).sum() / len(mask)


def project_views(net: Network, strong: Tensor, small: Tensor | None) -> Tensor:
    """Projections (B, V, D) of strong (2, B, c, H, W) and, in a call of their own, small views (v, B, c, h, w)."""
    kinds = [strong] if small is None else [strong, small]
    projections = [net.project(kind.flatten(0, 1)).unflatten(0, (len(kind), -1)) for kind in kinds]
    return torch.cat(projections).transpose(0, 1)  # (V, B, D) -> (B, V, D)


def supervised_step(
    net: Network,
    shown: Tensor,
    strong: Tensor | None,
    given: Tensor,
    index: Tensor,
    config: Config,
    mask: Tensor | None = None,
    small: Tensor | None = None,
) -> Terms:
    """Label loss of one view of each image and, with strong views, a contrastive loss.

    Parameters
    ----------
    net : Network
        In train mode.
    shown : Tensor of shape (B, c, H, W), float
        The view that the label loss sees.
    strong, small : Tensor of shape (2, B, c, H, W) and (v, B, c, h, w), float, or None
        Two strong views, and small crops of multi-crop; None for no contrast.
    given, index : Tensor of shape (B,), int64
        Given labels and numbers of the samples.
    mask : Tensor of shape (B, B), int8, optional
        Negative pairs after warm-up. None: warm-up, every other image is a negative.

    Source: paper arXiv:2402.17589v2, warm-up; release, utils/train_utils.py, uniform_warmup.
    Differs: with contrast = info_nce the loss is InfoNCE; the release on CIFAR applies the flat formula to its logits
    and pushes positives apart. Every other view of an image is a positive, in the release one.
    """
    logits = net.classify(shown)
    loss_x = net.label_loss(logits, given, index)
    zero = torch.zeros_like(loss_x)
    penalised = config.confidence_penalty and config.spec.semi  # plain cross-entropy stays plain
    penalty = losses.confidence_penalty(logits) if penalised else zero
    contrast, mean_v, negatives, weight = zero, zero, zero, 1.0
    if strong is not None:
        how = config.warm_up_temperature, config.contrast
        if mask is None:
            mask = losses.all_negatives(len(given), given.device)
        else:
            how, weight = config.joint_contrast, config.lambda_c
        contrast, mean_v, negatives = contrast_terms(project_views(net, strong, small), mask, *how)
    return Terms(loss_x + penalty + weight * contrast, loss_x, zero, penalty, mean_v, negatives)


@torch.no_grad()
def co_refine_and_co_guess(
    net: Network, peer: Network, weak_x: Tensor, weak_u: Tensor, given: Tensor, p_clean: Tensor, sharpening: float
) -> tuple[Tensor, Tensor]:
    """Refine the labels of the labeled batch and guess those of the unlabeled one; soft targets (B, C) of both.

    `net` is in train mode, the other network `peer` in eval mode. `weak_x` and `weak_u` (2, B, c, H, W) are two weak
    views of the labeled and of the unlabeled batch. `given` (B,) are the given labels of the labeled batch, `p_clean`
    (B,) the probability that each is right; `sharpening` is the temperature of `losses.sharpen`.

    Source: DivideMix (arXiv:2002.07394), co-refinement and co-guessing; release, utils/train_utils.py, semi_train_step.
    """
    own_u = [net.classify(view).softmax(dim=1) for view in weak_u]
    peer_u = [peer.classify(view).softmax(dim=1) for view in weak_u]
    own_x = [net.classify(view).softmax(dim=1) for view in weak_x]  # BatchNorm sees u1, u2, x1, x2, as in the release
    targets_u = losses.sharpen((own_u[0] + own_u[1] + peer_u[0] + peer_u[1]) / 4, sharpening)
    w = p_clean[:, None]
    refined = w * F.one_hot(given, targets_u.shape[1]) + (1 - w) * (own_x[0] + own_x[1]) / 2
    return losses.sharpen(refined, sharpening), targets_u


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
    """MixUp, semi-supervised losses and the contrastive loss of one batch; labeled samples come first.

    `strong_x` and `strong_u` (2, B, c, H, W) are two strong views of the labeled and of the unlabeled batch, `small`
    (v, 2 B, c, h, w) small crops for the contrast alone, and the targets (B, C) from `co_refine_and_co_guess`. `mask`
    (2 B, 2 B) marks the negative pairs; None for no contrast. `mix` in [0.5, 1] and `permutation` (4 B,) are
    coefficient and partners of MixUp, `weight_u` is the weight of the unlabeled loss in this step.

    Source: paper, training on the split set; release, utils/train_utils.py, semi_train_step and plr_train_step.
    """
    views = torch.cat([*strong_x, *strong_u])  # x1 x2 u1 u2: (4B, c, H, W)
    targets = torch.cat([targets_x, targets_x, targets_u, targets_u])  # (4B, C)
    mixed, targets = ((mix * whole).add_(whole[permutation].mul_(1 - mix)) for whole in (views, targets))
    logits = net.classify(mixed)
    half = len(logits) // 2
    loss_x, loss_u = losses.mixmatch_loss(logits[:half], targets[:half], logits[half:], targets[half:])
    penalty = losses.prior_penalty(logits)
    contrast = mean_v = negatives = torch.zeros_like(loss_x)
    if mask is not None:
        both = torch.cat([view for pair in zip(strong_x, strong_u) for view in pair])  # x1 u1 x2 u2
        projections = project_views(net, both.unflatten(0, (2, -1)), small)  # (2B, V, D)
        contrast, mean_v, negatives = contrast_terms(projections, mask, *config.joint_contrast)
    total = loss_x + weight_u * loss_u + penalty + config.lambda_c * contrast
    return Terms(total, loss_x, loss_u, penalty, mean_v, negatives)


def mean_terms(terms: list[Terms]) -> dict[str, float]:
    """Means over the steps of an epoch, by name in the history; the only wait for the device. Nothing without steps."""
    if not terms:
        return {}
    means = torch.stack([torch.stack([value.float() for value in step]) for step in terms]).mean(dim=0)
    return dict(zip(COLUMNS, means.tolist()))
