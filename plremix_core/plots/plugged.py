"""What a loss plugged into other methods changes."""

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from .style import CLEAN, COLOURS, METHOD_STYLES, NOISY, UNUSED, panels

NAMES = {"none": "without contrast", "naive": "every pair repels", "plr": "with PLR"}
ARMS = {arm: (marker, METHOD_STYLES[name][0]) for (arm, name), marker in zip(NAMES.items(), "osD")}  # marker, colour


def logit_pushes(pushes, titles: list[str], *, wanted: int, given: int) -> Figure:
    """Push of one step on the logits (C,) of one image, one panel a method; `wanted` is its true class."""
    pushes = list(pushes)
    figure, axes = panels(len(pushes), width=3.4 * len(pushes), height=3.1, sharey=True)
    classes = np.arange(len(pushes[0]))
    colours = [{wanted: CLEAN, given: NOISY}.get(c, UNUSED) for c in classes]
    names = [{wanted: f"{c}\ntrue", given: f"{c}\ngiven"}.get(c, str(c)) for c in classes]
    for ax, push, title in zip(axes[0], pushes, titles):
        ax.bar(classes, push, color=colours, hatch=["////" if c == given else "" for c in classes], edgecolor="white")
        ax.axhline(0, color="black", linewidth=0.8)
        if not np.any(push):
            ax.text(classes.mean(), 0, "0: not used", ha="center", va="bottom")
        ax.set(title=title, xlabel="class", xticks=classes, xticklabels=names)
    axes[0, 0].set_ylabel("push on the logit\n(minus the gradient)")
    return figure


def arms(measure, gains: dict, titles: list[str], xlabels: list[str], names: dict) -> Figure:
    """With and without: a measure by host and arm, and its paired differences.

    Parameters
    ----------
    measure : DataFrame
        Index host and seed, one column an arm (none, naive, plr).
    gains : dict of str to tuple of str
        What the right panel shows by name: (arm, arm taken off).
    titles, xlabels : list of str
        Of both panels; the finding, and quantity with unit.
    names : dict of str to str
        Host to what the axis calls it, from the top down.

    Returns
    -------
    Figure
    """
    figure, axes = panels(2, width=10, height=0.8 * len(names) + 1.7, sharey=True)
    for row, host in enumerate(names):
        part = measure.loc[host]
        for number, arm in enumerate(part):
            marker, colour = ARMS[arm]
            places = np.full(len(part), row + 0.22 * (number - 1))
            axes[0, 0].plot(part[arm], places, marker, color=colour, alpha=0.8)
            axes[0, 0].plot(part[arm].mean(), places[0], "|", color="black", ms=13, mew=1.5)
        for shift, (more, less) in zip((-0.16, 0.16), gains.values()):
            difference, filled = part[more] - part[less], less == "none"
            style = dict(color=COLOURS[0], mfc=COLOURS[0] if filled else "white", alpha=0.8)
            axes[0, 1].plot(difference, [row + shift] * len(difference), "D", **style)
            axes[0, 1].plot(difference.mean(), row + shift, "|", color="black", ms=13, mew=1.5)
    axes[0, 1].axvline(0, color="black", linewidth=0.8)
    for ax, title, xlabel in zip(axes[0], titles, xlabels):
        ax.set(title=title, xlabel=xlabel, yticks=range(len(names)), yticklabels=list(names.values()))
        ax.grid(axis="x", alpha=0.3)
    axes[0, 0].invert_yaxis()
    dots = [Line2D([], [], ls="", marker=m, color=c) for m, c in ARMS.values()]
    pairs = [Line2D([], [], ls="", marker="D", color=COLOURS[0], mfc=c) for c in (COLOURS[0], "white")]
    legend = dict(loc="upper center", bbox_to_anchor=(0.5, -0.2), fontsize=9)
    axes[0, 0].legend(dots, list(NAMES.values()), ncols=3, **legend)
    axes[0, 1].legend(pairs, list(gains), ncols=2, **legend)
    return figure


def gain_over(memorised, gain, names: dict) -> Figure:
    """Gain of accuracy over the share memorised without the plug, Series by host and seed; `names` of the hosts."""
    figure, axes = panels(1, height=3.8)
    ax = axes[0, 0]
    ax.axhline(0, color=UNUSED, linewidth=0.8, zorder=0)
    for number, (host, name) in enumerate(names.items()):
        style = dict(color="black", mfc="white" if number % 2 else "black", markersize=8, alpha=0.8, label=name)
        ax.plot(memorised[host], gain[host], "osD^vP"[number], **style)
    ax.set(title="PLR helps the hosts that memorise", xlabel="wrong labels memorised without contrast (fraction)")
    ax.set_ylabel("test accuracy with PLR\nminus without")
    ax.legend(loc="upper left")
    return figure
