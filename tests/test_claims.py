"""The table equation, function, test, notebook, claim: complete both ways, and committed as it is generated."""

import claims_table as claims
import nbformat
import pandas as pd
import pytest
import yaml
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from plremix_core.engine.files import ROOT
from plremix_core.lessons import lesson

TEXT = "| claim | sentence |\n|---|---|\n| C9.1 | one is small |"


def small(folder, table=TEXT, code='lesson.claim("C9.1", "s", 1, "< 2", breaks=["coin"])'):
    folder.mkdir(exist_ok=True)
    nbformat.write(new_notebook(cells=[new_markdown_cell(table), new_code_cell(code)]), folder / "99_x.ipynb")
    return folder


def linked(tmp_path, monkeypatch, **changes):
    """The table's sources: one small notebook, one test, one equation, with `changes` to the equation."""
    equation = dict(id="E1", what="w", formula="f", source="s", functions=["losses.sharpen"], claims=["C9.1"])
    (tmp_path / "e.yaml").write_text(yaml.safe_dump([equation | changes]))
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "test_losses.py").write_text("def test_it_sharpens():\n    losses.sharpen(1)\n")
    notebooks = small(tmp_path / "notebooks")
    for name, path in dict(EQUATIONS=tmp_path / "e.yaml", NOTEBOOKS=notebooks, TESTS=tmp_path / "tests").items():
        monkeypatch.setattr(claims, name, path)


def kept():
    return pd.read_csv(claims.TABLE, keep_default_na=False)


def test_the_committed_table_is_that_of_these_notebooks_and_functions():
    fresh = claims.table().drop(columns="tests")  # further tests of a function do not make it stale
    pd.testing.assert_frame_equal(fresh, kept().drop(columns="tests"))


def test_every_test_it_names_exists():
    for name in {test for row in kept()["tests"] for test in row.split()}:
        file, test = name.split("::")
        assert f"def {test}(" in (claims.TESTS / file).read_text(), name


def test_every_claim_of_every_notebook_is_in_it_and_every_equation_has_a_claim_a_function_and_a_test():
    table = kept()
    assert set(table["claim"]) == set(claims.declared()) and len(set(table["claim"])) >= 25
    assert set(table["id"]) == {link["id"] for link in yaml.safe_load(claims.EQUATIONS.read_text())}
    assert (table[["functions", "tests", "notebook", "sentence", "controls", "source", "what"]] != "").all().all()


def test_named_controls_exist():
    for name, found in claims.declared().items():
        assert found["controls"] and set(found["controls"]) <= set(lesson.CONTROLS), name


def test_a_row_holds_equation_function_test_notebook_claim_and_control(tmp_path, monkeypatch):
    linked(tmp_path, monkeypatch)
    (row,) = claims.table().to_dict("records")
    assert row["functions"] == "losses.sharpen" and row["tests"] == "test_losses.py::test_it_sharpens"
    assert (row["notebook"], row["claim"], row["controls"]) == ("99_x", "C9.1", "coin")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (dict(claims=["C9.2"]), "claims must be each under an equation, got .'C9.1'."),
        (dict(claims=["C9.1", "C9.2"]), "claims of E1 must be in a notebook, got .'C9.2'."),
        (dict(functions=["losses.sharpne"]), "function must be one of plremix_core, got 'losses.sharpne'"),
        (dict(functions=["losses.ramp_up"]), "function must be used by a test, got 'losses.ramp_up'"),
    ],
)
def test_broken_links_are_refused_by_name(tmp_path, monkeypatch, changes, message):
    linked(tmp_path, monkeypatch, **changes)
    with pytest.raises(ValueError, match=message):
        claims.table()


def test_an_equation_without_a_claim_is_refused(tmp_path, monkeypatch):
    linked(tmp_path, monkeypatch)
    one = yaml.safe_load(claims.EQUATIONS.read_text())
    claims.EQUATIONS.write_text(yaml.safe_dump([*one, one[0] | dict(id="E2", claims=[])]))
    with pytest.raises(ValueError, match="equation must be under at least one claim, got 'E2'"):
        claims.table()


@pytest.mark.parametrize(("table", "code"), [("nothing", None), (TEXT, "1"), (TEXT.replace("9.1", "9.2"), None)])
def test_a_claim_in_the_table_alone_or_in_the_code_alone_is_refused(tmp_path, monkeypatch, table, code):
    monkeypatch.setattr(claims, "NOTEBOOKS", small(tmp_path / "n", table, *([code] if code else [])))
    with pytest.raises(ValueError, match="claims of 99_x.ipynb must be declared in its table and checked in its code"):
        claims.declared()


@pytest.mark.slow
def test_the_verdicts_of_the_readme_are_those_of_the_records():
    text = (ROOT / "README.md").read_text("utf-8")
    assert claims.readme(text) == text, "run `make claims`"
    assert text.count("| **") >= 6
