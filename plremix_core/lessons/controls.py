"""Controls: what a reader can break in a notebook, so that a claim which rests on it fails; `lesson.start` does it.

A control replaces an attribute of a module or class; code that imports the function itself keeps the original.
"""

import numpy as np
import torch

from .. import gmm, losses, presets, trainer
from ..data import noise


def _all_negatives(logits: torch.Tensor, labels: torch.Tensor, k: int) -> torch.Tensor:
    return losses.all_negatives(len(labels), labels.device)


def _coin(loss_cls: np.ndarray, loss_proto: np.ndarray | None = None, *, threshold: float = 0.5, seed: int):
    real = _SPLIT(loss_cls, loss_proto, threshold=threshold, seed=seed)
    p_clean = np.random.default_rng(seed).random(len(real.p_clean))
    return gmm.Split(p_clean, p_clean > threshold, real.points, real.mixture, real.clean, threshold)


def _forget_momentum(self: trainer.Trainer, state: dict) -> None:
    _LOAD(self, state)
    for optimizer in self.optimizers:
        optimizer.state.clear()


_SPLIT, _LOAD = gmm.split_clean, trainer.Trainer.load_state_dict
_INFO_NCE = losses.CONTRASTS["info_nce"]
CONTROLS = {  # name: (what it breaks, module or class, attribute, replacement); no module: recorded runs only
    "all_negatives": ("every pair is a negative pair", losses, "plr_mask", _all_negatives),
    "clean_labels": ("labels are left clean", noise, "corrupt", lambda labels, *_args, **_kw: labels.copy()),
    "coin": ("the mixture is replaced by a coin", gmm, "split_clean", _coin),
    "never_flat": ("FlatNCE is InfoNCE", losses, "CONTRASTS", {"flat_nce": _INFO_NCE, "info_nce": _INFO_NCE}),
    "forget_momentum": ("resuming forgets the momentum", trainer.Trainer, "load_state_dict", _forget_momentum),
    "no_faults": ("released=True switches nothing", presets, "FAULTS", {}),
    "one_loss": ("recorded runs split by the classifier loss alone", None, "", None),
    "no_contrast": ("recorded runs train without a contrastive loss", None, "", None),
    "no_split": ("recorded runs train on all given labels, without a split", None, "", None),
    "shuffled": ("recorded rankings of suspects are in random order", None, "", None),
    "uncleaned": ("recorded trainings on cleaned labels are those on the labels as given", None, "", None),
}
_TAUS = ("1", "0.5", "0.1")  # of the variants in the study `join`
INSTEAD = {  # control: method: the recorded runs that take its place
    "all_negatives": {"plremix": "naive-2d", "plr-1d": "naive", "plr": "naive"}
    | {f"relaxed, tau {tau}": f"all negatives, tau {tau}" for tau in _TAUS},
    "shuffled": dict.fromkeys(("ce, averaged", "strong views, averaged", "features"), "shuffled"),
    "uncleaned": {"ce, drop": "ce", "ce, relabel": "ce"},
    "one_loss": {"plremix": "plr-1d", "dividemix-2d": "dividemix", "naive-2d": "naive"},
    "no_contrast": {"plremix": "dividemix-2d", "naive-2d": "dividemix-2d", "plr-1d": "dividemix", "naive": "dividemix"}
    | {f"{kind}, tau {tau}": "no contrast after warm-up" for kind in ("relaxed", "all negatives") for tau in _TAUS},
    "no_split": {"plremix": "ce on strong views"},
    "no_faults": {"peer's prototypes": "own prototypes"},
}
