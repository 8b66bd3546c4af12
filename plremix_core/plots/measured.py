"""Measurements over seeds: curves over epochs or another count, and one dot a value."""

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from .style import SMALL, UNUSED, in_style, legend_below, line_styles, method_style, panels


@in_style
def curves(series, titles, ylabels, *, x=None, xlabel="epochs trained", sharey=False, marks=None) -> Figure:
    """One panel an entry of `series`; one legend if all panels have the same curves.

    `series` holds, for each panel, arrays (S, E) by name: S seeds, thin behind the mean, E epochs, at `x` (E,) or 1, 2,
    ... A title is the finding, a y label the quantity and its unit. `marks` are places of vertical lines by name, where
    κ changes for example. A spike of one seed may end outside of its panel.
    """
    figure, axes = panels(len(series), height=3.6, sharey=sharey)
    alike = all(list(group) == list(series[0]) for group in series)
    for ax, group, title, ylabel in zip(axes[0], series, titles, ylabels):
        styles = line_styles(group)
        for name, values in group.items():
            colour, dash = styles[name]
            marker = {"clean": "o", "noisy": "x"}.get(name.split()[0], "")
            places = range(1, values.shape[1] + 1) if x is None else x
            seeds = [np.column_stack([places, one]) for one in values]
            ax.add_collection(LineCollection(seeds, colors=colour, linewidths=0.7, alpha=0.45), autolim=False)
            ax.update_datalim([(places[0], y) for y in np.nanpercentile(values, [1, 99])])
            ax.plot(places, values.mean(axis=0), label=name, color=colour, linestyle=dash, marker=marker, linewidth=2)
        if ax.get_ylim()[0] < 0 < ax.get_ylim()[1]:
            ax.axhline(0, color=UNUSED, linewidth=0.8, zorder=0)
        if marks:
            ax.vlines([*marks.values()], 0, 1, color=UNUSED, linewidth=0.8, transform=ax.get_xaxis_transform())
            ax.secondary_xaxis("top", frame_on=False).set_xticks([*marks.values()], [*marks], fontsize=SMALL)
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
        ax.set(title=title, xlabel=xlabel, ylabel=ylabel)
        if not alike:
            ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.2), ncols=2)
    if alike:
        legend_below(figure, columns=2 * len(series))
    return figure


@in_style
def dots(series, titles, xlabels, *, finding="", lines=None, sharex=False) -> Figure:
    """One panel an entry of `series`, one row a name, one dot a value, a bar at the mean of a row or of its groups.

    `series` holds, for each panel, values (S,) by row, from the top down, and group; all panels have the same rows. A
    group that is a method has its colour and is filled; the others are black, the first filled if none is a method.
    `finding` is the title of the whole, `lines` are places of a grey line in each panel, at chance for example. Panels
    of one quantity have scales of one width, with `sharex` one scale.
    """
    crowd = max(len(values) for rows in series for values in rows.values())
    height = (0.22 + 0.12 * crowd) * len(series[0]) + 1.6
    figure, axes = panels(len(series), width=4 + 2.4 * len(series), height=height, sharey=True, sharex=sharex)
    for ax, rows, title, xlabel, line in zip(axes[0], series, titles, xlabels, lines or [None] * len(series)):
        if line is not None:
            ax.axvline(line, color=UNUSED, linewidth=1.5)
        _draw_dots(ax, rows)
        ax.set(title=title, xlabel=xlabel, ylabel="")
        ax.locator_params(axis="x", nbins=6 if len(series) < 3 else 4)
        ax.grid(axis="x", alpha=0.3)
    widest = max(np.ptp(ax.get_xlim()) for ax in axes[0])
    for ax in axes[0] if len(set(xlabels)) == 1 else []:
        ax.set_xlim(np.mean(ax.get_xlim()) + widest * np.array([-0.5, 0.5]))
    figure.suptitle(finding)
    legend_below(figure)
    return figure


def _draw_dots(ax, rows: dict) -> None:
    """Draw one panel: the dots of every group, side by side where they would hide each other, then the bars."""
    found = [(row, group, x) for row, own in rows.items() for group, values in own.items() for x in values]
    table = pd.DataFrame(found, columns=["row", "group", "value"])
    groups = list(table["group"].unique())
    apart = max(map(len, rows.values())) > 1
    place = dict(x="value", y="row", hue="group", order=list(rows), hue_order=groups, legend=False, ax=ax)
    for number, (group, marker) in enumerate(zip(groups, "osD^vPX<>")):
        colour = (method_style(group) or ("black",))[0]
        full = colour != "black" or not (number or any(map(method_style, groups)))
        face, edge = (colour, "white") if full else ("white", colour)
        style = dict(palette=[face] * len(groups), edgecolor=edge, linewidth=1, size=6, marker=marker, warn_thresh=1)
        sns.swarmplot(table[table["group"] == group], dodge=apart, **style, **place)
        ax.plot([], [], marker, color=colour, markerfacecolor=face, label=group if len(groups) > 1 else "")
    bar = dict(linestyle="none", marker="|", markersize=12, markeredgewidth=1.5, zorder=4)
    spread = 0.8 - 0.8 / len(groups) if apart else False  # where `swarmplot` puts the groups
    sns.pointplot(table, errorbar=None, dodge=spread, palette=["black"] * len(groups), **bar, **place)
    for edge in range(1, len(rows) if apart else 0):
        ax.axhline(edge - 0.5, color=UNUSED, linewidth=0.5)
