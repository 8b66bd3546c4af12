"""Recorded studies: plans expand to checked settings, finished cells are kept, records match their plan."""

import json
import re

import pandas as pd
import pytest
import yaml

from plremix_core import study
from plremix_core.lab import ROOT

PLANS = sorted((ROOT / "data" / "studies").glob("*.yaml"))
TINY = {
    "preset": dict(dataset="fashion_mnist", rate=0.5, profile="quick", epochs=2, warm_up=1, steps_per_epoch=2)
    | dict(train_size=100, holdout=0, width=4, blocks=[1], batch_size=8, lr_drops=[]),
    "seeds": [0, 1],
    "runs": {"plain": {"method": "ce"}, "ours": {"method": "plremix"}},
}


def test_a_plan_expands_to_every_run_and_seed():
    found = study.cells(TINY)
    assert list(found.values()) == ["plain", "plain", "ours", "ours"]
    assert [config.seed for config in found] == [0, 1, 0, 1]
    assert len({config.fingerprint() for config in found}) == 4


def test_an_unknown_setting_in_a_plan_is_refused_with_the_nearest_name():
    with pytest.raises(
        ValueError, match="setting must be a field of Config, got 'steps_per_epohc'. Did you mean steps_per"
    ):
        study.cells(TINY | {"runs": {"plain": {"method": "ce", "steps_per_epohc": 3}}})


@pytest.mark.slow
def test_a_study_runs_its_cells_records_them_and_does_not_run_them_again(tmp_path, monkeypatch):
    monkeypatch.setattr(study, "ROOT", tmp_path)
    (tmp_path / "data").mkdir()
    plan = tmp_path / "tiny.yaml"
    plan.write_text(yaml.safe_dump(TINY))
    assert study.run(plan, jobs=2) == 0
    table = pd.read_csv(tmp_path / "data" / "results" / "tiny.csv")
    assert table.groupby(["method", "seed"]).size().to_dict() == {(m, s): 2 for m in ("plain", "ours") for s in (0, 1)}
    provenance = json.loads((tmp_path / "data" / "results" / "tiny.json").read_text())
    assert {entry["method"] for entry in provenance} == {"plain", "ours"}
    before = {path: path.stat().st_mtime_ns for path in tmp_path.glob("runs/study/tiny/*/result.json")}
    assert len(before) == 4 and study.run(plan, jobs=2) == 0
    assert {path: path.stat().st_mtime_ns for path in before} == before


@pytest.mark.parametrize("plan", PLANS, ids=lambda plan: plan.stem)
def test_recorded_results_are_those_of_the_plans_present_settings(plan):
    wanted = study.cells(yaml.safe_load(plan.read_text()))
    table = pd.read_csv(ROOT / "data" / "results" / f"{plan.stem}.csv")
    provenance = json.loads((ROOT / "data" / "results" / f"{plan.stem}.json").read_text())
    assert {entry["fingerprint"] for entry in provenance} == {config.fingerprint() for config in wanted}
    for entry in provenance:
        rows = table[(table["method"] == entry["method"]) & (table["seed"] == entry["seed"])]
        assert rows["test_accuracy"].tail(10).mean() == pytest.approx(entry["last"], abs=1e-4)
        assert {"device", "versions", "date", "data", "seconds", "best"} <= set(entry)


def test_the_table_of_the_readme_is_that_of_the_recorded_study():
    table = pd.read_csv(ROOT / "data" / "results" / "lesson.csv")
    curves = table.groupby(["method", "seed"])["test_accuracy"]
    last, best = curves.apply(lambda column: column.tail(10).mean()).unstack(), curves.max().unstack()
    rows = re.findall(r"^\| (.+?) \| ([\d.]+) ± ([\d.]+) % \| ([\d.]+) % \|$", (ROOT / "README.md").read_text(), re.M)
    names = ["ce", "ce on strong views", "dividemix", "plremix", "naive"]
    assert len(rows) == len(names) == len(last)
    for name, (_, *shown) in zip(names, rows):
        measured = 100 * last.loc[name].mean(), 100 * last.loc[name].std(), 100 * best.loc[name].mean()
        assert [float(value) for value in shown] == pytest.approx(measured, abs=0.06)
