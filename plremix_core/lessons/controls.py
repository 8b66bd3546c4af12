"""Controls: what a reader can break in a notebook, so that a claim which rests on it fails; `lesson.start` does it.

A control replaces an attribute of a module or class; code that imports the function itself keeps the original. Nothing
heavy is loaded here before a control is switched on: the command line lists them, too.
"""

CONTROLS = {  # name: what it breaks
    "all_negatives": "every pair is a negative pair",
    "clean_labels": "labels are left clean",
    "coin": "the mixture is replaced by a coin",
    "never_flat": "FlatNCE is InfoNCE",
    "forget_momentum": "resuming forgets the momentum",
    "no_bugs": "released=True switches nothing",
    "one_loss": "recorded runs split by the classifier loss alone",
    "no_contrast": "recorded runs train without a contrastive loss",
    "no_split": "recorded runs train on all given labels, without a split",
    "shuffled": "recorded rankings of suspects are in random order",
    "uncleaned": "recorded trainings on cleaned labels are those on the labels as given",
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
    "no_bugs": {"peer's prototypes": "own prototypes"},
}


def replacements() -> dict[str, tuple[object, str, object]]:
    """Module or class, attribute and replacement by control; those that are missing act on recorded runs only."""
    import numpy as np

    from .. import gmm, losses, presets, trainer
    from ..data import noise

    split_clean, load_state_dict = gmm.split_clean, trainer.Trainer.load_state_dict
    info_nce = losses.CONTRASTS["info_nce"]

    def coin(loss_cls, loss_proto=None, *, threshold=0.5, seed):
        real = split_clean(loss_cls, loss_proto, threshold=threshold, seed=seed)
        p_clean = np.random.default_rng(seed).random(len(real.p_clean))
        return gmm.Split(p_clean, p_clean > threshold, real.points, real.mixture, real.clean, threshold)

    def forget_momentum(self, state):
        load_state_dict(self, state)
        for optimizer in self.optimizers:
            optimizer.state.clear()

    return {
        "all_negatives": (
            losses,
            "plr_mask",
            lambda logits, labels, k: losses.all_negatives(len(logits), logits.device),
        ),
        "clean_labels": (noise, "corrupt", lambda labels, *_args, **_options: labels.copy()),
        "coin": (gmm, "split_clean", coin),
        "never_flat": (losses, "CONTRASTS", dict.fromkeys(losses.CONTRASTS, info_nce)),
        "forget_momentum": (trainer.Trainer, "load_state_dict", forget_momentum),
        "no_bugs": (presets, "BUGS", {}),
    }
