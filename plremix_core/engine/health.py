"""Signs that a training goes wrong, as sentences: tensors in, warnings out."""

from collections.abc import Sequence

import torch
from torch import Tensor

COLLAPSED = 0.99  # share of predictions for one class, and length of the mean projection, that no sound network reaches
ONE_CLASS = 0.9  # share of one given label above which predicting it always is sound
SLOW_BF16 = "bf16 is 10 to 30 times slower than float32 here: this processor has no instructions for it"


def of_labels(given: Tensor, true: Tensor | None, class_names: Sequence[str]) -> list[str]:
    """Say which classes have no given label (N,), and if the labels are right no more often than by chance."""
    missing, found = sorted(set(range(len(class_names))) - set(given.unique().tolist())), []
    if missing:
        names = ", ".join(class_names[c] for c in missing[:5])
        found.append(f"{len(missing)} classes have no given label ({names}{', ...' * (len(missing) > 5)})")
    if true is not None and float((given == true).double().mean()) < 1 / len(class_names):
        found.append("the given labels are right no more often than by chance: are they in another order?")
    return found


def of_candidates(kappa: Sequence[int], classes: int) -> list[str]:
    """Say for which numbers of predicted classes every two candidate sets overlap."""
    idle = [k for k in kappa if 2 * k > classes]
    return [f"kappa = {idle} with {classes} classes: every two candidate sets overlap"] if idle else []


def collapsed(
    logits: Tensor, projection: Tensor | None, class_names: Sequence[str], given: Tensor | None = None
) -> list[str]:
    """Say if a network predicts one class for all images, or projects them to one point.

    Predictions (n, C) and unit projections (n, D), if anything trains them, are those of some training images. With
    the given labels (N,), predicting one class is sound where nearly all of them are of one class.
    """
    usual = 0.0 if given is None else float(torch.bincount(given).max()) / len(given)
    counts, found = torch.bincount(logits.argmax(dim=1), minlength=len(class_names)), []
    share = float(counts.max()) / len(logits)
    if share >= COLLAPSED and usual < ONE_CLASS:
        name = class_names[int(counts.argmax())]
        found.append(f"has collapsed: it says {name} of {100 * share:.0f} % of the training images")
    length = 0.0 if projection is None else float(projection.mean(dim=0).norm())
    if length >= COLLAPSED:
        found.append(f"has collapsed: all projections point one way (mean length {length:.3f})")
    return found
