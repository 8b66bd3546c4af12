"""The mixture over two losses."""

import matplotlib as mpl
import numpy as np
import seaborn as sns
from matplotlib.figure import Figure

from .style import CLEAN, NOISY, UNUSED, panels


def loss_planes(points, noisy, posteriors, titles: list[str], *, threshold: float = 0.5) -> Figure:
    """Samples over their two losses, shaded where a rule calls them clean, one panel a rule.

    Parameters
    ----------
    points : ndarray of shape (N, 2)
        Classifier and prototype loss, scaled to [0, 1].
    noisy : ndarray of shape (N,), bool
        Samples whose given label is wrong.
    posteriors : sequence of ndarray of shape (G, G)
        Probability of the clean component over a grid of the unit square; first index is the prototype loss.
    titles : list of str
        One a panel.

    Returns
    -------
    Figure
    """
    figure, axes = panels(len(posteriors), width=3.2 * len(posteriors), height=3.6, sharey=True)
    for ax, posterior, title in zip(axes[0], posteriors, titles):
        grid = np.linspace(0, 1, len(posterior))
        ax.contourf(grid, grid, posterior, levels=[threshold, 1.01], colors=[UNUSED], alpha=0.3)
        ax.contour(grid, grid, posterior, levels=[threshold], colors="black", linewidths=1.4)
        style = dict(s=max(8, 600 / len(points)), linewidths=0.8)
        ax.scatter(*points[~noisy].T, marker="o", facecolors="none", edgecolors=CLEAN, label="clean sample", **style)
        ax.scatter(*points[noisy].T, marker="x", color=NOISY, label="noisy sample", **style)
        ax.set(title=title, xlabel="classifier loss, scaled to [0, 1]", xlim=(-0.03, 1.03), ylim=(-0.03, 1.03))
    axes[0, 0].set_ylabel("prototype loss, scaled to [0, 1]")
    shade = mpl.patches.Patch(facecolor=UNUSED, alpha=0.3, edgecolor="black", label="rule says clean")
    handles = [*axes[0, 0].get_legend_handles_labels()[0], shade]
    figure.legend(handles=handles, loc="outside lower center", ncols=3)
    return figure


def mixture_surfaces(axis, density, posterior, *, threshold: float = 0.5) -> Figure:
    """Surfaces of density and posterior (G, G) over the plane of both losses, and contours; see `Split.on_grid`."""
    wide = dict(width=11, height=3.3, subplot_kw={"projection": "3d"}, gridspec_kw={"width_ratios": [5, 5, 4]})
    figure, axes = panels(3, **wide)
    (left, middle, old), (x, y) = axes[0], np.meshgrid(axis, axis)
    colours = mpl.colors.LinearSegmentedColormap.from_list("division", [NOISY, "white", CLEAN])
    for ax, height, label in ((left, density, "density"), (middle, posterior, "P(clean)")):
        ax.plot_surface(
            x, y, height, facecolors=colours(posterior), rcount=40, ccount=40, linewidth=0, antialiased=False
        )
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


def class_similarity(matrices: dict, class_names) -> Figure:
    """Cosines (C, C) by title, prototypes of true (rows) and of given labels (columns), dot: largest of a row."""
    figure, axes = panels(len(matrices), width=3.3 * len(matrices) + 0.8, height=4, sharey=True)
    for ax, (title, matrix) in zip(axes[0], matrices.items()):
        ticks = dict(xticklabels=class_names, yticklabels=class_names)
        sns.heatmap(matrix, ax=ax, cmap="Blues", vmin=0, vmax=1, square=True, cbar=False, **ticks)
        ax.plot(matrix.argmax(axis=1) + 0.5, np.arange(len(matrix)) + 0.5, "o", color=NOISY, markersize=5)
        ax.set(title=title, xlabel="prototype of the given labels")
    axes[0, 0].set_ylabel("prototype of the true labels")
    figure.colorbar(ax.collections[0], ax=axes, label="cosine", shrink=0.7)
    return figure
