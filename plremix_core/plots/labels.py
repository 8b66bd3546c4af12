"""Images and their labels: given, true and predicted."""

import seaborn as sns
from matplotlib.figure import Figure

from .style import CLEAN, NOISY, SMALL, UNUSED, in_style, legend_below, panels


@in_style
def image_grid(images, titles: list[str], wrong=None, columns: int = 10) -> Figure:
    """Pictures (n, 1 or 3, H, W), uint8, with a title each, `columns` a row.

    With `wrong` (n,), bool, titles have a cross and the colour of noisy samples, or a tick and that of clean ones.
    """
    rows = -(-len(images) // columns)
    figure, axes = panels(columns, rows, width=9.5, height=1.45)
    for ax in axes.flat:
        ax.axis("off")
    marks = {None: ("", "black"), True: ("✗ ", NOISY), False: ("✓ ", CLEAN)}
    told = [None] * len(images) if wrong is None else [bool(bad) for bad in wrong]
    for ax, image, title, (mark, colour) in zip(axes.flat, images, titles, map(marks.get, told)):
        ax.imshow(image.transpose(1, 2, 0), cmap="gray", vmin=0, vmax=255)
        ax.set_title(mark + title, color=colour, fontsize=SMALL, parse_math=False)  # names are text from outside
    return figure


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
def label_noise(matrices: dict, class_names) -> Figure:
    """By title, a matrix (C, C): the share of every true class, a row, that has each given label."""
    figure, axes = panels(len(matrices), height=3.6)
    for ax, (title, matrix) in zip(axes[0], matrices.items()):
        first, last = ax is axes[0, 0], ax is axes[0, -1]
        style = dict(cmap="Blues", vmin=0, vmax=1, square=True, cbar=last)
        style |= dict(cbar_kws={"label": "share of the true class", "shrink": 0.7}) if last else {}
        sns.heatmap(matrix, ax=ax, xticklabels=class_names, yticklabels=class_names if first else False, **style)
        ax.set(title=title, xlabel="given label", ylabel="true label" if first else "")
    return figure
