"""What a notebook sees: claims that can fail, controls that must break them, exercises, recorded studies."""

import io
import json
import types

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from PIL import Image

from plremix_core import data, gmm, losses, presets
from plremix_core.config import Config
from plremix_core.data import noise
from plremix_core.lessons import lesson as lesson_module
from plremix_core.lessons.controls import INSTEAD, replacements
from plremix_core.trainer import Trainer

REPLACED = replacements().keys() - {"no_bugs"}
TINY = dict(dataset="fashion_mnist", train_size=200, width=8, blocks=(1, 1), stem_stride=4, batch_size=16, epochs=2)
TINY |= dict(warm_up=1, steps_per_epoch=1, kappa=((0, 1),), pad=1, flip=False, fill=0, device="cpu")


@pytest.fixture
def lesson(monkeypatch):
    """A lesson whose control, if any, is undone after the test."""

    def begin(control=""):
        for owner, attribute, _ in replacements().values():
            monkeypatch.setattr(owner, attribute, getattr(owner, attribute))
        return lesson_module.start("99", control=control)

    return begin


def test_a_claim_that_holds_is_recorded_with_its_values(lesson):
    running = lesson()
    running.claim("C9.1", "small", [0.1, 0.2], "< 0.5", breaks=["coin"])
    assert running.records == [
        dict(name="C9.1", sentence="small", values=[0.1, 0.2], rule="< 0.5", holds=True, breaks=["coin"])
    ]


def test_a_claim_names_the_groups_of_its_values_and_records_all_in_order(lesson, capsys):
    running = lesson()
    values = {"sym 0.2": np.array([0.1, 0.25]), "asym 0.4": [0.3], "fine": [0.4, 0.1, 0.2, 0.123456]}
    running.claim("C9.1", "small", values, "< 0.5", breaks=["coin"])
    assert running.records[0]["values"] == [0.1, 0.25, 0.3, 0.4, 0.1, 0.2, 0.123456]
    told = "measured sym 0.2: 0.1, 0.25; asym 0.4: 0.3; fine: 0.1 to 0.4 (4 values), rule < 0.5"
    assert told in capsys.readouterr().out


@pytest.mark.parametrize("value", [0.6, [0.1, 0.6], [], float("nan"), [0.1, float("nan")], {"a": [0.1], "b": [0.6]}])
def test_a_claim_fails_if_any_value_breaks_the_rule_or_none_was_measured(lesson, value):
    with pytest.raises(lesson_module.LessonError, match="C9.1 FAILS · small"):
        lesson().claim("C9.1", "small", value, "< 0.5", breaks=["coin"])


@pytest.mark.parametrize(
    ("rule", "good", "bad"),
    [("> 1", 1.1, 1.0), (">= 1", 1.0, 0.9), ("< 1", 0.9, 1.0), ("<= 1", 1.0, 1.1), ("== 1", 1.0, 1.0001)],
)
def test_every_rule_has_values_on_both_sides(lesson, rule, good, bad):
    lesson().claim("C9.1", "s", good, rule, breaks=["coin"])
    with pytest.raises(lesson_module.LessonError):
        lesson().claim("C9.1", "s", bad, rule, breaks=["coin"])


def test_under_its_control_a_claim_must_fail(lesson):
    lesson("coin").claim("C9.1", "s", 2.0, "< 1", breaks=["coin"])  # fails, as it should
    with pytest.raises(lesson_module.LessonError, match="it must fail"):
        lesson("coin").claim("C9.1", "s", 0.5, "< 1", breaks=["coin"])


def test_under_another_control_a_failing_claim_is_recorded_and_does_not_stop(lesson):
    running = lesson("coin")
    running.claim("C9.1", "s", 2.0, "< 1", breaks=["all_negatives"])
    assert running.records[0]["holds"] is False


def test_a_claim_that_the_data_cannot_decide_counts_neither_as_held_nor_as_failed(lesson, capsys):
    running = lesson()
    running.claim("C9.1", "s", 2.0, "> 1", breaks=["coin"])
    running.skip("C9.2", "nobody knows the truth")
    running.finish()
    assert [record["holds"] for record in running.records] == [True, False]
    assert running.records[1]["skipped"] is True and running.records[1]["sentence"] == "nobody knows the truth"
    output = capsys.readouterr().out
    assert "C9.2 skipped · nobody knows the truth" in output and "1 of 2 claims hold" in output


def test_start_refuses_unknown_settings_by_name():
    with pytest.raises(ValueError, match="profile must be one of quick, full, got 'ful'"):
        lesson_module.start("99", profile="ful")
    with pytest.raises(ValueError, match="seed must be a whole number >= 0, got -1"):
        lesson_module.start("99", seed=-1)
    with pytest.raises(ValueError, match="control must be empty or one of .*all_negatives.*, got 'repel'"):
        lesson_module.start("99", control="repel")


@pytest.mark.parametrize("control", sorted(REPLACED))
def test_a_training_that_is_resumed_calls_what_a_control_puts_in_place(lesson, monkeypatch, tmp_path, control):
    called = []

    def watch(function):
        return lambda *arguments, **options: called.append(control) or function(*arguments, **options)

    owner, attribute, replacement = replacements()[control]
    spied = {k: watch(f) for k, f in replacement.items()} if isinstance(replacement, dict) else watch(replacement)
    monkeypatch.setattr(lesson_module.controls, "replacements", lambda: {control: (owner, attribute, spied)})
    lesson(control)
    config = Config(**TINY)
    Trainer(config, data.prepare(config), tmp_path).fit(progress=False)
    Trainer.resume(tmp_path)
    assert called, f"the core holds {attribute} itself: let it ask {owner.__name__} for it"


def test_control_forget_momentum_resumes_without_momentum(lesson, tmp_path):
    config = Config(**TINY)
    Trainer(config, data.prepare(config), tmp_path).fit(progress=False)
    assert all(optimizer.state for optimizer in Trainer.resume(tmp_path).optimizers)
    lesson("forget_momentum")
    assert not any(optimizer.state for optimizer in Trainer.resume(tmp_path).optimizers)


def test_control_never_flat_makes_both_forms_infonce(lesson):
    flat, pairs = losses.CONTRASTS["flat_nce"], (torch.zeros(4, 1), torch.zeros(4, 4))
    assert flat(*pairs) != losses.CONTRASTS["info_nce"](*pairs)
    lesson("never_flat")
    assert losses.CONTRASTS["flat_nce"](*pairs) == losses.CONTRASTS["info_nce"](*pairs)


def test_control_all_negatives_makes_every_pair_repel(lesson):
    lesson("all_negatives")
    mask = losses.plr_mask(torch.randn(6, 4, generator=torch.Generator().manual_seed(0)), torch.zeros(6).long(), 3)
    assert (mask == -1).sum() == 30 and (mask.diagonal() == 1).all()


def test_control_clean_labels_leaves_labels_clean(lesson):
    lesson("clean_labels")
    labels = np.arange(10).repeat(20)
    assert (noise.corrupt(labels, "sym", 0.8, 10, "fashion_mnist", 0) == labels).all()


def test_control_coin_makes_the_division_useless(lesson):
    lesson("coin")
    loss = np.concatenate([np.zeros(500), np.ones(500)]) + np.linspace(0, 0.01, 1000)
    division = gmm.split_clean(loss, seed=0)
    assert 0.4 < division.is_clean[:500].mean() < 0.6
    assert 0.4 < division.is_clean[500:].mean() < 0.6


def test_control_no_bugs_makes_the_released_preset_ours(lesson):
    assert presets.preset("cifar10", released=True) != presets.preset("cifar10")
    lesson("no_bugs")
    assert presets.preset("cifar10", released=True) == presets.preset("cifar10")


@pytest.mark.parametrize("control", list(INSTEAD))
def test_controls_on_records_put_the_runs_without_a_mechanism_in_the_place_of_those_with_it(
    lesson, monkeypatch, tmp_path, control
):
    (tmp_path / "data" / "results").mkdir(parents=True)
    monkeypatch.setattr(lesson_module, "ROOT", tmp_path)
    methods = ["ce", "plremix", "naive-2d", "plr-1d", "dividemix", "dividemix-2d", "naive"]
    methods += ["ce on strong views", "own prototypes", "peer's prototypes"]
    table = "method,noise,x\n" + "".join(f"{method},none,{i}\n" for i, method in enumerate(methods))
    (tmp_path / "data" / "results" / "s.csv").write_text(table)
    plain = lesson().recorded("s")
    assert plain["method"].tolist() == methods and set(plain["noise"]) == {"none"}
    found = lesson(control).recorded("s").set_index("method")["x"]
    expected = {one: methods.index(INSTEAD[control].get(one, one)) for one in methods}
    assert found.to_dict() == expected


def test_finish_refuses_a_control_that_breaks_nothing_here(lesson):
    running = lesson("coin")
    running.claim("C9.1", "s", 2.0, "< 1", breaks=["all_negatives"])
    with pytest.raises(lesson_module.LessonError, match="control must break a claim of this notebook, got 'coin'"):
        running.finish()


def test_a_claim_on_nan_leaves_a_record_that_is_valid_json(lesson):
    running = lesson("coin")
    running.claim("C9.1", "s", [float("nan"), 1.0], "> 0", breaks=["coin"])
    assert json.loads(json.dumps(running.records[0], allow_nan=False))["values"] == ["nan", 1.0]


def test_a_check_is_shown_is_no_claim_and_stops_the_notebook_unless_something_is_broken_on_purpose(lesson, capsys):
    running = lesson()
    running.check("loop equals core", [0, 0], "== 0")
    assert "Check: loop equals core [0, 0 == 0]" in capsys.readouterr().out and running.records == []
    with pytest.raises(lesson_module.LessonError, match="loop equals core"):
        running.check("loop equals core", [0, 1], "== 0")
    lesson("coin").check("loop equals core", 1, "== 0")
    assert "FAILS" in capsys.readouterr().out


def test_progress_goes_through_everything_and_says_what_it_does(lesson, capsys):
    assert list(lesson().progress(range(3), "training")) == [0, 1, 2]
    assert "training" in capsys.readouterr().err


def draw(**setting):
    drawn.append(setting)
    return Figure()


drawn: list[dict] = []


@pytest.mark.parametrize(
    ("panels", "expected"),
    [
        ([], [dict(a=1, b=3)]),
        ([dict(a=5, b=6)], [dict(a=5, b=6)]),
        ([dict(a=5, b=6), dict(a=1, b=2)], [dict(a=5, b=6), dict(a=1, b=2)]),
    ],
)
def test_explore_draws_the_fixed_panels_and_without_sliders_nothing_else(lesson, panels, expected):
    drawn.clear()
    lesson().explore("F9.1", draw, "A caption.", start=dict(a=1, b=3), panels=panels, a=[1], b=[2, 3])
    assert drawn == expected


def test_explore_offers_a_slider_for_every_name_when_interactive(monkeypatch):
    offered = {}
    monkeypatch.setattr("ipywidgets.interact", lambda draw, **sliders: offered.update(sliders))
    running = lesson_module.start("99", interactive=True)
    running.explore("F9.1", draw, "A caption.", start=dict(kappa=2, tau=0.5), kappa=[1, 2], tau=[0.1, 0.5, 1.0])
    assert {name: slider.options for name, slider in offered.items()} == {
        "kappa": (("1", 1), ("2", 2)),
        "tau": (("0.1", 0.1), ("0.5", 0.5), ("1", 1.0)),
    }
    assert (offered["kappa"].value, offered["tau"].value) == (2, 0.5)


def test_an_animation_is_a_strip_of_four_and_a_gif_of_all_frames(lesson, monkeypatch):
    shown = []
    monkeypatch.setattr(lesson_module, "display", lambda data, **_: shown.append(data))

    def frame(value):
        figure = Figure(figsize=(2, 1))
        figure.subplots().plot([0, value])
        return figure

    running = lesson()
    shown.clear()
    running.animate("F9.1", frame, [1, 2, 3, 4, 5], "A line that grows.")
    still, caption, moving = shown
    assert Image.open(io.BytesIO(still["image/png"])).size == (400, 200) and "F9.1" in caption.data
    assert Image.open(io.BytesIO(moving["image/gif"])).n_frames == 5


@pytest.mark.parametrize("why", ["", "because $a = b$"])
def test_the_derivation_of_a_solution_stays_folded_when_all_cells_are_run(lesson, monkeypatch, capsys, why):
    def e9_1(answer: float) -> bool | str:
        return answer == 2 or "Count again: there are two."

    checks = types.SimpleNamespace(e9_1=e9_1, WRONG={"E9.1": 3.0})
    monkeypatch.setattr(lesson_module.exercises, "load", lambda notebook: checks)
    lesson().solution("E9.1", 2, why)
    before, fold, folded = capsys.readouterr().out.partition(lesson_module.FOLD)
    assert "E9.1: this solution passes the checks." in before and bool(fold) == bool(why)
    assert why in folded and ("</details>" in folded) == bool(why)
