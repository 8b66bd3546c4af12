"""Outside the notebooks: run them by papermill in processes of their own and judge what came out.

papermill alone lets through unknown and wrongly typed parameters, `sys.exit(0)`, empty notebooks and skipped cells
with exit status 0; everything here exists to notice that.
"""

import ast
import difflib
import json
import os
import re
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import nbformat
from tqdm.auto import tqdm

from ..engine.checks import require
from ..engine.files import write_atomic
from .html import write_index, write_page
from .lesson import CLAIM_MIME, FINISH_MIME
from .process import How, in_process

FORBIDDEN_TAGS = {"skip-execution", "raises-exception"}
TYPES = {"int": int, "float": float, "str": str, "bool": bool}
DECLARED = re.compile(r"^\|\s*(C\d+\.\d+)\s*\|", re.MULTILINE)


@dataclass(frozen=True)
class Result:
    """What one notebook came to: `status` is "ok" or "failed" with the `reason`; claims as held of declared."""

    notebook: str
    title: str
    status: str
    reason: str
    seconds: float
    held: int
    declared: int
    claims: list[dict]


def parameters_of(notebook: nbformat.NotebookNode) -> dict[str, tuple[type, object]]:
    """Read the parameters cell: name to (type, default).

    Raises
    ------
    ValueError
        If there is not exactly one such cell or it holds anything but typed literals (a derived value would keep
        its default when papermill injects another).
    """
    cells = [c for c in notebook.cells if "parameters" in c.metadata.get("tags", [])]
    require(len(cells) == 1, "parameters cell", "tagged once", len(cells), "Tag one cell 'parameters'.")
    found = {}
    for statement in ast.parse(cells[0].source).body:
        literal = isinstance(statement, ast.AnnAssign) and isinstance(statement.value, ast.Constant)
        typed = literal and isinstance(statement.annotation, ast.Name) and statement.annotation.id in TYPES
        require(typed, "parameter", "a typed literal", ast.unparse(statement), "Example: seed: int = 0")
        found[statement.target.id] = (TYPES[statement.annotation.id], statement.value.value)
    return found


def read(path: Path) -> nbformat.NotebookNode:
    """Read a notebook."""
    return nbformat.read(path, as_version=4)


def inspect(path: Path, parameters: dict[str, object], drop: Iterable[str] = ()) -> list[str]:
    """Refuse what papermill would let through, before anything starts.

    Parameters
    ----------
    path : Path
        Notebook.
    parameters : dict
        Values to inject.
    drop : iterable of str
        Tags of cells that will be left out.

    Returns
    -------
    list of str
        The claims the notebook declares in its Markdown tables, less those checked in cells that are left out.

    Raises
    ------
    ValueError
        If a parameter is unknown or of another type, a cell would be skipped, or no claim is declared.

    Source
    ------
    ours

    Differs
    -------
    papermill 2.7 only warns.
    """
    notebook = read(path)
    known = parameters_of(notebook)
    for name, value in parameters.items():
        near = difflib.get_close_matches(name, known, n=1)
        remedy = f"{path.name} has no other." + (f" Did you mean {near[0]}?" if near else "")
        require(name in known, "parameter", f"one of {', '.join(known)}", name, remedy)
        kind = known[name][0]
        right = type(value) is kind or (kind is float and type(value) is int)
        require(right, f"parameter {name}", f"of type {kind.__name__}", value, "Check quotes and decimal points.")
    for cell in notebook.cells:
        tags = FORBIDDEN_TAGS & set(cell.metadata.get("tags", []))
        require(not tags, "cell tags", f"none of {', '.join(sorted(FORBIDDEN_TAGS))}", sorted(tags), "Remove the tag.")
    declared = [name for c in notebook.cells if c.cell_type == "markdown" for name in DECLARED.findall(c.source)]
    require(declared, "claims", "declared in a table of the notebook", "none", "Add rows | C3.1 | sentence |.")
    require(len(set(declared)) == len(declared), "claims", "declared once each", declared, "Renumber.")
    dropped = "".join(c.source for c in notebook.cells if set(drop) & set(c.metadata.get("tags", [])))
    return [name for name in declared if f'"{name}"' not in dropped]


def records(notebook: nbformat.NotebookNode, mime: str) -> list[dict]:
    """All output records of one MIME type."""
    outputs = [out for cell in notebook.cells if cell.cell_type == "code" for out in cell.outputs]
    return [out["data"][mime] for out in outputs if mime in out.get("data", {})]


def judge(notebook: nbformat.NotebookNode, declared: list[str], control: str = "") -> str:
    """Say why an executed notebook is not acceptable, or "" if it is."""
    for cell in notebook.cells:
        for out in cell.get("outputs", []):
            if out.output_type == "error":
                return f"{out.ename}: {out.evalue}"
    pending = [c for c in notebook.cells if c.cell_type == "code" and c.source.strip() and c.execution_count is None]
    if pending:
        return f"{len(pending)} cells were never run (early exit or dead kernel)"
    if not records(notebook, FINISH_MIME):
        return "lab.finish() was not reached"
    claims = records(notebook, CLAIM_MIME)
    missing = sorted(set(declared) - {claim["name"] for claim in claims})
    if missing:
        return f"declared but never checked: {', '.join(missing)}"
    extra = sorted({claim["name"] for claim in claims} - set(declared))
    if extra:
        return f"checked but not declared: {', '.join(extra)}"
    wrong = [c["name"] for c in claims if not c["holds"] and not c.get("skipped") and not control]
    return f"claims that fail: {', '.join(wrong)}" if wrong else ""


def run_notebook(
    path: Path, folder: Path, parameters: dict[str, object], timeout: float, threads: int, how: How | None = None
) -> Result:
    """Execute one notebook by papermill in a process group of its own and judge the outcome.

    Parameters
    ----------
    path : Path
        Notebook.
    folder : Path
        The executed notebook and ``<name>.log`` go here.
    parameters : dict
        Values to inject.
    timeout : float
        Seconds after which the process group is killed.
    threads : int
        Threads for numerical libraries; 0 = as the environment says.
    how : How, optional
        What else there is to say.

    Returns
    -------
    Result
        Never raises for what the notebook does; only for refused parameters (`inspect`).
    """
    how = how or How()
    declared = inspect(path, parameters, how.drop)
    apart = folder.resolve() != path.parent.resolve()
    require(apart, "folder", "another than the notebook's own", str(folder), "The source would be overwritten.")
    folder.mkdir(parents=True, exist_ok=True)
    executed, log = folder.resolve() / path.name, folder / f"{path.stem}.log"
    executed.unlink(missing_ok=True)
    counts = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"), str(threads))
    how = replace(how, environment=(counts if threads else {}) | how.environment)
    job = dict(source=str(path.resolve()), executed=str(executed), parameters=parameters, drop=how.drop, keep=how.keep)
    start = time.perf_counter()
    ended = in_process(job, log, timeout, how)
    notebook = read(executed if executed.exists() else path)
    reason = ended if not ended.startswith("papermill") or not executed.exists() else ""
    reason = reason or judge(notebook, declared, str(parameters.get("control", ""))) or ended
    claims = records(notebook, CLAIM_MIME)
    held = sum(claim["holds"] for claim in claims)
    title = read(path).cells[0].source.splitlines()[0].lstrip("# ")
    state, seconds = ("failed" if reason else "ok"), time.perf_counter() - start
    return Result(path.stem, title, state, reason, round(seconds, 1), held, len(declared), claims)


def run_lessons(
    paths: list[Path], folder: Path, parameters: dict[str, object], timeout: float = 900, jobs: int = 0
) -> list[Result]:
    """Run notebooks side by side, one a core, and write the summary.

    Parameters
    ----------
    paths : list of Path
        Notebooks; each takes those of `parameters` it has.
    folder : Path
        For executed notebooks, their HTML, ``index.html`` and, last, ``result.json``.
    parameters : dict
        Values to inject into every notebook.
    timeout : float
        Seconds a notebook.
    jobs : int
        Notebooks at once; 0 = one a core.

    Returns
    -------
    list of Result
        In the order of `paths`.

    Raises
    ------
    ValueError
        If a notebook refuses a parameter; nothing has been started then.
    """
    require(len(paths) > 0, "notebooks", "at least one", 0, "Check the names.")
    for path in paths:
        inspect(path, parameters)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "result.json").unlink(missing_ok=True)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    jobs = min(jobs or cores, len(paths))
    results: dict[Path, Result] = {}
    with ThreadPoolExecutor(jobs) as pool, tqdm(total=len(paths), unit="notebook") as bar:
        threads = max(1, cores // jobs)
        futures = {pool.submit(run_notebook, p, folder, parameters, timeout, threads): p for p in paths}
        for future in as_completed(futures):
            result = results[futures[future]] = future.result()
            if (folder / f"{result.notebook}.ipynb").exists():
                write_page(folder / f"{result.notebook}.ipynb")
            bar.update()
            tqdm.write(f"{result.notebook}: {result.status} {result.held}/{result.declared} {result.reason}")
    ordered = [results[path] for path in paths]
    write_index(ordered, folder)
    write_atomic(folder / "result.json", json.dumps([asdict(result) for result in ordered], indent=1).encode())
    return ordered
