"""The report of a sweep: tables and curves of its finished runs as one page, readable without running anything."""

import base64
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from .. import plots
from ..engine.files import write_atomic
from ..lessons.html import environment
from ..plots.png import small_png
from . import results

SIDE_BY_SIDE = 5  # rows that are compared with the reference in one panel
QUANTITIES = {"test accuracy (fraction)": ["test_accuracy"], "AUC of p(clean), both networks": ["auc_1", "auc_2"]}
OVER_EPOCHS = "test accuracy and AUC of the split over epochs, every seed thin behind the mean."


def write(folder: Path) -> Path:
    """Write ``report.html`` and its pictures (PNG) into the folder of a sweep, finished or not; return the page."""
    listing, (runs, histories) = results.read_listing(folder), results.collect(folder)
    reference, shown = listing["reference"], []
    with mpl.rc_context({"text.parse_math": False}):  # names are text from outside
        for name, (figure, words) in pictures(runs, histories, reference).items() if histories else ():
            content = small_png(figure)
            write_atomic(folder / name, content)
            shown.append(dict(file=name, alt=words, content=base64.b64encode(content).decode()))
    figures = [figure for figure in results.FIGURES if histories and runs[figure].notna().any()]
    judged = results.judge(listing["predictions"], runs)
    template = environment().get_template("sweeps/templates/report.html")
    page = template.render(
        name=folder.name,
        runs=[row.dropna().to_dict() for _, row in runs.iterrows()],
        states=runs["state"].value_counts().to_dict(),
        means={f"{figure}: {results.FIGURES[figure]}": _summarize(runs, figure) for figure in figures},
        reference=reference,
        verdicts=_compare(judged, ["claim", "reason", "date", "higher", "lower", "measure"]),
        gaps=_compare(results.differences(runs, reference), ["method"]) if histories else [],
        pictures=shown,
    )
    write_atomic(folder / "report.html", page.encode())
    return folder / "report.html"


def pictures(runs: pd.DataFrame, histories: dict, reference: str) -> dict[str, tuple[Figure, str]]:
    """Curves of accuracy and of the split's AUC, a figure a data set and noise: file name to (figure, words)."""
    found = {}
    done = runs[runs["name"].isin(list(histories))]
    for number, (where, group) in enumerate(done.groupby(results.WHERE, sort=False), 1):
        place, names, panels = name_place(dict(zip(results.WHERE, where))), group.groupby("method", sort=False), []
        for what, columns in QUANTITIES.items():
            values = {name: histories[name].reindex(columns=columns).mean(axis=1) for name in group["name"]}
            curves = {method: np.stack([values[name] for name in own["name"]]) for method, own in names}
            curves = {method: seeds for method, seeds in curves.items() if not np.isnan(seeds).all()}
            others = [method for method in curves if method != reference]
            for start in range(0, len(others) or 1, SIDE_BY_SIDE):
                shown = [reference, *others[start : start + SIDE_BY_SIDE]]
                panels.append((what, {method: curves[method] for method in shown if method in curves}))
        labels, series = zip(*[(what, panel) for what, panel in panels if panel])
        words = f"{place}: {', '.join(group['method'].unique())}; {OVER_EPOCHS}"
        found[f"curves-{number}.png"] = plots.curves(series, [place] * len(series), labels), words
    return found


def name_place(row: dict) -> str:
    """Data set and noise in words."""
    return f"{row['dataset']}, {results.name_noise(row['noise'], row['rate'])}"


def _summarize(runs: pd.DataFrame, figure: str) -> list[dict]:
    """Means over seeds as text, a row a method and a column a data set and noise."""
    rows: dict[str, dict] = {}
    for row in results.summary(runs, figure).to_dict("records"):
        spread = f" ± {100 * row['std']:.2f}" if row["seeds"] > 1 else " (one seed)"
        own = rows.setdefault(row["method"], {"Method": row["method"]})
        own[name_place(row)] = f"{100 * row['mean']:.2f}{spread}"
    return pd.DataFrame(rows.values()).fillna("").to_dict("records")


def _compare(found: pd.DataFrame, about: list[str]) -> list[dict]:
    """Paired differences as text, with the columns `about` before them."""
    rows = []
    for row in found.to_dict("records"):
        low, mean, high, least, most = (f"{100 * row[key]:+.2f}" for key in ("low", "mean", "high", "least", "most"))
        gap = f"{mean} [{low}, {high}]" if row["seeds"] >= results.ENOUGH else mean if row["seeds"] else "no seed"
        spread = f", {least} to {most}" if row["seeds"] > 1 else ""
        verdict = row.get("verdict", "open" if not row["decided"] else "above" if row["mean"] > 0 else "below")
        place = {"Data and noise": name_place(row), "Difference": gap, "Seeds": f"n = {row['seeds']}{spread}"}
        rows.append({key.capitalize(): row[key] for key in about} | place | {"Verdict": verdict})
    return rows
