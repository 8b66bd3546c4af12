"""Pages to read: one for each executed notebook and an index of a run. All text from data is escaped."""

import base64
import html
import io
import re
from pathlib import Path

import jinja2
import nbformat
from jupyter_core.paths import jupyter_path
from nbconvert import HTMLExporter
from PIL import Image

from ..engine.files import write_atomic
from .lesson import FINISH_MIME

TAG = re.compile(r"<(?=[a-zA-Z/!?])")
LINK = re.compile(r"\](?=\s*[(:\[])")  # of Markdown: links, pictures and what they refer to
MISSING_ALT = 'alt="No description has been provided for this image"'
STYLE = """:root { color-scheme: light dark; --page: #f6f7f9; --card: #fff; --ink: #1c2430; --quiet: #5b6675;
--line: #d9dee5; --link: #0a5ea8; --good: #00714f; --bad: #b3400a }
@media (prefers-color-scheme: dark) { :root { --page: #12161c; --card: #1b212a; --ink: #e6eaf0; --quiet: #9fabba;
--line: #323b47; --link: #7db8f0; --good: #43cf9f; --bad: #ff9a66 } }
* { box-sizing: border-box } body { margin: 0 auto; max-width: 76rem; padding: 2.5rem 1.2rem 4rem;
background: var(--page); color: var(--ink); font: 16px/1.5 system-ui, sans-serif }
h1 { margin: 0; font-size: 1.9rem; letter-spacing: -.01em } h2 { margin: 0; font-size: 1.1rem; line-height: 1.3 }
a { color: var(--link) } .lead { margin: .3rem 0 1.8rem; color: var(--quiet) } .lead b { color: var(--ink) }
main { display: grid; grid-template-columns: repeat(auto-fill, minmax(21rem, 1fr)); gap: 1.2rem }
article { background: var(--card); border: 1px solid var(--line); border-radius: .7rem; overflow: hidden }
article.failed { border: 2px solid var(--bad) } .picture { display: block; background: #fff; height: 11.5rem;
padding: .6rem; border-bottom: 1px solid var(--line) } .picture img { width: 100%; height: 100%; object-fit: contain }
.text { padding: .9rem 1.1rem 1rem } .number { color: var(--quiet); font-variant-numeric: tabular-nums }
h2 a { color: inherit; text-decoration: none } h2 a:hover { text-decoration: underline }
p { margin: .4rem 0 } .about { color: var(--quiet); font-size: .93rem } .facts { display: flex; gap: 1rem;
font-size: .9rem; margin-top: .6rem } .facts .time { margin-left: auto; color: var(--quiet) }
.state.ok, li.ok b { color: var(--good) } .state.failed, li.failed b, .reason, .lead .reason { color: var(--bad) }
summary { cursor: pointer; color: var(--quiet); font-size: .9rem } ul { margin: .5rem 0 0; padding: 0;
list-style: none; font-size: .88rem } li { padding: .45rem 0; border-top: 1px solid var(--line) }
li b { font-weight: 600 } small { color: var(--quiet); overflow-wrap: anywhere }"""
INDEX = jinja2.Environment(autoescape=True).from_string("""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>PLReMix lessons</title>
<meta name="viewport" content="width=device-width, initial-scale=1"><style>{{ style|safe }}</style></head><body>
<h1>PLReMix lessons</h1>
<p class="lead"><b>{{ held }} of {{ declared }} claims hold</b> in {{ cards|length }}
{{ "notebook" if cards|length == 1 else "notebooks" }};
{% if failed %}<b class="reason">{{ failed }} failed</b>{% else %}none failed{% endif %}
· {{ time }} altogether{% if device %} · {{ device }}{% endif %}</p>
<main>
{% for r, card in cards %}<article class="{{ r.status }}">
{% if card.picture %}<a class="picture" href="{{ r.notebook }}.html"><img src="{{ card.picture }}"
alt="{{ card.alt }}"></a>{% endif %}
<div class="text"><h2><span class="number">{{ r.notebook[:2] }}</span>
<a href="{{ r.notebook }}.html">{{ r.title }}</a></h2>
<p class="about">{{ card.about }}</p>
{% if r.reason %}<p class="reason">{{ r.reason }}</p>{% endif %}
<p class="facts"><span class="state {{ r.status }}">{{ "✓" if r.status == "ok" else "✗" }}
{{ r.held }} of {{ r.declared }} claims hold</span><span class="time">{{ card.time }}</span></p>
<details><summary>the claims</summary><ul>{% for c in r.claims %}
<li class="{{ 'ok' if c.holds else '' if c.skipped else 'failed' }}"><b>{{ c.name }}
{{ "holds" if c.holds else "skipped" if c.skipped else "fails" }}</b> {{ c.sentence }}
<small>[{% for v in c["values"] %}{{ "%.4g"|format(v|float) }}{{ ", " if not loop.last }}{% endfor %}
{{ c.rule }}]</small></li>{% endfor %}</ul></details></div></article>
{% endfor %}</main></body></html>
""")
BACK = '<p style="position:fixed;right:1rem;top:.4rem;font:14px system-ui"><a href="index.html">← all lessons</a></p>'


def write_page(executed: Path) -> Path:
    """Write an executed notebook as HTML beside it: light or dark as the reader's system, links to its neighbours."""
    notebook = nbformat.read(executed, as_version=4)
    for cell in notebook.cells:
        for out in cell.get("outputs", []):
            if "text/markdown" in out.get("data", {}):  # may name classes or files of somebody's data
                out.data["text/markdown"] = LINK.sub("&#93;", TAG.sub("&lt;", out.data["text/markdown"]))
    place = {"metadata": {"name": executed.stem, "path": str(executed.parent)}}
    body, _ = HTMLExporter(embed_images=True, exclude_input_prompt=True).from_notebook_node(notebook, place)
    for cell in notebook.cells:  # nbconvert drops the alternative text of figures
        for picture in _pictures(cell):
            body = body.replace(MISSING_ALT, f'alt="{html.escape(picture["alt"])}"', 1)
    body = re.sub(r'href="(\d\d_\w+)\.ipynb"', r'href="\1.html"', body)
    body = body.replace("</head>", f"<style>@media (prefers-color-scheme: dark) {{ {_dark()} }}</style></head>", 1)
    body = re.sub(r"(<body[^>]*>)", lambda found: found.group(1) + BACK, body, count=1)
    page = executed.with_suffix(".html")
    write_atomic(page, body.encode())
    return page


def write_index(results: list, folder: Path) -> Path:
    """Write ``index.html`` for a list of `batch.Result`: a card each, with a figure of the executed notebook."""
    cards = [(result, _card(result, folder / f"{result.notebook}.ipynb")) for result in results]
    counts = dict(
        held=sum(r.held for r in results),
        declared=sum(r.declared for r in results),
        failed=sum(r.status != "ok" for r in results),
    )
    device = next((card["device"] for _, card in cards if card["device"]), "")
    time = _minutes(sum(result.seconds for result in results))
    page = folder / "index.html"
    write_atomic(page, INDEX.render(cards=cards, style=STYLE, time=time, device=device, **counts).encode())
    return page


def _card(result, executed: Path) -> dict[str, str]:
    """What the index shows of a notebook beside its result: subtitle, one figure (the cover, or the first), time."""
    card = dict(about="", picture="", alt="", device="", time=_minutes(result.seconds))
    if not executed.exists():
        return card
    notebook = nbformat.read(executed, as_version=4)
    quoted = [line.lstrip("> ") for line in notebook.cells[0].source.splitlines() if line.startswith(">")]
    card["about"] = " ".join(quoted)
    pictures = [picture for cell in notebook.cells for picture in _pictures(cell)]
    covers = [picture for picture in pictures if picture["cover"]] or pictures
    if covers:
        card |= dict(picture=_thumbnail(covers[0]["data"]), alt=covers[0]["alt"])
    for cell in notebook.cells:
        for out in cell.get("outputs", []):
            card["device"] = out.get("data", {}).get(FINISH_MIME, {}).get("device", card["device"])
    return card


def _pictures(cell) -> list[dict]:
    shown = [out for out in cell.get("outputs", []) if "image/png" in out.get("data", {})]
    details = [out.metadata.get("image/png", {}) for out in shown]
    return [
        dict(data=out["data"]["image/png"], alt=found.get("alt", "figure"), cover=found.get("cover", False))
        for out, found in zip(shown, details)
    ]


def _thumbnail(data: str, width: int = 760) -> str:
    """Data address of a PNG of at most `width` pixels, from one in base 64."""
    picture, small = Image.open(io.BytesIO(base64.b64decode(data))).convert("RGB"), io.BytesIO()
    picture.thumbnail((width, width))
    picture.quantize(128).save(small, "png", optimize=True)
    return "data:image/png;base64," + base64.b64encode(small.getvalue()).decode()


def _dark() -> str:
    """nbconvert's own dark colours, to be used where the reader's system asks for them; empty if it ships none."""
    for folder in jupyter_path("nbconvert", "templates"):
        style = Path(folder) / "lab" / "static" / "theme-dark.css"
        if style.exists():
            return style.read_text() + ".jp-OutputArea-output img { background: white }"
    return ""


def _minutes(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.1f} min"
