"""The method on one page, as boxes and arrows."""

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

from .style import SMALL, in_style, panels

KINDS = {"as in DivideMix": "#F2F2F2", "added by PLReMix": "#BFDFF2", "a network": "#FFE3B3"}
STEPS = {  # name: left, bottom, width, height (inches), kind, text
    "warm": (0.0, 4.3, 2.3, 0.6, 0, "Warm-up of both networks,\nfirst loss: cross-entropy\nwith the given labels"),
    "contrast": (2.5, 4.3, 2.4, 0.6, 1, "Warm-up of both networks,\nsecond loss: contrastive, with all\n"
                                        "other images as negatives"),
    "start": (5.1, 4.3, 2.3, 0.6, 1, "End of warm-up: first\nprototypes $P_c$, the mean\nprojection of each class"),
    "peer": (0.0, 2.0, 1.1, 0.85, 2, "Network 2\n(the peer)\nsees all images"),
    "two": (0.0, 3.15, 1.7, 0.7, 1, "Two losses an image:\nclassifier $\\ell_{cls}$ and\nprototype $\\ell_{proto}$"),
    "mixture": (2.0, 3.15, 1.6, 0.7, 1, "2-D mixture of two\nGaussians\n$w_i$ = P(clean)"),
    "x": (3.9, 3.53, 1.25, 0.42, 0, "Labeled set $X$\n$w_i > 1/2$"),
    "u": (3.9, 2.98, 1.25, 0.42, 0, "Unlabeled set $U$\n$w_i \\leq 1/2$"),
    "refine": (5.45, 3.53, 1.95, 0.42, 0, "Co-refinement: $w_i$ label +\n$(1-w_i)$ own prediction"),
    "guess": (3.3, 2.14, 1.85, 0.58, 0, "Co-guessing: mean of both\nnetworks' predictions"),
    "mix": (5.45, 2.14, 1.95, 0.58, 0, "Sharpen; MixUp of strong\nviews: $L_x + \\lambda_u L_u$ + penalty"),
    "sets": (0.0, 0.95, 1.7, 0.7, 1, "Candidate set $S_i$: the\n$\\kappa$ most probable classes\nand the given label"),
    "mask": (2.0, 0.95, 1.6, 0.7, 1, "PLR mask:\nnegative pair only if\n$S_i \\cap S_j = \\emptyset$"),
    "plr": (3.9, 0.95, 1.6, 0.7, 1, "Contrastive loss $L_{PLR}$\nof two strong,\nunmixed views"),
    "net": (5.95, 0.95, 1.45, 0.7, 2, "Network 1:\nSGD step on\nthe sum"),
    "move": (0.0, 0.0, 7.4, 0.5, 1, "After its epoch: confident images move the prototypes; "
                                     "then network 2 trains, with network 1 as peer"),
}  # fmt: skip
ARROWS = "contrast start, warm two, peer two, two mixture, mixture x, mixture u, x refine, refine mix, u guess, "
ARROWS += "peer guess, guess mix, mix net, peer sets, sets mask, mask plr, plr net, net move"


@in_style
def method_diagram() -> Figure:
    """PLReMix on one page: warm-up, two losses and their mixture, the split for the peer, the targets, the PLR mask."""
    figure, axes = panels(1, width=7.5, height=5.6)
    ax, colours = axes[0, 0], list(KINDS.values())
    boxes = {}
    for name, (left, bottom, width, height, kind, text) in STEPS.items():
        style = dict(boxstyle="round,pad=0.02", facecolor=colours[kind], edgecolor="#333333")
        boxes[name] = ax.add_patch(FancyBboxPatch((left, bottom), width, height, **style))
        ax.text(left + width / 2, bottom + height / 2, text, ha="center", va="center", fontsize=SMALL)
    for start, end in (pair.split() for pair in ARROWS.split(", ")):
        (x, y, w, h, *_), (u, v, b, t, *_) = STEPS[start], STEPS[end]
        style = dict(arrowstyle="-|>", color="#444444", lw=1.2, patchA=boxes[start], patchB=boxes[end])
        ax.annotate("", (np.clip(x + w / 2, u, u + b), v + t / 2), (x + w / 2, y + h / 2), arrowprops=style)
    ax.text(2.4, 4.6, "+", ha="center", va="center")
    ax.text(1.3, 4.02, "Every later epoch, for network 1:", va="center")
    for kind, colour in KINDS.items():
        ax.plot([], [], "s", color=colour, markeredgecolor="#333333", markersize=9, label=kind)
    ax.set(xlim=(-0.05, 7.45), ylim=(-0.05, 4.95))
    ax.set_axis_off()
    figure.legend(loc="outside lower center", ncols=len(KINDS), fontsize=SMALL)
    return figure
