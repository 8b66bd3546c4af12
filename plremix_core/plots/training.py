"""Curves over epochs, methods side by side, and pictures with their labels."""

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from .style import CLEAN, COLOURS, DASHES, NOISY, UNUSED, panels


def curves(
    series: list[dict],
    titles: list[str],
    ylabels: list[str],
    *,
    xlabel: str = "epochs trained",
    ticks: list | None = None,
) -> Figure:
    """One panel an entry of `series`: every seed thin behind the mean of the seeds.

    Parameters
    ----------
    series : list of dict of str to ndarray of shape (S, E)
        Curves of a panel by name, S seeds and E epochs; a name that begins with clean or noisy takes that colour.
    titles, ylabels : list of str
        One a panel; a title is the finding, a label the quantity and its unit.
    xlabel : str
        Label of the horizontal axis, which counts from 1.
    ticks : list of str or int, optional
        What stands at the E places of that axis instead of 1, 2, ...

    Returns
    -------
    Figure
    """
    figure, axes = panels(len(series), height=3.6)
    for ax, group, title, ylabel in zip(axes[0], series, titles, ylabels):
        for number, (name, values) in enumerate(group.items()):
            colour = {"clean": CLEAN, "noisy": NOISY, "coin": UNUSED}.get(name.split()[0], COLOURS[number])
            marker = {"clean": "o", "noisy": "x"}.get(name.split()[0], "")
            epochs = range(1, values.shape[1] + 1)
            ax.plot(epochs, values.T, color=colour, linewidth=0.7, alpha=0.45)
            style = dict(color=colour, linestyle=DASHES[number], marker=marker, linewidth=2)
            ax.plot(epochs, values.mean(axis=0), label=name, **style)
        if ticks is not None:
            ax.set_xticks(epochs, ticks)
        if ax.get_ylim()[0] < 0 < ax.get_ylim()[1]:
            ax.axhline(0, color=UNUSED, linewidth=0.8, zorder=0)
        ax.set(title=title, xlabel=xlabel, ylabel=ylabel)
        ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.17), ncols=2, fontsize=9)
    return figure


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
    ax = axes[0, 0]
    ax.plot(table["epoch"] + 1, table["test_accuracy"], color=COLOURS[0], lw=2, label=name)
    ax.plot(baseline["epoch"] + 1, baseline["test_accuracy"], color=COLOURS[1], lw=2, ls="--", label="cross-entropy")
    ends = (one["test_accuracy"].tail(10).mean() for one in (table, baseline))  # as `History.last`
    ax.set(title="{} ends at {:.0%}, cross-entropy at {:.0%}".format(name, *ends), ylabel="test accuracy (fraction)")
    for m, style in ((1, "-"), (2, ":")):
        for ax, column in ((axes[0, 1], f"auc_{m}"), (axes[0, 2], f"clean_{m}")):
            if column in table:
                ax.plot(table["epoch"] + 1, table[column], style, color=COLOURS[0], lw=2, label=f"network {m}")
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


def method_dots(last, best, xlabel: str) -> Figure:
    """One row a method, one dot a seed: last epochs filled, best epoch hollow.

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
    figure, axes = panels(1, height=0.55 * len(order) + 1.2, width=7)
    ax = axes[0, 0]
    for row, method in enumerate(order):
        colour = COLOURS[0] if method == "plremix" else "black"
        ax.plot(best.loc[method], [row + 0.16] * best.shape[1], "o", mfc="none", color=colour, alpha=0.6)
        ax.plot(last.loc[method], [row] * last.shape[1], "o", color=colour)
        ax.plot(last.loc[method].mean(), row, "|", color=colour, ms=22, mew=2)
    ax.plot([], [], "o", color="black", label="last ten epochs")
    ax.plot([], [], "o", mfc="none", color="black", alpha=0.6, label="best epoch (picked on the test set)")
    ax.set(yticks=range(len(order)), yticklabels=order, xlabel=xlabel)
    ax.set_title(f"{order[-1]} ends highest, {order[0]} lowest")
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
        Titles in the colour of noisy samples and, elsewhere, of clean ones; black if it is not told.
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
    colours = ["black"] * len(images) if wrong is None else [NOISY if bad else CLEAN for bad in wrong]
    for ax, image, title, colour in zip(axes.flat, images, titles, colours):
        ax.imshow(image.transpose(1, 2, 0), cmap="gray", vmin=0, vmax=255)
        style = dict(parse_math=False, fontsize=8, weight="normal")  # names are text from outside
        ax.set_title(title, loc="center", color=colour, **style)
    return figure
