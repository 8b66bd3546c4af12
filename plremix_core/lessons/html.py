"""Pages to read: one for each executed notebook and an index of a run. Text that comes from data is escaped.

A page needs no network: formulas become MathML, pictures are inside, and nothing is loaded from another host.
"""

import html
import re
from pathlib import Path
from xml.etree import ElementTree

import jinja2
import latex2mathml.converter
import nbformat
from nbconvert import HTMLExporter
from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath

from ..engine.files import write_atomic
from .lesson import FINISH_MIME, FOLD, in_words

HEADING = re.compile(r'<h([23]) id="([^"]+)">(.*?)<a class="anchor-link"', re.DOTALL)
TEMPLATES = Path(__file__).parent / "templates"


def environment() -> jinja2.Environment:
    """Return the jinja2 environment of all pages: autoescape is on, a template is named by its path in the package.

    Other pages extend ``lessons/templates/base.html``, which brings ``lessons/templates/style.css``.
    """
    found = jinja2.Environment(loader=jinja2.PackageLoader("plremix_core", ""), autoescape=True, trim_blocks=True)
    found.filters["minutes"] = lambda seconds: f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.1f} min"
    return found


class Renderer(IPythonRenderer):
    """Markdown of a cell or, with `escape`, of an output, whose words may be those of somebody's data."""

    def block_math(self, body: str) -> str:
        return self.inline_math(body, "block")

    def inline_math(self, body: str, display: str = "inline") -> str:
        """Return a formula as MathML without links; what is no formula stays text."""
        latex = re.sub(r"\\[lr]Vert", r"\\|", body.strip().replace(r"\arg", r"\operatorname{arg}"))
        latex = re.sub(r"\\[bB]ig([(\[])", r"\\left\1", re.sub(r"\\[bB]ig([)\]])", r"\\right\1", latex))
        try:
            formula = latex2mathml.converter.convert_to_element(latex, display=display)
        except Exception:  # its errors share no class
            return super().inline_math(body)
        for part in formula.iter():
            part.attrib.pop("href", None)
            part.text = html.unescape(part.text or "")
            part.attrib |= {"stretchy": "true"} if part.text == "⏟" else {}
        return ElementTree.tostring(formula, encoding="unicode")

    def link(self, text: str, url: str, title: str | None = None) -> str:
        page = re.sub(r"^(\d\d_\w+)\.ipynb$", r"\1.html", url)
        return text if self._escape else super().link(text, page, title)

    def image(self, text: str, url: str, title: str | None = None) -> str:
        return text if self._escape else super().image(text, url, title)


@jinja2.pass_context
def _markdown(context: jinja2.runtime.Context, source: str) -> str:
    kept = re.sub(f"{FOLD}|</details>", "", source) if "output" in context else source  # its cell is folded already
    return MarkdownWithMath(renderer=Renderer(escape="output" in context)).render(kept)


def write_page(executed: Path, neighbours: list[str] | None = None) -> Path:
    """Write an executed notebook as HTML beside it: light or dark as the reader's system, with contents and links.

    `neighbours` are the names of the pages before and after it, in order, its own among them.
    """
    options = dict(template_file="notebook.html", extra_template_paths=[str(TEMPLATES)], exclude_input_prompt=True)
    exporter = HTMLExporter(filters={"markdown2html": _markdown}, **options)
    place = {"metadata": {"name": executed.stem}, "names": neighbours or [executed.stem]}
    body, _ = exporter.from_notebook_node(nbformat.read(executed, as_version=4), place)
    contents = "".join(f'<a class="h{size}" href="#{id_}">{text}</a>' for size, id_, text in HEADING.findall(body))
    page = executed.with_suffix(".html")
    write_atomic(page, body.replace("<!-- contents -->", contents).encode())
    return page


def write_index(results: list, folder: Path) -> Path:
    """Write ``index.html`` for a list of `runner.Result`: one card each, with a figure of the executed notebook."""
    cards = [_describe(folder / f"{result.notebook}.ipynb") for result in results]
    template = environment().get_template("lessons/templates/index.html")
    write_atomic(folder / "index.html", template.render(results=results, cards=cards, in_words=in_words).encode())
    return folder / "index.html"


def _describe(executed: Path) -> dict[str, str]:
    """Subtitle, device and one figure (the cover, or else the first) of an executed notebook; empty without one."""
    if not executed.exists():
        return {}
    notebook = nbformat.read(executed, as_version=4)
    quoted = [line.lstrip("> ") for line in notebook.cells[0].source.splitlines() if line.startswith(">")]
    devices = [record.get("device", "") for record in records(notebook, FINISH_MIME)]
    pictures = [output for output in outputs_of(notebook) if "image/png" in output.get("data", {})]
    pictures.sort(key=lambda output: not output.metadata["image/png"].get("cover"))
    about = [(output.metadata["image/png"]["alt"], output.data["image/png"]) for output in pictures] or [("", "")]
    return dict(subtitle=" ".join(quoted), device=" ".join(devices), alt=about[0][0], picture=about[0][1].strip())


def outputs_of(notebook: nbformat.NotebookNode) -> list[nbformat.NotebookNode]:
    """List the outputs of all cells."""
    return [output for cell in notebook.cells for output in cell.get("outputs", [])]


def records(notebook: nbformat.NotebookNode, mime: str) -> list[dict]:
    """Collect the output records of one MIME type."""
    return [output["data"][mime] for output in outputs_of(notebook) if mime in output.get("data", {})]
