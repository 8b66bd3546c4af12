"""Figures: arrays in, `Figure` out. Nothing here fits, trains or draws random numbers."""

from .classes import class_distances, maps
from .concept_map import concept_map, method_diagram
from .curves import curves, training
from .dots import dots
from .labels import fitted_line, image_grid, label_noise, logit_pushes, soft_targets
from .pairs import candidate_sets, on_circle, pair_masks
from .splits import loss_histograms, loss_planes
