"""The lesson runner notices everything that papermill lets through."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import psutil
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from plremix_core.lessons import html, lesson, render, runner

PARAMETERS = 'seed: int = 0  # s\nname: str = "x"\nrate: float = 0.5\ncontrol: str = ""'
TABLE = "# A title\n\n| claim | sentence |\n|---|---|\n| C9.1 | one is small |"
SHOW = "from IPython.display import display\n"
RECORD = 'name="C9.1", sentence="s", values=[1.0], rule="< 2", holds=%s, breaks=["coin"]'
CLAIM = SHOW + f'display({{"{lesson.CLAIM_MIME}": dict({RECORD}), "text/plain": ""}}, raw=True)'
FINISH = SHOW + f'display({{"{lesson.FINISH_MIME}": dict(notebook="99"), "text/plain": ""}}, raw=True)'


def write(folder, *sources, table=TABLE, parameters=PARAMETERS, tags=()):
    """A small notebook: title and claims, parameters, then code cells."""
    cells = [new_markdown_cell(table), new_code_cell(parameters, metadata={"tags": ["parameters"]})]
    cells += [new_code_cell(source, metadata={"tags": list(tags)}) for source in sources]
    path = folder / "99_small.ipynb"
    nbformat.write(new_notebook(cells=cells), path)
    return path


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"sed": 1}, "parameter must be one of seed, name, rate, control, got 'sed'"),
        ({"seed": "1"}, "parameter seed must be of type int, got '1'"),
        ({"seed": 1.5}, "parameter seed must be of type int, got 1.5"),
        ({"seed": True}, "parameter seed must be of type int, got True"),
        ({"name": 3}, "parameter name must be of type str, got 3"),
        ({"rate": "0.5"}, "parameter rate must be of type float, got '0.5'"),
    ],
)
def test_unknown_and_wrongly_typed_parameters_are_refused_before_anything_starts(tmp_path, parameters, message):
    path = write(tmp_path, "1")
    with pytest.raises(ValueError, match=message):
        runner.run_lessons([path], tmp_path / "out", parameters)
    assert not (tmp_path / "out").exists()


def test_a_whole_number_is_accepted_for_a_float(tmp_path):
    assert runner.inspect(write(tmp_path, "1"), {"rate": 1}) == ["C9.1"]


@pytest.mark.parametrize("source", ["a: int = 1\nb: int = a", "a = 1", "a: int = 1\nprint(a)", "a: list = []"])
def test_a_parameters_cell_with_anything_but_typed_literals_is_refused(tmp_path, source):
    with pytest.raises(ValueError, match="parameter must be a typed literal"):
        runner.inspect(write(tmp_path, "1", parameters=source), {})


@pytest.mark.slow
@pytest.mark.parametrize(
    ("tag", "reason"), [("skip-execution", "1 cells were never run"), ("raises-exception", "ZeroDivisionError")]
)
def test_cells_that_are_skipped_or_may_fail_are_noticed(tmp_path, tag, reason):
    path = write(tmp_path, "1 / 0", CLAIM % True, FINISH)
    notebook = runner.read(path)
    notebook.cells[2].metadata["tags"] = [tag]
    notebook.cells[2].execution_count = 1
    nbformat.write(notebook, path)
    result = runner.run_notebook(path, tmp_path / "out", {}, 120, threads=1)
    assert result.status == "failed" and reason in result.reason


def test_a_notebook_without_claims_or_parameters_is_refused(tmp_path):
    with pytest.raises(ValueError, match="claims must be declared"):
        runner.inspect(write(tmp_path, "1", table="# A title"), {})
    path = tmp_path / "empty.ipynb"
    nbformat.write(new_notebook(), path)
    with pytest.raises(ValueError, match="parameters cell must be tagged once, got 0"):
        runner.inspect(path, {})


def test_no_notebook_at_all_is_refused(tmp_path):
    with pytest.raises(ValueError, match="notebooks must be at least one"):
        runner.run_lessons([], tmp_path, {})


@pytest.mark.slow
@pytest.mark.parametrize(
    ("sources", "reason"),
    [
        ([CLAIM % True, FINISH], ""),
        ([CLAIM % False, FINISH], "claims that fail: C9.1"),
        ([FINISH], "declared but never checked: C9.1"),
        ([CLAIM % True], "lesson.finish() was not reached"),
        ([(CLAIM % True).replace("C9.1", "C9.2"), CLAIM % True, FINISH], "checked but not declared: C9.2"),
        ([CLAIM % True, FINISH, "1 / 0"], "ZeroDivisionError"),
        (["import sys; sys.exit(0)", CLAIM % True, FINISH], "SystemExit"),
        (["import os; os._exit(0)", CLAIM % True, FINISH], "cells were never run"),
        ([CLAIM % True, "import os, signal; os.kill(os.getpid(), signal.SIGKILL)", FINISH], "cells were never run"),
        ([CLAIM % True, FINISH, "import time; time.sleep(600)"], "took longer than 12 s"),
    ],
)
def test_the_outcome_is_judged_by_what_ran_not_by_papermills_status(tmp_path, sources, reason):
    timeout = 12 if "longer" in reason else 120
    result = runner.run_notebook(write(tmp_path, *sources), tmp_path / "out", {}, timeout, threads=1)
    assert result.status == ("failed" if reason else "ok"), result.reason
    assert reason in result.reason
    assert result.declared == 1


WAITING = "import os, pathlib, time; pathlib.Path({!r}).write_text(str(os.getpid())); time.sleep(600)"


def kernel_of(note):
    """Process of the kernel that has left its number in a file."""
    for _ in range(600):
        if note.exists() and note.read_text():
            return psutil.Process(int(note.read_text()))
        time.sleep(0.1)
    raise AssertionError("the kernel did not start")


def test_ctrl_c_stops_the_notebooks_that_run_and_starts_no_other(tmp_path, monkeypatch):
    begun = []

    def run_notebook(path, *_, wanted):
        begun.append(path)
        while wanted():
            time.sleep(0.01)

    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(runner, "run_notebook", run_notebook)
    monkeypatch.setattr(runner, "wait", interrupt)
    with pytest.raises(KeyboardInterrupt):
        runner.run_lessons([write(tmp_path, "1")] * 3, tmp_path / "out", {}, jobs=1)
    assert len(begun) <= 1


@pytest.mark.slow
def test_a_notebook_that_is_no_longer_wanted_is_killed_with_its_kernel_before_the_runner_returns(tmp_path):
    note = tmp_path / "kernel"
    path = write(tmp_path, WAITING.format(str(note)))
    kernels = []

    def wanted():
        if note.exists():
            kernels.append(kernel_of(note))
        return not kernels

    result = runner.run_notebook(path, tmp_path / "out", {}, 120, 1, wanted=wanted)
    assert (result.status, result.reason, result.held) == ("failed", "stopped", 0)
    assert not kernels[0].is_running()


@pytest.mark.slow
def test_a_kernel_dies_at_once_with_its_killed_starter(tmp_path):
    note = tmp_path / "kernel"
    path = write(tmp_path, WAITING.format(str(note)))
    code = "import sys; from pathlib import Path; from plremix_core.lessons import runner; "
    code += "runner.run_notebook(Path(sys.argv[1]), Path(sys.argv[2]), {}, 300, 1)"
    starter = subprocess.Popen([sys.executable, "-c", code, path, tmp_path / "out"])
    kernel = kernel_of(note)
    starter.kill()
    starter.wait()
    assert psutil.wait_procs([kernel], timeout=5)[1] == []


@pytest.mark.slow
def test_variables_threads_and_left_out_tags_reach_the_notebook_and_its_process_loads_no_torch(tmp_path):
    asked = "import os; print(os.environ['PLREMIX_X'], os.environ['OMP_NUM_THREADS'])"
    path = write(tmp_path, '# lesson.claim("C9.1", ...)', asked, FINISH)
    notebook = runner.read(path)
    notebook.cells[2].metadata["tags"] = ["lesson"]  # the claim
    notebook.cells.append(new_markdown_cell("| C9.2 | another |"))
    notebook.cells.insert(3, new_code_cell((CLAIM % True).replace("C9.1", "C9.2")))
    nbformat.write(notebook, path)
    variables = {"PLREMIX_X": "here"}
    result = runner.run_notebook(path, tmp_path / "out", {}, 120, 3, drop=("lesson",), environment=variables)
    assert (result.reason, result.held, result.declared) == ("", 1, 1)
    printed = [out.text for out in html.outputs_of(runner.read(tmp_path / "out" / path.name)) if "text" in out]
    assert printed == ["here 3\n"]
    loaded = "import plremix_core.lessons.process, sys; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", loaded]).returncode == 0


def test_a_notebook_that_was_cut_while_it_was_written_is_a_failure_and_not_an_error(tmp_path, monkeypatch):
    def cut(job, log, timeout, environment, wanted):
        Path(job["executed"]).write_text('{"cells": [')
        return "stopped"

    monkeypatch.setattr(runner, "run_process", cut)
    path = write(tmp_path, "1")
    result = runner.run_notebook(path, tmp_path / "out", {}, 60, threads=1)
    assert (result.status, result.reason, result.claims) == ("failed", "stopped", [])
    assert not (tmp_path / "out" / path.name).exists()


@pytest.mark.slow
def test_a_failing_notebook_does_not_stop_the_others_and_the_result_is_written_last(tmp_path):
    good = write(tmp_path, CLAIM % True, FINISH, "print(seed, '<script>alert(1)</script>')").rename(
        tmp_path / "97_g.ipynb"
    )
    bad = write(tmp_path, "1 / 0", CLAIM % True, FINISH, table=TABLE.replace("A title", "<script>x</script>"))
    out = tmp_path / "out"
    results = runner.run_lessons([bad, good], out, {"seed": 7})
    assert [result.status for result in results] == ["failed", "ok"]
    written = json.loads((out / "result.json").read_text())
    assert [entry["notebook"] for entry in written] == ["99_small", "97_g"]
    assert "7 &lt;script&gt;" in (out / "97_g.html").read_text()
    index = (out / "index.html").read_text()
    assert index.count("<script>") == 1 and "&lt;script&gt;x" in index and 'href="97_g.html"' in index
    assert (out / "result.json").stat().st_mtime_ns >= (out / "index.html").stat().st_mtime_ns
    assert "1 of 2 claims hold, 1 notebooks failed" in render.summary(results)


@pytest.mark.slow
def test_the_command_exits_with_1_when_a_parameter_is_refused():
    command = [sys.executable, "-m", "plremix_core", "lessons", "--only", "00", "-p", "sed", "1"]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
    assert done.returncode == 1
    assert done.stderr.strip().endswith("got 'sed'. 00_start_here.ipynb has no other. Did you mean seed?")
    assert "Traceback" not in done.stderr


def test_a_notebook_is_never_executed_over_itself(tmp_path):
    path = write(tmp_path, "1")
    with pytest.raises(ValueError, match="folder must be another than the notebook's own"):
        runner.run_notebook(path, tmp_path, {}, 60, threads=1)
    assert path.exists()


def test_render_refuses_when_a_notebook_failed(tmp_path):
    failed = runner.Result("99_small", "t", "failed", "r", 1.0, 0, 1, [])
    with pytest.raises(ValueError, match="notebooks must be all ok before rendering, got \\['99_small'\\]"):
        render.render([failed], tmp_path)


@pytest.fixture
def tree(tmp_path):
    """A repository with one file in every place that may matter to outputs."""
    for name in (*MATTERS[:-1], *IDLE[:-1]):
        (tmp_path / "plremix_core" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "plremix_core" / name).write_text("x = 1\n")
    (tmp_path / "data" / "results").mkdir(parents=True)
    for name in ("results/study.csv", "claims.csv"):
        (tmp_path / "data" / name).write_text("1\n")
    return tmp_path


IDLE = (
    "__main__.py",
    "cli/train.py",
    "sweeps/grid.py",
    "engine/run.py",
    "lessons/runner.py",
    "../data/claims.csv",
)
MATTERS = (
    "losses.py",
    "data/noise.py",
    "analysis/a.py",
    "plots/p.py",
    "engine/seeds.py",
    "lessons/lesson.py",
    "../data/results/study.csv",
)


@pytest.mark.parametrize("name", [*IDLE, *MATTERS])
def test_outputs_go_stale_by_what_they_depend_on_and_by_nothing_else(tree, monkeypatch, name):
    notebook = new_notebook(cells=[new_markdown_cell("a"), new_code_cell("1")])
    before = render.source_hash(notebook, tree)
    with open(tree / "plremix_core" / name, "a") as file:
        file.write("# a comment\n")
    assert (render.source_hash(notebook, tree) != before) == (name in MATTERS)


def test_outputs_go_stale_by_code_and_not_by_prose(tree):
    hashes = [
        render.source_hash(new_notebook(cells=[new_markdown_cell(prose), new_code_cell(code)]), tree)
        for prose, code in (("a", "1"), ("b", "1"), ("a", "2"))
    ]
    assert hashes[0] == hashes[1] != hashes[2]


def executed(**record):
    """A small notebook as if it had been run, with one record of a claim."""
    notebook = new_notebook(cells=[new_markdown_cell(TABLE), new_code_cell("1", execution_count=1)])
    for mime, content in ((lesson.CLAIM_MIME, dict(name="C9.1", values=[]) | record), (lesson.FINISH_MIME, {})):
        notebook.cells[1].outputs.append(nbformat.v4.new_output("display_data", {mime: content}))
    return notebook


def test_a_skipped_claim_is_no_failure_but_an_unchecked_one_is():
    assert runner.judge(executed(holds=False, skipped=True), ["C9.1"]) == ""
    assert runner.judge(executed(holds=False), ["C9.1"]) == "claims that fail: C9.1"
    assert runner.judge(executed(holds=True), ["C9.1", "C9.2"]) == "declared but never checked: C9.2"
