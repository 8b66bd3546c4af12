"""Figures: arrays in, `Figure` out. Nothing here fits, trains or draws random numbers."""

from .classes import class_distances, class_similarity, maps
from .concept_map import concept_map
from .curves import curve_grid, curves, training
from .dots import bench, dots, gain_over, leader
from .labels import fitted_line, image_grid, logit_pushes, noise_rates, soft_targets
from .pairs import candidate_sets, on_circle, pair_masks
from .splits import loss_histograms, loss_planes, mixture_surfaces

__all__ = [
    "bench",
    "candidate_sets",
    "class_distances",
    "class_similarity",
    "concept_map",
    "curve_grid",
    "curves",
    "dots",
    "fitted_line",
    "gain_over",
    "image_grid",
    "leader",
    "logit_pushes",
    "loss_histograms",
    "loss_planes",
    "maps",
    "mixture_surfaces",
    "noise_rates",
    "on_circle",
    "pair_masks",
    "soft_targets",
    "training",
]
