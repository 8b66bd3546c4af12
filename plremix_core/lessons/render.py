"""A run of lessons in words, and its outputs written back into notebooks/ as the committed ones."""

import base64
import hashlib
import re
from pathlib import Path

import nbformat

from ..engine.checks import require
from ..engine.files import ROOT, write_atomic

NOTEBOOKS = ROOT / "notebooks"
FIGURES, README = ROOT / "data" / "figures", ROOT / "README.md"


def summary(results: list) -> str:
    """Results of a run as a table for the terminal."""
    width = max(len(r.notebook) for r in results)
    lines = [f"{'notebook':{width}}  seconds  claims  status"]
    for r in results:
        claims = f"{r.held}/{r.declared}"
        lines.append(f"{r.notebook:{width}}  {r.seconds:7.0f}  {claims:>6}  {r.status} {r.reason}".rstrip())
    held, declared = sum(r.held for r in results), sum(r.declared for r in results)
    lines.append(f"{held} of {declared} claims hold, {sum(r.status != 'ok' for r in results)} notebooks failed")
    return "\n".join(lines)


def render(results: list, folder: Path) -> None:
    """Write executed notebooks back into notebooks/ as the committed outputs, if every one of them is ok.

    Raises
    ------
    ValueError
        If a notebook failed; nothing is written then.
    """
    failed = [result.notebook for result in results if result.status != "ok"]
    require(not failed, "notebooks", "all ok before rendering", failed, "Mend them first.")
    for result in results:
        source = nbformat.read(NOTEBOOKS / f"{result.notebook}.ipynb", as_version=4)
        executed = nbformat.read(folder / f"{result.notebook}.ipynb", as_version=4)
        fresh = [c for c in executed.cells if "injected-parameters" not in c.metadata.get("tags", [])]
        for number, (cell, new) in enumerate(zip(source.cells, fresh, strict=True)):
            cell["id"] = f"cell-{number:02d}"
            if cell.cell_type == "code":
                stdout = [out for out in new.outputs if out.get("name") != "stderr"]
                cell.outputs, cell.execution_count = stdout, new.execution_count
                cell.metadata = {k: v for k, v in cell.metadata.items() if k in ("tags", "jupyter")}
        source.metadata["plremix"] = {"rendered_from": source_hash(source)}
        write_atomic(NOTEBOOKS / f"{result.notebook}.ipynb", (nbformat.writes(source) + "\n").encode())
        _write_readme_figures(source)


def readme_figures() -> list[str]:
    """Numbers of the figures that the README shows, F0.2 and the like."""
    return re.findall(r"data/figures/(F\d+\.\d+)\.png", README.read_text())


def figures_of(notebook: nbformat.NotebookNode) -> dict[str, bytes]:
    """PNG of every figure of an executed notebook, by the number with which its caption begins."""
    outputs = [out.get("data", {}) for cell in notebook.cells for out in cell.get("outputs", [])]
    found = {}
    for picture, caption in zip(outputs, outputs[1:]):
        name = re.match(r"\*(F\d+\.\d+)\. ", caption.get("text/markdown", ""))
        if name and "image/png" in picture:
            found[name.group(1)] = base64.b64decode(picture["image/png"])
    return found


def _write_readme_figures(notebook: nbformat.NotebookNode) -> None:
    """Keep the figures that the README shows as files."""
    found = figures_of(notebook)
    for name in set(readme_figures()) & set(found):
        FIGURES.mkdir(exist_ok=True)
        write_atomic(FIGURES / f"{name}.png", found[name])


def source_hash(notebook: nbformat.NotebookNode) -> str:
    """Hash of what outputs depend on: the notebook's code cells, the core's files and the recorded results."""
    digest = hashlib.sha256()
    for cell in notebook.cells:
        if cell.cell_type == "code":
            digest.update(cell.source.encode())
    for path in sorted([*(ROOT / "plremix_core").rglob("*.py"), *(ROOT / "data" / "results").glob("*.csv")]):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]
