"""Measure whether the contrastive loss fights the classifier, by their gradients on the backbone; for no training."""

import copy
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from .. import batches, evaluate, losses
from ..engine.checks import require
from ..engine.seeds import generator
from ..model import Network
from ..trainer import Trainer


class Parts(NamedTuple):
    """Scalars whose gradients add up to that of the flat loss; `share` of the repulsion that is `same`, in [0, 1]."""

    alignment: Tensor
    same: Tensor
    other: Tensor
    share: Tensor


def contrast_parts(projections: Tensor, mask: Tensor, same_class: Tensor, temperature: float) -> Parts:
    """Split the gradient of the flat contrastive loss into alignment and the repulsion of two kinds of pairs.

    Parameters
    ----------
    projections, mask, temperature : Tensor of shape (B, 2, D), Tensor of shape (B, B), float
        As for `losses.log_negative_ratio`, which refuses the same values; two views only.
    same_class : Tensor of shape (B, B), bool
        Pairs whose repulsion is called `same`; that of the rest is `other`.

    Returns
    -------
    Parts
        Their values mean nothing, only their gradients: with p the share of the `same` images in an anchor's softmax
        over its negatives, ``grad v = p grad lse_same + (1 - p) grad lse_other - grad (q_i . q_p) / temperature``.

    Source
    ------
    ours; the conflict is what the paper (arXiv:2402.17589v2) sets out from.

    Differs
    -------
    nothing
    """
    v, valid = losses.log_negative_ratio(projections, mask, temperature)
    require(v.shape[1] == 1, "projections", "of two views", tuple(projections.shape), "Pass (B, 2, D).")
    q = F.normalize(projections, dim=2)
    positive = (q[:, 0] * q[:, 1]).sum(dim=1).repeat(2) / temperature  # (B, 2, D) -> (2B,)
    weight = valid.to(v.dtype) / valid.sum().clamp_min(1)
    repulsion, share = {}, {}
    for name, chosen in (("same", same_class), ("other", ~same_class)):
        part, some = losses.log_negative_ratio(projections, mask * (chosen & (mask < 0)), temperature)
        share[name] = torch.where(some, (part - v)[:, 0].detach().exp(), 0.0) * weight  # (2B,)
        repulsion[name] = (share[name] * (part[:, 0] + positive)).sum()
    return Parts(-(positive * weight).sum(), repulsion["same"], repulsion["other"], share["same"].sum())


def measuring_batches(trainer: Trainer, size: int, count: int) -> list[tuple[Tensor, Tensor, Tensor]]:
    """Draw `count` batches: index (B,), weak view (1, B, c, H, W) and two strong views (2, B, c, H, W), float."""
    draws = generator(trainer.config.seed, 6)
    order = batches.batch_order(torch.arange(len(trainer.given)), size, count, draws)
    found = batches.passes(trainer.images, order, 1, 2, trainer.config, draws)
    return [evaluate.normalise_batch(views, trainer.data)[:3] for views in found]


def mean_gradients(net: Network, batches: list, terms: Callable[..., dict[str, Tensor]]) -> dict[str, list[Tensor]]:
    """Mean gradients of some scalars on the backbone: by name one flat vector a layer (stem, then the blocks).

    `terms(index, logits, projections)` names the scalars of a batch of `measuring_batches`, from logits (B, C) of the
    weak view and projections (B, 2, D) of the strong ones. In train mode as in a step, on a copy: `net` stays as it is.
    """
    net = copy.deepcopy(net).train()
    body = net.backbone
    layers = [[*body.stem.parameters(), *body.bn.parameters()], *([*block.parameters()] for block in body.layers)]
    total: dict[str, list[Tensor]] = {}
    for index, weak, strong in batches:
        projections = net.project(strong.flatten(0, 1)).unflatten(0, (2, -1)).transpose(0, 1)  # -> (B, 2, D)
        for name, scalar in terms(index, net.classify(weak[0]), projections).items():
            grads = iter(torch.autograd.grad(scalar, sum(layers, []), retain_graph=True, materialize_grads=True))
            flat = [torch.cat([next(grads).flatten() for _ in layer]) / len(batches) for layer in layers]
            total[name] = [a + b for a, b in zip(total[name], flat)] if name in total else flat
    return total


def cosines(one: list[Tensor], two: list[Tensor]) -> np.ndarray:
    """Cosine of two gradients layer by layer and, last, over the whole backbone; 0 if either is zero."""
    pairs = [*zip(one, two), (torch.cat(one), torch.cat(two))]
    return np.array([float(F.cosine_similarity(a, b, dim=0, eps=1e-20)) for a, b in pairs])
