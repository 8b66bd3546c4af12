"""Measurements as dots: one row a name, one dot a value."""

import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from .style import METHOD_STYLES, UNUSED, in_style, legend_below, panels

MARKERS = "osD^vPX<>"


@in_style
def dots(
    series: list[dict], titles: list[str], xlabels: list[str], *, finding: str = "", lines: list | None = None
) -> Figure:
    """One panel an entry of `series`, one row a name, one dot a value, a bar at the mean of a row or of its groups.

    Parameters
    ----------
    series : list of dict of str to dict of str to ndarray of shape (S,)
        Values of a panel by row, from the top down, and by group; all panels have the same rows. A group that is a
        method has its colour (`METHOD_STYLES`), the others are black. The first group is filled.
    titles, xlabels : list of str
        One a panel; a label is the quantity and its unit.
    finding : str
        Title of the whole, if several panels share one.
    lines : list of float or None, optional
        Where a grey line stands in each panel, for example at zero or at chance.
    """
    crowd = max(len(values) for rows in series for values in rows.values())
    height = (0.22 + 0.12 * crowd) * len(series[0]) + 1.6
    figure, axes = panels(len(series), width=4 + 2.4 * len(series), height=height, sharey=True)
    for number, (ax, rows) in enumerate(zip(axes[0], series)):
        if lines is not None and lines[number] is not None:
            ax.axvline(lines[number], color=UNUSED, linewidth=1.5)
        _dots(ax, rows)
        ax.set(title=titles[number], xlabel=xlabels[number])
    if finding:
        figure.suptitle(finding)
    legend_below(figure)
    return figure


def _dots(ax, rows: dict) -> None:
    """Draw one panel: the dots of every group, then the bars."""
    groups = list(dict.fromkeys(group for row in rows.values() for group in row))
    apart = max(map(len, rows.values())) > 1
    found = [(row, group, x) for row, own in rows.items() for group, values in own.items() for x in values]
    table = pd.DataFrame(found, columns=["row", "group", "value"])
    place = dict(x="value", y="row", hue="group", order=list(rows), hue_order=groups, legend=False, ax=ax)
    for number, group in enumerate(groups):
        colour, own = METHOD_STYLES.get(group, ("black",))[0], table[table["group"] == group]
        face, marker = "white" if number else colour, MARKERS[number]
        edge = colour if number else "white"
        style = dict(palette=[face] * len(groups), edgecolor=edge, linewidth=1, size=6, marker=marker)
        if apart:
            sns.stripplot(own, dodge=True, jitter=False, **style, **place)
        else:
            sns.swarmplot(own, warn_thresh=1, **style, **place)  # equal values side by side
        ax.plot([], [], marker, color=colour, markerfacecolor=face, label=group if len(groups) > 1 else "")
    bar = dict(
        palette=["black"] * len(groups), linestyle="none", marker="|", markersize=12, markeredgewidth=1.5, zorder=4
    )
    spread = 0.8 - 0.8 / len(groups) if apart else False  # where `stripplot` puts the groups
    sns.pointplot(table, errorbar=None, dodge=spread, **bar, **place)
    for edge in range(1, len(rows) if apart else 0):
        ax.axhline(edge - 0.5, color=UNUSED, linewidth=0.5)
    ax.set_ylabel("")
    ax.locator_params(axis="x", nbins=6)
    ax.grid(axis="x", alpha=0.3)


def leader(last) -> str | None:
    """The method of the highest mean, if it leads the next by more than both standard deviations together.

    Parameters
    ----------
    last : DataFrame of shape (methods, seeds)
        Accuracy by method and seed.
    """
    mean, spread = last.mean(axis=1), last.std(axis=1)
    first, second = mean.nlargest(2).index
    return first if mean[first] - mean[second] > spread[first] + spread[second] else None


@in_style
def gain_over(memorised, gain, names: dict) -> Figure:
    """Gain of accuracy over the share memorised without contrast, Series by host and seed; `names` of the hosts."""
    figure, axes = panels(1, height=3.8)
    ax = axes[0, 0]
    ax.axhline(0, color=UNUSED, linewidth=0.8, zorder=0)
    for number, (host, name) in enumerate(names.items()):
        style = dict(color="black", markerfacecolor="white" if number % 2 else "black", markersize=8, label=name)
        ax.plot(memorised[host], gain[host], MARKERS[number], **style)
    ax.set(title="PLR helps the hosts that memorise", xlabel="wrong labels memorised without contrast (fraction)")
    ax.set_ylabel("test accuracy with PLR\nminus without")
    ax.legend(loc="upper left")
    return figure


@in_style
def bench(engines: dict, images, seconds, *, title: str) -> Figure:
    """Engines side by side, and the growth of an epoch with the number of images.

    Parameters
    ----------
    engines : dict of str to ndarray of shape (R,)
        Seconds of an epoch of both networks by engine, R repeats.
    images, seconds : ndarray of shape (K,)
        Training images, and seconds of such an epoch.
    title : str
        What was measured on.
    """
    figure, ((left, right),) = panels(2, width=11, height=0.35 * len(engines) + 2.4)
    _dots(left, {name: {"": values} for name, values in engines.items()})
    left.set(xlabel="seconds an epoch of both networks", xlim=(0, None))
    right.plot(images, seconds, "ko-")
    right.plot([0, images[-1]], [0, seconds[-1]], color=UNUSED, linestyle=":", label="proportional")
    right.set(xlabel="training images N", ylabel="seconds an epoch", xlim=(0, None), ylim=(0, None))
    right.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    right.legend()
    figure.suptitle(title)
    return figure
