"""Figures: arrays in, `Figure` out. Nothing here fits, trains or draws random numbers."""

from .classes import class_distances, maps
from .curves import curves
from .diagram import method_diagram
from .dots import dots
from .labels import fitted_line, image_grid, label_noise
from .pairs import candidate_sets, on_circle, pair_masks
from .splits import loss_histograms, loss_planes
