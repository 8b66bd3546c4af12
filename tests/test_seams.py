"""A contrastive loss, a method and a history column are each added from outside, in at most twenty lines."""

import functools
import inspect
import math
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import torch.nn.functional as F
from tiny import bars, checksum, settings, trained
from torch import nn

from plremix_core import data
from plremix_core.data import catalogue
from plremix_core.engine import checkpoint
from plremix_core.engine.history import COLUMNS
from plremix_core.label_losses import EarlyLearning
from plremix_core.losses import CONTRASTS
from plremix_core.methods import METHODS, Method
from plremix_core.presets import preset
from plremix_core.trainer import Trainer

# -------------------------------------------------------------------------------------------------- what is added


def hardest(positives, negatives):
    """A hinge between each positive and the anchor's nearest negative."""
    return (negatives.amax(dim=1, keepdim=True) - positives + 1).clamp_min(0).mean()


class Agreement(nn.Module):
    """Cross-entropy at a learnt scale of the logits, weighted by how often a sample was predicted as it is labelled."""

    def __init__(self, samples, classes):
        super().__init__()
        self.register_buffer("agreed", torch.ones(samples))
        self.scale = nn.Parameter(torch.ones(()))

    def forward(self, logits, given, index):
        same = (logits.argmax(dim=1) == given).float()
        self.agreed[index] = 0.9 * self.agreed[index] + 0.1 * same
        losses = F.cross_entropy(self.scale * logits, given, reduction="none")
        return (self.agreed[index] * losses).mean()


def entropy(trainer, row):
    for which, net in enumerate(trainer.nets, start=1):
        p = trainer.per_sample(net)["logits"].softmax(dim=1)
        row[f"entropy_{which}"] = float(-(p * p.log()).sum(dim=1).mean())


def test_each_is_at_most_twenty_lines():
    assert all(len(inspect.getsource(added).splitlines()) < 20 for added in (hardest, Agreement, entropy))


# --------------------------------------------------------------------------------------------- a contrastive loss


def test_a_contrastive_loss_is_added_by_one_entry_and_trains_the_projections(monkeypatch):
    shapes = []

    def watched(positives, negatives):
        shapes.append((tuple(positives.shape), tuple(negatives.shape)))
        return hardest(positives, negatives)

    monkeypatch.setitem(CONTRASTS, "hardest", watched)
    monkeypatch.setitem(CONTRASTS, "nothing", lambda positives, negatives: 0 * positives.sum())
    heads = {}
    for name in ("hardest", "nothing"):
        trainer, _ = trained(settings(contrast=name, weight_decay=0.0, epochs=2), bars())
        heads[name] = trainer.nets[0].projector[2].weight
    assert shapes == [((32, 1), (32, 32))] * 8  # two steps of two networks, in warm-up and after
    start = Trainer(settings(), bars()).nets[0].projector[2].weight
    assert torch.equal(heads["nothing"], start) and not torch.equal(heads["hardest"], start)  # by the contrast alone


# -------------------------------------------------------------------------------------------- a noisy-label method


@pytest.mark.parametrize(("method", "buffer"), [("agreement", "agreed"), ("elr", "memory")])
def test_the_state_of_a_label_loss_survives_a_kill_to_the_bit(monkeypatch, tmp_path, method, buffer):
    monkeypatch.setitem(METHODS, "agreement", Method(label_loss=Agreement))
    straight, _ = trained(settings(method=method), bars())
    descend, count = Trainer.descend, []

    def killed(self, which, terms):
        descend(self, which, terms)
        count.append(which)
        if len(count) == 7:  # within the second epoch
            raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Trainer, "descend", killed)
        trained(settings(method=method), bars(), tmp_path)
    kept = checkpoint.load_newest(tmp_path)
    assert kept["epoch"] == 1
    first, second = (state[f"label_loss.{buffer}"] for state in kept["nets"])
    assert len(first) == 64 and not torch.equal(first, second)  # one for every network and sample
    resumed = Trainer.resume(tmp_path, bars())
    resumed.fit(progress=False)
    assert checksum(resumed) == checksum(straight)
    assert not torch.equal(resumed.nets[0].label_loss.state_dict()[buffer], first)  # and went on


def test_parameters_of_a_label_loss_are_trained(monkeypatch):
    monkeypatch.setitem(METHODS, "agreement", Method(label_loss=Agreement))
    trainer, history = trained(settings(method="agreement", epochs=2), bars())
    scales = [net.label_loss.scale.item() for net in trainer.nets]
    assert 1.0 not in scales and scales[0] != scales[1]
    assert history.table[["total_1", "x_1"]].iloc[-1].nunique() == 1  # it is the whole loss


def test_a_label_loss_serves_the_warm_up_of_a_method_with_a_split_and_a_contrast(monkeypatch):
    spec = Method(semi=True, negatives="relaxed", dims=2, label_loss=Agreement)
    monkeypatch.setitem(METHODS, "agreement-plr", spec)
    trainer, history = trained(settings(method="agreement-plr", epochs=2), bars())
    assert trainer.nets[0].label_loss.scale.item() != 1.0 and (history.table["negatives_1"] > 0).all()


def test_elr_is_its_literal_statement():
    """Equations 5 and 9 of arXiv:2007.00151 on two batches that share samples; the running mean has no gradient."""
    loss, memory = EarlyLearning(6, 3).double(), [[0.0] * 3 for _ in range(6)]
    draws = torch.Generator().manual_seed(0)
    for index in ([0, 2, 5], [2, 1, 0]):
        logits = torch.randn(3, 3, generator=draws, dtype=torch.float64, requires_grad=True)
        given, twin = torch.randint(3, (3,), generator=draws), logits.detach().clone().requires_grad_()
        expected = 0.0
        for row, label, sample in zip(twin, given.tolist(), index):
            p = row.exp() / row.exp().sum()
            memory[sample] = [0.7 * old + 0.3 * new for old, new in zip(memory[sample], p.tolist())]
            agreement = sum(t * q for t, q in zip(memory[sample], p))
            expected = expected + (3.0 * torch.log(1 - agreement) - torch.log(p[label])) / 3
        found = loss(logits, given, torch.tensor(index))
        found.backward(), expected.backward()
        assert found.item() == pytest.approx(expected.item(), rel=1e-10)
        torch.testing.assert_close(logits.grad, twin.grad, rtol=1e-9, atol=1e-12)
    assert loss.memory.tolist() == [pytest.approx(row, rel=1e-10) for row in memory]


# ---------------------------------------------------------------------------------------------- a history column


def test_a_history_column_is_added_by_a_hook_and_changes_no_bit_of_the_training(monkeypatch, tmp_path):
    monkeypatch.setitem(COLUMNS, "entropy", "mean entropy of the predictions, nats")
    straight, _ = trained(settings(), bars())
    Trainer(settings(), bars(), tmp_path).fit(progress=False, on_epoch=entropy)
    read = pd.read_csv(tmp_path / "history.csv")[["entropy_1", "entropy_2"]]
    assert len(read) == 3 and read.stack().between(0, math.log(4)).all()
    assert checksum(Trainer.resume(tmp_path, bars())) == checksum(straight)


# ---------------------------------------------------------------------------------------------------- the recipes


@pytest.fixture
def registries():
    """The four registries; what a test adds to them goes with it."""
    found = CONTRASTS, METHODS, catalogue.SOURCES, COLUMNS
    before = [dict(registry) for registry in found]
    yield found
    for registry, entries in zip(found, before):
        registry.clear()
        registry.update(entries)


def test_the_recipes_of_the_docs_train(registries, monkeypatch, tmp_path):
    page = (Path(__file__).parents[1] / "notebooks/docs/code.md").read_text("utf-8")
    text = page.partition("## Extend it")[2].partition("\n## ")[0]
    recipes = re.findall("```python\n(.*?)```", text, flags=re.DOTALL)
    assert len(recipes) == 4 and all(len(recipe.splitlines()) <= 20 for recipe in recipes)
    (tmp_path / "folder" / "of" / "mine").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    images, labels = np.random.default_rng(0).integers(256, size=(40, 8, 8, 3), dtype=np.uint8), np.arange(40) % 2
    arrays = dict(train_images=images, train_labels=labels, test_images=images, test_labels=labels)
    np.savez("folder/of/mine/mine.npz", **arrays)
    small = dict(epochs=2, warm_up=1, width=4, blocks=(1,), steps_per_epoch=2, batch_size=8, train_size=0, holdout=0)
    names = dict(data=data, preset=functools.partial(preset, **small), Trainer=Trainer, torch=torch)
    sizes = [len(registry) for registry in registries]
    for recipe in recipes:
        exec(recipe, names)  # noqa: S102
        trainer = Trainer(names["config"], names.get("images") or bars())
        assert trainer.fit(progress=False).table["total_1"].notna().all()
    assert [len(registry) for registry in registries] == [size + 1 for size in sizes]
    assert "entropy_1" in names["history"].table
