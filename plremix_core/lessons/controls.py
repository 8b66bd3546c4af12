"""Controls: what a reader can break in a notebook, so that a claim which rests on it fails; `lab.start` does it."""

import itertools

import numpy as np

from .. import gmm, losses, model, presets
from ..data import noise
from ..engine import checkpoint


def _coin(loss_cls: np.ndarray, loss_proto: np.ndarray | None = None, *, threshold: float = 0.5, seed: int):
    real = _SPLIT(loss_cls, loss_proto, threshold=threshold, seed=seed)
    p_clean = np.random.default_rng(seed).random(len(real.p_clean))
    return gmm.Split(p_clean, p_clean > threshold, real.points, real.mixture, real.clean, threshold)


def _unseeded(loss_cls: np.ndarray, loss_proto: np.ndarray | None = None, *, threshold: float = 0.5, seed: int):
    return _SPLIT(loss_cls, loss_proto, threshold=threshold, seed=next(_STARTS))


def _forget_momentum(trainer, state: dict) -> None:
    _RESTORE(trainer, state)
    for optimizer in trainer.optimizers:
        optimizer.state.clear()


def _everyone(*arguments, **options):
    state, selected, predicted = _SELECT(*arguments, **options)
    return state, selected | True, predicted


_SPLIT, _CONTRAST, _RESTORE = gmm.split_clean, losses.CONTRASTS["info_nce"], checkpoint.restore
_SELECT = model.select_confident
_STARTS = itertools.count()  # what an unseeded mixture finds in the global random state
CONTROLS = {  # name: (what it breaks, module, attribute, replacement)
    "all_negatives": (
        "every pair repels",
        losses,
        "plr_mask",
        lambda logits, labels, k: losses.all_negatives(len(labels)),
    ),
    "clean_labels": ("labels are left clean", noise, "corrupt", lambda labels, *_args, **_kw: labels.copy()),
    "coin": ("the mixture is replaced by a coin", gmm, "split_clean", _coin),
    "never_flat": ("FlatNCE is InfoNCE", losses, "CONTRASTS", {"flat_nce": _CONTRAST, "info_nce": _CONTRAST}),
    "forget_momentum": ("resuming forgets the optimizers' momentum", checkpoint, "restore", _forget_momentum),
    "swap_methods": ("recorded results trade places: ours and plain cross-entropy", None, "", None),
    "swap_prototypes": ("recorded results trade places: own prototypes and the peer's", None, "", None),
    "swap_epochs": ("recorded results trade places: cross-entropy's mean over epochs and its last one", None, "", None),
    "swap_cleaned": ("recorded results trade places: labels relabelled by PLReMix and as given", None, "", None),
    "swap_arms": ("recorded results trade places: with PLR and without", None, "", None),
    "unseeded": ("every fit of the mixture starts from another seed", gmm, "split_clean", _unseeded),
    "blunt": ("sharpening does nothing", losses, "sharpen", lambda probabilities, temperature=0.5: probabilities),
    "all_confident": ("every sample is confident", model, "select_confident", _everyone),
    "no_faults": ("released=True switches nothing", presets, "FAULTS", {}),
}
SWAPS = {  # names of methods in recorded tables
    "swap_methods": ("plremix", "ce"),
    "swap_prototypes": ("own prototypes", "peer's prototypes"),
    "swap_epochs": ("ce, mean of epochs", "ce"),
    "swap_cleaned": ("ce, relabelled by plremix", "ce"),
    "swap_arms": ("plr", "none"),
}
