"""The notebooks: anatomy, committed outputs; that all run and hold, and that broken mechanisms break claims."""

import ast
import base64
import io
import itertools
import json
import os
import re
import statistics
import subprocess
import sys

import control_runs
import nbformat
import numpy as np
import pandas as pd
import pytest
import tiny
from PIL import Image

from plremix_core.lessons import injected, lesson, render, runner

NOTEBOOKS = sorted(injected.NOTEBOOKS.glob("[0-9]*.ipynb"))
TAGS = {"parameters", "exercise", "solution", "lesson", "prediction"}  # lesson: left out by grids
COMMON = {"profile": (str, "quick"), "seed": (int, 0), "control": (str, ""), "interactive": (bool, False)}
each = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def code(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def read(path):
    return nbformat.read(path, as_version=4)


def test_the_notebooks_are_there():
    assert [path.stem[:2] for path in NOTEBOOKS] == [f"{number:02d}" for number in range(11)]


@each
def test_title_is_the_file_name_in_words_and_a_subtitle_follows(path):
    lines = [line for line in read(path).cells[0].source.splitlines() if line]
    title = re.sub(r"\W+", "_", lines[0].lstrip("# ").lower().replace("'", "")).strip("_")
    assert title.startswith(path.stem[3:])
    assert lines[1].startswith("> ")


@each
def test_the_first_cell_begins_with_the_question_and_ends_with_the_command(path):
    title, question, *rest = [part for part in read(path).cells[0].source.split("\n\n") if part.strip()]
    assert "papermill" not in question and question.startswith(">")
    assert f"papermill notebooks/{path.name}" in rest[-1] and "cores" in " ".join(rest)


@each
def test_parameters_are_the_common_ones_first(path):
    found = injected.parameters_of(read(path).cells)
    assert list(found.items())[: len(COMMON)] == list(COMMON.items())


@each
def test_sections_come_in_the_fixed_order_and_the_last_cell_finishes(path):
    notebook = read(path)
    text = "\n".join(cell.source for cell in notebook.cells)
    order = ["You will be able to", "## 1 ", "## Exercises", "## What this did not show", "## References"]
    places = [text.index(heading) for heading in order]
    assert places == sorted(places)
    assert notebook.cells[-1].source.strip() == "lesson.finish()"


@each
def test_code_cells_are_short_and_hold_nothing_forbidden(path):
    sources = [cell.source for cell in code(read(path))]
    lengths = [len([line for line in source.splitlines() if line.strip()]) for source in sources]
    assert max(lengths) <= 20 and statistics.median(lengths) <= 8, lengths
    for source in sources:
        assert "fmt: skip" not in source
        for word in ("sys.exit", "%pip", "!pip", "plt.show", "np.random.seed", "torch.manual_seed(", "/home/", "/tmp/"):
            assert word not in source, (word, source)
        assert not re.search(r"^\s*assert ", source, re.MULTILINE), "use lesson.check"
    assert {tag for cell in read(path).cells for tag in injected.tags_of(cell)} <= TAGS


@each
def test_three_to_five_exercises_each_with_a_folded_solution_right_behind_it(path):
    cells = code(read(path))
    kinds = [tag for cell in cells for tag in injected.tags_of(cell) if tag in ("exercise", "solution")]
    assert kinds == ["exercise", "solution"] * (len(kinds) // 2) and 3 <= len(kinds) // 2 <= 5
    for cell in cells:
        if "exercise" in injected.tags_of(cell):
            assert "lesson.exercise(" in cell.source and "..." in cell.source and "check" not in cell.source
        if "solution" in injected.tags_of(cell):
            assert cell.metadata["jupyter"] == {"source_hidden": True, "outputs_hidden": True}
            assert cell.source.startswith("# Solution: click to open\n") and "lesson.solution(" in cell.source
    titles = re.findall(r"^### (E\d+\.\d)", "\n".join(cell.source for cell in read(path).cells), re.MULTILINE)
    assert len(titles) == len(kinds) // 2  # in the table of contents


@each
def test_every_exercise_says_not_yet_to_the_stub_and_its_solution_passes(path):
    for cell in code(read(path)):
        if "exercise" in injected.tags_of(cell):
            assert "not yet" in "".join(out.get("text", "") for out in cell.outputs)
        if "solution" in injected.tags_of(cell):
            (found,) = [
                o["data"][lesson.EXERCISE_MIME] for o in cell.outputs if lesson.EXERCISE_MIME in o.get("data", {})
            ]
            assert found["right"] and found["refused"] and found["hint"], found


@each
def test_a_prediction_comes_with_a_place_to_write_it_and_what_answers_it_is_folded(path):
    cells = read(path).cells
    for number, cell in enumerate(cells):
        if "prediction" in injected.tags_of(cell):
            assert re.match(r"prediction\w* = \.\.\.", cell.source)
            assert "Your prediction" in cells[number - 1].source
            assert any(
                cell.metadata.get("jupyter", {}).get("outputs_hidden") for cell in cells[number + 1 : number + 10]
            )
    asked = sum(cell.source.count("**Your prediction.**") for cell in cells if cell.cell_type == "markdown")
    assert asked == sum("prediction" in injected.tags_of(cell) for cell in cells)


@each
def test_figures_are_numbered_captioned_in_order_and_fit_the_page(path):
    outputs = [output for cell in code(read(path)) for output in cell.outputs]
    names = []
    for picture, caption in itertools.pairwise([*outputs, {}]):
        if "image/png" in picture.get("data", {}):
            found = re.match(r"\*(F\d+\.\d+)", caption["data"]["text/markdown"])
            assert found, "a figure without a number"
            names.append(found.group(1))
            width, _ = Image.open(io.BytesIO(base64.b64decode(picture["data"]["image/png"]))).size
            assert width <= 1000, (found.group(1), width)
    numbers = [int(name.split(".")[1]) for name in dict.fromkeys(names)]
    assert numbers == list(range(1, len(numbers) + 1))


def test_three_lessons_have_an_animation_with_a_strip_before_it():
    moving = [o for p in NOTEBOOKS for c in code(read(p)) for o in c.outputs if "image/gif" in o.get("data", {})]
    assert len(moving) >= 3
    assert all(len(base64.b64decode(output["data"]["image/gif"])) <= 300_000 for output in moving)


def test_the_fitting_notebooks_have_sliders():
    offered = {}
    for path in NOTEBOOKS:
        nodes = [node for cell in code(read(path)) for node in ast.walk(ast.parse(cell.source))]
        calls = [n for n in nodes if isinstance(n, ast.Call) and getattr(n.func, "attr", "") == "explore"]
        offered[path.stem[:2]] = {keyword.arg for call in calls for keyword in call.keywords} - {"panels", "start"}
    expected = {"01": {"gap", "rate", "epoch"}, "02": {"left", "right"}, "03": {"kappa"}}
    expected |= {"04": {"threshold", "epoch"}, "05": {"temperature"}}
    assert {number: offered[number] for number in expected} == expected


def test_the_map_leads_to_every_other_notebook_in_order():
    text = "\n".join(cell.source for cell in read(NOTEBOOKS[0]).cells if cell.cell_type == "markdown")
    linked = list(dict.fromkeys(re.findall(r"\]\((\d\d_\w+\.ipynb)\)", text)))  # the next lesson stands below once more
    assert set(linked) >= {path.name for path in NOTEBOOKS[1:]} and linked == sorted(linked)


def test_the_pictures_of_the_readme_are_those_of_the_notebooks():
    made = {name: png for path in NOTEBOOKS for name, png in render.figures_of(read(path)).items()}
    shown = render.readme_figures()
    assert 2 <= len(shown) <= 6
    assert {path.stem for path in render.FIGURES.iterdir()} == set(shown)
    for name in shown:
        assert (render.FIGURES / f"{name}.png").read_bytes() == made[name], f"{name}: run `make render`"


@each
def test_no_measured_number_is_typed_into_prose(path):
    for cell in read(path).cells:
        if cell.cell_type == "markdown":
            prose = re.sub(
                r"95 % t interval|`[^`]*`|\$[^$]*\$|\|.*\||arXiv[ :]*\d{4}\.\d{5}|\d{4}\.\d{5}", "", cell.source
            )
            assert not re.search(r"\d+\.\d{3,}|\d\s?%", prose), cell.source


@each
def test_committed_outputs_are_those_of_this_code_and_small(path):
    notebook = read(path)
    assert path.stat().st_size <= 500_000
    assert notebook.metadata["plremix"]["rendered_from"] == render.source_hash(notebook), "run `make render`"
    assert runner.judge(notebook, runner.inspect(path, {})) == ""
    for record in runner.records(notebook, lesson.CLAIM_MIME):
        assert record["holds"]


@each
def test_every_picture_has_alternative_text(path):
    outputs = [out for cell in code(read(path)) for out in cell.outputs if "image/png" in out.get("data", {})]
    assert outputs
    for out in outputs:
        assert len(out.metadata["image/png"]["alt"]) > 20


def test_every_claim_can_fail_under_a_known_control_and_every_control_is_used():
    records = [record for path in NOTEBOOKS for record in runner.records(read(path), lesson.CLAIM_MIME)]
    assert 25 <= len(records) <= 45
    used = {control for record in records for control in record["breaks"]}
    assert used == set(lesson.CONTROLS)


@pytest.mark.long
@pytest.mark.timeout(1500)
def test_all_lessons_run_and_every_declared_claim_holds(tmp_path):
    results = runner.run_lessons(NOTEBOOKS, tmp_path / "lessons", {})
    print(render.summary(results))
    assert [result.reason for result in results] == [""] * len(results)
    assert sum(result.held for result in results) == sum(result.declared for result in results) >= 25
    assert len(json.loads((tmp_path / "lessons" / "result.json").read_text())) == len(results)
    for name in re.findall(r'href="([^"]+)"', (tmp_path / "lessons" / "index.html").read_text()):
        assert (tmp_path / "lessons" / name).exists()


def test_a_shortened_notebook_ends_with_the_last_claim_that_rests_on_the_control():
    path = next(path for path in NOTEBOOKS if path.stem.startswith("03"))
    short = control_runs.shorten(read(path), "never_flat")
    kept = [cell.source for cell in code(short) if not injected.tags_of(cell) & set(control_runs.LEFT_OUT)]
    assert "C3.4" in kept[-2] and kept[-1].strip() == "lesson.finish()"
    assert len(kept) < len(code(read(path)))


def papermill(*arguments):
    command = [sys.executable, "-m", "papermill", "--cwd", str(injected.NOTEBOOKS), "--no-progress-bar", *arguments]
    return subprocess.run(command, capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"})


@pytest.mark.long  # in the default tier: notebook 05 by the runner, notebook 08 by the plain command
@pytest.mark.parametrize("dataset", ["fashion_mnist", "cifar10"])
def test_the_plain_papermill_command_runs_notebook_05_on_another_set_and_rate(tmp_path, dataset):
    if dataset == "cifar10" and not (lesson.ROOT / "data" / "cifar10.npz").exists():
        pytest.skip("data/cifar10.npz is not here")
    source, out = next(path for path in NOTEBOOKS if path.stem.startswith("05")), tmp_path / "out.ipynb"
    parameters = ["-p", "dataset", dataset, "-p", "rate", "0.5", "-p", "settings", json.dumps(tiny.NOTEBOOK)]
    done = papermill(str(source), str(out), *parameters)
    assert done.returncode == 0, done.stderr[-2000:]
    assert runner.judge(read(out), runner.inspect(source, {})) == ""
    cell = next(c for c in read(out).cells if "injected-parameters" in injected.tags_of(c))
    assert f'dataset = "{dataset}"' in cell.source and "rate = 0.5" in cell.source


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["images_folder", pytest.param("arrays", marks=pytest.mark.long)])
def test_notebook_08_takes_a_folder_or_arrays_of_ones_own_and_skips_what_nobody_knows(tmp_path, kind):
    rng, photos = np.random.default_rng(0), tmp_path / "photos"
    images, labels = rng.integers(0, 256, (40, 12, 12, 3)).astype(np.uint8), np.arange(40) % 4
    for number, (image, label) in enumerate(zip(images, labels)):
        (photos / f"class {label}").mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(photos / f"class {label}" / f"{number}.png")
    np.savez(tmp_path / "mine.npz", train_images=images, train_labels=labels)
    few = tiny.NOTEBOOK | dict(train_size=0, image_size=12, epochs=2)
    own = {"images_folder": photos, "arrays": tmp_path / "mine.npz"}[kind]
    source, out = next(path for path in NOTEBOOKS if path.stem.startswith("08")), tmp_path / "out.ipynb"
    more = ["-p", "csv", str(tmp_path / "mine.csv"), "-p", "settings", json.dumps(few)]
    done = papermill(str(source), str(out), "-p", kind, str(own), *more)
    assert done.returncode == 0, done.stderr[-2000:]
    assert runner.judge(read(out), runner.inspect(source, {})) == ""
    skipped = [record["name"] for record in runner.records(read(out), lesson.CLAIM_MIME) if record.get("skipped")]
    assert skipped == ["C8.1", "C8.2"]
    table = pd.read_csv(tmp_path / "mine.csv")
    assert len(table) == 40 and ("file" in table) == (kind == "images_folder")
