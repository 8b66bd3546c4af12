"""One epoch of one network, supervised (warm-up, plain cross-entropy) or on a divided set, and what divides the set."""

import dataclasses
import logging
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from . import augment, batches, evaluate, gmm, losses, model, steps
from .engine import distributed
from .engine.seeds import generator, seed_from

if TYPE_CHECKING:
    from .model import Network
    from .trainer import Trainer

log = logging.getLogger("plremix")


def supervised(trainer: "Trainer", epoch: int, m: int) -> dict[str, float]:
    """One epoch of warm-up, or of plain cross-entropy, of network `m`; returns the mean terms."""
    config, net = trainer.config, trainer.nets[m].train()
    draws = generator(config.seed, 2, epoch, m)
    batch = min(2 * config.batch_size, len(trainer.given))
    count = config.steps_per_epoch or len(trainer.given) // batch
    order = batches.batch_order(torch.arange(len(trainer.given)), batch, count, draws)
    weak = int(config.supervised_view == "weak")
    contrast = config.spec.repel != "none" and config.warm_up_contrast
    draws, order = view_draws(draws, epoch, m, config.seed), distributed.share(order, dim=1)
    terms = []
    for views in batches.passes(trainer.images, order, weak, (1 - weak) + 2 * contrast, config, draws):
        index, weak_views, strong, small = evaluate.normalise_batch(views, trainer.data)
        shown = weak_views[0] if weak else strong[0]
        pair = strong[-2:] if contrast else None
        step = steps.supervised_step(net, shown, pair, trainer.given[index], config, small)
        trainer.descend(m, step)
        terms.append(step.detached())
    return _checked(steps.mean_terms(terms), contrast, epoch, m)


def divided(trainer: "Trainer", epoch: int, m: int, division: gmm.Split, peer_logits: Tensor) -> dict[str, float]:
    """One epoch of network `m` on the peer's division; returns the mean terms, nothing if the epoch is skipped."""
    config, size = trainer.config, trainer.config.batch_size
    draws = generator(config.seed, 2, epoch, m)
    net, peer = trainer.nets[m].train(), trainer.nets[1 - m].eval()
    clean, noisy = division.indices(size) if config.short_parts == "fill" else division.indices(0)
    short = min(division.is_clean.sum(), (~division.is_clean).sum()) < size
    if short:
        sizes = f"{division.is_clean.sum()} clean, {(~division.is_clean).sum()} noisy samples, batch {size}"
        done = "filled up with the next likely" if config.short_parts == "fill" else "nothing is trained"
        log.warning("epoch %d, network %d: a part is smaller than a batch (%s): %s", epoch, m + 1, sizes, done)
    if short and config.short_parts == "skip":
        return {}
    count = config.steps_per_epoch or max(1, len(clean) // size)
    order = [batches.batch_order(torch.from_numpy(part), size, count, draws) for part in (clean, noisy)]
    order = torch.cat([distributed.share(part, dim=1) for part in order], dim=1)
    rows = _mask_rows(clean, noisy, len(division.is_clean), config.mask_rows).to(trainer.device)
    mixing = np.random.default_rng([config.seed, 3, epoch, m])
    p_clean = torch.from_numpy(division.p_clean).to(trainer.device, torch.float32)
    terms, b = [], order.shape[1] // 2  # b: this process's share of B
    for views in batches.passes(trainer.images, order, 2, 2, config, view_draws(draws, epoch, m, config.seed)):
        index, weak, strong, small = evaluate.normalise_batch(views, trainer.data)  # (2, 2b, c, H, W): clean, noisy
        targets = steps.co_refine_and_co_guess(
            net, peer, weak[:, :b], weak[:, b:], trainer.given[index[:b]], p_clean[index[:b]], config.sharpening
        )
        mix = mixing.beta(config.mixup_alpha, config.mixup_alpha)
        permutation = augment.to_device(torch.randperm(4 * size, generator=draws), trainer.device)
        weight_u = config.lambda_u * losses.ramp_up(epoch + len(terms) / count, config.warm_up, config.ramp_epochs)
        whole = distributed.gather(index)
        mask = steps.negative_mask(config, peer_logits[rows[whole]], trainer.given[whole], epoch)
        mixing_terms = max(mix, 1 - mix), permutation, weight_u, config, small
        step = steps.semi_step(net, strong[:, :b], strong[:, b:], *targets, mask, *mixing_terms)
        trainer.descend(m, step)
        terms.append(step.detached())
    return _checked(steps.mean_terms(terms), config.spec.repel != "none", epoch, m)


def view_draws(draws: torch.Generator, epoch: int, m: int, seed: int) -> torch.Generator:
    """Where the views are drawn from: alone `draws`, else a generator of each process, so that `draws` stays common."""
    several = distributed.size() > 1
    return generator(seed, 2, epoch, m, 1 + distributed.rank()) if several else draws


def _checked(means: dict[str, float], contrast: bool, epoch: int, m: int) -> dict[str, float]:
    """Say in the log if the contrast did nothing for a whole epoch."""
    if contrast and means["negatives"] == 0:
        log.warning("epoch %d, network %d: no image repels another, the contrast does nothing", epoch, m + 1)
    return means


def _mask_rows(clean: np.ndarray, noisy: np.ndarray, size: int, rows: str) -> Tensor:
    """Row of the full set's predictions for every sample: its own, or that of its position in its part (fault 6)."""
    index = np.arange(size)
    if rows == "position":
        index[clean], index[noisy] = np.arange(len(clean)), np.arange(len(noisy))
    return torch.from_numpy(index)


@torch.no_grad()
def start_prototypes(trainer: "Trainer") -> None:
    """Set the prototypes of both networks to their class means, at the end of warm-up."""
    for net in trainer.nets:
        net.prototypes.copy_(
            model.init_prototypes(trainer.per_sample(net)["projection"], trainer.given, trainer.data.num_classes)
        )


def divide(trainer: "Trainer", outputs: dict[str, Tensor], epoch: int, m: int) -> gmm.Split:
    """Split the samples by the losses of network `m`."""
    columns = ("loss_cls", "loss_proto")[: trainer.config.spec.dims]
    arrays = [outputs[column].cpu().numpy() for column in columns]
    seed = seed_from(trainer.config.seed, 4, epoch, m) % 2**32
    division = gmm.split_clean(*arrays, threshold=trainer.config.threshold, seed=seed)
    p_clean = distributed.from_first(division.p_clean, trainer.device)
    division = dataclasses.replace(division, p_clean=p_clean, is_clean=p_clean > division.threshold)
    if division.mixture is None:
        log.warning("epoch %d, network %d: all losses agree, every sample counts as clean", epoch, m + 1)
    return division


@torch.no_grad()
def move_prototypes(trainer: "Trainer", net: "Network", outputs: dict[str, Tensor], epoch: int) -> None:
    """Select confident samples and move the prototypes of `net` by their projections."""
    trainer.adaptive, selected, predicted = model.select_confident(
        trainer.adaptive, outputs["proto_logits"], outputs["logits"], min(epoch / trainer.config.epochs, 1.0)
    )
    chosen = outputs["projection"][selected], predicted[selected]
    net.prototypes.copy_(model.update_prototypes(net.prototypes, *chosen, trainer.config.proto_momentum))


MEASURED = 8  # batches whose negative pairs are looked at after an epoch


@torch.no_grad()
def negative_pairs(trainer: "Trainer", epoch: int, m: int) -> dict[str, float]:
    """What network `m` pushes apart, on batches made as in training; nothing without contrast or true labels.

    Also `top_k`: the share of samples whose true class is among the k most probable ones of the peer.
    """
    config, true = trainer.config, trainer.data.true
    semi = config.spec.semi and epoch >= config.warm_up
    if true is None or config.spec.repel == "none" or not (semi or config.warm_up_contrast):
        return {}
    net, peer, b = trainer.nets[m].eval(), trainer.nets[1 - m], config.batch_size
    everyone = np.arange(len(trainer.given))
    parts = trainer.splits[1 - m].indices(b) if semi else (everyone, everyone)
    draws, found = generator(config.seed, 5, epoch, m), []
    order = torch.cat([batches.batch_order(torch.from_numpy(part), b, MEASURED, draws) for part in parts], dim=1)
    for views in batches.passes(trainer.images, order, 0, 2, config, draws):
        index, _, strong, small = evaluate.normalise_batch(views, trainer.data)
        logits, given = trainer.predict(peer, trainer.images[index])[0], trainer.given[index]
        mask = (
            steps.negative_mask(config, logits, given, epoch)
            if semi
            else losses.all_negatives(len(given), given.device)
        )
        temperature = config.contrast_after_warm_up[0] if semi else config.warm_up_temperature
        right, projections = true.to(index.device)[index], steps.project_views(net, strong, small)
        top = logits.topk(min(config.kappa_at(epoch), logits.shape[1]), dim=1).indices
        row = evaluate.negative_pairs(projections, mask, right, temperature)
        found.append(row | {"top_k": float((top == right[:, None]).any(dim=1).double().mean())})
    return {f"{name}_{m + 1}": _mean([row[name] for row in found]) for name in found[0]}


def _mean(values: list[float]) -> float:
    known = [value for value in values if value == value]
    return sum(known) / len(known) if known else float("nan")


def prototype_quality(trainer: "Trainer", outputs: dict[str, Tensor]) -> dict[str, float]:
    """Share of training images whose nearest prototype is that of the true class, if it is known."""
    if trainer.data.true is None:
        return {}
    nearest = outputs["proto_logits"].argmax(dim=1).cpu()
    return {"proto_accuracy": float((nearest == trainer.data.true).double().mean())}
