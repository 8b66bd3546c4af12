"""Figures: arrays in, `Figure` out. Nothing here fits, trains or draws random numbers."""

from .classes import class_distances, image_grid, label_noise, maps
from .curves import curves
from .diagram import method_diagram
from .dots import dots
from .pairs import candidate_sets, on_circle, pair_masks
from .splits import fitted_line, loss_histograms, loss_planes
