"""Rankings of suspect labels, and what cleaning by them is worth."""

from matplotlib.figure import Figure

from .style import COLOURS, DASHES, UNUSED, panels


def precision_curves(counts, rankings: dict, rate: float, *, at: int = 100) -> Figure:
    """Share of wrong labels among the first k of several rankings.

    Parameters
    ----------
    counts : ndarray of shape (K,), int
        k, samples.
    rankings : dict of str to ndarray of shape (S, K)
        Precision at k by the ranking's name, one row a seed; the first one is ours.
    rate : float
        Share of wrong labels in the whole set, in [0, 1]: the precision of a random ranking.
    at : int
        One of `counts`, for the title.

    Returns
    -------
    Figure
    """
    figure, axes = panels(1, height=3.8, width=7)
    ax = axes[0, 0]
    for number, (name, values) in enumerate(rankings.items()):
        ax.plot(counts, values.T, color=COLOURS[number], linewidth=0.7, alpha=0.45)
        style = dict(color=COLOURS[number], linestyle=DASHES[number], linewidth=2)
        ax.plot(counts, values.mean(axis=0), label=name, **style)
    ax.axhline(rate, color=UNUSED, linewidth=1.5, label="random ranking")
    first = next(iter(rankings.values())).mean(axis=0)[list(counts).index(at)]
    ax.set(title=f"Of the first {at} suspects {first:.0%} are really wrong, of all labels {rate:.0%}", ylim=(0, 1.02))
    ax.set(xlabel="k, most suspect labels looked at (samples)", ylabel="precision at k (fraction wrong)")
    figure.legend(*ax.get_legend_handles_labels(), loc="outside lower center", ncols=2, fontsize=9)
    return figure


def seed_rows(values: dict, finding: str, xlabel: str, *, chance: dict | None = None) -> Figure:
    """One panel a kind of noise, one row a method: one dot a seed, a bar at their mean.

    Parameters
    ----------
    values : dict of str to DataFrame of shape (methods, seeds)
        By the panel's title; all with the same index, the methods from the top down. A method whose name begins with
        PLReMix takes the colour of ours.
    finding : str
        Title of the whole.
    xlabel : str
        Quantity and unit.
    chance : dict of str to float, optional
        By the panel's title, what a random answer comes to: a grey line.

    Returns
    -------
    Figure
    """
    methods = next(iter(values.values())).index
    width = 2.2 + 2.5 * len(values)
    figure, axes = panels(len(values), width=width, height=0.34 * len(methods) + 1.4, sharey=True)
    for ax, (title, table) in zip(axes[0], values.items()):
        if chance is not None:
            ax.axvline(chance[title], color=UNUSED, linewidth=1.5)
        for place, (name, found) in enumerate(table.iterrows()):
            ours = name.startswith("PLReMix")
            style = dict(color=COLOURS[0] if ours else "black", mfc=COLOURS[0] if ours else "none")
            ax.plot(found, [place] * len(found), "o" if ours else "s", ms=5, alpha=0.7, **style)
            ax.plot(found.mean(), place, "|", color=style["color"], ms=15, mew=1.8)
        ax.set_title(title, fontsize=10)
        ax.set(xlabel=xlabel, yticks=range(len(methods)), yticklabels=list(methods), ylim=(len(methods) - 0.5, -0.5))
        ax.grid(axis="x", alpha=0.3)
    figure.suptitle(finding, weight="bold", fontsize=11.5)
    return figure
