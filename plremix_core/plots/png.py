"""How a notebook shows figures: as small PNGs, a strip of frames or an animation."""

import io

import matplotlib as mpl
import numpy as np
from IPython import get_ipython
from matplotlib.figure import Figure
from PIL import Image

from .style import STYLE


def show_as_png() -> None:
    """Make the notebook that runs here, if any, draw in the one style and show PNGs of at most 256 colours."""
    if get_ipython() is not None:
        mpl.rcParams.update(STYLE)
        get_ipython().display_formatter.formatters["image/png"].for_type(Figure, small_png)


def frame(figure: Figure, **options) -> Image.Image:
    """Picture of a figure; `options` are those of ``savefig``."""
    file = io.BytesIO()
    figure.savefig(file, format="png", **options)
    return Image.open(file).convert("RGB")


def small_png(figure: Figure) -> bytes:
    """PNG of at most 256 colours: a third of the bytes, so that eight figures fit into a committed notebook."""
    return _encode("png", frame(figure, bbox_inches="tight").quantize(256))


def strip(figures: list[Figure]) -> bytes:
    """PNG of four of the figures, the first and the last among them, two in a row if they fit, and of one legend."""
    first, *others = (frame(figures[number]) for number in np.linspace(0, len(figures) - 1, 4).astype(int))
    columns, (width, height) = 1 + (first.width <= 550), first.size
    body = height - max((round(legend.get_window_extent().y1) + 3 for legend in figures[0].legends), default=0)
    sheet = Image.new("RGB", (columns * width, 4 // columns * body + height - body), "white")
    sheet.paste(first, ((columns - 1) * width // 2, sheet.height - height))  # for its legend: the rest is covered now
    for number, picture in enumerate([first, *others]):
        sheet.paste(picture.crop((0, 0, width, body)), (number % columns * width, number // columns * body))
    return _encode("png", sheet.quantize(256))


def animation(frames: list[Image.Image]) -> bytes:
    """GIF of the frames, again and again; the last one stays three times as long."""
    first, *others = [picture.quantize(64) for picture in frames]
    times = [350] * len(others) + [1050]  # milliseconds
    return _encode("gif", first, save_all=True, append_images=others, duration=times, loop=0)


def _encode(kind: str, picture: Image.Image, **options) -> bytes:
    file = io.BytesIO()
    picture.save(file, kind, optimize=True, **options)
    return file.getvalue()
