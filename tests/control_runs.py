"""Every control switched on once: the claims that rest on it must fail, and a table keeps what they came to."""

import copy
import hashlib
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import joblib
import nbformat
import pandas as pd
from claims_table import checked_in
from tqdm.auto import tqdm

from plremix_core.engine.files import ROOT, write_atomic
from plremix_core.lessons.injected import NOTEBOOKS, tags_of
from plremix_core.lessons.runner import Result, read, run_notebook

RECORD = ROOT / "data" / "controls.csv"
KEYS = ["notebook", "control", "claim"]
LEFT_OUT = ("exercise", "solution", "late")  # tags of cells that are not run


def shorten(notebook: nbformat.NotebookNode, control: str) -> nbformat.NotebookNode:
    """Copy a notebook; cells behind the last claim that rests on the control, but the very last, get the tag `late`."""
    short = copy.deepcopy(notebook)
    last = max(number for number, cell in enumerate(short.cells) if control in _controls_of(cell))
    for cell in short.cells[last + 1 : -1]:
        cell.metadata["tags"] = ["late"]
    return short


def pairs(paths: list[Path]) -> list[tuple[Path, str]]:
    """List every notebook with every control that one of its claims names."""
    found = [(path, control) for path in paths for cell in read(path).cells for control in _controls_of(cell)]
    return list(dict.fromkeys(found))


def run(path: Path, control: str, folder: Path, timeout: float = 1200, threads: int = 1) -> tuple[Result, list[dict]]:
    """Run a shortened notebook under a control; return its result and a row for each claim that must fail."""
    notebook = shorten(read(path), control)
    source = folder / f"{path.stem[:2]}-{control}" / "source" / path.name
    source.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(notebook, source)
    result = run_notebook(source, source.parent.parent, {"control": control}, timeout, threads, drop=LEFT_OUT)
    code = "\0".join(c.source for c in notebook.cells if c.cell_type == "code" and not tags_of(c) & set(LEFT_OUT))
    about = dict(notebook=path.stem, control=control, code=hashlib.sha256(code.encode()).hexdigest()[:12])
    rows = []
    for claim in [claim for claim in result.claims if control in claim["breaks"]]:
        values = " ".join(f"{float(value):.4g}" for value in claim["values"])
        rows.append(about | dict(claim=claim["name"], values=values, rule=claim["rule"], failed=not claim["holds"]))
    return result, rows


def run_all(paths: list[Path], folder: Path, timeout: float, jobs: int) -> list[str]:
    """Run every pair side by side, keep the record up to date, and return what went wrong, one line each."""
    todo, wrong = pairs(paths), []
    with ThreadPoolExecutor(jobs or joblib.cpu_count()) as pool, tqdm(total=len(todo), unit="control") as bar:
        for (path, control), (result, rows) in zip(todo, pool.map(lambda pair: run(*pair, folder, timeout), todo)):
            bar.update()
            held = [row["claim"] for row in rows if not row["failed"]]
            reason = result.reason or (f"still hold: {', '.join(held)}" if held else "" if rows else "no claim reached")
            wrong += [f"{path.stem} under {control}: {reason}"] if reason else []
            tqdm.write(f"{path.stem} {control}: {reason or f'{len(rows)} claims fail, as they must'}")
            _record(path.stem, control, [] if reason else rows)
    return wrong


def _record(notebook: str, control: str, rows: list[dict]) -> None:
    """Replace the rows of one pair; those of pairs that no notebook has any more go."""
    old = pd.read_csv(RECORD, keep_default_na=False, dtype=str) if RECORD.exists() else pd.DataFrame(columns=KEYS)
    known = {(path.stem, control) for path, control in pairs(sorted(NOTEBOOKS.glob("[0-9]*.ipynb")))}
    stays = [pair in known and pair != (notebook, control) for pair in zip(old["notebook"], old["control"])]
    old = old[stays]
    table = pd.concat([old, pd.DataFrame(rows)]) if rows else old
    write_atomic(RECORD, table.sort_values(KEYS).to_csv(index=False).encode())


def _controls_of(cell: nbformat.NotebookNode) -> list[str]:
    return [control for breaks in checked_in(cell).values() for control in breaks]


if __name__ == "__main__":
    wrong = run_all(sorted(NOTEBOOKS.glob("[0-9]*.ipynb")), ROOT / "runs" / "controls", 1200, 0)
    print("\n".join(wrong) or f"every claim fails under each of its controls: {RECORD}")
    sys.exit(bool(wrong))
