"""The notebooks: anatomy, committed outputs; that all run and hold, and that broken mechanisms break claims."""

import json
import re
import statistics
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import nbformat
import pytest

from plremix_core import batch, lab, report

NOTEBOOKS = sorted(report.NOTEBOOKS.glob("[0-9]*.ipynb"))
TAGS = {"parameters", "exercise", "solution", "lesson"}  # lesson: left out by grids
COMMON = {"profile": (str, "quick"), "seed": (int, 0), "control": (str, ""), "interactive": (bool, False)}
each = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def code(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def read(path):
    return nbformat.read(path, as_version=4)


def test_the_notebooks_are_there():
    assert [path.stem[:2] for path in NOTEBOOKS] == ["00", "01", "02", "03", "04", "05", "06", "07", "09"]


@each
def test_title_is_the_file_name_in_words_and_a_subtitle_follows(path):
    lines = [line for line in read(path).cells[0].source.splitlines() if line]
    assert re.sub(r"\W+", "_", lines[0].lstrip("# ").lower()).strip("_") == path.stem[3:]
    assert lines[1].startswith("> ")
    assert f"papermill notebooks/{path.name}" in read(path).cells[0].source


@each
def test_parameters_are_the_common_ones_first(path):
    found = batch.parameters_of(read(path))
    assert list(found.items())[: len(COMMON)] == list(COMMON.items())


@each
def test_sections_come_in_the_fixed_order_and_the_last_cell_finishes(path):
    notebook = read(path)
    text = "\n".join(cell.source for cell in notebook.cells)
    order = ["You will be able to", "## 1 ", "## Exercises", "## What this did not show", "## References"]
    places = [text.index(heading) for heading in order]
    assert places == sorted(places)
    assert notebook.cells[-1].source.strip() == "lab.finish()"


@each
def test_code_cells_are_short_and_hold_nothing_forbidden(path):
    sources = [cell.source for cell in code(read(path))]
    lengths = [len([line for line in source.splitlines() if line.strip()]) for source in sources]
    assert max(lengths) <= 20 and statistics.median(lengths) <= 8, lengths
    for source in sources:
        for word in ("sys.exit", "%pip", "!pip", "plt.show", "np.random.seed", "torch.manual_seed(", "/home/", "/tmp/"):
            assert word not in source, (word, source)
        assert not re.search(r"^\s*assert ", source, re.MULTILINE), "use lab.claim"
    assert {tag for cell in read(path).cells for tag in cell.metadata.get("tags", [])} <= TAGS


@each
def test_every_exercise_has_a_solution_right_behind_it(path):
    cells = code(read(path))
    kinds = [tag for cell in cells for tag in cell.metadata.get("tags", []) if tag in ("exercise", "solution")]
    assert kinds and kinds == ["exercise", "solution"] * (len(kinds) // 2)
    for cell in cells:
        if "exercise" in cell.metadata.get("tags", []):
            assert "answer = None" in cell.source
        if "solution" in cell.metadata.get("tags", []):
            assert cell.metadata["jupyter"]["source_hidden"] is True


@each
def test_no_measured_number_is_typed_into_prose(path):
    for cell in read(path).cells:
        if cell.cell_type == "markdown":
            prose = re.sub(r"`[^`]*`|\$[^$]*\$|\|.*\||arXiv[ :]*\d{4}\.\d{5}|\d{4}\.\d{5}", "", cell.source)
            assert not re.search(r"\d+\.\d{3,}|\d\s?%", prose), cell.source


@each
def test_committed_outputs_are_those_of_this_code_and_small(path):
    notebook = read(path)
    assert path.stat().st_size <= 500_000
    assert notebook.metadata["plremix"]["rendered_from"] == report.source_hash(notebook), "run `make render`"
    assert batch.judge(notebook, batch.inspect(path, {})) == ""
    for record in batch.records(notebook, lab.CLAIM_MIME):
        assert record["holds"]


@each
def test_every_picture_has_alternative_text(path):
    outputs = [out for cell in code(read(path)) for out in cell.outputs if "image/png" in out.get("data", {})]
    assert outputs
    for out in outputs:
        assert len(out.metadata["image/png"]["alt"]) > 20


def test_every_claim_can_fail_under_a_known_control_and_every_control_is_used():
    claims = [record for path in NOTEBOOKS for record in batch.records(read(path), lab.CLAIM_MIME)]
    assert len(claims) >= 15
    used = {control for claim in claims for control in claim["breaks"]}
    assert used == set(lab.CONTROLS)


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_all_lessons_run_and_every_declared_claim_holds(tmp_path):
    results = batch.run_lessons(NOTEBOOKS, tmp_path / "lessons", {})
    print(report.summary(results))
    assert [result.reason for result in results] == [""] * len(results)
    assert sum(result.held for result in results) == sum(result.declared for result in results) >= 15
    assert len(json.loads((tmp_path / "lessons" / "result.json").read_text())) == len(results)
    for name in re.findall(r'href="([^"]+)"', (tmp_path / "lessons" / "index.html").read_text()):
        assert (tmp_path / "lessons" / name).exists()


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_breaking_the_mechanism_breaks_the_claims_that_rest_on_it(tmp_path):
    chosen = {"00": "coin", "01": "clean_labels", "03": "repel_all", "04": "coin", "07": "repel_all", "09": "unseeded"}

    def broken(number):
        path = next(path for path in NOTEBOOKS if path.stem.startswith(number))
        return batch.run_notebook(path, tmp_path / number, {"control": chosen[number]}, timeout=1200, threads=1)

    with ThreadPoolExecutor(2) as pool:
        results = dict(zip(chosen, pool.map(broken, chosen)))
    for number, result in results.items():
        assert result.reason == ""
        resting = [claim for claim in result.claims if chosen[number] in claim["breaks"]]
        assert resting and not any(claim["holds"] for claim in resting)


@pytest.mark.slow
def test_plain_papermill_with_parameters_works_too(tmp_path):
    papermill = pytest.importorskip("papermill")
    source, out = NOTEBOOKS[0], tmp_path / "out.ipynb"
    papermill.execute_notebook(source, out, parameters={"seed": 1}, cwd=Path(source).parent, progress_bar=False)
    assert batch.judge(read(out), batch.inspect(source, {})) == ""
