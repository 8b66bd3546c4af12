"""Sweeps: the same results here and on a cluster whose worker is killed; no work done twice; failures are told."""

import functools
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from datetime import timedelta
from pathlib import Path

import distributed
import nbformat
import pandas as pd
import psutil
import pytest
import yaml
from click.testing import CliRunner
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from plremix_core.__main__ import main
from plremix_core.engine import files
from plremix_core.lessons.lesson import CLAIM_MIME, FINISH_MIME
from plremix_core.sweeps import grid, run_all, run_one

SMALL = dict(train_size=240, holdout=40, epochs=6, warm_up=2, steps_per_epoch=4, width=8, blocks=[1, 1], batch_size=8)
PLAN = dict(
    dataset="fashion_mnist",
    noise=[["sym", 0.5], ["asym", 0.4]],
    method=["ce", "plremix"],
    seed=[1, 2, 3],
    settings=SMALL | {"lr_drops": []},
    timeout=600,
)
HEARD = functools.partial(signal.signal, signal.SIGINT, signal.SIG_DFL)  # what a shell put into background ignores it


def write(tmp_path, **changes) -> Path:
    path = tmp_path / "small.yaml"
    path.write_text(yaml.safe_dump(PLAN | changes))
    return path


FINISH = dict(notebook="99", seconds=1.0, versions={"python": "3"}, device="CPU")
STUB = [  # a notebook that takes no time and fails in the way it is told to
    'seed: int = 0\nway: str = "fine"\nmark: str = ""',
    "import os\nimport signal\nimport time\nfrom pathlib import Path\n\nfrom IPython.display import display",
    "if way == 'error':\n    1 / 0\nif way == 'kernel':\n    os.kill(os.getpid(), signal.SIGKILL)",
    "Path(f'{mark}-{seed}').write_text(os.environ.get('CUDA_VISIBLE_DEVICES', 'none')) if way == 'gpu' else None",
    "deadline = time.monotonic() + 300\nwhile way == 'gpu' and len(list(Path(mark).parent.glob('mark-*'))) < 2:\n"
    "    assert time.monotonic() < deadline\n    time.sleep(0.05)",
    "while way == 'wait' and not Path(mark).exists():\n    time.sleep(0.05)",
    "if way == 'until' and not Path(mark).exists():\n    raise OSError('not yet')",
    f"record = dict(name='C9.1', holds=way != 'claim')\ndisplay({{'{CLAIM_MIME}': record}}, raw=True)",
    f"display({{'{FINISH_MIME}': {FINISH}}}, raw=True)",
]


def stub(tmp_path, **settings) -> Path:
    """A grid of a notebook without training."""
    cells = [new_markdown_cell("# Stub\n\n| claim | sentence |\n|---|---|\n| C9.1 | s |")]
    cells += [new_code_cell(source, metadata={"tags": ["parameters"] * (not i)}) for i, source in enumerate(STUB)]
    nbformat.write(new_notebook(cells=cells), tmp_path / "99_stub.ipynb")
    path = tmp_path / "stub.yaml"
    path.write_text(yaml.safe_dump(dict(notebook=str(tmp_path / "99_stub.ipynb"), timeout=300) | settings))
    return path


def left_running(folder: Path) -> list[str]:
    """Processes that still name a folder or work in it, as the kernels of a stub do; a minute to end is theirs."""
    for _ in range(600):
        others = [p.info for p in psutil.process_iter(["pid", "cmdline", "cwd"]) if p.pid != os.getpid()]
        lines = [" ".join([*(info["cmdline"] or []), "in", info["cwd"] or "?"]) for info in others]
        lines = [line for line in lines if str(folder) in line]
        if not lines:
            return []
        time.sleep(0.1)
    return lines


def figures(folder: Path, runs: list) -> dict:
    found = {c.name: run_one.result(folder / c.name, c.fingerprint) for c in runs}
    assert all(found.values()), found
    same = ("fingerprint", "data", "weights", "last", "best", "chosen", "claims")
    return {name: [entry[part] for part in same] for name, entry in found.items()}


def histories(folder: Path, runs: list) -> pd.DataFrame:
    tables = [pd.read_csv(folder / c.name / "history.csv").assign(run=c.name) for c in runs]
    return pd.concat(tables, ignore_index=True).drop(columns="seconds")


def start(command: list[str], log: Path) -> subprocess.Popen:
    with open(log, "w") as out:
        options = dict(start_new_session=True, preexec_fn=HEARD)  # so that a Ctrl-C reaches all of it and nothing else
        return subprocess.Popen([sys.executable, "-m", *command], stdout=out, stderr=out, **options)


def start_sweep(path: Path, out: Path, *options: str) -> subprocess.Popen:
    return start(["plremix_core", "sweep", str(path), "--out", str(out), *options], out.with_suffix(".log"))


def kill_a_worker_in_the_middle(folder: Path) -> int:
    """SIGKILL for the worker of the first run that has a checkpoint and no result; returns its process id."""
    deadline = time.monotonic() + 600
    while time.monotonic() < deadline:
        for place in folder.glob("*_*"):
            if any(place.glob("epoch-*.sha256")) and run_one.epoch(place) < SMALL["epochs"]:
                pid = json.loads((place / "attempts.jsonl").read_text().splitlines()[-1])["pid"]
                os.kill(pid, signal.SIGKILL)
                return pid
        time.sleep(0.02)
    raise AssertionError("no run was ever in the middle")


def test_the_list_of_runs_tells_the_epoch_of_those_that_go_on_and_the_reason_of_those_that_failed(tmp_path):
    first, second, *_ = plan = grid.load(write(tmp_path)).runs[:4]
    for one in plan[:3]:
        run_one.prepare(tmp_path / one.name, one)
        (tmp_path / one.name / "epoch-4.pt").touch()
    files.write_json(tmp_path / first.name / "result.json", dict(fingerprint=first.fingerprint))
    run_one.fail(tmp_path / second.name, "a full disk")
    ends = [line.split("  ", 1)[1] for line in run_all.progress(plan, tmp_path).splitlines()[:-1]]
    assert ends == ["done", "failed  a full disk", "stopped  epoch 4 of 6", "waiting  epoch 0 of 6"]


@pytest.mark.long
def test_twelve_runs_come_out_alike_here_and_on_a_cluster_whose_worker_is_killed(tmp_path):
    path, here, there = write(tmp_path), tmp_path / "here", tmp_path / "there"
    runs = grid.load(path).runs
    assert len(runs) == 12
    address = f"tcp://127.0.0.1:{40000 + os.getpid() % 20000}"
    scheduler = ["distributed.cli.dask_scheduler", "--host", address, "--no-dashboard", "--no-show"]
    worker = ["distributed.cli.dask_worker", address, "--nthreads", "1", "--no-nanny", "--no-dashboard"]
    processes = [start(scheduler, tmp_path / "scheduler.log")]
    processes += [start(worker, tmp_path / f"worker{i}.log") for i in (1, 2)]
    try:
        driver = start_sweep(path, there, "--scheduler", address)
        killed = kill_a_worker_in_the_middle(there)
        assert killed in [process.pid for process in processes]
        assert driver.wait(600) == 0, there.with_suffix(".log").read_text()
    finally:
        for process in processes:
            process.kill()
            process.wait()
    results = [run_one.result(there / c.name, c.fingerprint) for c in runs]
    assert all(results) and sum(result["resumed"] for result in results) >= 1
    assert set(run_all.run(grid.load(path), here, jobs=2).values()) == {"done"}
    assert figures(here, runs) == figures(there, runs) and len(figures(here, runs)) == 12
    pd.testing.assert_frame_equal(histories(here, runs), histories(there, runs))
    before = {file: file.stat().st_mtime_ns for file in there.rglob("*") if file.name in ("result.json", "history.csv")}
    began = time.monotonic()
    assert set(run_all.run(grid.load(path), there).values()) == {"done"}
    assert time.monotonic() - began < 5
    assert {file: file.stat().st_mtime_ns for file in before} == before and len(before) == 24


@pytest.mark.slow
def test_a_run_that_fails_keeps_its_reason_and_log_and_the_others_go_on(tmp_path):
    mark, out = tmp_path / "mark", str(tmp_path / "runs")
    ways = ["error", "kernel", "claim", "until", "fine"]
    path = stub(tmp_path, vary={"way": ways}, settings={"mark": str(mark)})
    by_way = dict(zip(ways, grid.load(path).runs))
    ran = CliRunner().invoke(main, ["sweep", str(path), "--out", out, "--jobs", "2"])
    assert ran.exit_code == 1 and "4 failed, 1 done" in ran.output, ran.output
    assert re.search(r"\d\.\d of 5 runs \[[\d:]+, \S+ left, done=\d, failed=\d\]", ran.output)
    assert re.search(r"5\.0 of 5 runs \[[\d:]+, \S+ left, done=1, failed=4\]", ran.output), ran.output
    found = {way: run_one.failure(Path(out) / c.name) for way, c in by_way.items()}
    assert found["fine"] is None and "ZeroDivisionError" in found["error"]["reason"]
    assert "cells were never run" in found["kernel"]["reason"] and "DeadKernelError" in "".join(found["kernel"]["log"])
    assert found["claim"]["reason"] == "claims that fail: C9.1" and "not yet" in found["until"]["reason"]
    shown = CliRunner().invoke(main, ["sweep", str(path), "--out", out, "--status"]).output
    assert "failed  claims that fail: C9.1" in shown and shown.splitlines()[-1] == "4 failed, 1 done"
    tries = {way: (Path(out) / c.name / "attempts.jsonl").read_text() for way, c in by_way.items()}
    assert CliRunner().invoke(main, ["sweep", str(path), "--out", out]).exit_code == 1
    mark.touch()
    only = ["--retry-failed", "--only", "way-until"]
    ran = CliRunner().invoke(main, ["sweep", str(path), "--out", out, *only])
    assert ran.exit_code == 0 and "1 done" in ran.output
    after = {way: (Path(out) / c.name / "attempts.jsonl").read_text() for way, c in by_way.items()}
    assert [way for way in ways if after[way] != tries[way]] == ["until"]
    assert run_one.failure(Path(out) / by_way["until"].name) is None


def check_stopped(runs: list, out: Path, state: str) -> None:
    """Nothing works on the folder any more, and every run is in this state."""
    assert left_running(out.parent) == []
    deadline = time.monotonic() + 20  # the notebook's kernel holds the lock until it has noticed
    while "running" in run_all.status(runs, out).values() and time.monotonic() < deadline:
        time.sleep(0.2)
    assert set(run_all.status(runs, out).values()) == {state}


@pytest.mark.slow
def test_a_sweep_whose_driver_is_killed_leaves_nothing_running_and_goes_on_later(tmp_path):
    mark, out = tmp_path / "mark", tmp_path / "runs"
    path = stub(tmp_path, seed=[1, 2, 3], settings={"way": "wait", "mark": str(mark)})
    runs, driver, deadline = grid.load(path).runs, start_sweep(path, out, "--jobs", "2"), time.monotonic() + 400
    while not (out / runs[1].name / "99_stub.ipynb").exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    assert run_one.state(out / runs[1].name, runs[1].fingerprint) == "running"
    driver.kill()
    assert driver.wait(200) == -signal.SIGKILL
    check_stopped(runs, out, "waiting")
    mark.touch()
    assert set(run_all.run(grid.load(path), out, jobs=2).values()) == {"done"}


@pytest.mark.slow
def test_ctrl_c_leaves_nothing_running_and_a_checkpoint_from_which_the_same_sweep_goes_on(tmp_path):
    path, out = write(tmp_path, noise=[["sym", 0.5]], method=["plremix"], seed=1), tmp_path / "runs"
    (one,), driver, deadline = grid.load(path).runs, start_sweep(path, out, "--jobs", "2"), time.monotonic() + 600
    place = out / one.name
    while not any(place.glob("epoch-*.pt")) and time.monotonic() < deadline:
        time.sleep(0.01)
    os.killpg(driver.pid, signal.SIGINT)
    assert driver.wait(200) == 130
    check_stopped([one], out, "stopped")
    assert 1 <= run_one.epoch(place) < SMALL["epochs"] and not (place / "result.json").exists()
    assert set(run_all.run(grid.load(path), out, jobs=2).values()) == {"done"}
    found = run_one.result(place, one.fingerprint)
    assert (found["attempts"], found["resumed"]) == (2, 1)


@pytest.mark.slow
def test_each_of_two_gpus_has_a_run_of_its_own(tmp_path, monkeypatch):
    mark = tmp_path / "mark"
    path = stub(tmp_path, seed=[1, 2], settings={"way": "gpu", "mark": str(mark)})
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,5")
    assert set(run_all.run(grid.load(path), tmp_path / "runs").values()) == {"done"}
    assert {file.read_text() for file in tmp_path.glob("mark-*")} == {"2", "5"}


@pytest.mark.slow
def test_a_run_whose_folder_is_lost_fails_alone(tmp_path):
    mark, out = tmp_path / "mark", tmp_path / "runs"
    path = stub(tmp_path, seed=[1, 2, 3], settings={"way": "wait", "mark": str(mark)})
    first, second, third = grid.load(path).runs
    driver = start_sweep(path, out, "--jobs", "1")
    deadline = time.monotonic() + 400
    while not (out / first.name / "99_stub.ipynb").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    shutil.rmtree(out / second.name)
    mark.touch()
    assert driver.wait(600) == 1
    told = out.with_suffix(".log").read_text()
    assert f"{second.name}: failed: FileNotFoundError" in told and "scheduler" not in told, told
    assert [run_one.state(out / c.name, c.fingerprint) for c in (first, second, third)] == ["done", "waiting", "done"]


def test_the_loss_of_the_scheduler_is_one_clear_sentence(tmp_path, monkeypatch):
    def lose(*_):
        raise distributed.comm.CommClosedError("in rpc")

    monkeypatch.setattr(run_all, "_drive", lose)
    with pytest.raises(ValueError, match="scheduler must be there until the end, got in rpc. Start the same command"):
        run_all.run(grid.load(stub(tmp_path, seed=1)), tmp_path / "runs")


@pytest.mark.slow
def test_a_run_of_another_sweep_is_left_to_it(tmp_path):
    path, out = stub(tmp_path, seed=[1, 2]), tmp_path / "runs"
    first, second = grid.load(path).runs
    place = out / first.name
    run_one.prepare(place, first)
    with files.hold_lock(place / "lock") as mine:
        assert mine and run_one.state(place, first.fingerprint) == "running"

        def other_sweep():
            deadline = time.monotonic() + 400
            while not run_one.result(out / second.name, second.fingerprint) and time.monotonic() < deadline:
                time.sleep(0.1)
            (place / "result.json").write_text(json.dumps(dict(fingerprint=first.fingerprint)))

        thread = threading.Thread(target=other_sweep)
        thread.start()
        assert set(run_all.run(grid.load(path), out, jobs=1).values()) == {"done"}
        thread.join()
    assert not (place / "attempts.jsonl").exists() and (out / second.name / "attempts.jsonl").exists()


@pytest.mark.parametrize("content", ["", "{", "[]", '{"fingerprint": "other"}'])
def test_a_damaged_or_foreign_result_does_not_count(tmp_path, content):
    (tmp_path / "result.json").write_text(content)
    assert run_one.result(tmp_path, "mine") is None and run_one.state(tmp_path, "mine") == "waiting"


def test_dry_run_lists_the_runs_and_makes_nothing(tmp_path):
    ran = CliRunner().invoke(main, ["sweep", str(write(tmp_path)), "--out", str(tmp_path / "runs"), "--dry-run"])
    assert ran.exit_code == 0 and ran.output.count("fashion-mnist_") == 12 and "12 of 12 runs to do" in ran.output
    assert not (tmp_path / "runs").exists()


def test_only_takes_parts_of_names_and_refuses_what_fits_none(tmp_path):
    found = grid.load(write(tmp_path))
    assert len(run_all.choose(found, ("ce_seed-1", "plremix_seed-3"))) == 4
    with pytest.raises(ValueError, match="only must be a pattern of at least one run's name"):
        run_all.choose(found, ("naive",))


def test_a_scheduler_that_is_not_there_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(run_all, "PATIENCE", 1)
    with pytest.raises(ValueError, match="scheduler must be reachable, got 'tcp://127.0.0.1:9'"):
        run_all.run(grid.load(stub(tmp_path, seed=1)), tmp_path / "runs", scheduler="tcp://127.0.0.1:9")


@pytest.mark.parametrize(
    ("visible", "gpus"), [("2,5", ["2", "5"]), ("", []), ("GPU-1a,", ["GPU-1a"]), ("-1", []), ("0,-1,1", ["0"])]
)
def test_there_is_one_run_a_visible_gpu_or_else_one_a_core(monkeypatch, visible, gpus):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert run_all.gpus() == gpus
    assert run_all.devices() == (len(gpus) or len(os.sched_getaffinity(0)))


def test_the_time_is_forecast_by_the_finished_runs(tmp_path):
    found = grid.load(write(tmp_path))
    first, *others = found.runs
    assert "the time is known after the first" in run_all.forecast(found.runs, tmp_path, jobs=1)
    run_one.prepare(tmp_path / first.name, first)
    files.write_json(tmp_path / first.name / "result.json", dict(fingerprint=first.fingerprint, wall_seconds=60.0))
    text = run_all.forecast(found.runs, tmp_path, jobs=2)
    assert f"{len(others)} of {len(found.runs)} runs to do, 2 at once" in text
    assert f"about {timedelta(minutes=-(-len(others) // 2))} by the finished ones" in text
