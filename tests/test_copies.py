"""The reader's copies of the notebooks: without outputs, never overwritten once changed."""

import json

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from plremix_core.lessons import copies


def write(path, text):
    shown = new_output("stream", text="out")
    hidden = dict(source_hidden=True, outputs_hidden=True)
    cells = [
        new_markdown_cell(text, id="a"),
        new_code_cell(
            "1", outputs=[shown], execution_count=1, metadata=dict(jupyter=dict(outputs_hidden=True)), id="b"
        ),
        new_code_cell("2", outputs=[shown], metadata=dict(jupyter=hidden, tags=["solution"]), id="c"),
    ]
    nbformat.write(new_notebook(cells=cells), path)


@pytest.fixture
def folders(tmp_path):
    source, target = tmp_path / "notebooks", tmp_path / "mine"
    source.mkdir()
    write(source / "00_a.ipynb", "one")
    write(source / "01_b.ipynb", "two")
    return source, target


def test_a_copy_has_no_outputs_folded_solutions_and_open_answers(folders):
    source, target = folders
    assert copies.update(source, target) == []
    _, answer, solution = nbformat.read(target / "00_a.ipynb", as_version=4).cells
    assert answer.outputs == [] and answer.execution_count is None and "jupyter" not in answer.metadata
    assert solution.outputs == [] and solution.metadata.jupyter.outputs_hidden


def test_a_changed_copy_stays_and_is_named_when_the_original_is_newer(folders):
    source, target = folders
    copies.update(source, target)
    mine = target / "00_a.ipynb"
    mine.write_text(mine.read_text().replace('"1"', '"my answer"'))
    before = mine.read_bytes()
    assert copies.update(source, target) == [] and mine.read_bytes() == before
    write(source / "00_a.ipynb", "one, mended")
    write(source / "01_b.ipynb", "two, mended")
    (told,) = copies.update(source, target)
    assert told.startswith("00_a.ipynb has a newer version") and mine.read_bytes() == before
    assert "two, mended" in (target / "01_b.ipynb").read_text()  # unchanged by the reader: replaced


def test_a_lost_or_damaged_list_overwrites_nothing(folders):
    source, target = folders
    copies.update(source, target)
    mine = target / "00_a.ipynb"
    mine.write_text(mine.read_text() + " ")
    (target / ".copied.json").write_text("{")
    copies.update(source, target)
    assert mine.read_text().endswith(" ") and "00_a.ipynb" not in json.loads((target / ".copied.json").read_text())
