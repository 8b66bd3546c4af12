"""The pages of a lessons run: an index with pictures and claims, escaped; a page for each notebook, light and dark."""

import base64
import io
import re
from xml.etree import ElementTree

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from PIL import Image

from plremix_core.lessons import html, injected, lesson, runner

EVIL = "<script>alert(1)</script>"


def png(colour):
    stream = io.BytesIO()
    Image.new("RGB", (16, 4), colour).save(stream, "png")
    return base64.b64encode(stream.getvalue()).decode()


def executed(path, cover):
    """An executed notebook with two figures, red and blue; `cover` marks the blue one."""
    red, blue = (
        new_output("display_data", {"image/png": png(colour)}, metadata={"image/png": dict(alt=alt, cover=mark)})
        for colour, alt, mark in (("red", "first " + EVIL, False), ("blue", "second", cover))
    )
    finish = new_output("display_data", {lesson.FINISH_MIME: dict(device="CPU, 2 threads"), "text/plain": ""})
    cells = [
        new_markdown_cell(f"# T {EVIL}\n\n> A subtitle {EVIL}\n> of two lines.\n\n[next](01_next.ipynb)"),
        new_code_cell("1", outputs=[red, blue, finish], execution_count=1),
    ]
    nbformat.write(new_notebook(cells=cells), path)


def result(**changes):
    claim = dict(name="C9.1", sentence=EVIL, values=[0.5, "nan"], rule="> 0", holds=True)
    values = dict(notebook="99_x", title=f"T {EVIL}", status="ok", reason="", seconds=150.0, held=1, declared=1)
    return runner.Result(**(values | dict(claims=[claim]) | changes))


def picture_of(page):
    data = re.search(r'src="data:image/png;base64,([^"]+)"', page).group(1)
    return Image.open(io.BytesIO(base64.b64decode(data))).convert("RGB")


@pytest.mark.parametrize(("cover", "colour"), [(True, (0, 0, 255)), (False, (255, 0, 0))])
def test_a_card_shows_the_cover_or_else_the_first_figure(tmp_path, cover, colour):
    executed(tmp_path / "99_x.ipynb", cover)
    picture = picture_of(html.write_index([result()], tmp_path).read_text())
    assert picture.getpixel((1, 1)) == colour


def test_the_index_tells_claims_times_device_and_reasons_and_escapes_everything(tmp_path):
    executed(tmp_path / "99_x.ipynb", False)
    page = html.write_index([result(), result(notebook="98_y", status="failed", reason=EVIL)], tmp_path).read_text()
    told = ("2 of 2 claims hold", "1 failed", "2.5 min", "5.0 min altogether", "CPU, 2 threads", "[0.5, nan &gt; 0]")
    for text in told:
        assert text in re.sub(r"\s+", " ", page), text
    assert "A subtitle &lt;script&gt;alert(1)&lt;/script&gt; of two lines." in page
    assert page.count("<script") == 1 and page.count("&lt;script&gt;") >= 6  # its own: the filter of claims
    assert 'href="99_x.html"' in page and 'class="failed"' in page


def test_the_index_has_colours_for_light_and_dark_systems(tmp_path):
    page = html.write_index([result()], tmp_path).read_text()
    colours = set(re.findall(r"(--\w+): light-dark\(#\w+, #\w+\);", page))
    assert colours == set(re.findall(r"(--\w+):", page)) == set(re.findall(r"var\((--\w+)\)", page))


def test_a_page_is_dark_where_asked_links_pages_and_keeps_alternative_texts(tmp_path):
    executed(tmp_path / "99_x.ipynb", False)
    page = html.write_page(tmp_path / "99_x.ipynb").read_text()
    assert "@media (prefers-color-scheme: dark)" in page and page.count("--jp-layout-color0:") == 2
    assert 'href="01_next.html"' in page and 'href="index.html"' in page
    assert 'alt="second"' in page and "first &lt;script&gt;" in page
    assert "No description has been provided" not in page


def test_a_page_needs_no_network_shows_formulas_as_mathml_folds_solutions_and_answers_and_lists_its_sections(tmp_path):
    executed(tmp_path / "02_y.ipynb", False)
    notebook = nbformat.read(tmp_path / "02_y.ipynb", as_version=4)
    why = {"text/markdown": f"passes.\n\n{lesson.FOLD}\n\nbecause of *this*\n\n</details>"}
    notebook.cells += [
        new_markdown_cell(
            "## 1 A section\n\nInline $a_i^2 < \\frac{1}{2}$, not `$x$` and not \\$5.\n\n$$\\sum_k \\pi_k$$"
        ),
        new_code_cell(
            "2", outputs=[new_output("stream", text="answer")], metadata={"jupyter": {"outputs_hidden": True}}
        ),
        new_code_cell("# Solution", metadata={"tags": ["solution"]}, outputs=[new_output("display_data", why)]),
        new_code_cell(
            "3", outputs=[new_output("display_data", {"image/gif": "R0lG"}, metadata={"image/gif": {"alt": "moves"}})]
        ),
    ]
    nbformat.write(notebook, tmp_path / "02_y.ipynb")
    page = html.write_page(tmp_path / "02_y.ipynb", ["01_x", "02_y", "03_z"]).read_text()
    assert not re.search(r"<(script|link|img|iframe)[^>]+(src|href)=[\"']?(https?:)?//", page)
    assert page.count("<math") == 2 and 'display="block"' in page and "<mfrac>" in page and "$x$" in page
    assert "<summary>Solution: click to open</summary>" in page and "<summary>What comes out" in page
    assert "because of <em>this</em>" in page and page.count("<summary>") == 2 and "&lt;/details" not in page
    assert 'href="01_x.html"' in page and 'href="03_z.html"' in page and '<a class="h2" href="#1-A-section">' in page
    assert '<img alt="moves" src="data:image/gif;base64,R0lG"' in page


@pytest.mark.parametrize(("latex", "signs"), [(r"\Big(\frac ab - c\Big)^2", "()"), (r"\underbrace{a + b}_{c}", "⏟")])
def test_what_encloses_a_term_stretches_with_it(latex, signs):
    formula = ElementTree.fromstring(html.Renderer().inline_math(latex))
    found = [part for part in formula.iter() if part.text and part.text in signs]
    assert len(found) == len(signs) and all(part.get("stretchy") == "true" for part in found)


def test_every_formula_of_the_lessons_becomes_mathml_without_a_rest_of_latex():
    for path in sorted(injected.NOTEBOOKS.glob("[0-9]*.ipynb")):
        for cell in nbformat.read(path, as_version=4).cells:
            if cell.cell_type == "markdown":
                page = html.MarkdownWithMath(renderer=html.Renderer()).render(cell.source)
                dollars = re.findall(r"(?<![\\$])\$\$?", re.sub(r"`[^`]*`", "", cell.source))
                assert len(dollars) == 2 * page.count("<math"), (path.stem, cell.source)
                for formula in re.findall("<math.*?</math>", page, re.DOTALL):
                    assert not re.search(r"\\[a-zA-Z]+", formula), (path.stem, formula)
