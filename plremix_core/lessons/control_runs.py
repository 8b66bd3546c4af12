"""Every control switched on once: the claims that rest on it must fail, and what they came to is kept as a record."""

import hashlib
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import nbformat
import pandas as pd
from tqdm.auto import tqdm

from ..engine.files import ROOT, write_atomic
from . import claims
from .runner import DECLARED, Result, read, run_notebook

RECORD = ROOT / "data" / "controls.csv"
KEYS = ["notebook", "control", "claim"]


def shortened(notebook: nbformat.NotebookNode, control: str) -> nbformat.NotebookNode:
    """What of a notebook a control has to be run on.

    Parameters
    ----------
    notebook : NotebookNode
        Stays as it is.
    control : str
        A control that some claim of the notebook names.

    Returns
    -------
    NotebookNode
        Cells up to the last claim that rests on the control, and the last cell of all; without exercises, without
        outputs, and with those claims only in its table that are still checked.

    Source
    ------
    ours

    Differs
    -------
    nothing
    """
    cells = [cell.copy() for cell in notebook.cells]
    resting = [number for number, cell in enumerate(cells) if control in _controls_of(cell)]
    taught = {"exercise", "solution"}
    cells = [c for c in [*cells[: resting[-1] + 1], cells[-1]] if not taught & set(c.metadata.get("tags", []))]
    checked = {call.args[0].value for c in cells if c.cell_type == "code" for call in claims.calls(c.source, "claim")}
    for cell in cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
        else:
            rows = [(DECLARED.match(row), row) for row in cell.source.splitlines()]
            cell.source = "\n".join(row for found, row in rows if not found or found.group(1) in checked)
    return nbformat.v4.new_notebook(cells=cells, metadata=notebook.metadata)


def code_hash(notebook: nbformat.NotebookNode) -> str:
    """Hash of the code cells."""
    code = "\0".join(cell.source for cell in notebook.cells if cell.cell_type == "code")
    return hashlib.sha256(code.encode()).hexdigest()[:12]


def pairs(paths: list[Path]) -> list[tuple[Path, str]]:
    """Every notebook with every control that one of its claims names."""
    found = [(p, c) for p in paths for cell in read(p).cells for c in _controls_of(cell)]
    return list(dict.fromkeys(found))


def run(path: Path, control: str, folder: Path, timeout: float = 1200, threads: int = 1) -> tuple[Result, list[dict]]:
    """Run a shortened notebook under a control: its result, and a row for each claim that must fail."""
    notebook = shortened(read(path), control)
    source = folder / f"{path.stem[:2]}-{control}" / "source" / path.name
    source.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(notebook, source)
    result = run_notebook(source, source.parent.parent, {"control": control}, timeout, threads)
    about = dict(notebook=path.stem, control=control, code=code_hash(notebook))
    resting = [claim for claim in result.claims if control in claim["breaks"]]
    shown = [" ".join(f"{float(value):.4g}" for value in claim["values"]) for claim in resting]
    rows = [
        about | dict(claim=claim["name"], values=values, rule=claim["rule"], failed=not claim["holds"])
        for claim, values in zip(resting, shown)
    ]
    return result, rows


def run_all(paths: list[Path], folder: Path, timeout: float, jobs: int) -> list[str]:
    """Run every pair side by side, keep the record up to date, and return what went wrong, one line each."""
    jobs, wrong = jobs or os.cpu_count() or 1, []
    todo = pairs(paths)
    with ThreadPoolExecutor(jobs) as pool, tqdm(total=len(todo), unit="control") as bar:
        for (path, control), (result, rows) in zip(todo, pool.map(lambda pair: run(*pair, folder, timeout), todo)):
            bar.update()
            held = [row["claim"] for row in rows if not row["failed"]]
            reason = result.reason or (f"still hold: {', '.join(held)}" if held else "" if rows else "no claim reached")
            wrong += [f"{path.stem} under {control}: {reason}"] if reason else []
            tqdm.write(f"{path.stem} {control}: {reason or f'{len(rows)} claims fail, as they must'}")
            _keep(path.stem, control, [] if reason else rows)
    return wrong


def _keep(notebook: str, control: str, rows: list[dict]) -> None:
    """Replace the record of one pair."""
    old = pd.read_csv(RECORD, keep_default_na=False, dtype=str) if RECORD.exists() else pd.DataFrame(columns=KEYS)
    old = old[(old["notebook"] != notebook) | (old["control"] != control)]
    table = pd.concat([old, pd.DataFrame(rows)]) if rows else old
    write_atomic(RECORD, table.sort_values(KEYS).to_csv(index=False).encode())


def _controls_of(cell) -> list[str]:
    calls = claims.calls(cell.source, "claim") if cell.cell_type == "code" else []
    return [control for call in calls for control in claims.controls(call)]
