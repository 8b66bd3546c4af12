"""The one style of all figures: colours with a second cue, two sizes of text, panels and legends.

One meaning a colour everywhere: clean = blue circle, noisy = vermilion cross, unused = grey. A method has one colour
and line, ours solid, what it is compared with dashed.
"""

import math
from collections.abc import Iterable

import matplotlib as mpl
import seaborn as sns
from matplotlib.figure import Figure

CLEAN, NOISY, UNUSED = "#0072B2", "#D55E00", "#9E9E9E"  # Okabe-Ito blue and vermilion; grey
COLOURS = ["#009E73", "#E69F00", "#CC79A7", "#56B4E9", "#0072B2", "#D55E00", "#F0E442", "#000000"]
DASHES = ["-", "--", "-.", ":", (0, (5, 1)), (0, (1, 2, 5, 2))]
METHOD_STYLES = {
    "plremix": (COLOURS[0], "-"),
    "ce": (COLOURS[1], "--"),
    "cross-entropy": (COLOURS[1], "--"),
    "ce on strong views": (COLOURS[1], (0, (1, 2, 5, 2))),
    "dividemix": (COLOURS[2], "-."),
    "naive": (COLOURS[3], ":"),
    "naive-2d": (COLOURS[3], (0, (5, 1))),
    "plr-1d": (COLOURS[7], (0, (5, 1))),
    "with PLR": (COLOURS[0], "-"),
    "without contrast": (COLOURS[1], "--"),
    "every pair repels": (COLOURS[3], ":"),
}
WORDS = {"clean": CLEAN, "noisy": NOISY, "coin": UNUSED, "random": UNUSED}
CLASS_COLOURS = sns.color_palette("tab10", 10)
SMALL = 8  # points, for names under pictures and between them
STYLE = {
    "figure.dpi": 110,
    "figure.constrained_layout.use": True,
    "figure.titlesize": 10,
    "figure.titleweight": "bold",
    "font.size": 10,
    "axes.titlesize": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "legend.fontsize": 10,
}
in_style = mpl.rc_context(STYLE)  # decorates every function that draws


def panels(columns: int = 1, rows: int = 1, *, width: float | None = None, height: float = 3.4, **options) -> tuple:
    """A figure and its axes as an array (rows, columns); width of the figure and height of a row in inches."""
    figure = Figure(figsize=(width or (6.4 if columns == 1 else 4.1 * columns), height * rows))
    return figure, figure.subplots(rows, columns, squeeze=False, **options)


def legend_below(figure: Figure, columns: int = 4) -> None:
    """One legend under the figure with every name once, at most `columns` in a line; none without names."""
    shown = {name: mark for ax in figure.axes for mark, name in zip(*ax.get_legend_handles_labels())}
    if shown:
        lines = math.ceil(len(shown) / columns)
        figure.legend(shown.values(), shown, loc="outside lower center", ncols=math.ceil(len(shown) / lines))


def line_styles(names: Iterable[str]) -> dict[str, tuple]:
    """Colour and line by name: a method's own (`METHOD_STYLES`), those of a first word (`WORDS`), the others in order.

    A colour that a method of the same panel has is given to nobody else.
    """
    found = {name: METHOD_STYLES[name] for name in names if name in METHOD_STYLES}
    free = [colour for colour in COLOURS if colour not in [used for used, _ in found.values()]]
    for number, name in enumerate(name for name in names if name not in found):
        found[name] = (WORDS.get(name.split()[0], free[number]), DASHES[number])
    return found
