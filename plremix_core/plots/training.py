"""Curves over epochs, methods side by side, and pictures with their labels."""

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from .style import CLEAN, NOISY, UNUSED, line_styles, panels


def curves(
    series: list[dict],
    titles: list[str],
    ylabels: list[str],
    *,
    xlabel: str = "epochs trained",
    ticks: list | None = None,
    sharey: bool = False,
) -> Figure:
    """One panel an entry of `series`: every seed thin behind the mean of the seeds; one legend if all name the same.

    Parameters
    ----------
    series : list of dict of str to ndarray of shape (S, E)
        Curves of a panel by name, S seeds and E epochs; colour and line are those of `line_styles`.
    titles, ylabels : list of str
        One a panel; a title is the finding, a label the quantity and its unit.
    xlabel : str
        Label of the horizontal axis, which counts from 1.
    ticks : list of str or int, optional
        What stands at the E places of that axis instead of 1, 2, ...
    sharey : bool
        One vertical scale for all panels.

    Returns
    -------
    Figure
    """
    figure, axes = panels(len(series), height=3.6, sharey=sharey)
    alike = len(series) > 1 and all(list(group) == list(series[0]) for group in series)
    for ax, group, title, ylabel in zip(axes[0], series, titles, ylabels):
        epochs = _lines(ax, group)
        if ticks is not None:
            ax.set_xticks(epochs, ticks)
        if ax.get_ylim()[0] < 0 < ax.get_ylim()[1]:
            ax.axhline(0, color=UNUSED, linewidth=0.8, zorder=0)
        ax.set(title=title, xlabel=xlabel, ylabel=ylabel)
        if not alike:
            ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.17), ncols=2, fontsize=9)
    if alike:
        figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=4, fontsize=9)
    return figure


def curve_grid(finding: str, rows: dict[str, list[dict]], titles: list[str]) -> Figure:
    """Small multiples: one row a quantity, one column a setting, every seed thin behind the mean of the seeds.

    Parameters
    ----------
    finding : str
        Title of the whole.
    rows : dict of str to list of dict of str to ndarray of shape (S, E)
        By quantity and unit, one group of curves a column, as for `curves`.
    titles : list of str
        One a column.

    Returns
    -------
    Figure
    """
    figure, axes = panels(len(titles), len(rows), width=2.3 * len(titles) + 1, height=2.2, sharex="col", sharey="row")
    for line, (ylabel, groups) in zip(axes, rows.items()):
        line[0].set_ylabel(ylabel)
        for ax, group in zip(line, groups):
            _lines(ax, group)
    for ax, title in zip(axes[0], titles):
        ax.set_title(title)
    for ax in axes[-1]:
        ax.set_xlabel("epochs trained")
    handles = {name: line for ax in axes.flat for line, name in zip(*ax.get_legend_handles_labels())}
    figure.legend(handles.values(), handles, loc="outside lower center", ncols=min(len(handles), 6), fontsize=9)
    figure.suptitle(finding, weight="bold", fontsize=11.5)
    return figure


def _lines(ax, group: dict) -> range:
    """Draw a group of curves into a panel; the epochs of its axis."""
    styles = line_styles(group)
    for name, values in group.items():
        colour, dash = styles[name]
        marker = {"clean": "o", "noisy": "x"}.get(name.split()[0], "")
        epochs = range(1, values.shape[1] + 1)
        ax.plot(epochs, values.T, color=colour, linewidth=0.7, alpha=0.45)
        ax.plot(epochs, values.mean(axis=0), label=name, color=colour, linestyle=dash, marker=marker, linewidth=2)
    return epochs


def training(table, baseline, *, clean: int, warm_up: int, name: str) -> Figure:
    """Curves of one training beside those of plain cross-entropy.

    Parameters
    ----------
    table, baseline : DataFrame
        `History.table` of the method and of cross-entropy.
    clean : int
        True number of clean samples.
    warm_up : int
        Epochs before the first division.
    name : str
        Of the method.

    Returns
    -------
    Figure
    """
    figure, axes = panels(3, width=11, height=3.5)
    ax, (colour, dash) = axes[0, 0], line_styles([name])[name]
    plain, dashes = line_styles(["ce"])["ce"]
    ax.plot(table["epoch"] + 1, table["test_accuracy"], color=colour, lw=2, ls=dash, label=name)
    ax.plot(baseline["epoch"] + 1, baseline["test_accuracy"], color=plain, lw=2, ls=dashes, label="cross-entropy")
    ends = (one["test_accuracy"].tail(10).mean() for one in (table, baseline))  # as `History.last`
    ax.set_title("Last ten epochs: {} {:.0%},\ncross-entropy {:.0%}".format(name, *ends))
    ax.set_ylabel("test accuracy (fraction)")
    for m, style in ((1, "-"), (2, ":")):
        for ax, column in ((axes[0, 1], f"auc_{m}"), (axes[0, 2], f"clean_{m}")):
            if column in table:
                ax.plot(table["epoch"] + 1, table[column], style, color=colour, lw=2, label=f"network {m}")
    found = table.get("auc_1", table["epoch"] * float("nan")).iloc[-1]
    axes[0, 1].set(title=f"The division ends at AUC {found:.2f}", ylabel="AUC of p(clean)")
    axes[0, 2].axhline(clean, color=UNUSED, lw=1.5, ls="--", label="true number")
    called = table.get("clean_1", table["epoch"] * float("nan")).iloc[-1]
    axes[0, 2].set(title=f"{called:,.0f} are called clean, {clean:,} are", ylabel="samples called clean")
    for ax in axes[0]:
        ax.axvline(warm_up + 0.5, color=UNUSED, lw=0.8)
        ax.set(xlabel="epochs trained", xlim=(0.5, len(table) + 0.5))
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
        ax.legend(fontsize=9)
    return figure


def leader(last) -> str | None:
    """The method of the highest mean, if it leads the next by more than both standard deviations together.

    Parameters
    ----------
    last : DataFrame of shape (methods, seeds)
        Accuracy by method and seed.

    Returns
    -------
    str or None
        Its name; None if the lead is within the spread of the seeds.
    """
    mean, spread = last.mean(axis=1), last.std(axis=1)
    first, second = mean.nlargest(2).index
    return first if mean[first] - mean[second] > spread[first] + spread[second] else None


def method_dots(last, best, xlabel: str) -> Figure:
    """One row a method, one dot a seed, a little apart: last epochs filled, best epoch hollow.

    Parameters
    ----------
    last, best : DataFrame of shape (methods, seeds)
        Accuracy by method and seed.
    xlabel : str
        Quantity and unit.

    Returns
    -------
    Figure
    """
    order = last.mean(axis=1).sort_values().index
    figure, axes = panels(1, height=0.6 * len(order) + 1.2, width=7)
    ax, spread = axes[0, 0], np.linspace(-0.1, 0.1, last.shape[1])
    for row, method in enumerate(order):
        colour = line_styles([method])[method][0]
        ax.plot(best.loc[method], row + 0.22 + spread, "o", mfc="none", color=colour, alpha=0.8)
        ax.plot(last.loc[method], row - 0.14 + spread, "o", color=colour, alpha=0.8)
        ax.plot(last.loc[method].mean(), row - 0.14, "|", color="black", ms=20, mew=1.5)
    ax.plot([], [], "o", color="black", label="last ten epochs")
    ax.plot([], [], "o", mfc="none", color="black", alpha=0.8, label="best epoch (picked on the test set)")
    ax.set(yticks=range(len(order)), yticklabels=order, xlabel=xlabel, ylim=(-0.5, len(order) - 0.5))
    first, final = leader(last), leader(-last)
    ends = [f"{first} highest" if first else "no clear winner", f"{final} lowest" if final else "no clear loser"]
    ax.set_title("Last ten epochs: " + ", ".join(ends))
    ax.legend(loc="upper center", bbox_to_anchor=(0.4, -0.2), ncols=2, fontsize=9)
    ax.grid(axis="x", alpha=0.3)
    return figure


def image_grid(images, titles: list[str], wrong=None, columns: int = 10) -> Figure:
    """Small pictures with a title each.

    Parameters
    ----------
    images : ndarray of shape (n, 1 or 3, H, W), uint8
        Pictures.
    titles : list of str
        One a picture.
    wrong : ndarray of shape (n,), bool, optional
        A cross and the colour of noisy samples before these titles, elsewhere a tick and that of clean ones.
    columns : int
        Pictures a row.

    Returns
    -------
    Figure
    """
    rows = -(-len(images) // columns)
    figure, axes = panels(columns, rows, width=9.5, height=1.45)
    for ax in axes.flat:
        ax.axis("off")
    marks = {None: ("", "black"), True: ("✗ ", NOISY), False: ("✓ ", CLEAN)}
    told = [None] * len(images) if wrong is None else [bool(bad) for bad in wrong]
    for ax, image, title, (mark, colour) in zip(axes.flat, images, titles, map(marks.get, told)):
        ax.imshow(image.transpose(1, 2, 0), cmap="gray", vmin=0, vmax=255)
        style = dict(parse_math=False, fontsize=8, weight="normal")  # names are text from outside
        ax.set_title(mark + title, loc="center", color=colour, **style)
    return figure
