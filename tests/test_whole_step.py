"""A whole training step against a literal one, call by call, in float64: losses, every gradient, BatchNorm statistics.

The literal step is written from the method's description alone: it calls the networks view by view, in the release's
order, and uses loops for masks and losses. Whatever makes a step faster must leave these tests as they are.
"""

import copy
import math

import numpy as np
import pytest
import tiny
import torch

from plremix_core import batches
from plremix_core.config import Config
from plremix_core.engine.seeds import generator
from plremix_core.gmm import Split
from plremix_core.methods import METHODS, Method
from plremix_core.trainer import Trainer

C, B, N = 5, 4, 24
CLOSE = dict(rtol=1e-9, atol=1e-9)


def make_trainer(**changes):
    settings = dict(width=4, blocks=(1, 1), stem_stride=1, batch_size=B, steps_per_epoch=1, epochs=8, warm_up=2)
    settings |= dict(kappa=((0, 2), (6, 1)), lambda_u=3.0, ramp_epochs=4, lambda_c=0.7, device="cpu", seed=5) | changes
    trainer = Trainer(Config(dataset="arrays", noise="none", **settings), tiny.speckles(N, C))
    for net in trainer.nets:
        net.double()
        with torch.no_grad():  # BatchNorm statistics that are not 0 and 1
            for name, value in net.named_buffers():
                if name.endswith(("running_mean", "running_var")):
                    value += torch.rand(value.shape, generator=torch.Generator().manual_seed(len(name))).double()
    return trainer


def given_views(monkeypatch, weak, strong, small=0):
    """Hand the trainer float64 views instead of augmented images; they and the terms land in the returned list."""
    seen = []

    def passes(images, order, *_):
        for index in order:
            draw = torch.Generator().manual_seed(7)
            kinds = [(weak, 8), (strong, 8), (small, 6)]
            made = [torch.randn(k, order.shape[1], 3, s, s, generator=draw, dtype=torch.float64) for k, s in kinds]
            seen.append(batches.Views(index, made[0], made[1], made[2] if small else None))
            yield seen[-1]

    def descend(self, m, terms):
        seen.append(terms)
        terms.total.backward()

    monkeypatch.setattr(batches, "passes", passes)
    monkeypatch.setattr(Trainer, "descend", descend)  # the gradients are looked at, no step is taken
    return seen


def softmax(logits):
    powers = (logits - logits.max(dim=1, keepdim=True).values).exp()
    return powers / powers.sum(dim=1, keepdim=True)


def sharpened(p, temperature=0.5):
    powered = p ** (1 / temperature)
    return powered / powered.sum(dim=1, keepdim=True)


def literal_mask(logits, given, k):
    candidates = [set(row.argsort(descending=True)[:k].tolist()) | {int(y)} for row, y in zip(logits, given)]
    return [[i != j and not candidates[i] & candidates[j] for j in range(len(given))] for i in range(len(given))]


def literal_contrast(views, repels, temperature, flat):
    """`views`: list of projections (n, D), one a view; FlatNCE leaves anchors without a negative out."""
    terms, n, number = [], len(views[0]), len(views)
    for a in range(number):
        for i in range(n):
            if flat and not any(repels[i]):
                continue
            others = [b for b in range(number) if b != a]
            negatives = [
                views[a][i] @ views[b][j] / temperature for b in range(number) for j in range(n) if repels[i][j]
            ]
            positives = [views[a][i] @ views[b][i] / temperature for b in others]
            for positive in positives:
                if flat:
                    v = torch.logsumexp(torch.stack(negatives) - positive, dim=0)
                    terms.append(torch.exp(v - v.detach()) / len(others))
                else:
                    everything = torch.logsumexp(torch.stack([*negatives, *positives]), dim=0)
                    terms.append((everything - positive) / len(others))
    return sum(terms) * (len(views) - 1) / len(terms) if terms else torch.zeros((), dtype=torch.float64)


def literal_semi_step(net, peer, views, given, w, peer_logits, mix, permutation, weight_u, kappa, config):
    """Section by section: guess, refine, MixUp, the three terms and the penalty, PLR; returns the terms."""
    (x1, x2), (u1, u2) = views.weak[:, :B], views.weak[:, B:]
    (x3, x4), (u3, u4) = views.strong[:, :B], views.strong[:, B:]
    net.train(), peer.eval()
    with torch.no_grad():
        guesses = [softmax(net.classify(u1)), softmax(net.classify(u2))]
        guesses += [softmax(peer.classify(u1)), softmax(peer.classify(u2))]
        targets_u = sharpened(sum(guesses) / 4)
        own = (softmax(net.classify(x1)) + softmax(net.classify(x2))) / 2
        onehot = torch.zeros(B, C, dtype=torch.float64)
        for row in range(B):
            onehot[row, given[row]] = 1
        targets_x = sharpened(w[:, None] * onehot + (1 - w[:, None]) * own)
    inputs, targets = torch.cat([x3, x4, u3, u4]), torch.cat([targets_x, targets_x, targets_u, targets_u])
    mixed = mix * inputs + (1 - mix) * inputs[permutation]
    mixed_targets = mix * targets + (1 - mix) * targets[permutation]
    p = softmax(net.classify(mixed))
    loss_x = -sum((mixed_targets[i] * p[i].log()).sum() for i in range(2 * B)) / (2 * B)
    loss_u = ((p[2 * B :] - mixed_targets[2 * B :]) ** 2).sum() / (2 * B * C)
    penalty = sum(1 / C * torch.log(1 / C / p[:, c].mean()) for c in range(C))
    total, contrast = loss_x + weight_u * loss_u + penalty, None
    if config.spec.negatives != "none":
        q = net.project(torch.cat([x3, u3, x4, u4]))
        projections = [q[: 2 * B], q[2 * B :]]
        if views.small is not None:
            q = net.project(torch.cat(list(views.small)))
            projections += [q[i * 2 * B : (i + 1) * 2 * B] for i in range(len(views.small))]
        every = [[i != j for j in range(2 * B)] for i in range(2 * B)]
        relaxed = config.spec.negatives == "relaxed"
        repels = literal_mask(peer_logits, given, kappa) if relaxed else every
        naive = config.naive_temperature or config.warm_up_temperature, config.naive_contrast or config.contrast
        temperature, form = (config.temperature, config.contrast) if relaxed else naive
        contrast = literal_contrast(projections, repels, temperature, form == "flat_nce")
        total = total + config.lambda_c * contrast
    total.backward()
    return dict(total=total, loss_x=loss_x, loss_u=loss_u, penalty=penalty)


def compare(net, expected, terms, literal):
    for name, value in literal.items():
        torch.testing.assert_close(getattr(terms, name).detach(), value.detach(), **CLOSE, check_dtype=False)
    for (name, found), (_, right) in zip(net.named_parameters(), expected.named_parameters(), strict=True):
        grads = [torch.zeros_like(p) if p.grad is None else p.grad for p in (found, right)]
        torch.testing.assert_close(*grads, **CLOSE, msg=lambda text, name=name: f"{name}: {text}")
    for (name, found), (_, right) in zip(net.named_buffers(), expected.named_buffers(), strict=True):
        torch.testing.assert_close(found, right, **CLOSE, msg=lambda text, name=name: f"{name}: {text}")


def run_semi(monkeypatch, small=0, epoch=5, peer_scale=1.0, **changes):
    trainer = make_trainer(**changes)
    config, m = trainer.config, 0
    seen = given_views(monkeypatch, 2, 2, small)
    p_clean = np.where(np.arange(N) % 3 > 0, 0.5 + np.arange(N) / 64, np.arange(N) / 64)  # exact in float32
    split = Split(p_clean, p_clean > 0.5, p_clean[:, None], None, 0, 0.5)
    peer_logits = peer_scale * torch.randn(N, C, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    net, peer = copy.deepcopy(trainer.nets[m]), copy.deepcopy(trainer.nets[1 - m])
    trainer.train_semi(epoch, m, split, peer_logits)
    views, terms = seen
    draws = generator(config.seed, 2, epoch, m)  # the same draws: two orders, then the permutation
    for part in split.indices(B):
        batches.batch_order(torch.from_numpy(part), B, 1, draws)
    permutation = torch.randperm(4 * B, generator=draws)
    mix = np.random.default_rng([config.seed, 3, epoch, m]).beta(config.mixup_alpha, config.mixup_alpha)
    index = views.index
    literal = literal_semi_step(
        net, peer, views, trainer.given[index].tolist(), torch.from_numpy(p_clean)[index[:B]], peer_logits[index],
        max(mix, 1 - mix), permutation, config.lambda_u * min((epoch - config.warm_up) / config.ramp_epochs, 1),
        config.kappa_at(epoch), config,
    )  # fmt: skip
    compare(trainer.nets[m], net, terms, literal)
    for name, value in peer.state_dict().items():  # the peer is only asked
        assert (trainer.nets[1 - m].state_dict()[name] == value).all(), name
    return trainer, terms


@pytest.mark.parametrize("method", ["plremix", "naive", "dividemix"])
def test_a_step_on_the_split_set_equals_the_literal_one(monkeypatch, method):
    trainer, terms = run_semi(monkeypatch, method=method)
    assert terms.loss_u > 0 and trainer.config.lambda_u > 0
    assert (terms.negatives > 0) == (method != "dividemix")


@pytest.mark.parametrize("epoch", [2, 5, 6, 7])
def test_ramp_and_candidates_of_the_epoch_enter_the_step(monkeypatch, epoch):
    run_semi(monkeypatch, epoch=epoch)


def test_the_step_of_the_large_sets_equals_the_literal_one(monkeypatch):
    run_semi(monkeypatch, contrast="info_nce", mixup_alpha=0.5, lambda_u=0.0)


def test_a_step_with_small_crops_equals_the_literal_one(monkeypatch):
    crops = ((2, 8, 0.14, 1.0), (3, 6, 0.05, 0.14))
    run_semi(monkeypatch, small=3, contrast="info_nce", multi_crop=crops)


def test_ordinary_contrast_has_its_own_temperature_and_form_after_warm_up(monkeypatch):
    run_semi(monkeypatch, method="naive", naive_temperature=0.6, naive_contrast="info_nce")


def test_a_step_without_any_negative_equals_the_literal_one_without_contrast(monkeypatch):
    _, terms = run_semi(monkeypatch, kappa=((0, 3),))  # 2 kappa > C: every two candidate sets overlap
    assert terms.negatives == 0


@pytest.mark.parametrize("penalty", [False, True])
@pytest.mark.parametrize(("flat", "small"), [(True, 0), (False, 0), (False, 2)])
def test_a_warm_up_step_equals_the_literal_one(monkeypatch, penalty, flat, small):
    crops = ((2, 8, 0.14, 1.0), (2, 6, 0.05, 0.14)) if small else ()
    trainer = make_trainer(contrast="flat_nce" if flat else "info_nce", confidence_penalty=penalty, multi_crop=crops)
    seen = given_views(monkeypatch, 1, 2, small)
    net = copy.deepcopy(trainer.nets[1])
    trainer.train_supervised(0, 1)
    views, terms = seen
    given = trainer.given[views.index].tolist()
    net.train()
    p = softmax(net.classify(views.weak[0]))
    loss_x = -sum(p[i, given[i]].log() for i in range(2 * B)) / (2 * B)
    minus_entropy = (p * p.log()).sum(dim=1).mean() if penalty else torch.zeros(())
    q = net.project(torch.cat([views.strong[0], views.strong[1]]))
    projections = [q[: 2 * B], q[2 * B :]]
    if small:
        q = net.project(torch.cat([views.small[0], views.small[1]]))
        projections += [q[: 2 * B], q[2 * B :]]
    every = [[i != j for j in range(2 * B)] for i in range(2 * B)]
    total = loss_x + minus_entropy + literal_contrast(projections, every, 0.1, flat)
    total.backward()
    compare(trainer.nets[1], net, terms, dict(total=total, loss_x=loss_x, penalty=minus_entropy))


@pytest.mark.parametrize("flat", [True, False])
def test_a_supervised_step_with_relaxed_negatives_equals_the_literal_one(monkeypatch, flat):
    """A method without a split: after warm-up the negatives are relaxed by the peer's predictions."""
    monkeypatch.setitem(METHODS, "ce-plr", Method(negatives="relaxed"))
    trainer = make_trainer(method="ce-plr", contrast="flat_nce" if flat else "info_nce", temperature=0.9)
    config, seen, net = trainer.config, given_views(monkeypatch, 1, 2), copy.deepcopy(trainer.nets[1])
    peer_logits = torch.randn(N, C, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    trainer.train_supervised(6, 1, peer_logits)
    views, terms = seen
    given = trainer.given[views.index].tolist()
    p = softmax(net.train().classify(views.weak[0]))
    loss_x = -sum(p[i, given[i]].log() for i in range(2 * B)) / (2 * B)
    q = net.project(torch.cat([views.strong[0], views.strong[1]]))
    repels = literal_mask(peer_logits[views.index], given, config.kappa_at(6))
    contrast = literal_contrast([q[: 2 * B], q[2 * B :]], repels, 0.9, flat)
    total = loss_x + config.lambda_c * contrast
    total.backward()
    assert 0 < terms.negatives < 2 * B - 1
    compare(trainer.nets[1], net, terms, dict(total=total, loss_x=loss_x))


def test_the_literal_step_would_notice_another_order_of_the_calls(monkeypatch):
    """BatchNorm's running statistics depend on the order u1, u2, x1, x2, mixed, PLR; a swap must be seen."""
    trainer = make_trainer()
    net, other = copy.deepcopy(trainer.nets[0]).train(), copy.deepcopy(trainer.nets[0]).train()
    a, b = torch.randn(2, B, 3, 8, 8, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    net.classify(a), net.classify(b)
    other.classify(b), other.classify(a)
    difference = max(float((x - y).abs().max()) for x, y in zip(net.buffers(), other.buffers()))
    assert math.isfinite(difference) and difference > 1e-6
