"""Sweeps: the same results here and on a cluster whose worker is killed; no work done twice; failures are told."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest
import yaml

from plremix_core import cell, grid, sweep

SMALL = dict(train_size=240, holdout=40, epochs=6, warm_up=2, steps_per_epoch=4, width=8, blocks=[1, 1], batch_size=8)
PLAN = dict(
    dataset="fashion_mnist",
    noise=[["sym", 0.5], ["asym", 0.4]],
    method=["ce", "plremix"],
    seed=[1, 2, 3],
    settings=SMALL | {"lr_drops": []},
    timeout=600,
)


def write(tmp_path, **changes) -> Path:
    path = tmp_path / "small.yaml"
    path.write_text(yaml.safe_dump(PLAN | changes))
    return path


def weights(folder: Path, cells: list) -> dict:
    found = {c.name: cell.result(folder / c.name, c.fingerprint) for c in cells}
    assert all(found.values()), found
    return {name: entry["weights"] for name, entry in found.items()}


def histories(folder: Path, cells: list) -> pd.DataFrame:
    tables = [pd.read_csv(folder / c.name / "history.csv").assign(cell=c.name) for c in cells]
    return pd.concat(tables, ignore_index=True).drop(columns="seconds")


def start(command: list[str], log: Path) -> subprocess.Popen:
    with open(log, "w") as out:
        return subprocess.Popen([sys.executable, "-m", *command], stdout=out, stderr=out)


def kill_a_worker_in_the_middle(folder: Path) -> int:
    """SIGKILL for the worker of the first cell that has a checkpoint and no result; returns its process id."""
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline:
        for place in folder.glob("*_*"):
            if any(place.glob("epoch-*.sha256")) and cell.epoch(place) < SMALL["epochs"]:
                pid = json.loads((place / "attempts.jsonl").read_text().splitlines()[-1])["pid"]
                os.kill(pid, signal.SIGKILL)
                return pid
        time.sleep(0.02)
    raise AssertionError("no cell was ever in the middle")


@pytest.mark.slow
def test_twelve_cells_come_out_alike_here_and_on_a_cluster_whose_worker_is_killed(tmp_path):
    path, here, there = write(tmp_path), tmp_path / "here", tmp_path / "there"
    cells = grid.load(path).cells
    assert len(cells) == 12
    address = f"tcp://127.0.0.1:{40000 + os.getpid() % 20000}"
    scheduler = ["distributed.cli.dask_scheduler", "--host", address, "--no-dashboard", "--no-show"]
    worker = ["distributed.cli.dask_worker", address, "--nthreads", "1", "--no-nanny", "--no-dashboard"]
    processes = [start(scheduler, tmp_path / "scheduler.log")]
    processes += [start(worker, tmp_path / f"worker{i}.log") for i in (1, 2)]
    try:
        driver = start(
            ["plremix_core", "sweep", str(path), "--out", str(there), "--scheduler", address], tmp_path / "driver.log"
        )
        killed = kill_a_worker_in_the_middle(there)
        assert killed in [process.pid for process in processes]
        assert driver.wait(600) == 0, (tmp_path / "driver.log").read_text()
    finally:
        for process in processes:
            process.kill()
            process.wait()
    assert set(sweep.run(grid.load(path), here, jobs=2).values()) == {"done"}
    assert weights(here, cells) == weights(there, cells)
    pd.testing.assert_frame_equal(histories(here, cells), histories(there, cells))
    results = [cell.result(there / c.name, c.fingerprint) for c in cells]
    assert sum(result["resumed"] for result in results) >= 1
    before = {file: file.stat().st_mtime_ns for file in here.rglob("*") if file.name in ("result.json", "history.csv")}
    began = time.monotonic()
    assert set(sweep.run(grid.load(path), here, jobs=2).values()) == {"done"}
    assert time.monotonic() - began < 5
    assert {file: file.stat().st_mtime_ns for file in before} == before and len(before) == 24
