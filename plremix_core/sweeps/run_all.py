"""Many runs: those of a grid on the workers of a dask cluster, one a worker; all state is in the runs' folders."""

import contextlib
import itertools
import logging
import os
from collections import Counter
from datetime import timedelta
from pathlib import Path

import dask
import distributed
import joblib
import torch
from tqdm.auto import tqdm

from ..engine.checks import require
from ..engine.files import read_json, write_json
from . import run_one
from .grid import Grid, GridRun, choose

POLL = 2.0  # seconds between two looks at the progress
PATIENCE = 15  # seconds to wait for a scheduler
AGAIN = "Start the same command again: it goes on."
BAR = "{percentage:3.0f} %|{bar}| {n:.1f} of {total} runs [{elapsed}, {remaining} left{postfix}]"


def run(
    grid: Grid,
    folder: Path,
    *,
    jobs: int = 0,
    scheduler: str = "",
    data: str = "",
    only: tuple[str, ...] = (),
    retry_failed: bool = False,
) -> dict[str, str]:
    """Do the unfinished runs of a grid and return the state of every chosen run, by name.

    `folder` receives one folder a run; several machines share it at the same path. `jobs` runs are done at once on this
    machine (0 = one a GPU, or one a core), or one on each worker of the running dask `scheduler` (tcp://host:8786).
    `data` is the folder of data sets ("" = the repository's), `only` are patterns of names of runs (none = all), and
    `retry_failed` does failed runs again. A scheduler that cannot be reached or is lost is a ValueError.
    """
    folder = folder.resolve()
    chosen = choose(grid, only)
    for one in chosen:
        run_one.prepare(folder / one.name, one)
    listing = dict(grid=grid.name, reference=grid.reference, predictions=grid.predictions)
    listing |= {"cells": [one.name for one in grid.runs], "earlier": earlier(grid, folder)}
    write_json(folder / "grid.json", listing)
    before, ended = status(chosen, folder), {"done"} if retry_failed else {"done", "failed"}
    todo = [one for one in chosen if before[one.name] not in ended]
    if todo:
        jobs = min(jobs or devices(), len(todo))
        own = ([], 0) if scheduler else (gpus(), max(1, joblib.cpu_count() // jobs))
        with _connect(scheduler, jobs) as client:
            try:
                _drive(client, todo, folder, (str(data and Path(data).resolve()), *own), len(chosen) - len(todo))
            except OSError as error:  # CommClosedError, or that no new connection can be made
                raise ValueError(f"scheduler must be there until the end, got {error}. {AGAIN}") from error
    return status(chosen, folder)


def earlier(grid: Grid, folder: Path) -> list[str]:
    """Names of runs that the grid had before it was changed and that have begun: the report keeps them, apart."""
    old, now = read_json(folder / "grid.json"), {one.name for one in grid.runs}
    names = [name for key in ("cells", "earlier") for name in old.get(key, []) if name not in now]
    return [name for name in names if run_one.epoch(folder / name) or (folder / name / "result.json").exists()]


def status(chosen: list[GridRun], folder: Path) -> dict[str, str]:
    """State of every run by name; see `run_one.state`."""
    return {one.name: run_one.state(folder / one.name, one.fingerprint) for one in chosen}


def forecast(chosen: list[GridRun], folder: Path, jobs: int = 0) -> str:
    """Say how many runs are to do and, once one of the folder is finished, the time that they may take."""
    results = [run_one.result(folder / one.name, one.fingerprint) for one in chosen]
    taken = [found["wall_seconds"] for found in results if found]
    todo, lanes = len(chosen) - len(taken), jobs or devices()
    seconds = round(sum(taken) / max(len(taken), 1) * -(-todo // lanes))
    note = f"about {timedelta(seconds=seconds)} by the finished ones" if taken else "the time is known after the first"
    return f"{todo} of {len(chosen)} runs to do, {lanes} at once, {note}"


def progress(chosen: list[GridRun], folder: Path) -> str:
    """List the runs and how far they are, for the terminal."""
    lines, states = [], status(chosen, folder)
    for one in chosen:
        text = f"epoch {run_one.epoch(folder / one.name)} of {one.config.epochs}" if one.config else ""
        if states[one.name] in ("done", "failed"):
            text = (run_one.failure(folder / one.name) or {}).get("reason", "")
        lines.append(f"{one.name}  {states[one.name]}  {text}".rstrip())
    return "\n".join([*lines, count(states)])


def count(states: dict[str, str]) -> str:
    """How many runs are in each state, in words."""
    return ", ".join(f"{number} {state}" for state, number in Counter(states.values()).items())


def devices() -> int:
    """GPUs if there are any, else the cores this process may use."""
    return len(gpus()) or joblib.cpu_count()


def gpus() -> list[str]:
    """Names of the GPUs that this process may use."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is None:
        return [str(number) for number in range(torch.cuda.device_count())]
    return [name for name in itertools.takewhile("-1".__ne__, visible.split(",")) if name]  # after -1 none counts


def _connect(scheduler: str, jobs: int) -> distributed.Client:
    """A client of a running cluster, or of one made here that ends with it."""
    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    own = dict(n_workers=jobs, threads_per_worker=1, memory_limit=None, processes=False, silence_logs=logging.CRITICAL)
    own |= dict(dashboard_address="127.0.0.1:0", worker_dashboard_address="127.0.0.1:0")  # no port takes tasks
    quiet = {"distributed.worker.profile.enabled": False, "distributed.admin.tick.interval": "1s"}
    try:
        with dask.config.set(quiet):  # its measuring of itself took a tenth of a core
            return distributed.Client(scheduler, timeout=PATIENCE) if scheduler else distributed.Client(**own)
    except (OSError, ValueError) as error:
        raise ValueError(f"scheduler must be reachable, got {scheduler!r}: {error}. Is it running?") from error


def _drive(client: distributed.Client, todo: list[GridRun], folder: Path, options: tuple, before: int) -> None:
    """Submit the runs and wait for them, with a bar; a run that another sweep holds is asked for again, last."""

    def submit(one: GridRun) -> distributed.Future:
        return client.submit(run_one.run, str(folder / one.name), *options, pure=False)

    def reached() -> float:  # trainings count by their epochs
        shares = [run_one.epoch(folder / one.name) / one.config.epochs for one in waiting.values() if one.config]
        return ended.total() + sum(min(share, 0.99) for share in shares)

    waiting, ended = {submit(one): one for one in todo}, Counter(done=before, failed=0)
    with tqdm(total=before + len(todo), initial=reached(), bar_format=BAR, smoothing=0) as bar:
        try:
            while waiting:
                with contextlib.suppress(distributed.TimeoutError):
                    distributed.wait(list(waiting), POLL, "FIRST_COMPLETED")
                for future in [future for future in waiting if future.done()]:
                    one = waiting.pop(future)
                    lost = future.status in ("cancelled", "lost")
                    require(not lost, "scheduler", "there until the end", "lost", AGAIN)
                    error = future.exception()  # what killed its workers again and again is a failure of the run
                    outcome = run_one.fail(folder / one.name, repr(error)) if error else future.result()
                    if outcome["status"] == "busy":
                        waiting[submit(one)] = one
                        continue
                    ended["done" if outcome["status"] == "done" else "failed"] += 1
                    if outcome["status"] != "done":
                        bar.write(f"{one.name}: {outcome['status']}: {outcome.get('reason', '')}")
                bar.n = max(bar.n, reached())
                bar.set_postfix(ended)
        finally:  # also on Ctrl-C: tasks that run notice it and stop; their checkpoints stay
            with contextlib.suppress(Exception):
                client.cancel(list(waiting), force=True)
