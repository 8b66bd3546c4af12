"""Figures: arrays in, `Figure` out. Nothing here fits, trains or draws random numbers.

One meaning a colour everywhere: clean = blue circle, noisy = vermilion cross, unused = grey dot; our method solid,
what it is compared with dashed.
"""

import matplotlib as mpl
import numpy as np
import seaborn as sns
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

CLEAN, NOISY, UNUSED = "#0072B2", "#D55E00", "#9E9E9E"  # Okabe-Ito blue and vermilion; grey
COLOURS = ["#009E73", "#E69F00", "#CC79A7", "#56B4E9", "#0072B2", "#D55E00", "#F0E442", "#000000"]
DASHES = ["-", "--", "-.", ":", (0, (5, 1)), (0, (1, 2, 5, 2))]
CLASS_COLOURS = sns.color_palette("tab10", 10)
STYLE = {
    "figure.dpi": 110,
    "figure.constrained_layout.use": True,
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
}


def panels(columns: int = 1, rows: int = 1, *, width: float | None = None, height: float = 3.4, **options) -> tuple:
    """A figure in the house style and an array of its axes, of shape (rows, columns)."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(width or (6.4 if columns == 1 else 4.1 * columns), height * rows))
        axes = figure.subplots(rows, columns, squeeze=False, **options)
    return figure, axes


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
        ax.set(title=title, xlabel="given label (class number)", ylabel="true label" if number == 1 else "")
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
        From `Division.on_grid`; shaded where the posterior of the clean component exceeds `threshold`.
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


def on_circle(angles, classes, titles: list[str], pushes: dict) -> Figure:
    """Points of two classes on a circle, and what pushes them along it.

    Parameters
    ----------
    angles : ndarray of shape (K, n)
        Radians; one panel a row.
    classes : ndarray of shape (n,), 0 or 1
        Class of each point.
    titles : list of str
        One a panel.
    pushes : dict of str to ndarray of shape (n,)
        Arrows of the first panel by name, counter-clockwise if positive.

    Returns
    -------
    Figure
    """
    figure, axes = panels(len(angles), width=3.4 * len(angles), height=3.6, subplot_kw=dict(aspect="equal"))
    x, y = np.cos(angles), np.sin(angles)
    for ax, across, up, title in zip(axes[0], x, y, titles):
        ax.add_patch(mpl.patches.Circle((0, 0), 1, fill=False, color=UNUSED))
        for c, style in enumerate(
            (dict(marker="o", markerfacecolor="black"), dict(marker="s", markerfacecolor="white"))
        ):
            style |= dict(linestyle="", markersize=9, markeredgecolor="black", label=f"class {c}")
            ax.plot(across[classes == c], up[classes == c], **style)
        ax.set(title=title, xlim=(-1.6, 1.6), ylim=(-1.45, 1.65))
        ax.set_axis_off()
    longest = max(abs(push).max() for push in pushes.values())
    for number, (name, push) in enumerate(pushes.items()):
        length, radius = 0.8 * push / longest, 1.16 + 0.2 * number
        arrows = (radius * x[0], radius * y[0], -length * y[0], length * x[0])
        style = dict(angles="xy", scale_units="xy", scale=1, width=0.016, color=COLOURS[number], label=name)
        axes[0, 0].quiver(*arrows, **style)
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=4)
    return figure


def candidate_sets(member, given, true, class_names) -> Figure:
    """Candidate sets `member` (B, C) bool as a picture, with given and true labels (B,) marked."""
    figure, axes = panels(1, width=7.2, height=3.6)
    ax, samples = axes[0, 0], np.arange(len(given))
    ax.imshow(member.T, cmap=mpl.colors.ListedColormap(["white", "#BFDFF2"]), aspect="auto", origin="lower")
    ax.plot(samples, true, "s", color="black", markersize=17, fillstyle="none", label="true label")
    ax.plot(samples[given == true], given[given == true], "o", color=CLEAN, markersize=8, label="given label, right")
    style = dict(color=NOISY, markersize=9, markeredgewidth=2.5, label="given label, wrong")
    ax.plot(samples[given != true], given[given != true], "x", **style)
    ax.set_xticks(np.arange(len(given) + 1) - 0.5, minor=True)
    ax.set_yticks(np.arange(len(class_names) + 1) - 0.5, minor=True)
    ax.grid(which="minor", color="#DDDDDD")
    ax.tick_params(which="minor", length=0)
    ax.set_xticks(samples)
    ax.set_yticks(range(len(class_names)), class_names)
    ax.set(title="No shaded row in common: the two samples repel", xlabel="sample (number)", ylabel="class")
    figure.legend(*ax.get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return figure


def pair_masks(masks, true, titles: list[str]) -> Figure:
    """Masks (K, B, B) as pictures, one panel each, for samples sorted by their true labels (B,)."""
    figure, axes = panels(len(masks), width=3.3 * len(masks), height=3.8)
    names = ["left alone", "itself: other view attracts", "repels, other class", "repels, same class (false)"]
    colours = ["#EEEEEE", "black", COLOURS[0], COLOURS[1]]
    same = true[:, None] == true[None]
    for ax, mask, title in zip(axes[0], masks, titles):
        state = np.where(mask < 0, 2 + same, mask)
        ax.imshow(state, cmap=mpl.colors.ListedColormap(colours), vmin=0, vmax=3, interpolation="nearest")
        for edge in np.flatnonzero(np.diff(true)) + 0.5:
            ax.axhline(edge, color="black", linewidth=0.5)
            ax.axvline(edge, color="black", linewidth=0.5)
        ax.set(title=title, xlabel="sample j, by true class")
        ax.tick_params(labelbottom=False, labelleft=False, length=0)
    axes[0, 0].set_ylabel("sample i, by true class")
    figure.get_layout_engine().set(h_pad=0.12)
    patches = [mpl.patches.Patch(facecolor=c, edgecolor="grey", label=n) for c, n in zip(colours, names)]
    figure.legend(handles=patches, loc="outside lower center", ncols=4 if len(masks) > 2 else 2)
    return figure


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
    """Surfaces of density and posterior (G, G) over the plane of both losses, and contours; see `Division.on_grid`."""
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
    figure, axes = panels(len(matrices), width=3.6 * len(matrices) + 0.8, height=4.3, sharey=True)
    for ax, (title, matrix) in zip(axes[0], matrices.items()):
        ticks = dict(xticklabels=class_names, yticklabels=class_names)
        sns.heatmap(matrix, ax=ax, cmap="Blues", vmin=0, vmax=1, square=True, cbar=False, **ticks)
        ax.plot(matrix.argmax(axis=1) + 0.5, np.arange(len(matrix)) + 0.5, "o", color=NOISY, markersize=5)
        ax.set(title=title, xlabel="prototype of the given labels")
    axes[0, 0].set_ylabel("prototype of the true labels")
    figure.colorbar(ax.collections[0], ax=axes, label="cosine", shrink=0.7)
    return figure


def image_grid(images, titles: list[str], wrong, columns: int = 10) -> Figure:
    """Small pictures with a title each.

    Parameters
    ----------
    images : ndarray of shape (n, 1 or 3, H, W), uint8
        Pictures.
    titles : list of str
        One a picture.
    wrong : ndarray of shape (n,), bool
        Titles in the colour of noisy samples, and a frame.
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
    for ax, image, title, bad in zip(axes.flat, images, titles, wrong):
        ax.imshow(image.transpose(1, 2, 0), cmap="gray", vmin=0, vmax=255)
        ax.set_title(title, loc="center", fontsize=8, weight="normal", color=NOISY if bad else CLEAN)
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
    ends = (one["test_accuracy"].tail(3).mean() for one in (table, baseline))
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
                colour = COLOURS[0] if method == "plremix" else "black"
                style = dict(color=colour, mfc=colour if fill else "none", alpha=0.7)
                ax.plot(part[measure], [row + shift] * len(part), "o", **style)
                ax.plot(part[measure].mean(), row + shift, "|", color=colour, ms=13, mew=1.5)
        ax.set(title=title, xlabel=xlabel, yticks=range(len(names)), yticklabels=list(names.values()))
        ax.grid(axis="x", alpha=0.3)
    axes[0, 0].invert_yaxis()
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
