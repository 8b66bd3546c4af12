"""Labels: noise rates, losses of clean and noisy samples, soft targets."""

import numpy as np
import seaborn as sns
from matplotlib.figure import Figure

from .style import CLEAN, COLOURS, NOISY, UNUSED, panels


def fitted_line(x, given, wrong, grid, probability, titles: list[str]) -> Figure:
    """Points `x` (n,) with given labels 0 or 1 and `wrong` (n,) bool; P(class 1) (G,) over `grid` (G,), one a panel."""
    figure, axes = panels(len(probability), sharey=True)
    for ax, line, title in zip(axes[0], probability, titles):
        ax.plot(grid, line, color="black", linewidth=1.5, label="network")
        ax.axhline(0.5, color=UNUSED, linewidth=0.8)
        ax.plot(x[~wrong], given[~wrong], "o", color=CLEAN, label="clean sample")
        ax.plot(x[wrong], given[wrong], "x", color=NOISY, markersize=9, markeredgewidth=2.5, label="noisy sample")
        ax.set(title=title, xlabel="input x (no unit)", ylim=(-0.1, 1.1))
    axes[0, 0].set_ylabel("given label, P(class 1)")
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return figure


def noise_rates(nominal, real, class_names, matrices: dict) -> Figure:
    """Real rates (R, S) of S seeds over nominal (R,); by title, a matrix (C, C): given labels of every true class."""
    figure, axes = panels(1 + len(matrices), height=3.7)
    ax, classes = axes[0, 0], len(class_names)
    ax.plot([0, 1], [0, 1], color=UNUSED, linestyle="--", label="real = nominal")
    ax.plot([0, 1], [0, (classes - 1) / classes], color=COLOURS[0], label="r (C - 1) / C")
    ax.plot(nominal, real, "k+", markersize=9)
    ax.set(title="The real rate lies below the nominal", xlabel="nominal rate r (fraction)")
    ax.set_ylabel("real rate (fraction)")
    ax.legend(loc="upper left")
    for number, (ax, (title, matrix)) in enumerate(zip(axes[0, 1:], matrices.items()), 1):
        last = number == len(matrices)
        style = dict(cmap="Blues", vmin=0, vmax=1, square=True, cbar=last, cbar_kws={"label": "share of the class"})
        sns.heatmap(matrix, ax=ax, yticklabels=class_names if number == 1 else False, **style)
        ax.set(
            title=title,
            xlabel="given label (number, in the order of the rows)",
            ylabel="true label" if number == 1 else "",
        )
    return figure


def loss_histograms(losses, noisy, grid, density, posterior, titles: list[str], *, threshold: float = 0.5) -> Figure:
    """Scaled losses of the clean and of the noisy samples with the mixture fitted to them, one panel a division.

    Parameters
    ----------
    losses : sequence of ndarray of shape (N,)
        Losses scaled to [0, 1].
    noisy : ndarray of shape (N,), bool
        Samples whose given label is wrong.
    grid, density, posterior : ndarray of shape (G,), sequences of (G,)
        From `Split.on_grid`; shaded where the posterior of the clean component exceeds `threshold`.
    titles : list of str
        One a panel.

    Returns
    -------
    Figure
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
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=4)
    return figure


def soft_targets(predicted, targets, given, titles: list[str], class_names) -> Figure:
    """Prediction and target (K, C) of K samples, one panel each, with the given label (K,) marked."""
    figure, axes = panels(len(targets), width=3.7 * len(targets), height=3.3, sharey=True)
    classes = np.arange(len(class_names))
    for ax, before, after, label, title in zip(axes[0], predicted, targets, given, titles):
        ax.bar(classes - 0.2, before, 0.4, color=UNUSED, label="prediction")
        ax.bar(classes + 0.2, after, 0.4, color=COLOURS[0], hatch="///", edgecolor="white", label="target")
        ax.plot(label, 1.07, "v", color="black", markersize=9, label="given label")
        ax.set(title=title, ylim=(0, 1.15), xticks=classes)
        ax.set_xticklabels(class_names, rotation=60, ha="right", fontsize=8)
    axes[0, 0].set_ylabel("probability")
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return figure
