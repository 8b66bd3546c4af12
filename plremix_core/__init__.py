"""PLReMix: training image classifiers on wrongly labelled data (arXiv 2402.17589, WACV 2025).

Letters used everywhere: B batch, C classes, D projection width, N samples, V views.

Words: the *given label* of a sample may be wrong, its *true label* is not; a sample is *clean* if they agree, else
*noisy*. A *projection* is the unit vector that the contrastive loss sees, a *prototype* the running mean of a class's
projections. Training *warms up*, then *divides* the samples every epoch. The *candidate set* of a sample is its most
probable classes and its given label. The other of the two networks is the *peer*.
"""

__version__ = "0.1.0"
__all__ = [
    "augment",
    "backbones",
    "batch",
    "batches",
    "cell",
    "checkpoint",
    "config",
    "conflict",
    "data",
    "dataset",
    "distributed",
    "epochs",
    "folders",
    "gmm",
    "grid",
    "history",
    "image_files",
    "infer",
    "lab",
    "label_files",
    "losses",
    "model",
    "noise",
    "plots",
    "presets",
    "report",
    "steps",
    "sweep",
    "tables",
    "trainer",
]
