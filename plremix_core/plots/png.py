"""How a notebook shows a figure: as a small PNG."""

import io

from matplotlib.figure import Figure
from PIL import Image


def show_as_png() -> None:
    """Make the notebook that runs here, if any, show every figure as a PNG of at most 256 colours."""
    from IPython import get_ipython
    from IPython.core.pylabtools import select_figure_formats

    if get_ipython() is not None:
        select_figure_formats(get_ipython(), {"png"})
        get_ipython().display_formatter.formatters["image/png"].for_type(Figure, small_png)


def small_png(figure: Figure) -> bytes:
    """PNG of at most 256 colours: a third of the bytes, so that eight figures fit into a committed notebook."""
    full, small = io.BytesIO(), io.BytesIO()
    figure.savefig(full, format="png", bbox_inches="tight")
    Image.open(full).convert("RGB").quantize(256).save(small, "png", optimize=True)
    return small.getvalue()
