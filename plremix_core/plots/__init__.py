"""Figures: arrays in, `Figure` out. Nothing here fits, trains or draws random numbers."""

from .diagram import method_diagram
from .measured import curves, dots
from .pairs import candidate_sets, on_circle, pair_masks
from .samples import class_distances, fitted_line, image_grid, label_noise, loss_histograms, loss_planes, maps
