"""One style: colours with a second cue, sizes, and the panels that every figure is drawn on."""

from collections.abc import Iterable

import matplotlib as mpl
import seaborn as sns
from matplotlib.figure import Figure

CLEAN, NOISY, UNUSED = "#0072B2", "#D55E00", "#9E9E9E"  # Okabe-Ito blue and vermilion; grey
COLOURS = ["#009E73", "#E69F00", "#CC79A7", "#56B4E9", "#0072B2", "#D55E00", "#F0E442", "#000000"]
DASHES = ["-", "--", "-.", ":", (0, (5, 1)), (0, (1, 2, 5, 2))]
METHOD_STYLES = {  # method: colour and line, the same in every figure; ours solid, what it is compared with dashed
    "plremix": (COLOURS[0], "-"),
    "ce": (COLOURS[1], "--"),
    "ce on strong views": (COLOURS[1], (0, (1, 2, 5, 2))),
    "dividemix": (COLOURS[2], "-."),
    "naive": (COLOURS[3], ":"),
    "naive-2d": (COLOURS[3], (0, (5, 1))),
    "plr-1d": (COLOURS[7], (0, (5, 1))),
    "with PLR": (COLOURS[0], "-"),  # the arms of notebook 07
    "without contrast": (COLOURS[1], "--"),
    "every pair repels": (COLOURS[3], ":"),
}
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


def line_styles(names: Iterable[str]) -> dict[str, tuple]:
    """Colour and line by name: a method's own (`METHOD_STYLES`), clean's and noisy's own, the others' in order.

    A name that begins with clean, noisy or coin takes the colour of that word; a colour that a method of the same
    panel has is given to nobody else.
    """
    words = {"clean": CLEAN, "noisy": NOISY, "coin": UNUSED}
    found = {name: METHOD_STYLES[name] for name in names if name in METHOD_STYLES}
    free = [colour for colour in COLOURS if colour not in [taken for taken, _ in found.values()]]
    for number, name in enumerate(name for name in names if name not in found):
        found[name] = (words.get(name.split()[0], free[number]), DASHES[number])
    return found
