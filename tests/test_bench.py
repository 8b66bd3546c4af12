"""`make bench`, and the plain trainer it compares ours with."""

import dataclasses
import json
import math

import numpy as np
import pytest
import torch
from bench import __main__ as bench
from bench import measure, plain_trainer, report
from click.testing import CliRunner
from torch.utils.flop_counter import FlopCounterMode

from plremix_core.config import Config
from plremix_core.data import augment, from_arrays
from plremix_core.engine.files import ROOT
from plremix_core.trainer import Trainer

CPU = torch.device("cpu")
CLASSES = ("left", "right", "top", "bottom")


def bars(n, seed, wrong=0.0):
    """Colour images of which one half is bright: four classes that any network can tell apart."""
    rng = np.random.default_rng(seed)
    true = np.arange(n) % 4
    images = rng.integers(0, 60, (n, 8, 8, 3), dtype=np.uint8)
    for image, label in zip(images, true):
        image[(np.s_[:, :4], np.s_[:, 4:], np.s_[:4], np.s_[4:])[label]] += 150
    given = np.where(rng.random(n) < wrong, rng.integers(4, size=n), true)
    return images, given, true


def small(n=96, **changes):
    images, given, true = bars(n, 0, wrong=0.3)
    tests, labels, _ = bars(40, 1)
    data = from_arrays(images, given, tests, labels, CLASSES, true=true, name="bars")
    settings = dict(dataset="bars", noise="none", width=8, blocks=(1, 1), batch_size=16, warm_up=0, epochs=20)
    settings |= dict(pad=1, flip=False, kappa=((0, 1),), steps_per_epoch=12, device="cpu", lambda_u=0.0)
    return Config(**(settings | changes)), data


# ---------------------------------------------------------------------------------------------- the plain trainer


@pytest.mark.parametrize("workers", [0, 1])
def test_the_plain_trainer_gives_finite_losses(workers):
    config, data = small(steps_per_epoch=2)
    row = plain_trainer.PlainTrainer(config, data, workers).run_epoch(0)
    assert all(math.isfinite(value) for value in row.values())
    assert row["x_1"] > 0 and row["u_2"] > 0 and 0 <= row["test_accuracy"] <= 1


@pytest.mark.slow
def test_the_plain_trainer_learns_what_is_easy():
    config, data = small(lr=0.1, steps_per_epoch=10)
    trainer = plain_trainer.PlainTrainer(config, dataclasses.replace(data, given=data.true))
    rows = [trainer.run_epoch(epoch) for epoch in range(4)]
    assert max(row["test_accuracy"] for row in rows) >= 0.75  # chance is 0.25


def test_both_engines_give_the_same_outputs_for_the_same_weights():
    config, data = small()
    plain, ours = plain_trainer.PlainTrainer(config, data), Trainer(config, data)
    for trainer in (plain, ours):
        trainer.start_prototypes()
    for name, value in ours.per_sample(ours.nets[1]).items():
        torch.testing.assert_close(plain.per_sample(plain.nets[1])[name], value, rtol=1e-4, atol=1e-5)
    assert plain.accuracy(data.test_images, data.test_labels) == ours.accuracy(data.test_images, data.test_labels)


def test_the_plain_evaluation_view_is_the_normalised_image():
    config, data = small()
    (views,), label, index = plain_trainer.Views(
        data.images, data.given, [plain_trainer.recipes(config, data)["eval"]]
    )[5]
    torch.testing.assert_close(views, augment.normalise_views(data.images[None, 5:6], data.mean, data.std)[0, 0])
    assert (label, index) == (data.given[5], 5)


def test_grey_images_make_plain_views_of_one_channel():
    config, data = small()
    grey = dataclasses.replace(data, images=data.images[:, :1], mean=(0.3,), std=(0.2,))
    recipes = plain_trainer.recipes(config, grey)
    views, _, _ = plain_trainer.Views(grey.images, grey.given, list(recipes.values()))[0]
    assert [tuple(view.shape) for view in views] == [(1, 8, 8)] * 3


# -------------------------------------------------------------------------------------------------- measuring


def test_the_counted_operations_are_those_of_the_networks():
    config, data = small(width=4, blocks=(1,))
    image = data.images[:1].float()
    net = Trainer(config, data).nets[0]
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        net.backbone(image)
    stem = 2 * 8 * 8 * 3 * 4 * 9  # the images need no gradient, so the stem's backward is one product, not two
    forward, batch = counter.get_total_flops(), config.batch_size
    backbone = 6 * batch * forward + 8 * batch * (3 * forward - stem)
    found = measure.count_step_flop(config, data)
    assert backbone < found < 1.6 * backbone  # the heads and the contrast come on top


def test_a_smaller_part_keeps_the_share_of_the_test_images():
    half = measure.shrink(small()[1], 48)
    assert (len(half.images), len(half.given), len(half.true), len(half.test_images)) == (48, 48, 48, 20)


def test_a_matrix_product_gives_a_believable_peak():
    assert 1e8 < measure.find_peak(CPU, "float32", size=256) < 1e14


def test_every_mode_is_an_engine_of_its_own():
    config, data = small(steps_per_epoch=1)
    rows = measure.compare(config, data, [{}, {"precision": "bf16"}], [], repeats=2)
    assert [row["engine"] for row in rows] == ["ours, float32", "ours, bf16"]
    for row in rows:
        epoch = row["epoch"]
        assert len(epoch["all"]) == 2 and 0 < epoch["low"] <= epoch["median"] <= epoch["high"]


def invoke(folder, *arguments):
    done = CliRunner().invoke(bench.bench, ["--quick", "--limit", "500", "--out", str(folder), *arguments])
    assert done.exit_code == 0, done.output
    return done.output


@pytest.mark.slow
def test_quick_writes_table_numbers_and_figure(tmp_path):
    output = invoke(tmp_path, "--set", "width", "4", "--precision", "float32")
    result = json.loads((tmp_path / "fashion_mnist-cpu-quick.json").read_text())
    assert [row["engine"] for row in result["engines"]] == ["plain, 0 workers", "ours, float32"]
    assert [row["images"] for row in result["growth"]["images"]] == [256]
    assert result["work"]["step_flop"] > 0
    assert set(result["parts"]) == {"views", "plain views", "divide", "test", "checkpoint"}
    assert (tmp_path / "fashion_mnist-cpu-quick.png").stat().st_size > 10_000
    for word in ("ratio", "plain, 0 workers", "ours, float32", "checkpoint", "growth with N: 256"):
        assert word in output


@pytest.mark.parametrize(("slow", "engines"), [(True, ["float32"]), (False, ["float32", "bf16"])])
@pytest.mark.parametrize("asked", [(), ("bf16",)])
def test_bf16_is_left_out_where_it_is_slow_unless_asked_for(monkeypatch, tmp_path, slow, engines, asked):
    seen = []
    monkeypatch.setattr(bench, "slow_bf16", lambda device: slow)
    monkeypatch.setattr(measure, "measure", lambda config, data, modes, *rest: seen.extend(modes) or {})
    monkeypatch.setattr(report, "save", lambda *rest: [])
    monkeypatch.setattr(report, "table", str)
    invoke(tmp_path, *[word for name in asked for word in ("--precision", name)])
    assert [mode["precision"] for mode in seen] == (list(asked) or engines)


@pytest.mark.parametrize(
    "path", sorted((ROOT / "data" / "results" / "bench").glob("*.json")), ids=lambda path: path.stem
)
def test_recorded_measurements_can_be_read(path):
    result = json.loads(path.read_text())
    text = report.table(result)
    assert "plain, 0 workers" in text and "ratio would be" in text
    assert report.baseline(result)["engine"].startswith("plain") and sum(report.shares(result).values()) > 0.9


def test_rates_follow_from_the_counts():
    row = dict(engine="ours, bf16", epoch=dict(median=2.0))
    result = dict(work=dict(steps=10, batch=64, step_flop=1e9), peak_flops={"float32": 1e11, "bf16": 4e11})
    assert report.rates(result, row) == dict(steps=10.0, images=1280.0, flops=1e10, share=0.025)


def test_lists_and_unknown_names_are_taken_and_refused_as_elsewhere():
    config = measure.settings("cifar10", 1280, blocks=[2, 2, 2, 2], width=64, stem_stride=1)
    assert config.blocks == (2, 2, 2, 2) and config.steps_per_epoch == 10
    with pytest.raises(ValueError, match="Did you mean width"):
        measure.settings("cifar10", 1280, widht=64)


def test_too_many_images_are_refused():
    config, data = small(train_size=97)
    with pytest.raises(ValueError, match="size must be at most 96, got 97"):
        measure.measure(config, data, [{}], [0], 1, 1000)


def test_the_limit_is_that_of_our_first_engine_and_names_it():
    def seconds(value):
        return dict(median=value, low=value, high=value, all=[value])

    plain, ours, other = ("plain, 0 workers", 6.0), ("ours, float32", 4.0), ("ours, bf16", 1.0)
    engines = [dict(engine=name, epoch=seconds(value)) for name, value in (plain, ours, other)]
    parts = {"views": 0.5, "divide": 0.3, "test": 0.2, "checkpoint": 0.1, "plain views": 2.5}
    text = report.limit(dict(engines=engines, parts={name: seconds(value) for name, value in parts.items()}))
    assert "plain 2.500 s, ours 0.500 s" in text
    assert "3.000 s (ours, float32)" in text and text.endswith("ratio would be 2.00")  # 4 - 0.5 - 0.3 - 0.2; 6 / 3
    del parts["plain views"]
    without = dict(engines=engines[1:], parts={name: seconds(value) for name, value in parts.items()})
    assert report.limit(without) == "no plain trainer was measured"
    assert report.baseline(without)["engine"] == "ours, float32"
