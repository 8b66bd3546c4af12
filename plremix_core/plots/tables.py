"""Tables as pictures: one dot a measurement, one mark a method and seed."""

import numpy as np
from matplotlib.figure import Figure

from .style import COLOURS, METHOD_STYLES, UNUSED, panels


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


def method_rows(finding: str, rows: dict, xlabel: str) -> Figure:
    """One row a setting, one mark a seed; a method has its colour, its marker and its height in the row.

    Parameters
    ----------
    finding : str
        Title.
    rows : dict of str to dict of str to ndarray of shape (S,)
        By setting, from the top down, values of every seed by method; methods without a style are grey dots.
    xlabel : str
        Quantity and unit.

    Returns
    -------
    Figure
    """
    figure, axes = panels(1, width=7.6, height=0.5 * len(rows) + 1.5)
    ax, markers = axes[0, 0], dict(zip(METHOD_STYLES, "osD^vPX"))
    for place, row in enumerate(rows.values()):
        for shift, (name, values) in zip(np.linspace(-0.33, 0.33, len(row)), row.items()):
            colour, _ = METHOD_STYLES.get(name, (UNUSED, ""))
            label = name if name in METHOD_STYLES else "another setting of plremix"
            style = dict(color=colour, mfc=colour if name == "plremix" else "none", label=label, ms=5)
            ax.plot(values, [place + shift] * len(values), markers.get(name, "."), **style)
        ax.axhline(place + 0.5, color=UNUSED, linewidth=0.5)
    ax.set(yticks=range(len(rows)), yticklabels=list(rows), xlabel=xlabel, ylim=(len(rows) - 0.5, -0.5))
    ax.set_title(finding)
    ax.grid(axis="x", alpha=0.3)
    handles = {name: mark for mark, name in zip(*ax.get_legend_handles_labels())}
    figure.legend(handles.values(), handles, loc="outside lower center", ncols=4, fontsize=9)
    return figure
