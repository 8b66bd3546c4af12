"""Copies of the notebooks for the reader, in my_notebooks/, which git ignores: `git pull` never conflicts with them."""

import hashlib
import json
import platform
from pathlib import Path

import nbformat

from ..engine.files import ROOT, read_json, write_atomic, write_json

KERNEL = {  # as JupyterLab writes it, so that an opened notebook does not count as changed
    "kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"},
    "language_info": {
        "codemirror_mode": {"name": "ipython", "version": 3},
        "file_extension": ".py",
        "mimetype": "text/x-python",
        "name": "python",
        "nbconvert_exporter": "python",
        "pygments_lexer": "ipython3",
        "version": platform.python_version(),
    },
}
NOTEBOOKS, MINE = ROOT / "notebooks", ROOT / "my_notebooks"


def update(source: Path = NOTEBOOKS, target: Path = MINE) -> list[str]:
    """Copy the notebooks that are not in `target` or are there as they were copied, without outputs.

    Returns a line for each copy that the reader has changed although the original is newer: it stays as it is.
    """
    target.mkdir(exist_ok=True)
    known, told = read_json(target / ".copied.json"), []
    for path in sorted(source.glob("[0-9]*.ipynb")):
        fresh, place = _without_outputs(path), target / path.name
        version, mine = _hash(fresh), place.read_bytes() if place.exists() else None
        if mine is None or (_hash(mine) == known.get(path.name, [""])[0] and mine != fresh):
            write_atomic(place, fresh)
            known[path.name] = [version, version]
        elif mine != fresh and known.get(path.name, ["", ""])[1] != version:
            told.append(f"{path.name} has a newer version; yours stays. Rename yours to get the new one.")
    write_json(target / ".copied.json", known)
    return told


def _without_outputs(path: Path) -> bytes:
    """A notebook as a reader gets it: nothing has run, solutions are folded, answers to predictions are not."""
    notebook = nbformat.reads(path.read_text("utf-8"), as_version=4)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
            if "solution" not in cell.metadata.get("tags", []):
                cell.metadata.pop("jupyter", None)
    notebook.metadata = KERNEL
    return (json.dumps(notebook, indent=1, ensure_ascii=False, sort_keys=True) + "\n").encode()


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]
