"""Many runs: the cells of a grid on the workers of a dask cluster, one a worker; all state is in the cells' folders."""

import contextlib
import fnmatch
import logging
import os
import uuid
from collections.abc import Iterator
from pathlib import Path

import distributed
import torch
from tqdm.auto import tqdm

from ..config import Config
from ..engine.checks import require
from ..engine.files import write_json
from . import run_one as cells
from .grid import Cell, Grid

POLL = 2.0  # seconds between two looks at the progress
SECONDS = 5e-11  # per unit of `work`; one core of a server CPU, from the recorded runs of the bundled set
AGAIN = "Start the same command again: it goes on."
BAR = "{percentage:3.0f} %|{bar}| {n:.1f} of {total} cells [{elapsed}, {remaining} left{postfix}]"
PATIENCE = 15  # seconds to wait for a scheduler
START = 10  # seconds that a notebook takes to start


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
    """Run the unfinished cells of a grid.

    Parameters
    ----------
    grid : Grid
        As made by `grid.load`.
    folder : Path
        One folder a cell goes there; on several machines a shared one, at the same path on all.
    jobs : int
        Runs at once on this machine; 0 = one a GPU, or one a core.
    scheduler : str
        Address of a running dask scheduler, e.g. tcp://host:8786; "" = workers of its own on this machine.
    data : str
        Folder of data sets; "" = the repository's data/.
    only : tuple of str
        Patterns of cell names; none = all.
    retry_failed : bool
        Run failed cells again.

    Returns
    -------
    dict of str to str
        State of every chosen cell, by name.

    Raises
    ------
    ValueError
        If no cell is chosen or the scheduler cannot be reached or is lost.
    """
    folder = folder.resolve()
    chosen = choose(grid, only)
    for cell in chosen:
        cells.prepare(folder / cell.name, cell)
    listing = dict(grid=grid.name, reference=grid.reference, cells=[cell.name for cell in grid.cells])
    write_json(folder / "grid.json", listing)
    before = status(chosen, folder)
    todo = [cell for cell in chosen if before[cell.name] not in (("done",) if retry_failed else ("done", "failed"))]
    if todo:
        with _client(scheduler, min(jobs or devices(), len(todo))) as (client, options):
            _drive(client, todo, folder, [str(data and Path(data).resolve()), *options], len(chosen) - len(todo))
    return status(chosen, folder)


def choose(grid: Grid, only: tuple[str, ...]) -> list[Cell]:
    """Cells whose name fits one of the patterns; all if there are none."""
    chosen = [c for c in grid.cells if not only or any(fnmatch.fnmatch(c.name, f"*{p}*") for p in only)]
    require(len(chosen) > 0, "only", "a pattern of at least one cell's name", only, "See them with --dry-run.")
    return chosen


def status(chosen: list[Cell], folder: Path) -> dict[str, str]:
    """State of every cell by name; see `cell.state`."""
    return {cell.name: cells.state(folder / cell.name, cell.fingerprint) for cell in chosen}


def work(config: Config) -> float:
    """Rough cost of a training in operations; only ratios of it mean something."""
    size = config.train_size or 50_000
    supervised = config.steps_per_epoch or size // (2 * config.batch_size)
    semi = config.steps_per_epoch or size // (2 * config.batch_size)
    contrast = config.spec.repel != "none"
    warm_up = config.warm_up if config.spec.semi else config.epochs
    images = warm_up * supervised * (18 if contrast else 6) * config.batch_size
    images += (config.epochs - warm_up) * semi * (30 if contrast else 18) * config.batch_size
    images += (config.epochs - warm_up) * size
    side = (config.crop or config.image_size or (28 if config.dataset == "fashion_mnist" else 32)) / config.stem_stride
    return 2.0 * images * side**2 * config.width**2 * sum(config.blocks) * 18


def estimate(chosen: list[Cell], folder: Path) -> dict[str, float]:
    """Seconds that each unfinished cell may take: by the finished cells of the folder, else by `SECONDS`."""
    trained = [(cell, cells.result(folder / cell.name, cell.fingerprint)) for cell in chosen if cell.config]
    known = [(work(cell.config), found["seconds"]) for cell, found in trained if found]
    rate = sum(s for _, s in known) / sum(w for w, _ in known) if known else SECONDS
    unfinished = [cell for cell in chosen if not cells.result(folder / cell.name, cell.fingerprint)]
    return {cell.name: START + (work(cell.config) * rate if cell.config else 0.0) for cell in unfinished}


def forecast(chosen: list[Cell], folder: Path, jobs: int = 0) -> str:
    """The cells and the time they may take, for the terminal."""
    seconds = estimate(chosen, folder)
    lines = [f"{cell.name}  {_time(seconds[cell.name]) if cell.name in seconds else 'done'}" for cell in chosen]
    lanes = min(jobs or devices(), max(len(seconds), 1))
    total = max([sum(seconds.values()) / lanes, *seconds.values()], default=0.0)
    note = "by finished cells" if len(seconds) < len(chosen) else "a rough guess for one core of a server CPU"
    return "\n".join(
        [*lines, f"{len(seconds)} of {len(chosen)} cells to run, about {_time(total)}, {lanes} at once ({note})"]
    )


def progress(chosen: list[Cell], folder: Path, jobs: int = 0) -> str:
    """The cells and how far they are, for the terminal."""
    lines, states = [], status(chosen, folder)
    for cell in chosen:
        place, now = folder / cell.name, states[cell.name]
        text = f"epoch {cells.epoch(place)} of {cell.config.epochs}" if cell.config else ""
        found = cells.result(place, cell.fingerprint) or {}
        text = f"last {found['last']:.4f}" if "last" in found else text
        text = cells.failure(place)["reason"] if now == "failed" else text
        lines.append(f"{cell.name}  {now}  {text}".rstrip())
    counts = {state: list(states.values()).count(state) for state in dict.fromkeys(states.values())}
    return "\n".join([*lines, ", ".join(f"{count} {state}" for state, count in counts.items())])


def _time(seconds: float) -> str:
    return (
        f"{seconds / 3600:.1f} h"
        if seconds >= 3600
        else f"{seconds / 60:.0f} min"
        if seconds >= 60
        else f"{seconds:.0f} s"
    )


def devices() -> int:
    """GPUs if there are any, else the cores this process may use."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return len(gpus()) or cores


def gpus() -> list[str]:
    """Names of the GPUs that this process may use."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    return (
        [str(i) for i in range(torch.cuda.device_count())] if visible is None else [v for v in visible.split(",") if v]
    )


@contextlib.contextmanager
def _client(scheduler: str, jobs: int) -> Iterator[tuple[distributed.Client, list]]:
    """A client of a running cluster, or of one made here, and the arguments of `cell.run` that depend on it."""
    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    if scheduler:
        try:
            client = distributed.Client(scheduler, timeout=PATIENCE)
        except (OSError, ValueError) as error:
            raise ValueError(f"scheduler must be reachable, got {scheduler!r}: {error}. Is it running?") from error
        with client:
            yield client, [[], 0]
        return
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    options = dict(n_workers=jobs, threads_per_worker=1, memory_limit=None, processes=False)  # no port takes tasks
    options |= dict(dashboard_address="127.0.0.1:0", worker_dashboard_address="127.0.0.1:0")  # only information
    with (
        distributed.LocalCluster(**options, silence_logs=logging.CRITICAL) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client, [gpus(), max(1, cores // jobs)]


def _drive(client: distributed.Client, todo: list[Cell], folder: Path, options: list, settled: int) -> None:
    """Submit the cells and wait for them, with a bar; a cell that another sweep holds is asked for again, last."""

    def submit(cell: Cell, turn: int) -> None:
        arguments = str(folder / cell.name), *options
        key = f"{cell.name}-{uuid.uuid4().hex}"
        waiting[client.submit(cells.run, *arguments, key=key, priority=-turn, pure=False)] = cell, turn

    waiting: dict[distributed.Future, tuple[Cell, int]] = {}
    for cell in todo:
        submit(cell, 0)
    failed, start = 0, settled + sum(_share(cell, folder) for cell in todo)
    with tqdm(total=len(todo) + settled, initial=start, bar_format=BAR, smoothing=0) as bar:
        try:
            while waiting:
                with _scheduler(), contextlib.suppress(distributed.TimeoutError):
                    distributed.wait(list(waiting), POLL, "FIRST_COMPLETED")
                for future in [future for future in waiting if future.done()]:
                    cell, turn = waiting.pop(future)
                    outcome = _outcome(future, folder / cell.name)
                    future.release()
                    if outcome["status"] == "busy":
                        submit(cell, turn + 1)
                        continue
                    settled += 1
                    if outcome["status"] != "done":
                        failed += 1
                        bar.write(f"{cell.name}: {outcome['status']}: {outcome.get('reason', '')}")
                with _scheduler():
                    running = [keys[0] for keys in client.processing().values() if keys]
                part = sum(_share(cell, folder) for future, (cell, _) in waiting.items() if future.key in running)
                bar.n = max(bar.n, settled + part)
                bar.set_postfix(done=settled - failed, running=len(running), failed=failed)
        finally:  # also on Ctrl-C: tasks that run notice it and stop; their checkpoints stay
            with contextlib.suppress(Exception):
                client.cancel(list(waiting), force=True)


@contextlib.contextmanager
def _scheduler() -> Iterator[None]:
    """Within, only dask is asked: what fails is the connection."""
    try:
        yield
    except OSError as error:  # CommClosedError, or that no new connection can be made
        raise ValueError(f"scheduler must be there until the end, got {error}. {AGAIN}") from error


def _share(cell: Cell, folder: Path) -> float:
    """How much of a training is done, by its newest checkpoint, in [0, 1)."""
    total = cell.config.epochs + cell.config.extra_epochs if cell.config else 0
    return min(cells.epoch(folder / cell.name) / total, 0.99) if total else 0.0


def _outcome(future: distributed.Future, folder: Path) -> dict:
    """What a task returned; what killed its workers again and again is a failure of the cell."""
    lost = future.status in ("cancelled", "lost")
    require(not lost, "scheduler", "there until the end", "lost", AGAIN)
    if future.status == "finished":
        with _scheduler():
            return future.result()
    return cells.fail(folder, f"{type(future.exception()).__name__}: {future.exception()}")
