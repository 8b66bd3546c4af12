"""Outside the notebooks: run them by papermill, each in a process of its own, and judge what came out.

papermill alone lets through unknown and wrongly typed parameters, `sys.exit(0)`, empty notebooks and skipped cells
with exit status 0; this file notices them.
"""

import functools
import json
import re
import threading
import time
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import asdict, dataclass
from pathlib import Path

import joblib
import nbformat
from tqdm.auto import tqdm

from ..engine.checks import require
from ..engine.files import write_atomic
from .html import outputs_of, records, write_index, write_page
from .injected import accept, inspect
from .lesson import CLAIM_MIME, FINISH_MIME
from .process import run_process

EXECUTING = re.compile(r"Executing Cell (\d+)")
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
read = functools.partial(nbformat.read, as_version=4)  # a notebook


@dataclass(frozen=True)
class Result:
    """Outcome of one notebook: `status` is "ok" or "failed" with the `reason`; claims as held of declared."""

    notebook: str
    title: str
    status: str
    reason: str
    seconds: float
    held: int
    declared: int
    claims: list[dict]


def judge(notebook: nbformat.NotebookNode, declared: list[str], control: str = "") -> str:
    """Say why an executed notebook is not acceptable, or "" if it is."""
    errors = [output for output in outputs_of(notebook) if output.output_type == "error"]
    if errors:
        return f"{errors[0].ename}: {errors[0].evalue}"
    code = [cell for cell in notebook.cells if cell.cell_type == "code" and cell.source.strip()]
    pending = [cell for cell in code if cell.execution_count is None]
    if pending:
        return f"{len(pending)} cells were never run (early exit or dead kernel)"
    if not records(notebook, FINISH_MIME):
        return "lesson.finish() was not reached"
    claims = {claim["name"]: claim for claim in records(notebook, CLAIM_MIME)}
    if missing := sorted(set(declared) - set(claims)):
        return f"declared but never checked: {', '.join(missing)}"
    if extra := sorted(set(claims) - set(declared)):
        return f"checked but not declared: {', '.join(extra)}"
    wrong = [name for name, c in claims.items() if not c["holds"] and not c.get("skipped") and not control]
    return f"claims that fail: {', '.join(wrong)}" if wrong else ""


def run_notebook(
    path: Path, folder: Path, parameters: dict, timeout: float, threads: int, *, drop=(), environment=None, wanted=None
) -> Result:
    """Execute one notebook into `folder`, in a process of its own, and judge the outcome.

    A refused parameter raises before anything is started, errors of the notebook never. `threads` are for numerical
    libraries (0 = as the environment says), cells with a tag in `drop` are left out, `environment` adds variables. The
    process and its kernel are killed after `timeout` seconds, or once `wanted`, asked twice a second, returns False.
    """
    declared = inspect(path, parameters, drop)
    apart = folder.resolve() != path.parent.resolve()
    require(apart, "folder", "another than the notebook's own", str(folder), "The source would be overwritten.")
    folder.mkdir(parents=True, exist_ok=True)
    executed, log = folder.resolve() / path.name, folder / f"{path.stem}.log"
    executed.unlink(missing_ok=True)
    job = dict(source=str(path.resolve()), executed=str(executed), parameters=parameters, drop=drop)
    counts = dict.fromkeys(THREADS, str(threads)) if threads else {}
    start = time.perf_counter()
    ended = run_process(job, log, timeout, counts | (environment or {}), wanted)
    try:
        notebook = read(executed)
        judged = judge(notebook, declared, str(parameters.get("control", "")))
    except (OSError, ValueError):  # nothing was executed, or the process was killed while it wrote
        executed.unlink(missing_ok=True)
        notebook, judged = nbformat.v4.new_notebook(), ended or f"no executed notebook; see {log}"
    reason = judged if judged and ended.startswith("papermill") else ended or judged
    claims, seconds = records(notebook, CLAIM_MIME), round(time.perf_counter() - start, 1)
    status, held = "failed" if reason else "ok", sum(claim["holds"] for claim in claims)
    title = read(path).cells[0].source.splitlines()[0].lstrip("# ")
    return Result(path.stem, title, status, reason, seconds, held, len(declared), claims)


def run_lessons(paths: list[Path], folder: Path, parameters: dict, timeout: float = 900, jobs: int = 0) -> list[Result]:
    """Run notebooks side by side, `jobs` at once (0 = one a core), and write pages, the index and, last, the results.

    A parameter that some notebook refuses is refused before anything has been started.
    """
    accept(paths, parameters)
    folder.mkdir(parents=True, exist_ok=True)
    for old in [folder / "result.json", *(folder / f"{path.stem}.log" for path in paths)]:
        old.unlink(missing_ok=True)
    stop, names = threading.Event(), [path.stem for path in paths]

    def run(path: Path) -> Result:  # on one thread: digits do not depend on the number of cores
        result = run_notebook(path, folder, parameters, timeout, 1, wanted=lambda: not stop.is_set())
        if (folder / path.name).exists():
            write_page(folder / path.name, names)
        bar.update()
        tqdm.write(f"{path.stem}: {result.status} {result.held}/{result.declared} {result.reason}")
        return result

    form = "{n_fmt} of {total_fmt} notebooks [{elapsed}]{postfix}"
    with (
        ThreadPoolExecutor(min(jobs or joblib.cpu_count(), len(paths))) as pool,
        tqdm(total=len(paths), bar_format=form) as bar,
    ):
        futures = [pool.submit(run, path) for path in paths]
        try:
            while wait(futures, timeout=1).not_done:
                running = [path for path, future in zip(paths, futures) if future.running()]
                bar.set_postfix_str(", ".join(_place(path, folder) for path in running))
        finally:  # on Ctrl-C nothing goes on and nothing begins
            stop.set()
            pool.shutdown(cancel_futures=True)
    results = [future.result() for future in futures]
    write_index(results, folder)
    write_atomic(folder / "result.json", json.dumps([asdict(result) for result in results], indent=1).encode())
    return results


def _place(path: Path, folder: Path) -> str:
    """Say at which cell a running notebook is, by its log."""
    log = folder / f"{path.stem}.log"
    cells = EXECUTING.findall(log.read_text(errors="replace")) if log.exists() else []
    return f"{path.stem[:2]} at cell {cells[-1]} of {len(read(path).cells)}" if cells else f"{path.stem[:2]} starts"
