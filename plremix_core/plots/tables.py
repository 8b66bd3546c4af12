"""Tables as pictures: recorded accuracies by study, and one dot a measurement."""

import numpy as np
from matplotlib.figure import Figure

from .style import COLOURS, UNUSED, panels


def dot_rows(finding: str, rows: dict, xlabel: str, *, columns: int = 3) -> Figure:
    """One row a name, one dot a value, spread a little over the row so that equal values stay visible.

    Parameters
    ----------
    finding : str
        Title.
    rows : dict of str to ndarray of shape (n,)
        Values by row, from the top down; rows of one colour are those of one first word.
    xlabel : str
        Quantity and unit.
    columns : int
        Dots side by side before the spread begins anew.

    Returns
    -------
    Figure
    """
    figure, axes = panels(1, width=7.2, height=0.6 * len(rows) + 1.1)
    ax, kinds = axes[0, 0], list(dict.fromkeys(name.split()[0] for name in rows))
    for place, (name, values) in enumerate(rows.items()):
        spread = (np.arange(len(values)) % (2 * columns + 1) - columns) * 0.25 / columns
        kind = kinds.index(name.split()[0])
        style = dict(color=COLOURS[kind], marker="os^D"[kind % 4], mfc="none" if kind else COLOURS[kind], ls="")
        ax.plot(values, place + spread, alpha=0.7, ms=5, clip_on=False, **style)
    ax.set(yticks=range(len(rows)), yticklabels=list(rows), xlabel=xlabel, ylim=(len(rows) - 0.5, -0.5))
    ax.set_xlim(left=0)
    ax.set_title(finding)
    ax.grid(axis="x", alpha=0.3)
    return figure


def recorded_rows(finding: str, last: dict, best: dict, xlabel: str) -> Figure:
    """One row a recorded setting, one dot a seed: last epochs filled, best epoch hollow, a bar at the mean of last.

    Parameters
    ----------
    finding : str
        Title.
    last, best : dict of tuple (study, setting) to ndarray of shape (S,)
        Accuracy by seed, with the same keys; a study's rows stand together under its name, a setting that ends in
        plremix takes the colour of ours.
    xlabel : str
        Quantity and unit.

    Returns
    -------
    Figure
    """
    studies = list(dict.fromkeys(study for study, _ in last))
    counts = [sum(study == one for one, _ in last) for study in studies]
    size = dict(width=7.6, height=(0.36 * sum(counts) + 1.1 + 0.5 * len(studies)) / len(studies))
    figure, axes = panels(1, len(studies), sharex=True, gridspec_kw={"height_ratios": counts}, **size)
    for ax, study in zip(axes[:, 0], studies):
        names = [name for one, name in last if one == study]
        for place, name in enumerate(names):
            colour, found = COLOURS[0] if name.endswith("plremix") else "black", last[study, name]
            ax.plot(best[study, name], [place + 0.17] * len(found), "o", mfc="none", color=colour, alpha=0.6)
            ax.plot(found, [place] * len(found), "o", color=colour, ms=5)
            ax.plot(found.mean(), place, "|", color=colour, ms=16, mew=1.8)
        ax.set(yticks=range(len(names)), yticklabels=names, ylim=(len(names) - 0.5, -0.5))
        ax.set_title(f"study “{study}”", loc="left", fontsize=9.5)
        ax.grid(axis="x", alpha=0.3)
    axes[-1, 0].set_xlabel(xlabel)
    handles = [ax.plot([], [], "o", color="black", mfc=mfc)[0] for mfc in ("black", "none")]
    handles.append(ax.plot([], [], "|", color=UNUSED, ms=12, mew=1.8)[0])
    labels = ["last ten epochs", "best epoch (picked on the test set)", "mean over seeds"]
    figure.legend(handles, labels, loc="outside lower center", ncols=3, fontsize=9)
    figure.suptitle(finding, weight="bold", fontsize=11.5)
    return figure
