"""Which pairs of a batch repel."""

import matplotlib as mpl
import numpy as np
import seaborn as sns
from matplotlib.figure import Figure

from .style import CLEAN, COLOURS, NOISY, UNUSED, in_style, legend_below, panels


@in_style
def on_circle(angles, classes, titles: list[str], pushes: dict) -> Figure:
    """Points of two classes on a circle, and what pushes them along it; points in one spot are counted.

    `angles` (K, n), radians, has one row a panel, `classes` (n,) are 0 or 1; `pushes` (n,) by name are the arrows of
    the first panel, counter-clockwise if positive.
    """
    figure, axes = panels(len(angles), width=max(3.4 * len(angles), 5), height=3.8, subplot_kw=dict(aspect="equal"))
    x, y = np.cos(angles), np.sin(angles)
    for ax, across, up, title in zip(axes[0], x, y, titles):
        ax.add_patch(mpl.patches.Circle((0, 0), 1, fill=False, color=UNUSED))
        for c, (marker, face) in enumerate((("o", "black"), ("s", "white"))):
            style = dict(markerfacecolor=face, markeredgecolor="black", markersize=9, label=f"class {c}")
            ax.plot(across[classes == c], up[classes == c], marker, **style)
            _count_spots(ax, across[classes == c], up[classes == c])
        ax.set(title=title, xlim=(-1.6, 1.6), ylim=(-1.45, 1.65))
        ax.set_axis_off()
    longest = max(abs(push).max() for push in pushes.values())
    for number, (name, push) in enumerate(pushes.items()):
        length, radius = 0.8 * push / longest, 1.16 + 0.2 * number
        arrows = (radius * x[0], radius * y[0], -length * y[0], length * x[0])
        style = dict(angles="xy", scale_units="xy", scale=1, width=0.016, color=COLOURS[number], label=name)
        axes[0, 0].quiver(*arrows, **style)
    legend_below(figure, columns=4 if len(angles) > 1 else 2)
    return figure


def _count_spots(ax, x, y) -> None:
    together = np.hypot(np.subtract.outer(x, x), np.subtract.outer(y, y)) < 0.05
    for i in np.flatnonzero((together.sum(axis=1) > 1) & (together.argmax(axis=1) == np.arange(len(x)))):
        ax.text(1.22 * x[i], 1.22 * y[i], f"{together[i].sum()}×", ha="center", va="center")


@in_style
def candidate_sets(member, given, true, class_names) -> Figure:
    """Candidate sets `member` (B, C) bool as a picture, with given and true labels (B,) marked."""
    figure, axes = panels(1, width=7.2, height=3.6)
    ax, places, right = axes[0, 0], np.arange(len(given)) + 0.5, given == true
    shades = mpl.colors.ListedColormap(["white", "#BFDFF2"])
    sns.heatmap(member.T, ax=ax, cmap=shades, cbar=False, linewidths=1, linecolor="#DDDDDD", yticklabels=class_names)
    ax.invert_yaxis()
    ax.plot(places, true + 0.5, "s", color="black", markersize=17, fillstyle="none", label="true label")
    ax.plot(places[right], given[right] + 0.5, "o", color=CLEAN, markersize=8, label="given label, right")
    style = dict(color=NOISY, markersize=9, markeredgewidth=2.5, label="given label, wrong")
    ax.plot(places[~right], given[~right] + 0.5, "x", **style)
    ax.set(title="No shaded row in common: the two samples repel", xlabel="sample (number)", ylabel="class")
    legend_below(figure)
    return figure


@in_style
def pair_masks(masks, true, titles: list[str]) -> Figure:
    """Masks (K, B, B) as pictures, one panel each, for samples sorted by their true labels (B,)."""
    figure, axes = panels(len(masks), width=max(3.3 * len(masks), 5), height=3.8)
    names = ["left alone", "itself: other view attracts", "repels, other class", "repels, same class (false)"]
    colours = ["#EEEEEE", "black", COLOURS[0], COLOURS[1]]
    same = true[:, None] == true[None]
    for ax, mask, title in zip(axes[0], masks, titles):
        state = np.where(mask < 0, 2 + same, mask)
        ax.imshow(state, cmap=mpl.colors.ListedColormap(colours), vmin=0, vmax=3, interpolation="nearest")
        for edge in np.flatnonzero(np.diff(true)) + 0.5:
            ax.axhline(edge, color="black", linewidth=0.5)
            ax.axvline(edge, color="black", linewidth=0.5)
        ax.set(title=title, xlabel="sample j, by true class")
        ax.tick_params(labelbottom=False, labelleft=False, length=0)
    axes[0, 0].set_ylabel("sample i, by true class")
    patches = [mpl.patches.Patch(facecolor=c, edgecolor="grey", label=n) for c, n in zip(colours, names)]
    figure.get_layout_engine().set(h_pad=0.07)
    figure.legend(handles=patches, loc="outside lower center", ncols=4 if len(masks) > 2 else 2)
    return figure
