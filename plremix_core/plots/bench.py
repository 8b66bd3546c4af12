"""The figure of `plremix bench`."""

import numpy as np
from matplotlib.figure import Figure

from .style import CLEAN, COLOURS, UNUSED, panels


def bench(engines: dict, baseline: str, parts: dict, growth: dict, *, title: str) -> Figure:
    """Engines side by side, parts of an epoch, and growth with images, points of the mixture, batch and classes.

    Parameters
    ----------
    engines : dict of str to ndarray of shape (R,)
        Seconds of an epoch of both networks by engine, R repeats.
    baseline : str
        The engine that the others are compared with.
    parts : dict of str to float
        Share of an epoch by part, as a fraction.
    growth : dict of str to (ndarray, ndarray, ndarray)
        By what grows ("images", "points", "batch", "classes"): its values, seconds, and bytes (empty for the points).
    title : str
        What was measured on.

    Returns
    -------
    Figure
    """
    figure, axes = panels(3, 2, width=12, height=3.5)
    figure.suptitle(title, fontsize=10)
    _engines(axes[0, 0], engines, baseline)
    _parts(axes[0, 1], parts)
    images, seconds, memory = growth["images"]
    _line(axes[0, 2], images, seconds, "training images N", "seconds an epoch of both networks")
    if len(images) > 1:
        slope = np.polyfit(np.log(images), np.log(seconds), 1)[0]
        axes[0, 2].set_title(f"Time grows as N to the power {slope:.2f}")
    _line(axes[1, 0], images, memory / 2**20, "training images N", "peak memory of the process (MiB)", False)
    axes[1, 0].set_title(f"Memory: {memory[-1] / 2**20:,.0f} MiB at {images[-1]:,} images")
    points, seconds, _ = growth["points"]
    _line(axes[1, 1], points, seconds, "points of the mixture", "seconds a division")
    axes[1, 1].set_title(f"The mixture alone: {seconds[-1]:.2g} s at {points[-1]:,.0f}")
    for name, colour, style in (("batch", COLOURS[0], "o-"), ("classes", COLOURS[1], "s--")):
        values, seconds, _ = growth[name]
        axes[1, 2].plot(values, seconds, style, color=colour, label=f"{name} {values[0]} to {values[-1]}")
    axes[1, 2].set(xscale="log", xlabel="batch B or classes C", ylabel="seconds an epoch")
    axes[1, 2].set(title="Same images, other B or C")
    axes[1, 2].set_ylim(0, 1.1 * axes[1, 2].get_ylim()[1])
    axes[1, 2].legend(fontsize=9)
    return figure


def _engines(ax, engines: dict, baseline: str) -> None:
    base = np.median(engines[baseline])
    for row, (name, seconds) in enumerate(engines.items()):
        middle = np.median(seconds)
        colour, style = (CLEAN, "-") if name.startswith("ours") else (UNUSED, "--")
        ax.barh(row, middle, color=colour, alpha=0.35, edgecolor=colour, linestyle=style)
        ax.plot(seconds, [row] * len(seconds), "o", color=colour, ms=4)
        ax.annotate(
            f"{middle:.2f} s, × {base / middle:.1f}", (max(seconds), row), (4, 0), textcoords="offset points",
            va="center", fontsize=8,
        )  # fmt: skip
    ax.set(yticks=range(len(engines)), yticklabels=list(engines), xlabel="seconds an epoch of both networks")
    ax.set_xlim(0, 1.45 * max(max(seconds) for seconds in engines.values()))
    ax.invert_yaxis()
    ours = next(name for name in engines if name.startswith("ours"))
    ratio = base / np.median(engines[ours])
    ax.set_title(f"{ours}: {ratio:.1f} times the plain speed" if baseline.startswith("plain") else "An epoch")


def _parts(ax, parts: dict) -> None:
    names, shares = list(parts), np.array(list(parts.values()))
    ax.barh(names, 100 * shares, color=COLOURS[: len(names)], alpha=0.7)
    for row, share in enumerate(shares):
        ax.annotate(
            f"{100 * share:.1f} %", (100 * share, row), (4, 0), textcoords="offset points", va="center", fontsize=8
        )
    ax.set(xlabel="share of an epoch (%)", xlim=(0, 115 * max(shares)))
    ax.invert_yaxis()
    ax.set_title("Checkpoint: {:.1%} of an epoch".format(parts.get("checkpoint", float("nan"))))


def _line(ax, x: np.ndarray, y: np.ndarray, xlabel: str, ylabel: str, ray: bool = True) -> None:
    ax.plot(x, y, "o-", color=COLOURS[0], lw=2)
    if ray:
        ax.plot([0, x[-1]], [0, y[-1]], color=UNUSED, ls=":", lw=1, label="proportional")
        ax.legend(fontsize=8)
    ax.set(xlabel=xlabel, ylabel=ylabel, ylim=(0, None))
    ax.ticklabel_format(
        axis="x", style="plain" if x[-1] < 10**5 else "sci", scilimits=(0, 0) if x[-1] >= 10**5 else None
    )
    ax.tick_params(axis="x", labelsize=8)
