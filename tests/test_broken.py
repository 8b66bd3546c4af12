"""Controls run one by one: pairs, shortened notebooks, and the record of what failed."""

import nbformat
import pandas as pd
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from plremix_core.lessons import control_runs
from plremix_core.lessons.runner import Result

TABLE = "| claim | sentence |\n|---|---|\n| C9.1 | a |\n| C9.2 | b |\n| C9.3 | c |"
FIRST = 'lab.claim("C9.1", "s", 1, "< 2", breaks=["coin"])'
SECOND = 'lab.claim("C9.2", "s", 1, "< 2", breaks=["coin", "all_negatives"])'
THIRD = 'lab.claim("C9.3", "s", 1, "< 2", breaks=["all_negatives"])'


@pytest.fixture
def path(tmp_path):
    codes = [new_code_cell(source) for source in (FIRST, SECOND, THIRD, "lab.finish()")]
    codes.insert(1, new_code_cell("answer = None", metadata={"tags": ["exercise"]}))
    path = tmp_path / "99_x.ipynb"
    nbformat.write(new_notebook(cells=[new_markdown_cell(TABLE), *codes]), path)
    return path


def test_pairs_are_every_control_a_notebook_names_once(path):
    assert control_runs.pairs([path]) == [(path, "coin"), (path, "all_negatives")]


@pytest.mark.parametrize(("control", "kept"), [("coin", [FIRST, SECOND]), ("all_negatives", [FIRST, SECOND, THIRD])])
def test_what_comes_after_the_last_claim_on_a_control_and_exercises_are_left_out(path, control, kept):
    whole = control_runs.read(path)
    short = control_runs.shortened(whole, control)
    assert [cell.source for cell in short.cells[1:]] == [*kept, "lab.finish()"]
    assert short.cells[0].source.count("C9.") == len(kept)
    assert whole == control_runs.read(path)


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
    monkeypatch.setattr(control_runs, "run_notebook", lambda *_: result)
    monkeypatch.setattr(control_runs, "pairs", lambda paths: [(path, "coin")])
    monkeypatch.setattr(control_runs, "RECORD", tmp_path / "controls.csv")
    old = dict(notebook="98_y", control="coin", claim="C8.1", code="a", values="1", rule="> 1", failed="True")
    stale = old | dict(notebook="99_x", claim="C9.7")
    pd.DataFrame([old, stale]).to_csv(control_runs.RECORD, index=False)
    assert control_runs.run_all([path], tmp_path / "out", 10, 1) == expected
    record = pd.read_csv(control_runs.RECORD)
    assert record["claim"].tolist() == ["C8.1", *([] if expected else ["C9.1", "C9.2"])]
