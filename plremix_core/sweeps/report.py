"""The report of a sweep: tables and curves of its finished cells as one page, readable without running anything."""

import base64
import io
from pathlib import Path

import jinja2
import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from .. import plots
from ..config import RATED
from ..engine.files import write_atomic
from ..engine.history import LAST
from . import results

STYLE = """:root { color-scheme: light dark; --line: #8886; --good: #00795a; --bad: #c24a00 }
@media (prefers-color-scheme: dark) { :root { --good: #35c99b; --bad: #ff9a5c } }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem }
table { border-collapse: collapse; width: 100% } td, th { text-align: left; padding: .5rem .8rem .5rem 0;
border-bottom: 1px solid var(--line); vertical-align: top } td.n, th.n { text-align: right; white-space: nowrap }
.ok { color: var(--good) } .failed { color: var(--bad) } small { opacity: .75 }"""
SIDE_BY_SIDE = 5  # rows that are compared with the reference in one panel
PAGE = jinja2.Environment(autoescape=True).from_string("""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Sweep {{ name }}</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>{{ style|safe }} img { max-width: 100% } caption { text-align: left; padding: 1rem 0 .3rem }</style></head><body>
<h1>Sweep {{ name }}</h1>
<p>{{ states.done or 0 }} of {{ cells|length }} cells are done{% for s in ("failed", "unfinished") if states[s] %},
<span class="failed">{{ states[s] }} {{ s }}</span>{% endfor %}. Accuracies are per cent of the test set,
mean ± standard deviation over seeds.</p>
{% for t in summaries %}<table><caption><b>{{ t.figure|capitalize }}</b>: {{ t.what }}</caption>
<tr><th>Method</th>{% for w in t.columns %}<th class="n">{{ w }}</th>{% endfor %}</tr>
{% for row, values in t.rows %}<tr><td>{{ row }}</td>{% for v in values %}<td class="n">{{ v }}</td>{% endfor %}</tr>
{% endfor %}</table>{% endfor %}
{% if gaps %}<h2>Differences from {{ reference }}: methods and ablations</h2>
<p>Last epochs, paired by seed, in percentage points; in brackets the 95 % bootstrap interval of the mean over seeds.
Few seeds show a direction, not a size: with three the interval is no more than the least and the greatest mean of
redrawn seeds.</p>
<table><tr><th>Data and noise</th><th>Method</th><th class="n">Difference</th><th class="n">Seeds</th></tr>
{% for g in gaps %}<tr><td>{{ g.where }}</td><td>{{ g.method }}</td><td class="n">{{ g.text }}</td>
<td class="n">{{ g.seeds }}</td></tr>{% endfor %}</table>{% endif %}
{% if pictures %}<h2>Curves</h2>{% endif %}
{% for p in pictures %}<p><img src="data:image/png;base64,{{ p.content }}" alt="{{ p.alt }}"><br>
<small>{{ p.alt }} <a href="{{ p.file }}">{{ p.file }}</a></small></p>{% endfor %}
<h2>Published figures</h2>
{% if peers %}<p>Per cent, as the sources give them; protocols differ (best or last epoch, one or two networks).
The rows of the paper stay empty until somebody fills <code>data/published.csv</code> from it.</p>
<table><tr><th>Method</th><th>Data and noise</th><th>Epoch</th><th class="n">Accuracy</th><th>Source</th></tr>
{% for p in peers %}<tr><td>{{ p.method }}</td><td>{{ p.where }}</td><td>{{ p.which }}</td>
<td class="n">{{ p.text }}</td><td><small>{{ p.source }}</small></td></tr>{% endfor %}</table>
{% else %}<p>There are none for the data and noises of this sweep in <code>data/published.csv</code>.</p>{% endif %}
<h2>Cells</h2>
<table><tr><th>Cell</th><th>State</th><th class="n">Seconds</th><th class="n">Resumed</th><th>Device, versions</th></tr>
{% for c in cells %}<tr><td>
{% if c.notebook %}<a href="{{ c.name }}/{{ c.notebook }}">{{ c.name }}</a>{% else %}{{ c.name }}{% endif %}</td>
<td class="{{ 'ok' if c.state == 'done' else 'failed' }}">{{ c.state }}<br><small>{{ c.reason or c.told }}</small></td>
<td class="n">{{ c.shown_seconds }}</td><td class="n">{{ c.shown_resumed }}</td>
<td><small>{{ c.machine }}</small></td></tr>
{% endfor %}</table></body></html>
""")


def write(folder: Path) -> Path:
    """Write ``report.html`` and its pictures (PNG) into the folder of a sweep.

    Parameters
    ----------
    folder : Path
        As `sweep.run` leaves it, finished or not.

    Returns
    -------
    Path
        The page.

    Raises
    ------
    ValueError
        If the folder is not that of a sweep.
    """
    cells, histories = results.collect(folder)
    reference, trained = results.listing(folder)["reference"], len(histories) > 0
    with mpl.rc_context({"text.parse_math": False}):  # names are text from outside
        figures = pictures(cells, histories, reference) if trained else {}
        for name, (figure, _) in figures.items():
            write_atomic(folder / name, _png(figure))
    shown = [
        dict(file=name, alt=alt, content=base64.b64encode((folder / name).read_bytes()).decode())
        for name, (_, alt) in figures.items()
    ]
    page = PAGE.render(
        name=folder.name,
        style=STYLE,
        cells=[_cell(row) for row in cells.to_dict("records")],
        states=cells["state"].value_counts().to_dict(),
        summaries=[_summary(cells, figure) for figure in results.FIGURES if trained and cells[figure].notna().any()],
        reference=reference,
        gaps=[_gap(row) for row in results.differences(cells, reference).to_dict("records")] if trained else [],
        pictures=shown,
        peers=[_peer(row) for row in results.published(cells).to_dict("records")],
    )
    write_atomic(folder / "report.html", page.encode())
    return folder / "report.html"


def pictures(cells: pd.DataFrame, histories: dict, reference: str) -> dict[str, tuple[Figure, str]]:
    """Curves of accuracy and of the division's AUC, a figure a data set and noise: file name to (figure, words)."""
    found = {}
    done = cells[cells["name"].isin(list(histories))]
    for number, (where, group) in enumerate(done.groupby(results.WHERE, sort=False), 1):
        series, titles, labels = [], [], []
        for column, what in (("test_accuracy", "test accuracy (fraction)"), ("auc", "AUC of p(clean), both networks")):
            curves = results.curves(group, histories, column)
            others = [name for name in curves if name != reference]
            for start in range(0, len(others) or 1, SIDE_BY_SIDE):
                names = [n for n in (reference, *others[start : start + SIDE_BY_SIDE]) if n in curves]
                if names:
                    series.append({name: curves[name] for name in names})
                    ends = {name: np.nanmean(values[:, -LAST:]) for name, values in series[-1].items()}
                    titles.append(f"{max(ends, key=ends.get)} ends highest")
                    labels.append(what)
        methods = ", ".join(results.curves(group, histories, "test_accuracy"))
        alt = f"{where_of(dict(zip(results.WHERE, where)))}: {methods}; "
        alt += "test accuracy and AUC of the division over epochs, every seed thin behind the mean."
        figure = plots.curves(series, titles, labels)
        for ax in figure.axes:
            ax.xaxis.set_major_locator(MaxNLocator(integer=True))
        found[f"curves-{number}.png"] = figure, alt
    return found


def where_of(row: dict) -> str:
    """Data set and noise in words."""
    return f"{row['dataset']}, {row['noise']}" + (f" {row['rate']:g}" if row["noise"] in RATED else "")


def _summary(cells: pd.DataFrame, figure: str) -> dict:
    found = results.summary(cells, figure).to_dict("records")
    columns = list(dict.fromkeys(where_of(row) for row in found))
    entries = {(row["method"], where_of(row)): row for row in found}
    rows = [(m, [_mean(entries.get((m, w))) for w in columns]) for m in dict.fromkeys(row["method"] for row in found)]
    return dict(figure=figure, what=results.FIGURES[figure], columns=columns, rows=rows)


def _mean(entry: dict | None) -> str:
    if entry is None:
        return ""
    spread = f" ± {100 * entry['std']:.2f}" if entry["seeds"] > 1 else " (one seed)"
    return f"{100 * entry['mean']:.2f}{spread}"


def _gap(row: dict) -> dict:
    bounds = f" [{100 * row['low']:+.2f}, {100 * row['high']:+.2f}]" if row["seeds"] > 1 else ""
    text = f"{100 * row['mean']:+.2f}{bounds}" if row["seeds"] else "no seed in common"
    return row | dict(where=where_of(row), text=text)


def _peer(row: dict) -> dict:
    text = f"{row['accuracy']:g}" if row["accuracy"] == row["accuracy"] else "not filled"
    return row | dict(where=where_of(row), text=text)


def _cell(row: dict) -> dict:
    done = row["state"] == "done"
    versions = ", ".join(f"{name} {version}" for name, version in row["versions"].items()) if done else ""
    seconds = f"{row.get('seconds', row['wall_seconds']):.0f}" if done else ""
    machine = f"{row['device']}; {versions}" if done else ""
    notebook = row.get("notebook") if done else None
    resumed = f"{row['resumed']:.0f}" if done else ""
    stretches = row.get("stretches") if isinstance(row.get("stretches"), list) else []
    later = [str(stretch["from_epoch"]) for stretch in stretches if stretch["from_epoch"]]
    resumed += f" (from epoch {', '.join(later)})" if later else ""
    devices = list(dict.fromkeys(stretch["device"] for stretch in stretches))
    machine = f"trained on {', then '.join(devices)}; {versions}" if devices else machine
    warned = row.get("warned", 0)
    told = (
        f"{warned:.0f} warnings, the first: {row['warnings'][0].removeprefix('warning: ')}"
        if done and warned == warned and warned
        else ""
    )
    return (
        row | dict(told=told) | dict(shown_seconds=seconds, shown_resumed=resumed, machine=machine, notebook=notebook)
    )


def _png(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", bbox_inches="tight", metadata={"Software": None})
    return buffer.getvalue()
