"""Signs that a training goes wrong, as sentences: tensors in, warnings out."""

from collections.abc import Sequence

import torch
from torch import Tensor

COLLAPSED = 0.99  # share of predictions for one class, and length of the mean projection, that no sound network reaches
ONE_CLASS = 0.9  # share of one given label above which predicting it always is no fault


def collapsed(logits: Tensor, projection: Tensor | None, class_names: Sequence[str]) -> list[str]:
    """Say if a network predicts one class for all images, or projects them to one point.

    Parameters
    ----------
    logits : Tensor of shape (n, C), float
        Predictions of some training images.
    projection : Tensor of shape (n, D), float, or None
        Unit projections of the same images; None if nothing trains them.
    class_names : sequence of str
        Names of the C classes.
    """
    counts = torch.bincount(logits.argmax(dim=1), minlength=len(class_names))
    share, found = float(counts.max()) / len(logits), []
    if share >= COLLAPSED:
        name = class_names[int(counts.argmax())]
        found.append(f"has collapsed: it says {name} of {100 * share:.0f} % of the training images")
    length = 0.0 if projection is None else float(projection.mean(dim=0).norm())
    if length >= COLLAPSED:
        found.append(f"has collapsed: all projections point one way (mean length {length:.3f})")
    return found
