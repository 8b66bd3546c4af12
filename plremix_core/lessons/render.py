"""A run of lessons in words, and its outputs written back into notebooks/ as the committed ones."""

import base64
import hashlib
import itertools
import re
from pathlib import Path

import nbformat

from ..engine.checks import require
from ..engine.files import ROOT, write_atomic
from .html import outputs_of
from .injected import NOTEBOOKS, tags_of
from .runner import Result, read

FIGURES, README = ROOT / "data" / "figures", ROOT / "README.md"
MATTERS = (  # to outputs
    "[!_]*.py",
    "data/*.py",
    "data/*.yaml",
    "analysis/*.py",
    "plots/*.py",
    "engine/seeds.py",
    "lessons/lesson.py",
)


def summary(results: list[Result]) -> str:
    """Say what came of a run."""
    held, declared = sum(r.held for r in results), sum(r.declared for r in results)
    return f"{held} of {declared} claims hold, {sum(r.status != 'ok' for r in results)} notebooks failed"


def render(results: list[Result], folder: Path) -> None:
    """Write executed notebooks back into notebooks/ as the committed outputs; refused unless all of them are ok."""
    failed = [result.notebook for result in results if result.status != "ok"]
    require(not failed, "notebooks", "all ok before rendering", failed, "Mend them first.")
    for result in results:
        path = NOTEBOOKS / f"{result.notebook}.ipynb"
        source, executed = read(path), read(folder / path.name)
        fresh = [cell for cell in executed.cells if "injected-parameters" not in tags_of(cell)]
        for number, (cell, new) in enumerate(zip(source.cells, fresh, strict=True)):
            cell["id"] = f"cell-{number:02d}"
            if cell.cell_type == "code":
                cell.outputs = [out for out in new.outputs if out.get("name") != "stderr"]
                cell.execution_count = new.execution_count
                cell.metadata = {k: v for k, v in cell.metadata.items() if k in ("tags", "jupyter")}
        source.metadata["plremix"] = {"rendered_from": source_hash(source)}
        write_atomic(path, (nbformat.writes(source) + "\n").encode())
        found = figures_of(source)
        for name in set(readme_figures()) & set(found):
            FIGURES.mkdir(exist_ok=True)
            write_atomic(FIGURES / f"{name}.png", found[name])


def readme_figures() -> list[str]:
    """List the numbers of the figures that the README shows, F0.2 and the like."""
    return re.findall(r"data/figures/(F\d+\.\d+)\.png", README.read_text())


def figures_of(notebook: nbformat.NotebookNode) -> dict[str, bytes]:
    """Find the PNG of every figure of an executed notebook, by the number with which its caption begins."""
    found = {}
    for picture, caption in itertools.pairwise(output.get("data", {}) for output in outputs_of(notebook)):
        name = re.match(r"\*(F\d+\.\d+)\. ", caption.get("text/markdown", ""))
        if name and "image/png" in picture:
            found[name.group(1)] = base64.b64decode(picture["image/png"])
    return found


def source_hash(notebook: nbformat.NotebookNode, root: Path = ROOT) -> str:
    """Hash what outputs depend on: the notebook's code cells, the files that `MATTERS` names and recorded results."""
    digest = hashlib.sha256()
    for cell in notebook.cells:
        if cell.cell_type == "code":
            digest.update(cell.source.encode())
    code = [path for pattern in MATTERS for path in (root / "plremix_core").glob(pattern)]
    for path in sorted([*code, *(root / "data" / "results").glob("*.csv")]):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]
