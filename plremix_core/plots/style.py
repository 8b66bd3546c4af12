"""The one style of all figures: colours with a second cue, one size of text, no wider than a notebook's text.

One meaning a colour everywhere: clean = blue circle, noisy = vermilion cross, unused = grey. A method has one colour
and line, ours solid, what it is compared with dashed; variants of a method have its colour.
"""

import math
import re
from collections.abc import Iterable

import matplotlib as mpl
from matplotlib.figure import Figure

CLEAN, NOISY, UNUSED = "#0072B2", "#D55E00", "#9E9E9E"  # Okabe-Ito blue and vermilion; grey
COLOURS = ["#009E73", "#E69F00", "#CC79A7", "#56B4E9", "#0072B2", "#D55E00", "#F0E442", "#000000"]
DASHES = ["-", "--", "-.", (0, (5, 1)), (0, (1, 2, 5, 2)), ":"]
METHOD_STYLES = {
    "plremix": (COLOURS[0], "-"),
    "ce": (COLOURS[1], "--"),
    "cross-entropy": (COLOURS[1], "--"),
    "ce on strong views": (COLOURS[1], (0, (1, 2, 5, 2))),
    "dividemix": (COLOURS[2], "-."),
    "naive": (COLOURS[3], ":"),
    "naive-2d": (COLOURS[3], (0, (5, 1))),
    "plr-1d": (COLOURS[7], (0, (5, 1))),
    "elr": (COLOURS[4], "-."),
    "co-teaching": (COLOURS[7], ":"),
    "plr": (COLOURS[0], "-"),
    "relaxed": (COLOURS[0], "-"),
    "all negatives": (COLOURS[3], (0, (5, 1))),
    "no contrast": (COLOURS[1], "--"),
}
VARIANT = re.compile(r",| at | with | \(")  # what follows says how a variant differs from its method
WORDS = {"clean": CLEAN, "noisy": NOISY, "coin": UNUSED, "random": UNUSED}
WIDTH = 7.5  # inches, of the text of a notebook: no figure is wider, so that its letters are not shrunk
SMALL = 8  # points, for names under pictures and between them
STYLE = {
    "figure.dpi": 110,
    "figure.constrained_layout.use": True,
    "figure.titlesize": "medium",
    "figure.titleweight": "bold",
    "font.size": 9,
    "axes.titlesize": "medium",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
}
in_style = mpl.rc_context(STYLE)  # decorates every function that draws


def panels(columns: int = 1, rows: int = 1, *, width: float | None = None, height: float = 2.8, **options) -> tuple:
    """A figure and its axes as an array (rows, columns); width of the figure and height of a row in inches."""
    figure = Figure(figsize=(min(width or (5 if columns == 1 else WIDTH), WIDTH), height * rows))
    return figure, figure.subplots(rows, columns, squeeze=False, **options)


def legend_below(figure: Figure, columns: int = 4) -> None:
    """One legend under the figure with every name once, at most `columns` in a line; none without names."""
    shown = {name: mark for ax in figure.axes for mark, name in zip(*ax.get_legend_handles_labels())}
    if shown:
        lines = math.ceil(len(shown) / columns)
        figure.legend(shown.values(), shown, loc="outside lower center", ncols=math.ceil(len(shown) / lines))


def method_style(name: str) -> tuple | None:
    """Colour and line of a method; of a variant ("naive at tau 1", "ce, relabelled by plremix") those of its method."""
    return METHOD_STYLES.get(name.lower(), METHOD_STYLES.get(VARIANT.split(name.lower())[0]))


def line_styles(names: Iterable[str]) -> dict[str, tuple]:
    """Colour and line by name: a method's own (`method_style`), those of a first word (`WORDS`), the others in order.

    A colour that a method of the same panel has is given to no other name, a line that is taken to no second variant.
    """
    found: dict[str, tuple] = {}
    for name in names:
        if method := method_style(name):
            same = [dash for colour, dash in found.values() if colour == method[0]]
            found[name] = method[0], next(dash for dash in (method[1], *reversed(DASHES)) if dash not in same)
    free = [colour for colour in COLOURS if colour not in [used for used, _ in found.values()]]
    for number, name in enumerate(name for name in names if name not in found):
        found[name] = (WORDS.get(name.split()[0], free[number]), DASHES[number])
    return found
