"""Measure whether the contrastive loss fights the classifier, by their gradients on the backbone."""

import copy
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .. import batches, losses, steps
from ..engine.checks import require
from ..engine.seeds import generator
from ..trainer import Trainer


class Parts(NamedTuple):
    """Scalars whose gradients add up to that of FlatNCE, and the `share` of repulsion that is `same`, in [0, 1]."""

    alignment: Tensor
    same: Tensor
    other: Tensor
    share: Tensor


def contrast_parts(projections: Tensor, mask: Tensor, same_class: Tensor, temperature: float) -> Parts:
    """Split the gradient of FlatNCE into alignment and the repulsion of two kinds of negative pairs.

    Only their gradients mean something: an anchor is pulled to its positive and pushed from each negative by its weight
    in the softmax over the negatives. Repulsion is `same` for pairs that `same_class` (B, B) marks, else `other`. Other
    arguments as for `losses.similarities`, with two views (B, 2, D). The paper does not measure this conflict.
    """
    positives, scaled = losses.similarities(projections, mask, temperature)  # (2B, 1), (2B, 2B)
    require(positives.shape[1] == 1, "projections", "of two views", tuple(projections.shape), "Pass (B, 2, D).")
    negative, same = scaled > -torch.inf, same_class.repeat(2, 2)  # (B, B) -> (2B, 2B)
    anchors = negative.any(dim=1)
    count = anchors.sum().clamp_min(1)
    weight = scaled.detach().softmax(dim=1).masked_fill(~negative, 0.0) / count  # a row without negatives becomes 0
    push = weight * scaled.masked_fill(~negative, 0.0)
    return Parts(-positives[anchors].sum() / count, (push * same).sum(), (push * ~same).sum(), (weight * same).sum())


def measuring_batches(trainer: Trainer, size: int, count: int) -> list[tuple[Tensor, Tensor, Tensor]]:
    """Draw `count` batches: index (B,), weak view (1, B, c, H, W) and two strong views (2, B, c, H, W), float."""
    rng = generator(trainer.config.seed, 6)
    order = batches.batch_order(torch.arange(len(trainer.given)), size, count, rng)
    passes = batches.passes(trainer.images, order, 1, 2, trainer.config, trainer.statistics, rng)
    return [views[:3] for views in passes]


def mean_gradients(net: nn.Module, batches: list, terms: Callable[..., dict[str, Tensor]]) -> dict[str, list[Tensor]]:
    """Average gradients of some scalars on the backbone: by name one flat vector a layer (stem, then the blocks).

    `terms(index, logits, projections)` names the scalars of a batch of `measuring_batches`, from logits (B, C) of the
    weak view and projections (B, 2, D) of the strong ones. In train mode as in a step, on a copy: `net` stays as it is.
    """
    net = copy.deepcopy(net).train()
    body = net.backbone
    layers = [[*body.stem.parameters(), *body.bn.parameters()], *([*block.parameters()] for block in body.layers)]
    total: dict[str, list[Tensor]] = {}
    for index, weak, strong in batches:
        projections = steps.project_views(net, strong, None)  # (B, 2, D)
        for name, scalar in terms(index, net.classify(weak[0]), projections).items():
            grads = iter(torch.autograd.grad(scalar, sum(layers, []), retain_graph=True, materialize_grads=True))
            flat = [torch.cat([next(grads).flatten() for _ in layer]) / len(batches) for layer in layers]
            total[name] = [a + b for a, b in zip(total[name], flat)] if name in total else flat
    return total


def cosines(one: list[Tensor], two: list[Tensor]) -> np.ndarray:
    """Cosine of two gradients layer by layer and, last, over the whole backbone; 0 if either is zero."""
    pairs = [*zip(one, two), (torch.cat(one), torch.cat(two))]
    return np.array([float(F.cosine_similarity(a, b, dim=0, eps=1e-20)) for a, b in pairs])
