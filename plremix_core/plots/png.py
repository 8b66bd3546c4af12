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


def strip(frames: list[Image.Image]) -> bytes:
    """PNG of four of the frames, the first and the last among them, in two rows."""
    shown = [frames[number] for number in np.linspace(0, len(frames) - 1, 4).astype(int)]
    sheet = np.vstack([np.hstack(shown[:2]), np.hstack(shown[2:])])
    return _encode("png", Image.fromarray(sheet).quantize(256))


def animation(frames: list[Image.Image]) -> bytes:
    """GIF of the frames, again and again; the last one stays three times as long."""
    first, *others = [picture.quantize(64) for picture in frames]
    times = [350] * len(others) + [1050]  # milliseconds
    return _encode("gif", first, save_all=True, append_images=others, duration=times, loop=0)


def _encode(kind: str, picture: Image.Image, **options) -> bytes:
    file = io.BytesIO()
    picture.save(file, kind, optimize=True, **options)
    return file.getvalue()
