"""Samples: their images and labels, their losses with the mixture that splits them, and distances of their classes."""

import matplotlib as mpl
import numpy as np
import seaborn as sns
from matplotlib.figure import Figure

from .style import CLEAN, COLOURS, NOISY, SMALL, UNUSED, WIDTH, in_style, legend_below, panels


@in_style
def image_grid(images, titles: list[str], wrong=None) -> Figure:
    """Pictures (n, 1 or 3, H, W), uint8, with a title each, ten in a row.

    With `wrong` (n,), bool, titles have a cross and the colour of noisy samples, or a tick and that of clean ones.
    """
    lines = 1 + max(title.count("\n") for title in titles)
    bare = dict(frame_on=False, xticks=[], yticks=[])
    figure, axes = panels(10, -(-len(images) // 10), height=WIDTH / 10 + 0.16 * lines, subplot_kw=bare)
    marks = {None: ("", "black"), True: ("✗ ", NOISY), False: ("✓ ", CLEAN)}
    for ax, image, title, bad in zip(axes.flat, images, titles, [None] * len(images) if wrong is None else wrong):
        ax.imshow(image.transpose(1, 2, 0), cmap="gray", vmin=0, vmax=255)
        mark, colour = marks[bad]
        ax.set_title(mark + title, color=colour, fontsize=SMALL, parse_math=False)  # names are text from outside
    return figure


@in_style
def maps(finding: str, rows: list[dict], labels, names) -> Figure:
    """Rows of panels: by title, two-dimensional maps (n, 2), by the classes `labels` (n,) called `names`."""
    figure, axes = panels(max(map(len, rows)), len(rows), height=2.5, subplot_kw=dict(xticks=[], yticks=[]))
    colours = COLOURS if len(names) <= len(COLOURS) else mpl.color_sequences["tab10"]
    style = dict(markersize=4, markeredgewidth=0, alpha=0.7)
    for row, line in zip(rows, axes):
        for ax, (title, points) in zip(line, row.items()):
            for c, (name, colour, marker) in enumerate(zip(names, colours, "osD^vP*X<>")):
                ax.plot(*points[labels == c].T, marker, color=colour, label=name, **style)
            ax.set_title(title)
            ax.set_aspect("equal", adjustable="datalim")
    figure.suptitle(finding)
    legend_below(figure, columns=5)
    return figure


@in_style
def label_noise(matrices: dict, class_names) -> Figure:
    """By title, a matrix (C, C): the share of every true class, a row, that has each given label."""
    figure, axes = panels(len(matrices), height=4.4)
    words = dict(label="share of the true class", xlabel="given label", ylabel="true label")
    _heatmaps(axes[0], matrices, class_names, top=1, **words)
    return figure


@in_style
def class_distances(matrices: dict, share, change, class_names) -> Figure:
    """Class distances (C, C) by title; over the `share` (S, P) of negative pairs the `change` (S, P) of distance."""
    figure, axes = panels(len(matrices) + 1, height=3.6)
    _heatmaps(axes[0, :-1], matrices, class_names, top=2, label="mean cosine distance")
    ax = axes[0, -1]
    ax.axhline(0, color=UNUSED, linewidth=0.8)
    for colour, marker, *places in zip(COLOURS, "os^D", share, change):
        ax.plot(*places, marker, color=colour, alpha=0.6, markersize=4)
    ax.set(title="Rarely negative: closer", xlabel="negative pairs (share)", ylabel="change of cosine distance")
    return figure


def _heatmaps(axes, matrices: dict, class_names, *, top: float, label: str, xlabel="", ylabel="") -> None:
    """One matrix of classes a panel, all on one scale from 0 to `top`."""
    for ax, (title, matrix) in zip(axes, matrices.items()):
        ticks = dict(xticklabels=class_names, yticklabels=class_names if ax is axes[0] else False)
        sns.heatmap(matrix, ax=ax, cmap="Blues", vmin=0, vmax=top, square=True, cbar=False, **ticks)
        ax.set(title=title, xlabel=xlabel, ylabel=ylabel if ax is axes[0] else "")
    axes[0].figure.colorbar(axes[0].collections[0], ax=axes, label=label, location="bottom", shrink=0.5, aspect=30)


@in_style
def fitted_line(x, given, wrong, grid, probability, titles: list[str]) -> Figure:
    """Points `x` (n,) with given labels 0 or 1 and `wrong` (n,) bool; P(class 1) (G,) over `grid` (G,), one a panel."""
    figure, axes = panels(len(probability), sharey=True)
    for ax, line, title in zip(axes[0], probability, titles):
        ax.plot(grid, line, color="black", linewidth=1.5, label="model")
        ax.axhline(0.5, color=UNUSED, linewidth=0.8)
        ax.plot(x[~wrong], given[~wrong], "o", color=CLEAN, label="clean sample")
        ax.plot(x[wrong], given[wrong], "x", color=NOISY, markersize=9, markeredgewidth=2.5, label="noisy sample")
        ax.set(title=title, xlabel="input x", ylim=(-0.1, 1.1))
    axes[0, 0].set_ylabel("given label, P(class 1)")
    legend_below(figure)
    return figure


@in_style
def loss_histograms(losses, noisy, grid, density, posterior, titles, *, threshold=0.5, upto: float = 1.0) -> Figure:
    """Losses of the clean and of the noisy samples with the mixture fitted to them, one panel a split.

    A panel has its `losses` (N,), scaled to [0, 1], and over the `grid` (G,) the mixture's `density` and `posterior`
    of the clean component (`Split.on_grid`), shaded where it exceeds `threshold`; the horizontal axis ends at `upto`.
    """
    figure, axes = panels(len(losses))
    bins = np.linspace(0, upto, 26)
    looks = dict(color=[NOISY, CLEAN], edgecolor=[NOISY, CLEAN], hatch=["////", ""], alpha=0.35, histtype="stepfilled")
    looks |= dict(label=["noisy samples", "clean samples"])  # the last is drawn first
    for ax, loss, total, p_clean, title in zip(axes[0], losses, density, posterior, titles):
        groups = [loss[noisy], loss[~noisy]]
        ax.hist(groups, bins, weights=[np.full(len(group), 1 / bins[1] / len(loss)) for group in groups], **looks)
        ax.plot(grid, total * p_clean, color=CLEAN, linewidth=2, label="clean component")
        ax.plot(grid, total * (1 - p_clean), color=NOISY, linewidth=2, linestyle="--", label="noisy component")
        says = dict(color=UNUSED, alpha=0.25, transform=ax.get_xaxis_transform(), label="mixture says clean")
        ax.fill_between(grid, 0, 1, where=p_clean > threshold, **says)
        ax.set(title=title, xlabel="classifier loss, scaled to [0, 1]", xlim=(0, upto))
    axes[0, 0].set_ylabel("density")
    legend_below(figure, columns=3)
    return figure


@in_style
def loss_planes(points, noisy, posteriors, titles: list[str], *, threshold: float = 0.5, densities=()) -> Figure:
    """Samples over their two losses, shaded where a rule calls them clean, one panel a rule.

    `points` (N, 2) are classifier and prototype loss in [0, 1], `noisy` (N,) bool. A rule has its `posteriors` (G, G),
    P(clean) over a grid of the unit square; first index is the prototype loss. With `densities` (G, G) of the mixtures
    each component is drawn as ellipses one and two standard deviations around its mean.
    """
    figure, axes = panels(len(posteriors), width=max(2.5 * len(posteriors), 4.4), height=3.2, sharey=True)
    style = dict(s=max(8, 600 / len(points)), linewidths=0.8)
    for ax, posterior, title in zip(axes[0], posteriors, titles):
        grid = np.linspace(0, 1, len(posterior))
        ax.contourf(grid, grid, posterior, levels=[threshold, 1.01], colors=[UNUSED], alpha=0.3)
        ax.contour(grid, grid, posterior, levels=[threshold], colors="black", linewidths=1.4)
        ax.scatter(*points[~noisy].T, marker="o", facecolors="none", edgecolors=CLEAN, label="clean sample", **style)
        ax.scatter(*points[noisy].T, marker="x", color=NOISY, label="noisy sample", **style)
        ax.fill([], [], facecolor=UNUSED, alpha=0.3, edgecolor="black", label="rule says clean")
        ax.set(title=title, xlabel="classifier loss, scaled", xlim=(-0.03, 1.03), ylim=(-0.03, 1.03))
    for ax, density, posterior in zip(axes[0], densities, posteriors):
        grid = np.linspace(0, 1, len(posterior))
        for part, colour in ((density * posterior, CLEAN), (density * (1 - posterior), NOISY)):
            ax.contour(grid, grid, part, levels=part.max() * np.exp([-2, -0.5]), colors=colour, linewidths=1.2)
    axes[0, 0].set_ylabel("prototype loss, scaled")
    legend_below(figure, columns=2 if len(posteriors) == 1 else 4)
    return figure
