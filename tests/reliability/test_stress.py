"""Empty parts, collapsed networks, absurd labels: a training goes on or stops with the reason, and says so at once."""

import dataclasses

import numpy as np
import processes
import pytest
import torch

from plremix_core.gmm import Split
from plremix_core.trainer import Trainer

EPOCHS, WARM_UP = 4, 1
PARTS = {"no clean sample": 0, "one clean sample": 1, "half a batch": 8, "one noisy sample": 47, "no noisy sample": 48}


def finite(trainer: Trainer) -> bool:
    """Whether the weights are numbers, and the history wherever the figure is defined (AUC needs both kinds)."""
    table = trainer.history().table.iloc[WARM_UP:]
    if len(set(trainer.right.tolist())) == 1:
        table = table.drop(columns=[c for c in table if c.startswith("auc")])
    tensors = [tensor for net in trainer.nets for tensor in net.state_dict().values()]
    return np.isfinite(table.to_numpy(dtype=float)).all() and all(tensor.isfinite().all() for tensor in tensors)


def small(**changes):
    return processes.settings(epochs=EPOCHS, warm_up=WARM_UP, steps_per_epoch=2, **changes)


@pytest.mark.parametrize("method", [pytest.param("dividemix", marks=pytest.mark.long), "plremix"])
def test_parts_of_any_size_at_any_epoch_train_on_and_are_named_in_the_log(monkeypatch, caplog, method, tries):
    split, count = Trainer.split, 0
    for clean in PARTS.values():
        for wanted in range(WARM_UP, EPOCHS):

            def some(self, outputs, epoch, m, clean=clean, wanted=wanted):
                found = split(self, outputs, epoch, m)
                p = np.where(np.arange(48) < clean, 0.9, 0.1)
                return Split(p, p > 0.5, found.points, None, 0, 0.5) if epoch == wanted else found

            monkeypatch.setattr(Trainer, "split", some)
            caplog.clear()
            trainer = Trainer(small(method=method), processes.images(48))
            trainer.fit(progress=False)
            assert finite(trainer)
            sizes = f"({clean} clean, {48 - clean} noisy samples, batch 16)"
            assert f"epoch {wanted}, network 1: a part is smaller than a batch {sizes}: filled up" in caplog.text
            count += 1
    tries(count)


def collapse(self, kind):
    """Make network 1 say one class of everything, or project everything to one point."""
    with torch.no_grad():
        layer = self.nets[0].classifier if kind == "predictions" else self.nets[0].projector[2]
        layer.weight.zero_()
        layer.bias.copy_(torch.arange(len(layer.bias)) == 2)


@pytest.mark.parametrize("when", [WARM_UP - 1, EPOCHS - 1])
@pytest.mark.parametrize(
    ("method", "kind"),
    [("ce", "predictions"), ("naive", "projections"), ("plremix", "predictions"), ("plremix", "projections")],
)
def test_a_collapse_is_named_in_the_log_in_its_epoch_while_training_goes_on(monkeypatch, tmp_path, method, kind, when):
    run, descend, seen = Trainer.run_epoch, Trainer.descend, {}

    def collapsing(self, m, terms):
        descend(self, m, terms)
        if self.epoch == when:
            collapse(self, kind)

    def watched(self, epoch):
        row = run(self, epoch)
        seen[epoch] = (tmp_path / "log.txt").read_text() if (tmp_path / "log.txt").exists() else ""
        return row

    monkeypatch.setattr(Trainer, "run_epoch", watched)
    monkeypatch.setattr(Trainer, "descend", collapsing)
    trainer = Trainer(small(method=method, lr=0.001, lr_drops=()), processes.images(200, wrong=0.2), tmp_path)
    trainer.fit(progress=False)
    word = "says top of 100 % of" if kind == "predictions" else "projections point one way"
    told = [line for line in seen[when].splitlines() if f"warning: epoch {when}, network 1 has collapsed" in line]
    assert any(word in line for line in told), seen[when]  # before the epoch has ended: no later one need come
    assert finite(trainer) and len(trainer.rows) == EPOCHS
    assert set(told) <= set(trainer.run.warnings())


def test_networks_that_have_learnt_raise_no_alarm(tmp_path):
    trainer = Trainer(
        processes.settings(epochs=6, warm_up=4, steps_per_epoch=20), processes.images(200, wrong=0.2), tmp_path
    )
    trainer.fit(progress=False)
    assert trainer.history().table["test_accuracy"].iloc[-1] > 0.8
    assert not [text for text in trainer.run.warnings() if "collapsed" in text]


def labelled(change) -> object:
    images = processes.images(48, wrong=0.0)
    return dataclasses.replace(images, given=change(images.true))


LABELS = {
    "all right": lambda true: true,
    "all wrong": lambda true: (true + 1) % 4,
    "drawn at random": lambda true: torch.randint(4, true.shape, generator=torch.Generator().manual_seed(0)),
    "all of one class": lambda true: torch.zeros_like(true),
    "a class without a label": lambda true: torch.where(true == 3, 0, true),
    "a class with one label": lambda true: torch.where((true == 3) & (torch.arange(len(true)) > 3), 0, true),
}


@pytest.mark.parametrize("name", LABELS)
@pytest.mark.parametrize(
    "method", [pytest.param("ce", marks=pytest.mark.long), pytest.param("naive-2d", marks=pytest.mark.long), "plremix"]
)
def test_absurd_labels_train_to_finite_figures(name, method):
    trainer = Trainer(small(method=method), labelled(LABELS[name]))
    trainer.fit(progress=False)
    assert finite(trainer)


def test_a_class_that_vanishes_from_the_clean_part_keeps_its_prototype_and_training_goes_on(monkeypatch):
    split = Trainer.split

    def without(self, outputs, epoch, m):
        found = split(self, outputs, epoch, m)
        p = np.where(self.given.numpy() == 2, 0.0, np.maximum(found.p_clean, 0.6))
        return Split(p, p > 0.5, found.points, None, 0, 0.5)

    monkeypatch.setattr(Trainer, "split", without)
    trainer = Trainer(small(), processes.images(200))
    trainer.fit(progress=False)
    assert finite(trainer)
    assert torch.allclose(trainer.nets[0].prototypes.norm(dim=1), torch.ones(4))


def test_what_is_not_a_number_stops_within_its_epoch_and_the_last_checkpoint_stays(monkeypatch, tmp_path, tries):
    descend, rng, count = Trainer.descend, np.random.default_rng(0), 0
    for turn in range(12):
        wanted, step, m = int(rng.integers(EPOCHS)), int(rng.integers(1, 3)), int(rng.integers(2))
        value, folder, taken = (np.nan, np.inf)[turn % 2], tmp_path / str(turn), []

        def poisoned(self, net, terms, wanted=wanted, step=step, m=m, value=value, taken=taken, turn=turn):
            descend(self, net, terms)
            if self.epoch == wanted and net == m:
                taken.append(net)
                if len(taken) == step:
                    parameters = list(self.nets[m].parameters())
                    with torch.no_grad():
                        one = parameters[turn % len(parameters)]
                        one[(0,) * one.ndim] = value

        monkeypatch.setattr(Trainer, "descend", poisoned)
        trainer = Trainer(small(), processes.images(48), folder)
        with pytest.raises((FloatingPointError, ValueError), match="must be finite, got .*(in epoch|diverged)"):
            trainer.fit(progress=False)
        monkeypatch.setattr(Trainer, "descend", descend)
        assert trainer.epoch == wanted
        if wanted:
            resumed = Trainer.resume(folder, processes.images(48))
            assert resumed.epoch == wanted
            resumed.fit(progress=False)
            assert finite(resumed)
        count += 1
    tries(count)


def test_a_trainer_interrupted_within_an_epoch_refuses_to_go_on_with_half_trained_networks(monkeypatch, tmp_path):
    """As by the stop button of a notebook; the folder goes on with the right bits."""
    straight = Trainer(small(), processes.images(48))
    straight.fit(progress=False)
    descend, steps = Trainer.descend, []

    def interrupted(self, m, terms):
        steps.append(m)
        if len(steps) == 7:
            raise KeyboardInterrupt
        descend(self, m, terms)

    monkeypatch.setattr(Trainer, "descend", interrupted)
    trainer = Trainer(small(), processes.images(48), tmp_path)
    with pytest.raises(KeyboardInterrupt):
        trainer.fit(progress=False)
    with pytest.raises(ValueError, match="trainer must be one that was not interrupted within an epoch, got .*epoch 1"):
        trainer.fit(progress=False)
    resumed = Trainer.resume(tmp_path, processes.images(48))
    resumed.fit(progress=False)
    assert processes.outcome(resumed) == processes.outcome(straight)
