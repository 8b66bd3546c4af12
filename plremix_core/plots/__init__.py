"""Figures: arrays in, `Figure` out. Nothing here fits, trains or draws random numbers.

One meaning a colour everywhere: clean = blue circle, noisy = vermilion cross, unused = grey dot; a method has one
colour and line (`METHOD_STYLES`), ours solid, what it is compared with dashed.
"""

from .bench import bench
from .clusters import class_distances, maps, measure_dots
from .division import class_similarity, loss_planes, mixture_surfaces
from .labels import fitted_line, loss_histograms, noise_rates, soft_targets
from .pairs import candidate_sets, on_circle, pair_masks
from .plugged import arms, gain_over, logit_pushes
from .style import CLASS_COLOURS, CLEAN, COLOURS, DASHES, METHOD_STYLES, NOISY, STYLE, UNUSED, line_styles, panels
from .suspects import precision_curves, seed_rows
from .tables import dot_rows, method_rows
from .training import curve_grid, curves, image_grid, leader, method_dots, training
from .way import concept_map

__all__ = [
    "CLASS_COLOURS",
    "CLEAN",
    "COLOURS",
    "DASHES",
    "METHOD_STYLES",
    "NOISY",
    "STYLE",
    "UNUSED",
    "arms",
    "bench",
    "candidate_sets",
    "class_distances",
    "class_similarity",
    "concept_map",
    "curve_grid",
    "curves",
    "dot_rows",
    "fitted_line",
    "gain_over",
    "image_grid",
    "leader",
    "line_styles",
    "logit_pushes",
    "loss_histograms",
    "loss_planes",
    "maps",
    "measure_dots",
    "method_dots",
    "method_rows",
    "mixture_surfaces",
    "noise_rates",
    "on_circle",
    "pair_masks",
    "panels",
    "precision_curves",
    "seed_rows",
    "soft_targets",
    "training",
]
