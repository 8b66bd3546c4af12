"""How a notebook shows figures: as small PNGs, a strip of frames or an animation."""

import io

import matplotlib as mpl
from matplotlib.figure import Figure
from PIL import Image

from .style import STYLE


def show_as_png() -> None:
    """Make the notebook that runs here, if any, draw in the one style and show PNGs of at most 256 colours."""
    from IPython import get_ipython
    from IPython.core.pylabtools import select_figure_formats

    if get_ipython() is not None:
        mpl.rcParams.update(STYLE)
        select_figure_formats(get_ipython(), {"png"})
        get_ipython().display_formatter.formatters["image/png"].for_type(Figure, small_png)


def small_png(figure: Figure) -> bytes:
    """PNG of at most 256 colours: a third of the bytes, so that eight figures fit into a committed notebook."""
    full, small = io.BytesIO(), io.BytesIO()
    figure.savefig(full, format="png", bbox_inches="tight")
    Image.open(full).convert("RGB").quantize(256).save(small, "png", optimize=True)
    return small.getvalue()


def frame(figure: Figure) -> Image.Image:
    """Picture of a figure, one of an animation's."""
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=72)
    return Image.open(file).convert("RGB")


def strip(frames: list[Image.Image], columns: int = 2) -> bytes:
    """PNG of a few frames side by side."""
    (width, height), file = frames[0].size, io.BytesIO()
    sheet = Image.new("RGB", (width * min(columns, len(frames)), height * -(-len(frames) // columns)), "white")
    for number, picture in enumerate(frames):
        sheet.paste(picture, (width * (number % columns), height * (number // columns)))
    sheet.quantize(256).save(file, "png", optimize=True)
    return file.getvalue()


def animation(frames: list[Image.Image], milliseconds: int = 350) -> bytes:
    """GIF of the frames, again and again; the last one stays three times as long."""
    small, file = [picture.quantize(64) for picture in frames], io.BytesIO()
    times = [milliseconds] * (len(small) - 1) + [3 * milliseconds]
    small[0].save(file, "gif", save_all=True, append_images=small[1:], duration=times, loop=0, optimize=True)
    return file.getvalue()
