"""Which pairs of a batch are negative pairs, and what that does to points on a circle."""

import matplotlib as mpl
import numpy as np
import seaborn as sns
from matplotlib.figure import Figure

from .style import CLEAN, COLOURS, NOISY, UNUSED, in_style, legend_below, panels

STATES = {  # of a pair of images: colour
    "not used": "#EEEEEE",
    "same image (positive)": "black",
    "negative pair, other class": COLOURS[0],
    "false negative (same class)": COLOURS[1],
}


@in_style
def on_circle(angles, classes, titles: list[str], pushes: list[dict]) -> Figure:
    """Points of two classes on a circle, one panel a row of `angles` (K, n), radians; `classes` (n,) are 0 or 1.

    `pushes` has for each panel arrows (n,) by name, radians counter-clockwise; first name outside, second inside.
    """
    figure, axes = panels(len(angles), width=3.4 * len(angles) if len(angles) > 1 else 4.2, height=3)
    for ax, row, title, forces in zip(axes[0], angles, titles, pushes):
        ax.add_patch(mpl.patches.Circle((0, 0), 1, fill=False, color=UNUSED))
        for c, (marker, face) in enumerate((("o", "black"), ("s", "white"))):
            style = dict(markerfacecolor=face, markeredgecolor="black", markersize=8, zorder=3, label=f"class {c}")
            ax.plot(np.cos(row[classes == c]), np.sin(row[classes == c]), marker, **style)
        ax.set(title=title, xlim=(-1.4, 1.4), ylim=(-1.35, 1.35), aspect="equal")
        ax.set_axis_off()
        for (name, push), radius, colour in zip(forces.items(), (1.2, 0.8), COLOURS):
            ax.plot([], [], color=colour, linewidth=2, label=name)
            for angle, length in zip(row, push):
                if abs(length) > 0.02:  # else shorter than its head
                    way = np.linspace(angle, angle + length, 20)
                    arc = mpl.path.Path(radius * np.stack([np.cos(way), np.sin(way)], axis=1))
                    style = dict(arrowstyle="-|>", color=colour, linewidth=2, mutation_scale=7)
                    ax.add_patch(mpl.patches.FancyArrowPatch(path=arc, **style))
    legend_below(figure, columns=4 if len(angles) > 1 else 2)
    return figure


@in_style
def candidate_sets(member, given, true, class_names) -> Figure:
    """Candidate sets `member` (B, C) bool as a picture, with given and true labels (B,) marked."""
    figure, axes = panels(1, width=6, height=3)
    ax, places, right = axes[0, 0], np.arange(len(given)) + 0.5, given == true
    lines = dict(linewidths=1, linecolor="#DDDDDD", yticklabels=class_names)
    sns.heatmap(member.T, ax=ax, cmap=["white", "#BFDFF2"], cbar=False, **lines)
    ax.invert_yaxis()
    ax.plot(places, true + 0.5, "s", color="black", markersize=17, fillstyle="none", label="true label")
    ax.plot(places[right], given[right] + 0.5, "o", color=CLEAN, markersize=8, label="given label, right")
    style = dict(color=NOISY, markersize=9, markeredgewidth=2.5, label="given label, wrong")
    ax.plot(places[~right], given[~right] + 0.5, "x", **style)
    ax.set(title="Two samples without a shaded row in common are a negative pair", xlabel="sample", ylabel="class")
    legend_below(figure)
    return figure


@in_style
def pair_masks(masks, true, titles: list[str]) -> Figure:
    """Masks (K, B, B) as pictures, one panel each, for samples sorted by their true labels (B,)."""
    figure, axes = panels(len(masks), width=max(2.6 * len(masks), 4), height=3.3 if len(masks) < 4 else 2.7)
    same, edges = true[:, None] == true[None], np.flatnonzero(np.diff(true)) + 1
    style = dict(cmap=[*STATES.values()], vmin=0, vmax=3, cbar=False, square=True)
    style |= dict.fromkeys(("xticklabels", "yticklabels"), len(true) <= 12)  # else too many for a number each
    for ax, mask, title in zip(axes[0], masks, titles):
        sns.heatmap(np.where(mask < 0, 2 + same, mask), ax=ax, **style)
        ax.hlines(edges, 0, len(true), color="black", linewidth=0.5)
        ax.vlines(edges, 0, len(true), color="black", linewidth=0.5)
        ax.set(title=title, xlabel="sample j")
        ax.tick_params(axis="y", rotation=0)
    axes[0, 0].set_ylabel("sample i, by true class")
    for name, colour in STATES.items():
        axes[0, 0].plot([], [], "s", color=colour, markeredgecolor="grey", label=name)
    legend_below(figure, columns=2)
    return figure
