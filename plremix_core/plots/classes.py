"""Images, and classes in the labels and in the space of projections."""

import seaborn as sns
from matplotlib.figure import Figure

from .style import CLASS_COLOURS, CLEAN, COLOURS, NOISY, SMALL, UNUSED, WIDTH, in_style, legend_below, panels

COLUMNS = 10  # images in a row


@in_style
def image_grid(images, titles: list[str], wrong=None) -> Figure:
    """Pictures (n, 1 or 3, H, W), uint8, with a title each, ten in a row.

    With `wrong` (n,), bool, titles have a cross and the colour of noisy samples, or a tick and that of clean ones.
    """
    lines = 1 + max(title.count("\n") for title in titles)
    figure, axes = panels(COLUMNS, -(-len(images) // COLUMNS), width=WIDTH, height=WIDTH / COLUMNS + 0.16 * lines)
    for ax in axes.flat:
        ax.set_axis_off()
    marks = (
        [("", "black")] * len(images) if wrong is None else [("✗ ", NOISY) if bad else ("✓ ", CLEAN) for bad in wrong]
    )
    for ax, image, title, (mark, colour) in zip(axes.flat, images, titles, marks):
        ax.imshow(image.transpose(1, 2, 0), cmap="gray", vmin=0, vmax=255)
        ax.set_title(mark + title, color=colour, fontsize=SMALL, parse_math=False)  # names are text from outside
    return figure


@in_style
def maps(finding: str, rows: list[dict], labels, names) -> Figure:
    """Small multiples of two-dimensional maps, coloured and marked by class, with one legend.

    An entry of `rows` is a row of panels: maps (n, 2) by title. `labels` (n,) are the classes of the points, `names`
    those of the classes.
    """
    figure, axes = panels(max(map(len, rows)), len(rows), height=2.5, subplot_kw=dict(xticks=[], yticks=[]))
    for row, line in zip(rows, axes):
        for ax, (title, points) in zip(line, row.items()):
            for name, colour, marker, c in zip(names, CLASS_COLOURS, "osD^vP*X<>", range(len(names))):
                ax.plot(
                    *points[labels == c].T, marker, color=colour, label=name, markersize=4, markeredgewidth=0, alpha=0.7
                )
            ax.set_title(title)
            ax.set_aspect("equal", adjustable="datalim")
    figure.suptitle(finding)
    legend_below(figure, columns=5)
    return figure


@in_style
def label_noise(matrices: dict, class_names) -> Figure:
    """By title, a matrix (C, C): the share of every true class, a row, that has each given label."""
    figure, axes = panels(len(matrices), height=4.4)
    _heatmaps(axes[0], matrices, class_names, top=1, label="share of the true class")
    for ax in axes[0]:
        ax.set(xlabel="given label")
    axes[0, 0].set(ylabel="true label")
    return figure


@in_style
def class_distances(matrices: dict, share, change, class_names) -> Figure:
    """Class distances (C, C) by title; over the `share` (S, P) of negative pairs the `change` (S, P) of distance."""
    figure, axes = panels(len(matrices) + 1, height=3.6)
    _heatmaps(axes[0, :-1], matrices, class_names, top=1.5, label="mean cosine distance")
    ax = axes[0, -1]
    ax.axhline(0, color=UNUSED, linewidth=0.8)
    for colour, marker, *places in zip(COLOURS, "os^D", share, change):
        ax.plot(*places, marker, color=colour, alpha=0.6, markersize=4)
    ax.set(title="Rarely negative: closer", xlabel="negative pairs (share)", ylabel="change of cosine distance")
    return figure


def _heatmaps(axes, matrices: dict, class_names, *, top: float, label: str) -> None:
    """One matrix of classes a panel, all on one scale from 0 to `top`."""
    for ax, (title, matrix) in zip(axes, matrices.items()):
        ticks = dict(xticklabels=class_names, yticklabels=class_names if ax is axes[0] else False)
        sns.heatmap(matrix, ax=ax, cmap="Blues", vmin=0, vmax=top, square=True, cbar=False, **ticks)
        ax.set_title(title)
    axes[0].figure.colorbar(axes[0].collections[0], ax=axes, label=label, location="bottom", shrink=0.5, aspect=30)
