"""Copies of the notebooks for the reader, in my_notebooks/, which git ignores: `git pull` never conflicts with them."""

import hashlib
import json
from pathlib import Path

from ..engine.files import ROOT, read_json, write_atomic, write_json

MINE = ROOT / "my_notebooks"


def update(source: Path = ROOT / "notebooks", target: Path = MINE) -> list[str]:
    """Copy the notebooks that are not in `target` or are there as they were copied, without outputs.

    Returns a line for each copy that the reader has changed although the original is newer: it stays as it is.
    """
    target.mkdir(exist_ok=True)
    known, told = read_json(target / ".copied.json"), []
    for path in sorted(source.glob("[0-9]*.ipynb")):
        fresh, place = _without_outputs(read_json(path)), target / path.name
        version, mine = _hash(fresh), _hash(read_json(place)) if place.exists() else None
        if mine in (None, known.get(path.name)) and mine != version:
            write_atomic(place, json.dumps(fresh, indent=1, ensure_ascii=False).encode())
            known[path.name] = version
        elif mine != version != known.get(path.name):
            told.append(f"{path.name} has a newer version; yours stays. Rename yours to get the new one.")
    write_json(target / ".copied.json", known)
    return told


def _without_outputs(notebook: dict) -> dict:
    """A notebook as a reader gets it: nothing has run, solutions are folded, answers to predictions are not."""
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            cell |= {"outputs": [], "execution_count": None}
            if "solution" not in cell["metadata"].get("tags", []):
                cell["metadata"].pop("jupyter", None)
    return notebook


def _hash(notebook: dict) -> str:
    """Of what a reader changes, sources and outputs: JupyterLab writes metadata of its own and breaks lines its way."""
    cells = [("".join(cell["source"]), cell.get("outputs")) for cell in notebook.get("cells", [])]
    return hashlib.sha256(json.dumps(cells).encode()).hexdigest()[:16]
