"""One style: colours with a second cue, sizes, and the panels that every figure is drawn on."""

import matplotlib as mpl
import seaborn as sns
from matplotlib.figure import Figure

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
