"""What the contrastive loss pushes apart, knowing the true labels."""

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from .. import batches, losses, steps
from ..engine.seeds import generator
from ..trainer import Trainer

MEASURED = 8  # batches that are looked at after an epoch


@torch.no_grad()
def negative_pairs(projections: Tensor, mask: Tensor, true: Tensor, temperature: float) -> dict[str, float]:
    """Say what the negative pairs of a batch are, knowing the true labels (B,); projections are (B, V, D).

    `false_negatives` is the share of the negative pairs that have one true class, `false_weight` their share of an
    anchor's softmax weight over its negatives, `nearest_negative` the largest cosine of an anchor with a negative; the
    last two are means over the anchors that have a negative. Empty without negatives.
    """
    _, scaled = losses.similarities(projections, mask, temperature)
    negative, views = scaled > -torch.inf, projections.shape[1]
    if not negative.any():
        return {}
    same = (true[:, None] == true[None]).repeat(views, views)  # (B, B) -> (V*B, V*B)
    scaled, same, negative = (rows[negative.any(dim=1)] for rows in (scaled, same, negative))
    return {
        "false_negatives": float((same & negative).sum() / negative.sum()),
        "false_weight": float((scaled.softmax(dim=1) * same).sum(dim=1).mean()),
        "nearest_negative": float(scaled.amax(dim=1).mean() * temperature),
    }


@torch.no_grad()
def measure(trainer: Trainer, row: dict[str, float]) -> None:
    """Add the columns of `negative_pairs` to a row of the history, for `Trainer.fit(on_epoch=measure)`.

    Batches are made as in training. `top_k` is the share of samples whose true class is among the kappa most probable
    of the peer. Nothing is added without a contrastive loss or without true labels.
    """
    config, epoch, size = trainer.config, int(row["epoch"]), trainer.config.batch_size
    if trainer.data.true is None or not config.contrasts_in(epoch):
        return
    everyone, after = np.arange(len(trainer.given)), epoch >= config.warm_up
    temperature = config.joint_contrast[0] if after else config.warm_up_temperature
    for which, net in enumerate(trainer.nets):
        parts = trainer.splits[1 - which].indices(size) if after and trainer.splits else (everyone, everyone)
        draws, found = generator(config.seed, 5, epoch, which), []
        order = torch.cat([batches.batch_order(torch.from_numpy(p), size, MEASURED, draws) for p in parts], dim=1)
        for views in batches.passes(trainer.images, order, 0, 2, config, trainer.statistics, draws):
            given, true = trainer.given[views.index], trainer.data.true.to(trainer.device)[views.index]
            logits, _ = trainer.predict(trainer.nets[1 - which], trainer.images[views.index])
            relaxed = steps.negative_mask(config, logits, given, epoch) if after else None
            mask = losses.all_negatives(len(given), given.device) if relaxed is None else relaxed
            projections = steps.project_views(net.eval(), views.strong, views.small)
            top = logits.topk(min(config.kappa_at(epoch), logits.shape[1]), dim=1).indices
            one = {"top_k": float((top == true[:, None]).any(dim=1).double().mean())}
            found.append(negative_pairs(projections, mask, true, temperature) | one)
        row |= pd.DataFrame(found).mean().add_suffix(f"_{which + 1}").to_dict()
