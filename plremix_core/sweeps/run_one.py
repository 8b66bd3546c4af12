"""One run of a grid on the machine that does it. All of its state lies in the files of its folder."""

import hashlib
import json
import os
import socket
from pathlib import Path

import distributed
import pandas as pd

from ..config import from_dict
from ..engine import checkpoint, files, provenance
from ..engine.checks import require
from ..engine.history import History
from ..engine.run import Run
from ..lessons import runner
from ..lessons.lesson import FINISH_MIME
from .grid import LEFT_OUT, NOTEBOOKS, GridRun

TAIL = 20  # lines of the log kept with a failure
PATIENCE = 10.0  # seconds to wait for a lock: what a killed worker has started needs a moment to end


def result(folder: Path, fingerprint: str) -> dict | None:
    """What a finished run came to; None if it is not finished, or its result is damaged or of other settings."""
    found = files.read_json(folder / "result.json")
    return found if found.get("fingerprint") == fingerprint else None


def failure(folder: Path) -> dict | None:
    """Why a run failed and the end of its log; None if it did not."""
    found = files.read_json(folder / "failed.json")
    return found if "reason" in found else None


def epoch(folder: Path) -> int:
    """Epochs in the newest checkpoint."""
    return max((number for number, _ in checkpoint.saved(folder)), default=0)


def state(folder: Path, fingerprint: str) -> str:
    """Say whether a run is done, running, failed, stopped (it can go on) or waiting."""
    if result(folder, fingerprint):
        return "done"
    if (folder / "lock").exists():
        with files.hold_lock(folder / "lock") as free:
            if not free:
                return "running"
    return "failed" if failure(folder) else "stopped" if epoch(folder) else "waiting"


def prepare(folder: Path, one: GridRun) -> None:
    """Write ``cell.json``, all that `run` needs."""
    folder.mkdir(parents=True, exist_ok=True)
    content = {key: value for key, value in vars(one).items() if key != "config"}
    files.write_json(folder / "cell.json", content | {"epochs": one.config.epochs if one.config else 0})


def run(folder: str, data: str, gpus: list[str], threads: int) -> dict:
    """Do the run of `folder` (absolute), or go on with it; a task of dask.

    With `data` "" the data sets are the repository's. A worker takes the one of `gpus` that has its number. Returns
    `status`: done, failed (with `reason`), stopped, or busy where another process has the run.
    """
    place = Path(folder)
    try:
        described = json.loads((place / "cell.json").read_text())
        with files.hold_lock(place / "lock", PATIENCE) as mine:
            if result(place, described["fingerprint"]):
                return dict(status="done")
            with files.hold_lock(place / "training.lock", PATIENCE) as ended:  # also the training of a killed worker
                pass
            if not (mine and ended):
                return dict(status="busy")
            (place / "failed.json").unlink(missing_ok=True)
            _begin(place)
            ran = _run(place, described, data, gpus, threads)
            if ran.status == "ok":
                _finish(place, described, ran)
                return dict(status="done")
            return dict(status="stopped") if ran.reason == "stopped" else fail(place, ran.reason)
    except (ValueError, OSError) as error:
        return fail(place, f"{type(error).__name__}: {error}")


def fail(folder: Path, reason: str) -> dict:
    """Mark a run as failed, with the last lines of its log; the reason is returned even if it cannot be written."""
    try:
        logs = sorted(folder.glob("*.log"))
        tail = logs[0].read_text(errors="replace").splitlines()[-TAIL:] if logs else []
        files.write_json(folder / "failed.json", dict(status="failed", reason=reason, date=provenance.now(), log=tail))
    except OSError as error:  # a full disk, a folder that is gone
        reason += f" (not noted in its folder: {error})"
    return dict(status="failed", reason=reason)


def _run(place: Path, described: dict, data: str, gpus: list[str], threads: int) -> runner.Result:
    worker = distributed.get_worker()
    key = worker.get_current_task()

    def wanted() -> bool:
        task = worker.state.tasks.get(key)
        return task is not None and task.state == "executing"

    return runner.run_notebook(
        NOTEBOOKS / described["notebook"],
        place,
        described["parameters"] | ({"folder": str(place), "data_folder": data} if described["epochs"] else {}),
        described["timeout"],
        threads,
        drop=LEFT_OUT,
        environment={"CUDA_VISIBLE_DEVICES": gpus[int(worker.name) % len(gpus)]} if gpus else {},
        wanted=wanted,
    )


def _begin(folder: Path) -> None:
    """Note the attempt."""
    line = dict(date=provenance.now(), host=socket.gethostname(), pid=os.getpid(), from_epoch=epoch(folder))
    path = folder / "attempts.jsonl"
    known = path.read_bytes().splitlines() if path.exists() else []  # a cut last line stays one line
    files.write_atomic(path, b"".join(entry + b"\n" for entry in [*known, json.dumps(line).encode()]))


def _finish(folder: Path, described: dict, ran: runner.Result) -> None:
    """Compare what was trained with what was asked for, keep one checkpoint and write ``result.json``."""
    name = Path(described["notebook"]).name
    (finish,) = runner.records(runner.read(folder / name), FINISH_MIME)
    content = dict(fingerprint=described["fingerprint"], **described["labels"], notebook=name)
    content["claims"] = {claim["name"]: claim["holds"] for claim in ran.claims}
    content |= dict(device=finish["device"], versions=finish["versions"], wall_seconds=ran.seconds)
    content |= _figures(folder, described) if described["epochs"] else {"resumed": 0}
    content["attempts"] = len((folder / "attempts.jsonl").read_bytes().splitlines())
    for _, old in checkpoint.saved(folder)[1:]:
        old.unlink()
        old.with_suffix(".sha256").unlink(missing_ok=True)
    files.write_json(folder / "result.json", content | {"date": provenance.now()[:10]})


def _figures(folder: Path, described: dict) -> dict:
    """What a training came to, by its newest checkpoint and its history, if they are what was asked for."""
    from ..trainer import Trainer  # takes seconds, which no sweep should wait for

    state, path = Run(folder).load(Trainer.STATE), folder / "history.csv"
    expected, found = described["fingerprint"], from_dict(state["config"]).fingerprint()
    require(found == expected, "fingerprint", expected, found, "The notebook changed settings.")
    weights = hashlib.sha256()
    for tensor in (tensor for net in state["nets"] for tensor in net.values()):
        weights.update(tensor.contiguous().numpy().tobytes())
    sums = dict(history=hashlib.sha256(path.read_bytes()).hexdigest()[:12], weights=weights.hexdigest()[:12])
    return Run(folder).outcome(state, History(pd.read_csv(path))) | sums | {"settings": described["parameters"]}
