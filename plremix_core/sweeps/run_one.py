"""One cell of a grid on the machine that runs it: lock, notebook in a process of its own, result; files say it all."""

import contextlib
import datetime
import fcntl
import hashlib
import json
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import distributed
import pandas as pd

from ..config import from_dict
from ..engine import checkpoint, files, health
from ..engine.checks import require
from ..engine.history import History
from ..lessons import runner
from ..lessons.lesson import FINISH_MIME
from ..lessons.process import How
from ..lessons.render import NOTEBOOKS
from .grid import LEFT_OUT, Cell

TAIL = 20  # lines of the log kept with a failure
DYING = 10.0  # seconds that what is left of a killed cell may take to go


@contextlib.contextmanager
def locked(folder: Path, patience: float) -> Iterator[int | None]:
    """Hold the cell's lock: yields its file descriptor, or None if another process has it after `patience` seconds.

    The lock is the kernel's own (flock), so that it vanishes with its holder however that died; children that inherit
    the descriptor hold it too. (The package filelock does not hand its descriptor out.)
    """
    descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o644)
    deadline, mine = time.monotonic() + patience, False
    try:
        while not mine:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                mine = True
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    break
                time.sleep(0.2)
            except OSError as error:
                if error.errno not in files.NO_LOCKS:
                    raise
                files.warn_no_locks(folder)
                mine = True
        yield descriptor if mine else None
    finally:
        os.close(descriptor)


def result(folder: Path, fingerprint: str) -> dict | None:
    """What a finished cell came to; None if it is not finished, or its result is damaged or of other settings."""
    found = files.read_json(folder / "result.json")
    return found if found.get("fingerprint") == fingerprint else None


def failure(folder: Path) -> dict | None:
    """Why a cell failed and the end of its log; None if it did not."""
    found = files.read_json(folder / "failed.json")
    return found if "reason" in found else None


def epoch(folder: Path) -> int:
    """Epochs in the cell's newest checkpoint."""
    return checkpoint.saved(folder)[0][0] if checkpoint.saved(folder) else 0


def state(folder: Path, fingerprint: str) -> str:
    """Say whether a cell is done, running, failed, stopped (it can go on) or waiting."""
    if result(folder, fingerprint):
        return "done"
    if (folder / "lock").exists():
        with locked(folder, 0) as lock:
            if lock is None:
                return "running"
    return "failed" if failure(folder) else "stopped" if epoch(folder) else "waiting"


def prepare(folder: Path, cell: Cell) -> None:
    """Write ``cell.json``, all that `run` needs."""
    folder.mkdir(parents=True, exist_ok=True)
    parts = ("name", "notebook", "labels", "parameters", "fingerprint", "timeout")
    content = {part: getattr(cell, part) for part in parts}
    epochs = cell.config.epochs + cell.config.extra_epochs if cell.config else 0
    files.write_json(folder / "cell.json", content | {"epochs": epochs})


def fail(folder: Path, reason: str) -> dict:
    """Mark a cell as failed, with the last lines of its log; the reason is returned even if it cannot be written."""
    try:
        logs = sorted(folder.glob("*.log"))
        tail = logs[0].read_text(errors="replace").splitlines()[-TAIL:] if logs else []
        content = dict(status="failed", reason=reason, date=_now(), log=tail)
        files.write_json(folder / "failed.json", content)
    except OSError as error:  # a full disk, a folder that is gone
        reason += f" (not noted in its folder: {error})"
    return dict(status="failed", reason=reason)


def run(folder: str, data: str, gpus: list[str], threads: int) -> dict:
    """Run the cell of `folder`, or go on with it; a task of dask.

    Parameters
    ----------
    folder : str
        Absolute, with ``cell.json`` in it.
    data : str
        Folder of data sets, or "".
    gpus : list of str
        The worker takes the one of its number; empty: the environment decides.
    threads : int
        Threads for numerical libraries; 0 = as the environment says.

    Returns
    -------
    dict
        `status`: done, failed (with `reason`) or busy (another process has the cell).
    """
    place = Path(folder)
    try:
        cell = json.loads((place / "cell.json").read_text())
        with locked(place, DYING) as lock:
            if result(place, cell["fingerprint"]):
                return dict(status="done")
            return dict(status="busy") if lock is None else _run(place, cell, lock, data, gpus, threads)
    except (ValueError, OSError) as error:
        return fail(place, f"{type(error).__name__}: {error}")


def _run(place: Path, cell: dict, lock: int, data: str, gpus: list[str], threads: int) -> dict:
    (place / "failed.json").unlink(missing_ok=True)
    _begin(place)
    worker = distributed.get_worker()
    key = worker.get_current_task()
    environment = {"CUDA_VISIBLE_DEVICES": gpus[int(worker.name) % len(gpus)]} if gpus else {}
    how = How(LEFT_OUT, (lock,), environment, lambda: _wanted(worker, key))
    parameters = cell["parameters"] | ({"folder": str(place), "data_folder": data} if cell["epochs"] else {})
    ran = runner.run_notebook(NOTEBOOKS / cell["notebook"], place, parameters, cell["timeout"], threads, how)
    if ran.status != "ok":
        return dict(status="stopped") if ran.reason == "stopped" else fail(place, ran.reason)
    _finish(place, cell, ran)
    return dict(status="done", seconds=ran.seconds)


def _wanted(worker: distributed.Worker, key: str) -> bool:
    task = worker.state.tasks.get(key)
    return task is not None and task.state == "executing"


def _begin(folder: Path) -> None:
    """Note the attempt; start again, with what is there set aside, where nothing readable was left."""
    start, restarted = 0, False
    if epoch(folder):
        try:
            state = checkpoint.load_newest(folder)
            checkpoint.require_whole(state, folder)
            start = state["epoch"]
        except ValueError as error:
            checkpoint.log.warning("%s: starts again: %s", folder, error)
            for file in [file for file in folder.glob("epoch-*") if file.suffix != ".damaged"]:
                file.rename(f"{file}.damaged")
            restarted = True
    line = dict(date=_now(), host=socket.gethostname(), pid=os.getpid(), from_epoch=start)
    line |= {"restarted": True} if restarted else {}
    path = folder / "attempts.jsonl"
    known = path.read_bytes().splitlines() if path.exists() else []  # a cut last line stays one line
    files.write_atomic(path, b"".join(entry + b"\n" for entry in [*known, json.dumps(line).encode()]))


def attempts(folder: Path) -> list[dict]:
    """What is noted of each attempt; {} for a line that cannot be read: there was one, no more is known."""
    path, found = folder / "attempts.jsonl", []
    for line in path.read_bytes().splitlines() if path.exists() else []:
        try:
            entry = json.loads(line)
        except (ValueError, RecursionError):
            entry = {}
        found.append(entry if isinstance(entry, dict) else {})
    return found


def _finish(folder: Path, cell: dict, ran: runner.Result) -> None:
    """Compare what was trained with what was asked for, and write ``result.json``."""
    executed = runner.read(folder / Path(cell["notebook"]).name)
    (finish,) = runner.records(executed, FINISH_MIME)
    content = dict(
        fingerprint=cell["fingerprint"],
        **cell["labels"],
        notebook=Path(cell["notebook"]).name,
        claims={claim["name"]: claim["holds"] for claim in ran.claims},
        device=finish["device"],
        versions=finish["versions"],
        wall_seconds=ran.seconds,
        date=datetime.date.today().isoformat(),
    )
    content |= _figures(folder, cell) if cell["epochs"] else {}
    tried = attempts(folder)  # also those that did not finish an epoch
    resumed = sum(isinstance(entry.get("from_epoch"), int) and entry["from_epoch"] > 0 for entry in tried)
    content |= dict(attempts=len(tried), resumed=max(resumed, content.get("resumed", 0)))
    content |= {"restarted": True} if any(entry.get("restarted") is True for entry in tried) else {}
    keep_newest(folder)
    files.write_json(folder / "result.json", content)


def keep_newest(folder: Path) -> None:
    """Delete all checkpoints but the newest."""
    for _, old in checkpoint.saved(folder)[1:]:
        old.unlink()
        old.with_suffix(".sha256").unlink(missing_ok=True)


def _figures(folder: Path, cell: dict) -> dict:
    state = checkpoint.load_newest(folder)
    config = from_dict(state["config"])
    found = config.fingerprint()
    require(found == cell["fingerprint"], "fingerprint", cell["fingerprint"], found, "The notebook changed settings.")
    history = History(config, pd.read_csv(folder / "history.csv"))
    epochs = len(history.table), state["epoch"]
    require(epochs == (cell["epochs"],) * 2, "epochs", f"{cell['epochs']} in both files", epochs, "Run it again.")
    weights = hashlib.sha256()
    for tensor in (tensor for net in state["nets"] for tensor in net.values()):
        weights.update(tensor.contiguous().numpy().tobytes())
    table = hashlib.sha256((folder / "history.csv").read_bytes()).hexdigest()[:12]
    own = dict(history=table, weights=weights.hexdigest()[:12], settings=cell["parameters"])
    return health.outcome(state, history) | own


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
