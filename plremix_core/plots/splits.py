"""Clean and noisy samples: a model fitted to them, their losses, and the mixture that splits them by these."""

import numpy as np
from matplotlib.figure import Figure

from .style import CLEAN, NOISY, UNUSED, in_style, legend_below, panels


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

    A panel has its `losses` (N,), scaled to [0, 1], and over the `grid` (G,) the mixture's `density` (G,) and the
    `posterior` (G,) of its clean component (`Split.on_grid`): their product is that component. Where the posterior
    exceeds `threshold` the panel is shaded. `noisy` (N,) is bool; the horizontal axis ends at `upto`.
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
    axes[0, 0].set_ylabel("density (per unit of scaled loss)")
    legend_below(figure, columns=3)
    return figure


@in_style
def loss_planes(points, noisy, posteriors, titles: list[str], *, threshold: float = 0.5, densities=()) -> Figure:
    """Samples over their two losses, shaded where a rule calls them clean, one panel a rule.

    `points` (N, 2) are classifier and prototype loss, scaled to [0, 1], and `noisy` (N,), bool, tells whose given label
    is wrong. A rule has its `posteriors` (G, G), the probability of the clean component over a grid of the unit square;
    first index is the prototype loss. With `densities` (G, G) of the mixtures each component is drawn as ellipses one
    and two standard deviations around its mean.
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
    legend_below(figure)
    return figure
