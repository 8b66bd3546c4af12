"""Whole trainings on few images: learning, repeating, resuming, stopping, and small or empty parts."""

import dataclasses
import logging
import random

import numpy as np
import pandas as pd
import pytest
import tiny
import torch

from plremix_core import data, steps
from plremix_core.analysis import clusters, negatives
from plremix_core.engine import checkpoint
from plremix_core.engine.history import COLUMNS, History
from plremix_core.engine.seeds import generator
from plremix_core.gmm import Split
from plremix_core.methods import METHODS, Method
from plremix_core.trainer import Trainer


def table(history):
    return history.table.drop(columns="seconds")


@pytest.fixture(scope="module")
def straight():
    """One run without interruption."""
    return tiny.trained(tiny.settings(epochs=4), tiny.bars())


# ----------------------------------------------------------------------------------------------------- learning


def test_short_training_on_wrong_labels_beats_chance_by_far():
    config = tiny.settings(epochs=5, warm_up=2, steps_per_epoch=12, lr=0.05, width=8, batch_size=16, lr_drops=(), pad=0)
    _, history = tiny.trained(config, tiny.bars(160, wrong=0.3))
    assert history.table["test_accuracy"].iloc[-1] >= 0.25 + 0.4
    assert history.table["auc_1"].iloc[-1] >= 0.5 + 0.25
    assert history.table["x_1"].iloc[1] < history.table["x_1"].iloc[0]


@pytest.mark.slow
def test_training_on_the_bundled_images_beats_chance_by_far():
    config = tiny.settings(
        dataset="fashion_mnist", train_size=1000, width=8, blocks=(1, 1), epochs=8, warm_up=4, steps_per_epoch=25,
        batch_size=32, lr=0.05, lr_drops=(), rate=0.5, kappa=((0, 3), (6, 2)),
    )  # fmt: skip
    whole = data.prepare(config)
    part = dataclasses.replace(whole, test_images=whole.test_images[:500], test_labels=whole.test_labels[:500])
    trainer, history = tiny.trained(config, part)
    assert history.best >= 0.1 + 0.35
    assert history.table["auc_1"].iloc[-1] >= 0.5 + 0.15
    outputs = trainer.per_sample(trainer.nets[0])
    predicted = outputs["proto_logits"].argmax(dim=1)
    assert float((predicted == part.true).double().mean()) >= 0.1 + 0.15  # the prototypes mean something


@pytest.mark.parametrize(("method", "contrast"), [*[(m, "flat_nce") for m in METHODS], ("plremix", "info_nce")])
def test_every_method_runs(method, contrast):
    trainer, history = tiny.trained(tiny.settings(method=method, contrast=contrast, epochs=2), tiny.bars())
    spec = trainer.config.spec
    assert len(history.table) == 2
    assert np.isfinite(history.table.filter(regex="^(total|x|u|penalty|contrast)_").to_numpy()).all()
    assert ("clean_1" in history.table) == spec.semi
    assert (history.table["negatives_1"].iloc[0] > 0) == (spec.negatives != "none")
    assert all(tensor.isfinite().all() for net in trainer.nets for tensor in net.state_dict().values())


def test_a_method_without_a_split_relaxes_its_negatives_by_the_peer_after_warm_up(monkeypatch):
    monkeypatch.setitem(METHODS, "ce-plr", Method(negatives="relaxed"))
    seen, negative_mask = [], steps.negative_mask

    def spy(config, logits, given, epoch):
        seen.append((epoch, logits.shape))
        return negative_mask(config, logits, given, epoch)

    monkeypatch.setattr(steps, "negative_mask", spy)
    _, history = tiny.trained(tiny.settings(method="ce-plr", epochs=2), tiny.bars())
    assert seen == [(1, (16, 4))] * 4  # two steps of both networks, none in warm-up
    assert "clean_1" not in history.table
    everyone, relaxed = history.table["negatives_1"]
    assert everyone == 15 and 0 < relaxed < 15


@pytest.mark.parametrize(
    "changes",
    [dict(prototypes_from="peer"), dict(supervised_view="strong"), dict(confidence_penalty=True), dict(warm_up=0),
     dict(steps_per_epoch=0), dict(warm_up=3), dict(lambda_u=0.0, lambda_c=0.0)],
    ids=str,
)  # fmt: skip
def test_every_variant_runs(changes):
    _, history = tiny.trained(tiny.settings(**changes), tiny.bars())
    assert np.isfinite(history.table["total_1"]).all()


def test_one_pass_over_the_labeled_set_is_an_epoch_unless_steps_are_given(monkeypatch):
    count = []
    monkeypatch.setattr(Trainer, "descend", lambda self, m, terms: count.append(m))
    trainer = Trainer(tiny.settings(steps_per_epoch=0, batch_size=8), tiny.bars(64))
    trainer.train_supervised(0, 0)
    assert len(count) == 64 // 16
    p_clean = np.where(np.arange(64) < 30, 0.9, 0.1)
    split = Split(p_clean, p_clean > 0.5, p_clean[:, None], None, 0, 0.5)
    outputs = trainer.per_sample(trainer.nets[1])
    count.clear()
    trainer.train_semi(1, 0, split, outputs["logits"])
    assert len(count) == 30 // 8


@pytest.mark.parametrize("source", ["own", "peer"])
def test_each_network_gets_split_and_logits_of_its_peer_and_moves_prototypes_by_its_source(monkeypatch, source):
    passes, trained_on, moved_by = [], [], []
    per_sample, train, move = Trainer.per_sample, Trainer.train_semi, Trainer.move_prototypes

    def spy_pass(self, net):
        passes.append(per_sample(self, net))
        return passes[-1]

    def spy_train(self, epoch, m, split, peer_logits):
        stored = [split is d for d in self.splits], [peer_logits is out["logits"] for out in passes[-2:]]
        trained_on.append((m, *stored))
        return train(self, epoch, m, split, peer_logits)

    def spy_move(self, net, outputs, epoch):
        moved_by.append((self.nets.index(net), [outputs is out for out in passes[-2:]]))
        return move(self, net, outputs, epoch)

    for name, spy in (("per_sample", spy_pass), ("train_semi", spy_train), ("move_prototypes", spy_move)):
        monkeypatch.setattr(Trainer, name, spy)
    tiny.trained(tiny.settings(epochs=2, prototypes_from=source), tiny.bars())
    assert trained_on == [(0, [False, True], [False, True]), (1, [True, False], [True, False])]
    assert moved_by == [(m, [(m == 0) == (source == "own"), (m == 1) == (source == "own")]) for m in (0, 1)]


def test_mixing_is_fresh_in_every_step_and_the_unsupervised_weight_ramps_up_within_an_epoch(monkeypatch):
    seen, semi_step = [], steps.semi_step

    def spy(net, strong_x, strong_u, targets_x, targets_u, mask, mix, permutation, weight_u, *rest):
        seen.append((mix, permutation.tolist(), weight_u))
        return semi_step(net, strong_x, strong_u, targets_x, targets_u, mask, mix, permutation, weight_u, *rest)

    monkeypatch.setattr(steps, "semi_step", spy)
    tiny.trained(
        tiny.settings(epochs=3, warm_up=1, steps_per_epoch=2, lambda_u=8.0, ramp_epochs=4, mixup_alpha=0.5), tiny.bars()
    )
    mixes, permutations, weights = zip(*seen)
    assert weights == pytest.approx((0, 1, 0, 1, 2, 3, 2, 3))  # two steps of each network in two epochs
    assert all(0.5 <= mix <= 1 for mix in mixes)
    assert len(set(mixes)) == 8
    assert all(sorted(permutation) == list(range(4 * 8)) for permutation in permutations)
    assert len({tuple(permutation) for permutation in permutations}) == 8


def test_the_first_split_is_made_with_prototypes_that_are_the_class_means(monkeypatch):
    means, split = [], Trainer.split

    def spy(self, outputs, epoch, which):
        if epoch == 1:
            q, prototypes = outputs["projection"].double(), self.nets[which].prototypes.double()
            rows = torch.stack([q[self.given == c].mean(dim=0) for c in range(4)])
            means.append((prototypes, rows / rows.norm(dim=1, keepdim=True)))
        return split(self, outputs, epoch, which)

    monkeypatch.setattr(Trainer, "split", spy)
    tiny.trained(tiny.settings(warm_up=1), tiny.bars())
    assert len(means) == 2
    for found, expected in means:
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


def test_plain_cross_entropy_has_no_prototypes():
    trainer, _ = tiny.trained(tiny.settings(method="ce", epochs=2), tiny.bars())
    assert all((net.prototypes == 0).all() for net in trainer.nets)


def test_a_class_without_given_labels_gives_no_nan_and_is_named_in_the_log(caplog):
    images = tiny.bars()
    images = dataclasses.replace(images, given=torch.where(images.given == 3, 0, images.given))
    trainer, history = tiny.trained(tiny.settings(), images)
    assert np.isfinite(history.table["total_1"]).all()
    assert all(net.prototypes.isfinite().all() for net in trainer.nets)
    assert f"1 classes have no given label ({tiny.BARS[3]})" in caplog.text


# ------------------------------------------------------------------------------------------------ repeatability


def test_same_seed_gives_equal_bits_and_another_seed_others(straight):
    again = tiny.trained(tiny.settings(epochs=4), tiny.bars())
    assert tiny.checksum(again[0]) == tiny.checksum(straight[0])
    pd.testing.assert_frame_equal(table(again[1]), table(straight[1]), check_exact=True)
    assert tiny.checksum(tiny.trained(tiny.settings(epochs=4, seed=1), tiny.bars())[0]) != tiny.checksum(straight[0])


def test_a_step_is_sgd_with_the_momentum_weight_decay_and_rate_of_the_settings():
    trainer = Trainer(tiny.settings(lr=0.1, momentum=0.8, weight_decay=0.01), tiny.bars())
    weight = trainer.nets[0].classifier.weight
    before, expected, buffer = weight.detach().clone(), weight.detach().clone(), 0.0
    for _ in range(2):
        zero = torch.zeros(())
        trainer.descend(0, steps.Terms((3 * weight).sum(), zero, zero, zero, zero, zero))
        buffer = 0.8 * buffer + 3 + 0.01 * expected
        expected = expected - 0.1 * buffer
    torch.testing.assert_close(weight.detach(), expected, rtol=1e-5, atol=1e-6)
    assert (weight != before).all()


def test_the_two_networks_differ(straight):
    a, b = straight[0].nets
    assert (a.backbone.stem.weight != b.backbone.stem.weight).any()


def test_global_random_states_are_left_alone_and_do_not_matter(straight):
    torch.manual_seed(5)
    np.random.seed(5)  # noqa: NPY002
    random.seed(5)
    before = torch.get_rng_state(), np.random.get_state()[1].copy(), random.getstate()  # noqa: NPY002
    trainer, _ = tiny.trained(tiny.settings(epochs=4), tiny.bars())
    assert (torch.get_rng_state() == before[0]).all()
    assert (np.random.get_state()[1] == before[1]).all()  # noqa: NPY002
    assert random.getstate() == before[2]
    assert tiny.checksum(trainer) == tiny.checksum(straight[0])


def test_generator_depends_on_every_key():
    def first(*keys):
        return float(torch.rand(1, generator=generator(*keys), dtype=torch.float64))

    values = {first(0, 1, 0), first(0, 1, 1), first(0, 2, 0), first(1, 1, 0)}
    assert len(values) == 4
    assert first(3, 2, 1) == first(3, 2, 1)


# ------------------------------------------------------------------------------------------------------- resume


@pytest.mark.parametrize("stop", [1, 2, 3])
def test_resume_gives_the_bits_of_a_run_without_interruption(straight, tmp_path, stop):
    class Stop(Exception):
        pass

    def interrupt(trainer, row):
        if trainer.epoch == stop:
            raise Stop

    with pytest.raises(Stop):
        Trainer(tiny.settings(epochs=4), tiny.bars(), tmp_path).fit(progress=False, on_epoch=interrupt)
    resumed = Trainer.resume(tmp_path, tiny.bars())
    assert resumed.epoch == stop
    history = resumed.fit(progress=False)
    assert tiny.checksum(resumed) == tiny.checksum(straight[0])
    pd.testing.assert_frame_equal(table(history), table(straight[1]), check_exact=True)


def test_resume_falls_back_from_a_damaged_checkpoint_and_ends_with_the_same_bits(straight, tmp_path, caplog):
    tiny.trained(tiny.settings(epochs=4), tiny.bars(), tmp_path)
    newest = max(tmp_path.glob("*.pt"))
    newest.write_bytes(newest.read_bytes()[:1000])
    resumed = Trainer.resume(tmp_path, tiny.bars())
    assert resumed.epoch == 3
    assert "epoch-0004.pt is damaged" in caplog.text
    resumed.fit(progress=False)
    assert tiny.checksum(resumed) == tiny.checksum(straight[0])


def test_resume_of_a_finished_run_has_nothing_to_do(straight, tmp_path):
    tiny.trained(tiny.settings(epochs=4), tiny.bars(), tmp_path)
    resumed = Trainer.resume(tmp_path, tiny.bars())
    assert resumed.fit(progress=False).table["epoch"].tolist() == [0, 1, 2, 3]
    assert tiny.checksum(resumed) == tiny.checksum(straight[0])


def test_resume_refuses_other_settings_than_the_runs_and_names_them(tmp_path):
    config = tiny.settings(epochs=1)
    tiny.trained(config, tiny.bars(), tmp_path)
    assert Trainer.resume(tmp_path, tiny.bars(), config=config.replace(device="cpu")).epoch == 1
    wanted = (
        f"settings must be those of the run in {tmp_path} \\(lr={config.lr!r}\\), got 'lr=0.5'. Take another folder"
    )
    with pytest.raises(ValueError, match=wanted):
        Trainer.resume(tmp_path, tiny.bars(), config=config.replace(lr=0.5))


def test_resume_prepares_the_data_of_the_settings_by_itself(tmp_path):
    config = tiny.settings(train_size=40, epochs=1)
    tiny.trained(config, data.prepare(config), tmp_path)
    resumed = Trainer.resume(tmp_path)
    assert resumed.config == config
    assert (resumed.data.given == data.prepare(config).given).all()


def test_data_of_another_run_are_refused(tmp_path):
    tiny.trained(tiny.settings(epochs=1), tiny.bars(seed=0), tmp_path)
    with pytest.raises(ValueError, match=r"data must be those of the run \([0-9a-f]{12}\), got .*Pass the run's"):
        Trainer.resume(tmp_path, tiny.bars(seed=5))


def test_a_folder_without_a_run_is_refused(tmp_path):
    with pytest.raises(ValueError, match="folder must be one with a readable checkpoint, got .* Start again"):
        Trainer.resume(tmp_path, tiny.bars())


def test_a_new_run_in_the_folder_of_a_longer_one_does_not_lose_its_own_checkpoints(tmp_path):
    tiny.trained(tiny.settings(epochs=4), tiny.bars(), tmp_path)
    try:
        Trainer(tiny.settings(epochs=1, seed=9), tiny.bars(), tmp_path).fit(progress=False)
    except ValueError:
        return  # refusing the folder is right too
    assert Trainer.resume(tmp_path, tiny.bars()).config.seed == 9


# ---------------------------------------------------------------------------------------- small and empty parts


def trained_on(monkeypatch, p_clean, **changes):
    """Train two epochs with a given posterior instead of the mixture."""
    p = np.asarray(p_clean, dtype=np.float64)
    split = Split(p, p > 0.5, p[:, None], None, 0, 0.5)
    monkeypatch.setattr(Trainer, "split", lambda self, outputs, epoch, m: split)
    return tiny.trained(tiny.settings(**changes), tiny.bars(len(p)))


@pytest.mark.parametrize(
    ("p_clean", "clean", "noisy"),
    [
        ([0.9] * 3 + [0.2] * 21, 3, 21),
        ([0.9] * 22 + [0.2] * 2, 22, 2),
        ([1.0] * 24, 24, 0),
        ([0.0] * 24, 0, 24),
    ],
    ids=["fewer clean samples than a batch", "fewer noisy ones", "no noisy part", "no clean part"],
)
def test_parts_smaller_than_a_batch_still_train_and_are_named_in_the_log(monkeypatch, caplog, p_clean, clean, noisy):
    trainer, history = trained_on(monkeypatch, p_clean)
    sizes = f"({clean} clean, {noisy} noisy samples, batch 8): filled up with the next likely"
    assert f"epoch 1, network 1: a part is smaller than a batch {sizes}" in caplog.text
    assert history.table["clean_1"].iloc[1:].tolist() == [clean] * 2
    assert history.table["noisy_1"].iloc[1:].tolist() == [noisy] * 2
    assert np.isfinite(history.table["total_1"]).all()
    start = Trainer(trainer.config, trainer.data)
    assert (trainer.nets[0].backbone.stem.weight != start.nets[0].backbone.stem.weight).any()


def test_as_released_an_epoch_with_too_small_a_part_trains_nothing(monkeypatch, caplog):
    trainer, history = trained_on(monkeypatch, [0.9] * 3 + [0.2] * 21, short_parts="skip")
    assert "3 clean, 21 noisy samples, batch 8): nothing is trained" in caplog.text
    assert history.table["total_1"].isna().tolist() == [False, True, True]
    warm = Trainer(trainer.config, trainer.data)
    warm.run_epoch(0)
    for net, before in zip(trainer.nets, warm.nets):
        assert all((a == b).all() for a, b in zip(net.parameters(), before.parameters()))


def test_warm_up_without_contrast_is_cross_entropy_alone():
    with_contrast = tiny.trained(tiny.settings(epochs=1), tiny.bars())[1].table
    without = tiny.trained(tiny.settings(epochs=1, warm_up_contrast=False), tiny.bars())[1].table
    assert with_contrast["negatives_1"][0] > 0 and without["negatives_1"][0] == 0
    assert without["total_1"][0] == pytest.approx(without["x_1"][0])
    assert with_contrast["total_1"][0] > with_contrast["x_1"][0]


@pytest.mark.parametrize("n", [2, 5, 7])
def test_fewer_samples_than_a_batch_still_train(n):
    _, history = tiny.trained(tiny.settings(), tiny.bars(n, wrong=0.0))
    assert np.isfinite(history.table["total_1"]).all()


def test_one_image_is_refused():
    with pytest.raises(ValueError, match="training images must be at least two, got 1. Add images."):
        Trainer(tiny.settings(), tiny.bars(1))


def test_k_for_which_no_pair_can_repel_trains_on_the_other_terms_and_is_named_in_the_log(caplog):
    """2 k > C: the release gives NaN here; a batch without negatives is no error."""
    _, history = tiny.trained(tiny.settings(kappa=((0, 3),)), tiny.bars())
    assert np.isfinite(history.table["total_1"]).all()
    assert history.table["negatives_1"].iloc[1:].tolist() == [0, 0]
    assert "kappa = [3] with 4 classes: every two candidate sets overlap" in caplog.text
    assert "epoch 1, network 1: there is no negative pair, the contrast does nothing" in caplog.text


def test_losses_that_all_agree_are_named_in_the_log(caplog, monkeypatch):
    per_sample = Trainer.per_sample

    def constant(self, net):
        outputs = per_sample(self, net)
        return outputs | {name: torch.ones_like(outputs[name]) for name in ("loss_cls", "loss_proto")}

    monkeypatch.setattr(Trainer, "per_sample", constant)
    _, history = tiny.trained(tiny.settings(), tiny.bars())
    assert "epoch 1, network 2: all losses agree, every sample counts as clean" in caplog.text
    assert history.table["clean_1"].iloc[1:].tolist() == [64, 64]


def test_losses_that_are_not_finite_stop_the_split(monkeypatch):
    per_sample = Trainer.per_sample

    def broken(self, net):
        outputs = per_sample(self, net)
        return outputs | {"loss_proto": outputs["loss_proto"].index_fill(0, torch.tensor([3]), float("nan"))}

    monkeypatch.setattr(Trainer, "per_sample", broken)
    with pytest.raises(ValueError, match="loss_proto must be finite, got '1 values that are not'. The network has div"):
        tiny.trained(tiny.settings(), tiny.bars())


def test_without_test_images_training_goes_on():
    images = tiny.bars()
    images = dataclasses.replace(images, test_images=images.test_images[:0], test_labels=images.test_labels[:0])
    _, history = tiny.trained(tiny.settings(epochs=2), images)
    assert history.table["test_accuracy"].isna().all() and np.isfinite(history.table["total_1"]).all()


def test_k_above_the_number_of_classes_is_refused_before_training():
    with pytest.raises(ValueError, match="^(k|kappa) must be "):
        Trainer(tiny.settings(kappa=((0, 1), (2, 5))), tiny.bars())


def test_all_labels_right_or_true_labels_unknown():
    _, right = tiny.trained(tiny.settings(), tiny.bars(wrong=0.0))
    assert right.table["auc_1"].isna().all()  # nothing to tell apart
    assert (right.table["precision_1"].iloc[1:] == 1).all()
    _, unknown = tiny.trained(tiny.settings(), tiny.bars(known=False))
    assert "auc_1" not in unknown.table
    assert "clean_1" in unknown.table


def test_colour_images_train():
    images = np.random.default_rng(0).integers(256, size=(32, 8, 8, 3), dtype=np.uint8)
    labels = np.arange(32) % 4
    _, history = tiny.trained(tiny.settings(), data.from_arrays(images, labels, images, labels, tiny.BARS))
    assert np.isfinite(history.table["total_1"]).all()


# -------------------------------------------------------------------------------------------------------- stops


def test_a_loss_that_is_not_finite_stops_with_the_terms_named():
    with pytest.raises(FloatingPointError, match=r"'x'.*must be finite, got nan or inf in epoch 0. Lower lr"):
        Trainer(tiny.settings(lr=1e20, steps_per_epoch=4), tiny.bars()).fit(progress=False)


def test_nan_in_the_middle_keeps_the_last_checkpoint(tmp_path, monkeypatch):
    descend = Trainer.descend

    def poisoned(self, m, terms):
        descend(self, m, terms)
        if self.epoch == 2:
            with torch.no_grad():
                self.nets[m].classifier.weight.fill_(float("nan"))

    monkeypatch.setattr(Trainer, "descend", poisoned)
    trainer = Trainer(tiny.settings(epochs=4), tiny.bars(), tmp_path)
    with pytest.raises(FloatingPointError, match="must be finite, got nan or inf in epoch 2. Lower lr, or resume."):
        trainer.fit(progress=False)
    assert (trainer.epoch, len(trainer.rows)) == (2, 2)
    kept = checkpoint.load_newest(tmp_path)
    assert kept["epoch"] == 2
    assert all(tensor.isfinite().all() for state in kept["nets"] for tensor in state.values())


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("method", ["ce", "plremix"])
def test_a_diverged_network_never_becomes_the_newest_checkpoint(tmp_path, method, count):
    """With one step an epoch the loss of the first epoch is finite, but the weights after it are not usable."""
    config = tiny.settings(method=method, lr=1e38, steps_per_epoch=count, epochs=3, weight_decay=0.1)
    with pytest.raises((FloatingPointError, ValueError), match="must be finite"):
        Trainer(config, tiny.bars(), tmp_path).fit(progress=False)
    for path in tmp_path.glob("*.pt"):
        state = torch.load(path, weights_only=True)
        assert all(t.isfinite().all() for net in state["nets"] for t in net.values()), path.name


# ------------------------------------------------------------------------------------------------------ history

BOTH = "total x u penalty contrast negatives lr clean noisy auc precision recall proto_accuracy"


def test_history_has_a_row_an_epoch_and_all_columns(straight):
    found = straight[1].table
    names = {f"{name}_{m}" for name in BOTH.split() for m in (1, 2)}
    assert set(found.columns) == names | {"epoch", "kappa", "test_accuracy", "seconds"}
    assert found["epoch"].tolist() == [0, 1, 2, 3]
    assert found["lr_1"].tolist() == pytest.approx([0.02, 0.02, 0.002, 0.002])
    assert found["clean_1"].isna().tolist() == [True, False, False, False]
    assert (found["clean_1"] + found["noisy_1"]).iloc[1:].tolist() == [64] * 3
    assert found[["test_accuracy", "precision_1", "recall_2"]].iloc[1:].stack().between(0, 1).all()
    assert (found["seconds"] > 0).all()


def test_every_column_has_its_meaning_and_every_meaning_its_column():
    images = tiny.bars()
    images = dataclasses.replace(images, holdout_images=images.images[:10], holdout_given=images.given[:10])

    def measure(trainer, row):
        negatives.measure(trainer, row)
        clusters.measure(trainer, row)

    history = Trainer(tiny.settings(confidence_penalty=True), images).fit(progress=False, on_epoch=measure)
    assert {name.removesuffix("_1").removesuffix("_2") for name in history.table} == set(COLUMNS)


def test_history_follows_the_candidate_schedule():
    _, history = tiny.trained(tiny.settings(kappa=((0, 2), (1, 1)), epochs=2), tiny.bars())
    assert history.table["kappa"].tolist() == [2, 1]


def test_hold_out_accuracy_is_recorded_if_there_is_a_hold_out():
    images = tiny.bars()
    images = dataclasses.replace(images, holdout_images=images.images[:10], holdout_given=images.given[:10])
    _, history = tiny.trained(tiny.settings(epochs=1), images)
    assert history.table["holdout_accuracy"].between(0, 1).all()


def test_accuracy_is_that_of_the_summed_logits():
    trainer = Trainer(tiny.settings(), tiny.bars())
    a, b = (trainer.predict(net, trainer.data.test_images)[0] for net in trainer.nets)
    expected = np.mean((a + b).numpy().argmax(axis=1) == trainer.data.test_labels.numpy())
    assert trainer.accuracy(trainer.data.test_images, trainer.data.test_labels) == pytest.approx(expected)


def test_last_is_the_mean_of_ten_epochs_and_best_the_highest(straight):
    rows = [{"test_accuracy": x / 100} for x in (90, 10, 20, 30, 40, 50, 60, 70, 80, 85, 15)]
    history = History(pd.DataFrame(rows))
    assert history.last == pytest.approx(0.46)
    assert history.best == pytest.approx(0.90)
    short = History(pd.DataFrame(rows[:2]))
    assert short.last == pytest.approx(0.5)


def test_chosen_is_the_test_accuracy_where_the_hold_out_s_given_labels_are_met_best(straight):
    rows = [{"test_accuracy": a, "holdout_accuracy": h} for a, h in ((0.9, 0.1), (0.4, 0.7), (0.6, 0.7), (0.5, 0.2))]
    assert History(pd.DataFrame(rows)).chosen == 0.4  # the first of equals; never by test accuracy
    assert np.isnan(straight[1].chosen)


def test_on_epoch_is_called_with_the_trainer_and_the_finished_row():
    calls = []
    trainer = Trainer(tiny.settings(epochs=2), tiny.bars())
    history = trainer.fit(progress=False, on_epoch=lambda t, row: calls.append((t, t.epoch, row)))
    assert [(t is trainer, epoch, row["epoch"]) for t, epoch, row in calls] == [(True, 1, 0), (True, 2, 1)]
    assert calls[1][2]["test_accuracy"] == history.table["test_accuracy"].iloc[1]


def test_columns_that_on_epoch_adds_are_saved_and_an_epoch_is_saved_although_it_raises(tmp_path):
    def add(trainer, row):
        assert not (tmp_path / f"epoch-{trainer.epoch:04d}.pt").exists()  # it comes before the save
        row["mine"] = 10.0 * trainer.epoch
        if trainer.epoch == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Trainer(tiny.settings(), tiny.bars(), tmp_path).fit(progress=False, on_epoch=add)
    assert pd.read_csv(tmp_path / "history.csv")["mine"].tolist() == [10, 20]
    resumed = Trainer.resume(tmp_path, tiny.bars())
    assert resumed.epoch == 2
    assert resumed.fit(progress=False, on_epoch=add).table["mine"].tolist() == [10, 20, 30]
    assert pd.read_csv(tmp_path / "history.csv")["mine"].tolist() == [10, 20, 30]


# ---------------------------------------------------------------------------------------------------------- log


def with_a_missing_class():
    images = tiny.bars()
    return dataclasses.replace(images, given=torch.where(images.given == 3, 0, images.given))


def test_warnings_reach_the_screen_where_no_logging_is_configured(capsys, monkeypatch):
    trainer = Trainer(tiny.settings(epochs=1), with_a_missing_class())
    with monkeypatch.context() as patch:
        patch.setattr(logging.getLogger(), "handlers", [])  # those of pytest
        trainer.fit(progress=False)
    assert capsys.readouterr().err.startswith("warning: 1 classes have no given label (bottom)\nwarning: epoch 0, ")


def test_warnings_are_left_to_the_logging_of_who_configured_it(capsys, caplog):
    tiny.trained(tiny.settings(epochs=1), with_a_missing_class())
    assert "1 classes have no given label" in caplog.text and capsys.readouterr().err == ""


def test_warnings_of_the_data_come_once_when_training_begins(tmp_path, caplog):
    trainer = Trainer(tiny.settings(epochs=1), with_a_missing_class(), tmp_path)
    assert caplog.text == ""
    trainer.fit(progress=False)
    Trainer.resume(tmp_path, with_a_missing_class()).fit(progress=False)
    lines = (tmp_path / "log.txt").read_text().splitlines()
    assert lines[0] == "warning: 1 classes have no given label (bottom)" and lines.count(lines[0]) == 1
    assert trainer.run.warnings() == [line for line in lines if not line.startswith("epoch=0 ")]


@pytest.mark.parametrize("precision", ["float32", "bf16"])
def test_bf16_on_a_processor_without_its_instructions_is_named_before_training(monkeypatch, caplog, precision):
    monkeypatch.setattr("plremix_core.engine.provenance.slow_bf16", lambda device: True)
    monkeypatch.setattr(Trainer, "run_epoch", lambda self, epoch: {"epoch": epoch, "test_accuracy": 0.0})
    Trainer(tiny.settings(precision=precision), tiny.bars()).fit(progress=False)
    assert (caplog.messages[0].startswith("bf16 is 10 to 30 times slower than float32")) == (precision == "bf16")


def test_the_log_is_closed_and_its_level_as_before_after_a_training(tmp_path):
    log = logging.getLogger("plremix")
    before = log.level, list(log.handlers)
    tiny.trained(tiny.settings(epochs=1), tiny.bars(), tmp_path)
    assert (log.level, log.handlers) == before


# -------------------------------------------------------------------------------------------------------- files


def test_a_folder_gets_checkpoints_and_the_history(tmp_path):
    folder = tmp_path / "run"
    _, history = tiny.trained(tiny.settings(), tiny.bars(), folder)
    assert sorted(path.name for path in folder.glob("epoch-*.pt")) == ["epoch-0002.pt", "epoch-0003.pt"]
    read = pd.read_csv(folder / "history.csv")
    pd.testing.assert_frame_equal(read, history.table, check_dtype=False)
    lines = [line for line in (folder / "log.txt").read_text().splitlines() if not line.startswith("warning: ")]
    assert len(lines) == 3
    assert lines[2].startswith("epoch=2 kappa=1 ")


def test_nothing_is_written_without_a_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    tiny.trained(tiny.settings(epochs=1), tiny.bars())
    assert list(tmp_path.iterdir()) == []


def test_training_leaves_the_data_alone():
    images = tiny.bars()
    before = images.fingerprint()
    tiny.trained(tiny.settings(), images)
    assert images.fingerprint() == before


def test_the_pass_before_a_split_gives_the_losses_of_every_sample():
    trainer = Trainer(tiny.settings(), tiny.bars())
    net = trainer.nets[0]
    net.prototypes.copy_(torch.eye(4, 128))
    outputs = trainer.per_sample(net)
    for logits, loss in (("logits", "loss_cls"), ("proto_logits", "loss_proto")):
        rows = outputs[logits].double()
        expected = [float(row.exp().sum().log() - row[c]) for row, c in zip(rows, trainer.given.tolist())]
        assert outputs[loss].tolist() == pytest.approx(expected, rel=1e-5, abs=1e-5)
    cosines = outputs["projection"].double() @ net.prototypes.double().T / 0.1
    torch.testing.assert_close(outputs["proto_logits"].double(), cosines, rtol=1e-5, atol=1e-5)


def test_one_dimensional_methods_split_by_the_classifier_loss_alone():
    for method, dims in (("plr-1d", 1), ("plremix", 2)):
        trainer = Trainer(tiny.settings(method=method), tiny.bars())
        split = trainer.split(trainer.per_sample(trainer.nets[0]), 1, 0)
        assert split.points.shape == (64, dims)
