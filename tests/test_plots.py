"""Figures: what a title may claim, what a colour means, and that each is drawn whole in one style."""

import inspect
import io

import numpy as np
import pytest
from matplotlib.text import Text
from PIL import Image

from plremix_core import plots
from plremix_core.plots.png import small_png, strip
from plremix_core.plots.style import CLEAN, METHOD_STYLES, NOISY, SMALL, STYLE, WIDTH, line_styles, panels

RNG = np.random.default_rng(0)
NAMES = ["trouser", "ankle boot", "T-shirt/top"]
CURVE, UNIT, NOISE = RNG.random((3, 8)), np.linspace(0, 1, 20), np.arange(20) >= 10
PLANE, MATRIX, POINTS = np.outer(1 - UNIT, 1 - UNIT), RNG.random((3, 3)), RNG.random((20, 2))
MASK = np.eye(3) - (1 - np.eye(3)) * (MATRIX > 0.5)
IMAGES = RNG.integers(0, 255, (3, 1, 8, 8), dtype=np.uint8)
FIGURES = {
    "candidate_sets": lambda: plots.candidate_sets(MATRIX > 0.5, np.arange(3), np.array([0, 1, 1]), NAMES),
    "class_distances": lambda: plots.class_distances({"a": MATRIX, "b": MATRIX}, CURVE, CURVE, NAMES),
    "curves": lambda: plots.curves(
        [{"ce": CURVE}, {"clean": CURVE, "noisy": CURVE}], ["a", "b"], ["y", "y"], marks={"κ = 2": 3}
    ),
    "dots": lambda: plots.dots([{"row": {"ce": UNIT, "plremix": UNIT}}] * 2, ["a", "b"], ["x", "x"], finding="c"),
    "fitted_line": lambda: plots.fitted_line(UNIT, NOISE * 1, NOISE, UNIT, [UNIT, UNIT], ["a", "b"]),
    "image_grid": lambda: plots.image_grid(IMAGES, ["a", "$b", "c"], np.array([True, False, True])),
    "label_noise": lambda: plots.label_noise({"a": MATRIX, "b": MATRIX}, NAMES),
    "loss_histograms": lambda: plots.loss_histograms([UNIT], NOISE, UNIT, [UNIT], [1 - UNIT], ["a"]),
    "loss_planes": lambda: plots.loss_planes(POINTS, NOISE, [PLANE], ["a"], densities=[PLANE]),
    "maps": lambda: plots.maps("finding", [{"a": POINTS, "b": POINTS}], np.arange(20) % 3, NAMES),
    "method_diagram": lambda: plots.method_diagram(),
    "on_circle": lambda: plots.on_circle(
        np.zeros((2, 4)), np.array([0, 0, 1, 1]), ["a", "b"], [{"push": UNIT[:4]}, {}]
    ),
    "pair_masks": lambda: plots.pair_masks(np.stack([MASK]), np.array([0, 0, 1]), ["a"]),
}


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("name", FIGURES)
def test_every_figure_is_drawn_in_the_two_sizes_of_the_style(name):
    figure = FIGURES[name]()
    image = Image.open(io.BytesIO(small_png(figure)))
    assert image.format == "PNG" and image.mode == "P"  # at most 256 colours
    written = [text for text in figure.findobj(Text) if text.get_text() and text.get_visible()]
    assert {text.get_fontsize() for text in written} <= {STYLE["font.size"], SMALL}


def test_no_figure_is_left_undrawn_here():
    functions = {name for name, value in vars(plots).items() if inspect.isfunction(value)}
    assert functions - set(FIGURES) == set()


def test_dots_show_every_value_in_its_row_and_a_bar_at_the_mean():
    rows = {"upper": {"plremix": [1.0, 2.0, 6.0], "other": [5.0, 5.0]}, "lower": {"other": [8.0]}}
    (ax,) = plots.dots([rows], ["finding"], ["unit"]).axes
    shown = [tuple(place) for dots in ax.collections for place in np.round(dots.get_offsets(), 3)]
    expected = [(1, -0.2), (2, -0.2), (6, -0.2), (5, 0.2), (5, 0.2), (8, 1.2)]
    assert sorted(shown) == sorted(expected)
    bars = {(x, round(y, 3)) for line in ax.lines if line.get_marker() == "|" for x, y in zip(*line.get_data())}
    assert {bar for bar in bars if np.isfinite(bar[0])} == {(3, -0.2), (5, 0.2), (8, 1.2)}
    assert [tick.get_text() for tick in ax.get_yticklabels()] == ["upper", "lower"]


def test_equal_values_of_a_row_lie_side_by_side():
    for groups in ([""], ["ce", "plremix"]):
        figure = plots.dots([{"row": dict.fromkeys(groups, [0.0] * 4)}], ["finding"], ["unit"])
        small_png(figure)
        places = np.concatenate([dots.get_offsets() for dots in figure.axes[0].collections])
        assert len(np.unique(np.round(places, 6), axis=0)) == 4 * len(groups)


@pytest.mark.parametrize(
    ("groups", "filled"),
    [(["a", "b"], [True, False]), (["a", "plremix"], [False, True]), (["ce", "naive"], [True, True])],
)
def test_dots_of_methods_are_filled_and_else_the_first_group(groups, filled):
    (ax,) = plots.dots([{"row": {group: [1.0, 2.0] for group in groups}}], ["finding"], ["unit"]).axes
    faces = [dots.get_facecolor()[0] for dots in ax.collections if len(dots.get_offsets())]
    assert [tuple(face[:3]) != (1, 1, 1) for face in faces] == filled


def test_panels_of_one_quantity_have_scales_of_one_width():
    narrow, wide = {"row": {"": [0.5, 0.51]}}, {"row": {"": [0.1, 0.9]}}
    widths = [np.ptp(ax.get_xlim()) for ax in plots.dots([narrow, wide], ["a", "b"], ["x", "x"]).axes]
    others = [np.ptp(ax.get_xlim()) for ax in plots.dots([narrow, wide], ["a", "b"], ["x", "y"]).axes]
    assert widths[0] == pytest.approx(widths[1]) and others[0] < others[1] / 10


def test_named_epochs_are_marked_on_the_axis_of_curves():
    marks = {"end of warm-up": 3, "κ = 2": 5}
    plain, ax = (plots.curves([{"ce": CURVE}], ["a"], ["y"], marks=m).axes[0] for m in (None, marks))
    (_seeds, lines), (top,) = ax.collections, ax.child_axes
    assert len(plain.collections) == 1 and not plain.child_axes
    assert [line[0, 0] for line in lines.get_segments()] == list(top.get_xticks()) == [3, 5]
    assert [label.get_text() for label in top.get_xticklabels()] == list(marks)


def test_a_spike_of_one_seed_does_not_set_the_scale_but_its_mean_is_shown():
    values = np.tile(np.linspace(0.95, 0.97, 50), (6, 1))
    values[2, 30] = 0.5
    low, high = plots.curves([{"ce": values}], ["finding"], ["unit"]).axes[0].get_ylim()
    assert 0.7 < low < values.mean(axis=0).min() and high > 0.97


def test_a_strip_has_one_legend_and_one_column_of_wide_figures():
    def sized(width, legend):
        figure, axes = panels(1, width=width)
        axes[0, 0].plot([0, 1], label="a line")
        if legend:
            figure.legend(loc="outside lower center")
        return Image.open(io.BytesIO(strip([figure] * 5))).size

    (width, height), (_, shorter), (wide, long) = sized(4, False), sized(4, True), sized(7, False)
    assert shorter < height < long == 2 * height and width / 2 == wide * 4 / 7


def test_a_method_keeps_its_colour_whoever_stands_beside_it_and_lends_it_to_nobody():
    beside = line_styles(["one", "two", "three", "naive", "four"])
    assert beside["naive"] == METHOD_STYLES["naive"]
    assert len({colour for colour, _ in beside.values()}) == 5


def test_a_variant_has_the_colour_of_its_method_and_a_line_of_its_own():
    found = line_styles(["naive", "naive at tau 1", "ce, relabelled by plremix", "relaxed, tau 0.1"])
    assert found["naive at tau 1"][0] == found["naive"][0] and found["naive at tau 1"][1] != found["naive"][1]
    assert found["ce, relabelled by plremix"] == METHOD_STYLES["ce"]
    assert found["relaxed, tau 0.1"] == METHOD_STYLES["plremix"]


def test_no_figure_is_wider_than_the_text_of_a_notebook():
    assert max(panels(columns, width=width)[0].get_figwidth() for columns in (1, 4) for width in (None, 13)) == WIDTH


def test_clean_and_noisy_keep_their_meaning():
    found = line_styles(["noisy samples", "clean samples", "another"])
    assert found["clean samples"][0] == CLEAN and found["noisy samples"][0] == NOISY
    assert found["another"][0] not in (CLEAN, NOISY)
