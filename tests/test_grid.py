"""Grids expand to checked runs, and every mistake is refused by name before anything starts."""

import json

import pytest
import yaml

from plremix_core.lessons.lesson import ROOT
from plremix_core.presets import preset
from plremix_core.sweeps import grid

GRIDS = sorted((ROOT / "data" / "grids").glob("*.yaml"))
PLAN = dict(dataset="fashion_mnist", noise=[["sym", 0.5]], method=["ce", "plremix"], seed=[1, 2])


def load(tmp_path, plan):
    path = tmp_path / "x.yaml"
    path.write_text(plan if isinstance(plan, str) else yaml.safe_dump(plan))
    return grid.load(path)


def test_every_combination_becomes_one_run_in_order_with_the_presets_settings(tmp_path):
    found = load(tmp_path, PLAN | {"noise": ["none", ["asym", 0.4]], "settings": {"epochs": 3, "warm_up": 1}})
    labels = [(run.labels["method"], run.labels["noise"], run.labels["rate"], run.labels["seed"]) for run in found.runs]
    wanted = [(m, n, r, s) for s in (1, 2) for m in ("ce", "plremix") for n, r in (("none", 0.0), ("asym", 0.4))]
    assert labels == wanted
    for run, (method, noise, rate, seed) in zip(found.runs, wanted):
        settings = dict(method=method, profile="quick", seed=seed, epochs=3, warm_up=1)
        own = preset("fashion_mnist", noise, rate, **settings)
        assert run.config == own and run.fingerprint == own.fingerprint()
        assert run.name.endswith(f"seed-{seed}_{own.fingerprint()}")
    assert found.reference == "plremix" and found.name == "x"


def test_what_the_notebook_gets_makes_the_same_settings_again(tmp_path):
    plan = PLAN | {"settings": {"kappa": [[0, 3], [8, 1]], "epochs": 100, "released": True}, "profile": "full"}
    for run in load(tmp_path, plan).runs:
        settings = json.loads(run.parameters["settings"])
        plain = {name: value for name, value in run.parameters.items() if name != "settings"}
        assert preset(**plain, **settings) == run.config
        assert run.config.epochs == 100 and run.config.prototypes_from == "peer"


def test_rates_cross_the_noises_without_a_rate_of_their_own(tmp_path):
    plan = PLAN | {"dataset": "cifar10", "noise": ["sym", ["asym", 0.4], "worse"], "rate": [0.2, 0.5], "seed": 0}
    found = {(run.labels["noise"], run.labels["rate"]) for run in load(tmp_path, plan | {"method": "ce"}).runs}
    assert found == {("sym", 0.2), ("sym", 0.5), ("asym", 0.4), ("worse", 0.0)}


def test_variants_are_rows_and_vary_multiplies_them(tmp_path):
    plan = PLAN | {"variants": {"strong": {"method": "ce", "supervised_view": "strong"}}, "seed": 1}
    rows = [run.labels["method"] for run in load(tmp_path, plan | {"vary": {"lr": [0.1, 0.2]}}).runs]
    assert rows == [f"{row}, lr {lr}" for row in ("ce", "plremix", "strong") for lr in (0.1, 0.2)]
    only = {key: value for key, value in plan.items() if key != "method"}
    assert [(run.labels["method"], run.config.supervised_view) for run in load(tmp_path, only).runs] == [
        ("strong", "strong")
    ]


def test_vary_takes_a_single_value_as_all_lists_do(tmp_path):
    rows = [run.labels["method"] for run in load(tmp_path, PLAN | {"seed": 1, "vary": {"lr": 0.1}}).runs]
    assert rows == ["ce, lr 0.1", "plremix, lr 0.1"]


def test_changed_settings_make_another_run(tmp_path):
    names = [{run.name for run in load(tmp_path, PLAN | {"settings": {"lr": lr}}).runs} for lr in (0.1, 0.2)]
    assert not names[0] & names[1]


def test_another_notebook_takes_its_own_parameters(tmp_path):
    found = load(tmp_path, {"notebook": "03", "seed": [0, 1], "settings": {"control": "all_negatives"}})
    assert [run.parameters for run in found.runs] == [{"seed": s, "control": "all_negatives"} for s in (0, 1)]
    assert len({run.name for run in found.runs}) == 2 and found.runs[0].config is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"sede": [1]}, "x.yaml: key of a grid must be one of .*, got 'sede'. Did you mean seed"),
        ({"method": ["plremx"]}, "method must be one of .*, got 'plremx'. Did you mean plremix"),
        ({"dataset": "mnist"}, "dataset must be one of .*, got 'mnist'"),
        ({"noise": "syn"}, "noise must be one of .*, got 'syn'. Did you mean sym"),
        ({"noise": ["sym", 0.5]}, "rate must be given for noise sym"),
        ({"noise": [["sym", 0.5, 1]]}, "noise must be names or pairs"),
        ({"noise": [["sym", "0.5"]]}, r"noise must be names or pairs \[name, rate\], got \['sym', '0.5'\]"),
        ({"noise": [["sym", 50]], "settings": {"lambda_u": 25}}, r"rate must be in \[0, 1\), got 50"),
        ({"noise": [["sym", 0.37]]}, "noise and rate must be one of .*Or pass lambda_u"),
        ({"seed": ["1"]}, "seed must be of type int, got '1'"),
        ({"seed": [-1]}, "seed must be >= 0, got -1"),
        ({"seed": []}, "grid must be of at least one run"),
        ({"seed": [1, 1]}, "runs must be all different"),
        ({"settings": {"epohcs": 3}}, "setting must be a field of Config, got 'epohcs'. Did you mean epochs"),
        ({"settings": {"epochs": "three"}}, "epochs must be of type int, got 'three'"),
        ({"settings": {"seed": 3}}, "settings must be those without a key of their own, got 'seed'"),
        ({"settings": [3]}, "settings must be a mapping"),
        ({"variants": {"a": {"lrr": 3}}}, "got 'lrr'. Did you mean lr"),
        ({"variants": {"a": 3}}, "a must be a mapping"),
        ({"variants": {"ce": {"lr": 0.1}}}, "variants must be named otherwise than the methods"),
        ({"variants": {"a": {"method": "ce"}}}, "runs must be all different"),
        ({"profile": "fast"}, "profile must be one of"),
        ({"timeout": 0}, "timeout must be seconds > 0"),
        ({"notebook": "77"}, "notebook must be one of 00, .*, got '77'"),
        ({"notebook": "03"}, "key of a grid must be one of .*, got 'dataset'"),
        ({"reference": "naive"}, "reference must be one of ce, plremix, got 'naive'"),
    ],
)
def test_mistakes_are_refused_with_the_name_of_the_field(tmp_path, change, message):
    with pytest.raises(ValueError, match=message):
        load(tmp_path, PLAN | change)


@pytest.mark.parametrize(
    ("plan", "message"),
    [
        ({"notebook": "03", "settings": {"contrl": "coin"}}, "parameter must be one of .* Did you mean control"),
        ({"notebook": "03", "seed": [0.5]}, "parameter seed must be of type int, got 0.5"),
        ("seed: [1", "grid must be YAML"),
        ("- 1", "grid must be a mapping"),
        ({"noise": "none"}, "dataset must be given"),
    ],
)
def test_broken_files_and_other_notebooks_parameters_are_refused(tmp_path, plan, message):
    with pytest.raises(ValueError, match=message):
        load(tmp_path, plan)


PREDICTION = dict(claim="c", higher="plremix", lower="ce", reason="the paper", date="2026-11-30")


def test_predictions_are_kept_as_words(tmp_path):
    text = yaml.safe_dump(PLAN) + "predictions: [{claim: c, higher: plremix, lower: ce, reason: r, date: 2026-11-30}]"
    assert load(tmp_path, text).predictions == [PREDICTION | {"reason": "r"}]
    about = PREDICTION | {"noise": "sym 0.5", "measure": "best"}
    assert load(tmp_path, PLAN | {"predictions": [about]}).predictions == [about]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"higher": "plremx"}, "higher must be one of ce, plremix, got 'plremx'. Did you mean plremix"),
        ({"noise": "sym 0.8"}, "noise must be one of sym 0.5, got 'sym 0.8'"),
        ({"measure": "auc"}, "measure must be one of last, chosen, best"),
        ({"becuase": "x"}, "key of a prediction must be one of .*, got 'becuase'"),
        ({"reason": None}, "prediction must be given with reason"),
    ],
)
def test_a_prediction_about_something_else_than_the_grid_is_refused(tmp_path, change, message):
    entry = {key: value for key, value in (PREDICTION | change).items() if value is not None}
    with pytest.raises(ValueError, match=message):
        load(tmp_path, PLAN | {"predictions": [entry]})


@pytest.mark.parametrize("path", GRIDS, ids=lambda path: path.stem)
def test_the_grids_of_the_repository_expand(path):
    assert len(grid.load(path).runs) >= 6


def test_recorded_results_are_those_of_the_grids_present_settings():
    for path in GRIDS:
        recorded = ROOT / "data" / "results" / f"{path.stem}.json"
        if recorded.exists():
            wanted = {run.fingerprint for run in grid.load(path).runs}
            assert {entry["fingerprint"] for entry in json.loads(recorded.read_text())} <= wanted, path.stem
