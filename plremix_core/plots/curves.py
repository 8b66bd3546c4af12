"""Curves over epochs or another count: every seed thin behind the mean of the seeds."""

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from .style import UNUSED, in_style, legend_below, line_styles, panels


@in_style
def curves(series: list, titles: list, ylabels: list, *, x=None, xlabel="epochs trained", sharey=False) -> Figure:
    """One panel an entry of `series`; one legend if all panels have the same curves.

    `series` holds, for each panel, arrays (S, E) by name: S seeds, thin behind the mean, E epochs; colour and line
    are those of `line_styles`. A title is the finding, a y label the quantity and its unit. `x` (E,) are places on the
    horizontal axis, which `xlabel` names, if not 1, 2, ...; `sharey` gives all panels one vertical scale.
    """
    figure, axes = panels(len(series), height=3.6, sharey=sharey)
    alike = all(list(group) == list(series[0]) for group in series)
    for ax, group, title, ylabel in zip(axes[0], series, titles, ylabels):
        styles = line_styles(group)
        for name, values in group.items():
            colour, dash = styles[name]
            marker = {"clean": "o", "noisy": "x"}.get(name.split()[0], "")
            places = range(1, values.shape[1] + 1) if x is None else x
            ax.plot(places, values.T, color=colour, linewidth=0.7, alpha=0.45)
            ax.plot(places, values.mean(axis=0), label=name, color=colour, linestyle=dash, marker=marker, linewidth=2)
        if ax.get_ylim()[0] < 0 < ax.get_ylim()[1]:
            ax.axhline(0, color=UNUSED, linewidth=0.8, zorder=0)
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
        ax.set(title=title, xlabel=xlabel, ylabel=ylabel)
        if not alike:
            ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.2), ncols=2)
    if alike:
        legend_below(figure, columns=2 * len(series))
    return figure
