"""Losses of clean and noisy samples, and the mixture that splits them; posteriors come from `Split.on_grid`."""

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from .style import CLEAN, NOISY, UNUSED, in_style, legend_below, panels


@in_style
def loss_histograms(losses, noisy, grid, density, posterior, titles: list[str], *, threshold: float = 0.5) -> Figure:
    """Losses of the clean and of the noisy samples with the mixture fitted to them, one panel a split.

    A panel has its `losses` (N,), scaled to [0, 1], and over the `grid` (G,) the mixture's `density` (G,) and the
    `posterior` (G,) of its clean component; it is shaded where that exceeds `threshold`. `noisy` (N,) is bool.
    """
    figure, axes = panels(len(losses))
    bins = [i / 25 for i in range(26)]
    for ax, loss, line, p_clean, title in zip(axes[0], losses, density, posterior, titles):
        groups = {"clean samples": (~noisy, CLEAN, ""), "noisy samples": (noisy, NOISY, "////")}
        for name, (members, colour, hatch) in groups.items():
            style = dict(color=colour, alpha=0.45, hatch=hatch, edgecolor=colour, label=name)
            ax.hist(loss[members], bins, weights=[25 / len(loss)] * members.sum(), histtype="stepfilled", **style)
        ax.plot(grid, line, color="black", label="mixture")
        says = dict(color=UNUSED, alpha=0.25, transform=ax.get_xaxis_transform(), label="mixture says clean")
        ax.fill_between(grid, 0, 1, where=p_clean > threshold, **says)
        ax.set(title=title, xlabel="classifier loss, scaled to [0, 1]")
    axes[0, 0].set_ylabel("density (per unit of scaled loss)")
    legend_below(figure)
    return figure


@in_style
def loss_planes(points, noisy, posteriors, titles: list[str], *, threshold: float = 0.5) -> Figure:
    """Samples over their two losses, shaded where a rule calls them clean, one panel a rule.

    Parameters
    ----------
    points, noisy : ndarray of shape (N, 2), ndarray of shape (N,), bool
        Classifier and prototype loss, scaled to [0, 1]; samples whose given label is wrong.
    posteriors : sequence of ndarray of shape (G, G)
        Probability of the clean component over a grid of the unit square; first index is the prototype loss.
    """
    figure, axes = panels(len(posteriors), width=max(3.2 * len(posteriors), 5), height=3.6, sharey=True)
    for ax, posterior, title in zip(axes[0], posteriors, titles):
        grid = np.linspace(0, 1, len(posterior))
        ax.contourf(grid, grid, posterior, levels=[threshold, 1.01], colors=[UNUSED], alpha=0.3)
        ax.contour(grid, grid, posterior, levels=[threshold], colors="black", linewidths=1.4)
        style = dict(s=max(8, 600 / len(points)), linewidths=0.8)
        ax.scatter(*points[~noisy].T, marker="o", facecolors="none", edgecolors=CLEAN, label="clean sample", **style)
        ax.scatter(*points[noisy].T, marker="x", color=NOISY, label="noisy sample", **style)
        ax.fill([], [], facecolor=UNUSED, alpha=0.3, edgecolor="black", label="rule says clean")
        ax.set(title=title, xlabel="classifier loss, scaled to [0, 1]", xlim=(-0.03, 1.03), ylim=(-0.03, 1.03))
    axes[0, 0].set_ylabel("prototype loss, scaled to [0, 1]")
    legend_below(figure)
    return figure


@in_style
def mixture_surfaces(axis, density, posterior, *, threshold: float = 0.5) -> Figure:
    """Surfaces of density and posterior (G, G) over the plane of both losses, and contours."""
    wide = dict(width=11, height=3.3, subplot_kw={"projection": "3d"}, gridspec_kw={"width_ratios": [5, 5, 4]})
    figure, axes = panels(3, **wide)
    (left, middle, old), (x, y) = axes[0], np.meshgrid(axis, axis)
    colours = mpl.colors.LinearSegmentedColormap.from_list("split", [NOISY, "white", CLEAN])
    surface = dict(facecolors=colours(posterior), rcount=40, ccount=40, linewidth=0, antialiased=False)
    for ax, height, label in ((left, density, "density"), (middle, posterior, "P(clean)")):
        ax.plot_surface(x, y, height, **surface)
        ax.set(zlabel=label, xticks=[0, 0.5, 1], yticks=[0, 0.5, 1])
        ax.view_init(30, 35)
    left.set_title("Small losses pile up, large ones spread")
    middle.set_title("Between them P(clean) falls like a cliff")
    old.remove()
    right = figure.add_subplot(axes[0, 2].get_subplotspec())
    right.contourf(x, y, posterior, levels=np.linspace(0, 1, 11), cmap=colours, alpha=0.6)
    right.contour(x, y, density, levels=density.max() * 0.5 ** np.arange(7, 0, -1), colors="#555555", linewidths=0.8)
    right.contour(x, y, posterior, levels=[threshold], colors="black", linewidths=2)
    right.set(title="From above: a curved boundary", aspect="equal")
    for ax in (left, middle, right):
        ax.set(xlabel="classifier loss, scaled", ylabel="prototype loss, scaled")
    return figure
