"""Maps of projections and how compact they are."""

import matplotlib as mpl
import seaborn as sns
from matplotlib.figure import Figure

from .style import CLASS_COLOURS, COLOURS, UNUSED, line_styles, panels


def maps(finding: str, rows: list[dict], labels, names) -> Figure:
    """Small multiples of two-dimensional maps, coloured and marked by class, with one legend.

    Parameters
    ----------
    finding : str
        Title of the whole figure.
    rows : list of dict of str to ndarray of shape (n, 2)
        Maps by title, one row of panels an entry.
    labels : ndarray of shape (n,), or list of list of such arrays
        Class of each point; nested like `rows` if it is not the same everywhere.
    names : sequence of str
        One name a class.

    Returns
    -------
    Figure
    """
    columns = max(map(len, rows))
    figure, axes = panels(columns, len(rows), width=3.3 * columns + 1.2, height=3.0)
    for i, row in enumerate(rows):
        for j, (title, points) in enumerate(row.items()):
            ax, classes = axes[i, j], labels[i][j] if isinstance(labels, list) else labels
            for c, name in enumerate(names):
                style = dict(s=10, marker="osD^vP*X<>"[c % 10], color=CLASS_COLOURS[c % 10], alpha=0.7, linewidths=0)
                ax.scatter(*points[classes == c].T, label=name, **style)
            ax.set(title=title, xticks=[], yticks=[])
            ax.set_aspect("equal", adjustable="datalim")
            ax.set_xlabel("coordinate 1 (no unit)" if i == len(rows) - 1 else "", fontsize=8)
        axes[i, 0].set_ylabel("coordinate 2 (no unit)", fontsize=8)
    handles = axes[0, 0].get_legend_handles_labels()
    figure.suptitle(finding, weight="bold", fontsize=11.5)
    figure.legend(*handles, loc="outside right center", markerscale=2, fontsize=9)
    return figure


def measure_dots(table, titles: dict, names: dict) -> Figure:
    """One panel a measure, one row a method, one dot a seed; projections filled, backbone features hollow.

    Parameters
    ----------
    table : DataFrame
        Columns method, space (projections or features) and the measures.
    titles : dict of str to tuple of str
        Measure to title and axis label.
    names : dict of str to str
        Method to what the axis calls it, from the top down.

    Returns
    -------
    Figure
    """
    figure, axes = panels(len(titles), width=3.1 * len(titles) + 1.2, height=2.9, sharey=True)
    for ax, (measure, (title, xlabel)) in zip(axes[0], titles.items()):
        for space, shift, fill in (("projections", -0.14, True), ("features", 0.14, False)):
            for row, (method, part) in enumerate(
                (m, table[(table.method == m) & (table.space == space)]) for m in names
            ):
                colour = line_styles([method])[method][0]
                style = dict(color=colour, mfc=colour if fill else "none", alpha=0.7)
                ax.plot(part[measure], [row + shift] * len(part), "o", **style)
                ax.plot(part[measure].mean(), row + shift, "|", color=colour, ms=13, mew=1.5)
        ax.set(title=title, xlabel=xlabel, yticks=range(len(names)), yticklabels=list(names.values()))
        ax.set_ylim(len(names) - 0.5, -0.5)  # the first at the top, room for its label and dots
        ax.grid(axis="x", alpha=0.3)
    handles = [mpl.lines.Line2D([], [], color="black", marker="o", ls="", mfc=c) for c in ("black", "none")]
    figure.legend(handles, ["projections", "backbone features"], loc="outside lower center", ncols=2)
    return figure


def class_distances(matrices: dict, share, change, class_names) -> Figure:
    """Class distances (C, C) by title; over the `share` (P,) of repelling pairs the `change` (P,) of distance."""
    figure, axes = panels(len(matrices) + 1, width=13, height=4.2)
    for ax, (title, matrix) in zip(axes[0], matrices.items()):
        ticks = dict(xticklabels=class_names, yticklabels=class_names)
        sns.heatmap(matrix, ax=ax, cmap="Blues", vmin=0, vmax=2, square=True, cbar=False, **ticks)
        ax.set_title(title)
    figure.colorbar(ax.collections[0], ax=axes[0, :-1], label="mean cosine distance", shrink=0.7)
    ax = axes[0, -1]
    ax.axhline(0, color=UNUSED, linewidth=0.8)
    ax.plot(share, change, "o", color=COLOURS[0], alpha=0.7)
    ax.set(title="Classes seldom repelled come closer", xlabel="pairs that repel (share of the class pair)")
    ax.set_ylabel("change of cosine distance")
    return figure
