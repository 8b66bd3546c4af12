"""Pages to read: one for each executed notebook and an index of a run. Text that comes from data is escaped.

A page needs no network: formulas become MathML, pictures are inside, and nothing is loaded from another host.
"""

import html
import re
from pathlib import Path

import jinja2
import latex2mathml.converter
import nbformat
from nbconvert import HTMLExporter

from ..engine.files import write_atomic
from .lesson import FINISH_MIME

TAG = re.compile(r"<(?=[a-zA-Z/!?])")
LINK = re.compile(r"\](?=\s*[(:\[])")  # of Markdown: links, pictures and what they refer to
CODE = re.compile(r"(```.*?```|`[^`\n]*`)", re.DOTALL)
MATH = re.compile(r"\$\$(.+?)\$\$|(?<![\\\w$])\$(?!\s)([^$\n]+?(?:\n[^$\n]+?)?)(?<![\s\\])\$(?!\d)", re.DOTALL)
MATHML = re.compile(
    r"</?(math|mrow|mi|mo|mn|ms|mtext|mspace|mfrac|msqrt|mroot|mstyle|mpadded|mphantom|menclose|merror|mfenced|mtable|mtr"
    r"|mlabeledtr|mtd|msub|msup|msubsup|munder|mover|munderover|mmultiscripts|mprescripts|none)(\s[^<>]*)?>"
)
ACTIVE = re.compile(r"href|src=|\s(on\w+|style)\s*=", re.IGNORECASE)
HEADING = re.compile(r'<h([23]) id="([^"]+)">(.*?)<a class="anchor-link"', re.DOTALL)
TEMPLATES = Path(__file__).parent / "templates"


def environment() -> jinja2.Environment:
    """Return the jinja2 environment of all pages: autoescape is on, a template is named by its path in the package.

    Other pages extend ``lessons/templates/base.html``, which brings ``lessons/templates/style.css``.
    """
    found = jinja2.Environment(loader=jinja2.PackageLoader("plremix_core", ""), autoescape=True, trim_blocks=True)
    found.filters["minutes"] = lambda seconds: f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.1f} min"
    return found


def mathml(markdown: str, formulas: list[str]) -> str:
    """Replace the formulas of a Markdown text, $...$ and $$...$$, by a mark, and add their MathML to `formulas`.

    The mark is the number of the formula between two characters of private use; code stays as it is.
    """

    def convert(found: re.Match) -> str:
        display, inline = found.groups()
        latex = html.unescape(display or inline).strip().replace("\\arg", "\\operatorname{arg}")
        try:
            made = latex2mathml.converter.convert(latex, display="block" if display else "inline")
        except Exception:  # its errors share no class: what is no formula stays text
            return found.group()
        if "<" in MATHML.sub("", made) or ACTIVE.search(made):  # \\text{<script>} comes through as it is
            return found.group()
        formulas.append(made)
        return f"\ue000{len(formulas) - 1}\ue001"

    parts = CODE.split(markdown)
    return "".join(part if number % 2 else MATH.sub(convert, part) for number, part in enumerate(parts))


def write_page(executed: Path, neighbours: list[str] | None = None) -> Path:
    """Write an executed notebook as HTML beside it: light or dark as the reader's system, with contents and links.

    `neighbours` are the names of the pages before and after it, in order, its own among them.
    """
    notebook, formulas = nbformat.read(executed, as_version=4), []
    for output in outputs_of(notebook):
        data = output.get("data", {})
        if "text/markdown" in data:  # may name classes or files of somebody's data
            data["text/markdown"] = mathml(LINK.sub("&#93;", TAG.sub("&lt;", data["text/markdown"])), formulas)
        if "image/gif" in data:
            alt = html.escape(output.metadata.get("image/gif", {}).get("alt", "animation"))
            data["text/html"] = f'<img alt="{alt}" src="data:image/gif;base64,{data.pop("image/gif")}">'
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = mathml(cell.source, formulas)
    exporter = HTMLExporter(template_file="notebook.html", extra_template_paths=[str(TEMPLATES)])
    exporter.embed_images = exporter.exclude_input_prompt = True
    place = {"metadata": {"name": executed.stem, "path": str(executed.parent)}}
    names = neighbours or [executed.stem]
    number = names.index(executed.stem)
    around = {"before": names[number - 1] if number else "", "after": names[number + 1] if names[number + 1 :] else ""}
    body, _ = exporter.from_notebook_node(notebook, place | around)
    contents = "".join(f'<a class="h{size}" href="#{id_}">{text}</a>' for size, id_, text in HEADING.findall(body))
    body = body.replace("<!-- contents -->", contents)
    body = re.sub("\ue000(\\d+)\ue001", lambda mark: formulas[int(mark.group(1))], body)
    page = executed.with_suffix(".html")
    write_atomic(page, re.sub(r'href="(\d\d_\w+)\.ipynb"', r'href="\1.html"', body).encode())
    return page


def write_index(results: list, folder: Path) -> Path:
    """Write ``index.html`` for a list of `runner.Result`: one card each, with a figure of the executed notebook."""
    cards = [_describe(folder / f"{result.notebook}.ipynb") for result in results]
    template = environment().get_template("lessons/templates/index.html")
    failed = sum(result.status != "ok" for result in results)
    device = next((card["device"] for card in cards if card.get("device")), "")
    text = template.render(results=results, cards=cards, failed=failed, device=device)
    write_atomic(folder / "index.html", text.encode())
    return folder / "index.html"


def _describe(executed: Path) -> dict[str, str]:
    """Subtitle, device and one figure (the cover, or else the first) of an executed notebook; empty without one."""
    if not executed.exists():
        return {}
    notebook = nbformat.read(executed, as_version=4)
    quoted = [line.lstrip("> ") for line in notebook.cells[0].source.splitlines() if line.startswith(">")]
    card = dict(subtitle=" ".join(quoted))
    pictures = []
    for output in outputs_of(notebook):
        card |= {"device": output.get("data", {}).get(FINISH_MIME, {}).get("device", card.get("device", ""))}
        if "image/png" in output.get("data", {}):
            pictures.append((output.metadata.get("image/png", {}), output.data["image/png"]))
    for details, data in sorted(pictures, key=lambda picture: not picture[0].get("cover", False))[:1]:
        card |= dict(picture="data:image/png;base64," + data.strip(), alt=details.get("alt", "figure"))
    return card


def outputs_of(notebook: nbformat.NotebookNode) -> list[nbformat.NotebookNode]:
    """List the outputs of all cells."""
    return [output for cell in notebook.cells for output in cell.get("outputs", [])]
