"""Controls run one by one: pairs, shortened notebooks, and the record of what failed."""

import control_runs
import nbformat
import pandas as pd
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from plremix_core.lessons.injected import inspect, tags_of
from plremix_core.lessons.runner import Result, read

TABLE = "| claim | sentence |\n|---|---|\n| C9.1 | a |\n| C9.2 | b |\n| C9.3 | c |"
FIRST = 'lesson.claim("C9.1", "s", 1, "< 2", breaks=["coin"])'
SECOND = 'lesson.claim("C9.2", "s", 1, "< 2", breaks=["coin", "all_negatives"])'
THIRD = 'lesson.claim("C9.3", "s", 1, "< 2", breaks=["all_negatives"])'

BREAKS = {"C9.1": ["coin"], "C9.2": ["coin", "all_negatives"], "C9.3": ["all_negatives"]}


@pytest.fixture
def path(tmp_path):
    codes = [new_code_cell(source) for source in (FIRST, SECOND, THIRD, "lesson.finish()")]
    codes.insert(0, new_code_cell('control: str = ""', metadata={"tags": ["parameters"]}))
    codes.insert(2, new_code_cell('answer = ["C9.1"]', metadata={"tags": ["exercise"]}))
    path = tmp_path / "99_x.ipynb"
    nbformat.write(new_notebook(cells=[new_markdown_cell(TABLE), *codes]), path)
    return path


def test_pairs_are_every_control_a_notebook_names_once(path):
    assert control_runs.pairs([path]) == [(path, "coin"), (path, "all_negatives")]


@pytest.mark.parametrize(("control", "late"), [("coin", [THIRD]), ("all_negatives", [])])
def test_what_comes_after_the_last_claim_on_a_control_is_late_and_the_original_stays(path, control, late):
    whole = read(path)
    short = control_runs.shorten(whole, control)
    assert [cell.source for cell in short.cells if tags_of(cell) == {"late"}] == late
    assert [cell.source for cell in short.cells] == [cell.source for cell in whole.cells] and whole == read(path)


def test_a_shortened_notebook_is_run_without_exercises_and_late_cells_and_only_claims_on_the_control_are_rows(
    path, tmp_path, monkeypatch
):
    seen = {}

    def run_notebook(source, folder, parameters, timeout, threads, *, drop):
        seen.update(parameters=parameters, declared=inspect(source, parameters, drop))
        claims = [dict(name=n, values=[1.0], rule="< 0", holds=False, breaks=b) for n, b in BREAKS.items()]
        return Result("99_x", "t", "ok", "", 1.0, 0, 2, claims)

    monkeypatch.setattr(control_runs, "run_notebook", run_notebook)
    _, rows = control_runs.run(path, "coin", tmp_path)
    assert seen == dict(parameters={"control": "coin"}, declared=["C9.1", "C9.2"])
    assert [row["claim"] for row in rows] == ["C9.1", "C9.2"] and all(row["failed"] for row in rows)


@pytest.mark.parametrize(
    ("holds", "reason", "expected"),
    [
        ([False, False], "", []),
        ([False, True], "", ["99_x under coin: still hold: C9.2"]),
        ([False, False], "TypeError: x", ["99_x under coin: TypeError: x"]),
        ([], "", ["99_x under coin: no claim reached"]),
    ],
)
def test_the_record_keeps_a_pair_only_if_all_its_claims_failed(path, tmp_path, monkeypatch, holds, reason, expected):
    claims = [
        dict(name=f"C9.{i + 1}", values=[1.0, "nan"], rule="< 0", holds=h, breaks=["coin"]) for i, h in enumerate(holds)
    ]
    result = Result("99_x", "t", "failed" if reason else "ok", reason, 1.0, 0, 2, claims)
    monkeypatch.setattr(control_runs, "run_notebook", lambda *_, **__: result)
    other = path.with_name("98_y.ipynb")
    monkeypatch.setattr(
        control_runs, "pairs", lambda paths: [(p, "coin") for p in ([path], [path, other])[paths != [path]]]
    )
    monkeypatch.setattr(control_runs, "RECORD", tmp_path / "controls.csv")
    old = dict(notebook="98_y", control="coin", claim="C8.1", code="a", values="1", rule="> 1", failed="True")
    stale = old | dict(notebook="99_x", claim="C9.7")
    gone = old | dict(control="swap_methods")  # no notebook has it any more
    pd.DataFrame([old, gone, stale]).to_csv(control_runs.RECORD, index=False)
    assert control_runs.run_all([path], tmp_path / "out", 10, 1) == expected
    record = pd.read_csv(control_runs.RECORD)
    assert record["claim"].tolist() == ["C8.1", *([] if expected else ["C9.1", "C9.2"])]
