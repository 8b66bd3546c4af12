"""Classes in the space of projections: maps and distances."""

import seaborn as sns
from matplotlib.figure import Figure

from .style import CLASS_COLOURS, COLOURS, UNUSED, in_style, panels


@in_style
def maps(finding: str, rows: list[dict], labels, names) -> Figure:
    """Small multiples of two-dimensional maps, coloured and marked by class, with one legend.

    An entry of `rows` is a row of panels: maps (n, 2) by title. `labels` (n,) are the classes of the points, or lists
    of such arrays, nested like `rows`, where they are not the same everywhere; `names` are those of the classes.
    """
    figure, axes = panels(max(map(len, rows)), len(rows), height=2.5)
    for i, row in enumerate(rows):
        for j, (title, points) in enumerate(row.items()):
            ax, classes = axes[i, j], labels[i][j] if isinstance(labels, list) else labels
            for c, name in enumerate(names):
                style = dict(s=10, marker="osD^vP*X<>"[c % 10], color=CLASS_COLOURS[c % 10], alpha=0.7, linewidths=0)
                ax.scatter(*points[classes == c].T, label=name, **style)
            ax.set(title=title, xticks=[], yticks=[])
            ax.set_aspect("equal", adjustable="datalim")
    figure.suptitle(finding)
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=5, markerscale=2)
    return figure


@in_style
def class_distances(matrices: dict, share, change, class_names) -> Figure:
    """Class distances (C, C) by title; over the `share` (S, P) of negative pairs the `change` (S, P) of distance."""
    figure, axes = panels(len(matrices) + 1, height=3.6)
    _heatmaps(figure, axes[0, :-1], matrices, class_names, top=1.5, label="mean cosine distance")
    ax = axes[0, -1]
    ax.axhline(0, color=UNUSED, linewidth=0.8)
    for colour, marker, *places in zip(COLOURS, "os^D", share, change):
        ax.plot(*places, marker, color=colour, alpha=0.6, markersize=4)
    ax.set(title="Rarely negative: closer", xlabel="negative pairs (share)", ylabel="change of cosine distance")
    return figure


def _heatmaps(figure: Figure, axes, matrices: dict, class_names, *, top: float, label: str) -> None:
    """One matrix of classes a panel, all on one scale."""
    for ax, (title, matrix) in zip(axes, matrices.items()):
        ticks = dict(xticklabels=class_names, yticklabels=class_names if ax is axes[0] else False)
        sns.heatmap(matrix, ax=ax, cmap="Blues", vmin=0, vmax=top, square=True, cbar=False, **ticks)
        ax.set_title(title)
    figure.colorbar(axes[0].collections[0], ax=list(axes), label=label, location="bottom", shrink=0.5, aspect=30)
