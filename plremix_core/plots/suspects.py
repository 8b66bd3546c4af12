"""Rankings of suspect labels, and what cleaning by them is worth."""

import numpy as np
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


def removal_curves(shares, holdout, test) -> Figure:
    """Accuracy after dropping a share of the suspects, on the hold-out's given labels and on the test set.

    Parameters
    ----------
    shares : ndarray of shape (R,)
        Dropped share of the training images, in [0, 1]; the first is 0.
    holdout, test : ndarray of shape (S, R)
        Accuracies by seed, in [0, 1].

    Returns
    -------
    Figure
    """
    figure, axes = panels(2, height=3.5)
    names = {"hold-out, given labels": holdout, "test set, true labels": test}
    for number, (ax, (name, values)) in enumerate(zip(axes[0], names.items())):
        ax.plot(100 * shares, values.T, color=COLOURS[number], linewidth=0.8, alpha=0.5)
        ax.plot(100 * shares, values.mean(axis=0), color=COLOURS[number], linewidth=2, marker="o")
        best = shares[np.argmax(values.mean(axis=0))]
        ax.set(title=f"{name}: best without {best:.0%}", ylabel="accuracy (fraction)")
        ax.set(xlabel="most suspect images dropped (% of all)", xticks=100 * shares)
    return figure
