"""The map of the notebooks."""

from matplotlib.figure import Figure

from .style import SMALL, in_style, panels


@in_style
def concept_map(nodes: dict, arrows: list, *, colours: dict) -> Figure:
    """Boxes and the ideas that lead from one to the next.

    `nodes` has x, y, text and kind of a box by number, `arrows` from, to and what is handed on, `colours` the fill of
    every kind of box, which is named in the legend.
    """
    figure, axes = panels(1, width=11.5, height=5)
    ax = axes[0, 0]
    boxes = {}
    for number, (x, y, text, kind) in nodes.items():
        box = dict(boxstyle="round,pad=0.45", facecolor=colours[kind], edgecolor="#333333", linewidth=1.2)
        style = dict(ha="center", va="center", color="black", bbox=box, zorder=5)
        boxes[number] = ax.text(x, y, f"{number}\n{text}", **style).get_bbox_patch()
    for start, end, idea in arrows:
        a, b = nodes[start][:2], nodes[end][:2]
        ends = dict(patchA=boxes[start], patchB=boxes[end], shrinkA=2, shrinkB=3)
        ax.annotate("", b, a, arrowprops=dict(arrowstyle="-|>", color="#444444", lw=1.4, mutation_scale=14, **ends))
        style = dict(ha="center", va="center", fontsize=SMALL, style="italic", zorder=4)
        white = dict(boxstyle="round,pad=0.1", facecolor="white", edgecolor="none")
        ax.text((a[0] + b[0]) / 2, (a[1] + b[1]) / 2, idea, bbox=white, **style)
    for kind, colour in colours.items():
        ax.plot([], [], "s", color=colour, markeredgecolor="#333333", markersize=10, label=kind)
    xs, ys = zip(*[node[:2] for node in nodes.values()])
    ax.set(xlim=(min(xs) - 0.7, max(xs) + 0.8), ylim=(min(ys) - 0.6, max(ys) + 0.6))
    ax.set_axis_off()
    figure.legend(loc="outside lower center", ncols=len(colours))
    return figure
