"""Pages to read: one for each executed notebook and an index of a run. All text from data is escaped."""

import base64
import hashlib
import html
from pathlib import Path

import jinja2
import nbformat
from nbconvert import HTMLExporter

from .checkpoint import write_atomic
from .checks import require
from .lab import ROOT

NOTEBOOKS = ROOT / "notebooks"
FIGURES, README_FIGURES = ROOT / "data" / "figures", ("F0.2", "F5.3")

MISSING_ALT = 'alt="No description has been provided for this image"'
STYLE = """:root { color-scheme: light dark; --line: #8886; --good: #00795a; --bad: #c24a00 }
@media (prefers-color-scheme: dark) { :root { --good: #35c99b; --bad: #ff9a5c } }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem }
table { border-collapse: collapse; width: 100% } td, th { text-align: left; padding: .5rem .8rem .5rem 0;
border-bottom: 1px solid var(--line); vertical-align: top } td.n, th.n { text-align: right; white-space: nowrap }
.ok { color: var(--good) } .failed { color: var(--bad) } small { opacity: .75 } details { margin-top: .3rem }"""
INDEX = jinja2.Environment(autoescape=True).from_string("""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>PLReMix lessons</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>{{ style|safe }}</style></head><body>
<h1>PLReMix lessons</h1>
<p>{{ held }} of {{ declared }} claims hold in {{ results|length }} notebooks;
{{ failed }} {{ "notebook" if failed == 1 else "notebooks" }} failed.</p>
<table><tr><th>Notebook</th><th class="n">Claims held / declared</th><th class="n">Seconds</th><th>Status</th></tr>
{% for r in results %}<tr><td><a href="{{ r.notebook }}.html">{{ r.title }}</a>
<details><summary><small>claims</small></summary><ul>{% for c in r.claims %}
<li class="{{ 'ok' if c.holds else '' if c.skipped else 'failed' }}">{{ c.name }}
{{ "holds" if c.holds else "skipped" if c.skipped else "fails" }}:
{{ c.sentence }}
<small>[{% for v in c["values"] %}{{ "%.4g"|format(v|float) }}{{ ", " if not loop.last }}{% endfor %}
{{ c.rule }}]</small></li>
{% endfor %}</ul></details></td>
<td class="n">{{ r.held }} / {{ r.declared }}</td><td class="n">{{ "%.0f"|format(r.seconds) }}</td>
<td class="{{ r.status }}">{{ r.status }}{% if r.reason %}<br><small>{{ r.reason }}</small>{% endif %}</td></tr>
{% endfor %}</table></body></html>
""")


def write_page(executed: Path) -> Path:
    """Write an executed notebook as HTML beside it."""
    body, _ = HTMLExporter(embed_images=True, exclude_input_prompt=True).from_filename(str(executed))
    for cell in nbformat.read(executed, as_version=4).cells:  # nbconvert drops the alternative text of figures
        for out in cell.get("outputs", []):
            if "image/png" in out.get("data", {}):
                alt = out.metadata.get("image/png", {}).get("alt", "figure")
                body = body.replace(MISSING_ALT, f'alt="{html.escape(alt)}"', 1)
    page = executed.with_suffix(".html")
    write_atomic(page, body.encode())
    return page


def write_index(results: list, folder: Path) -> Path:
    """Write ``index.html`` for a list of `batch.Result`."""
    counts = dict(
        held=sum(r.held for r in results),
        declared=sum(r.declared for r in results),
        failed=sum(r.status != "ok" for r in results),
    )
    page = folder / "index.html"
    write_atomic(page, INDEX.render(results=results, style=STYLE, **counts).encode())
    return page


def summary(results: list) -> str:
    """The same as a table for the terminal."""
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


def _write_readme_figures(notebook: nbformat.NotebookNode) -> None:
    """Keep the figures that the README shows as files: those whose caption begins with one of their numbers."""
    outputs = [out.get("data", {}) for cell in notebook.cells for out in cell.get("outputs", [])]
    for picture, caption in zip(outputs, outputs[1:]):
        for name in README_FIGURES:
            if "image/png" in picture and caption.get("text/markdown", "").startswith(f"*{name}."):
                FIGURES.mkdir(exist_ok=True)
                write_atomic(FIGURES / f"{name}.png", base64.b64decode(picture["image/png"]))


def source_hash(notebook: nbformat.NotebookNode) -> str:
    """Hash of what outputs depend on: the notebook's code cells, the core's files and the recorded results."""
    digest = hashlib.sha256()
    for cell in notebook.cells:
        if cell.cell_type == "code":
            digest.update(cell.source.encode())
    for path in sorted([*(ROOT / "plremix_core").rglob("*.py"), *(ROOT / "data" / "results").glob("*.csv")]):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]
