"""PLReMix: training image classifiers on wrongly labelled data (arXiv 2402.17589, WACV 2025).

Letters used everywhere: B batch, C classes, D projection width, N samples, V views.

Words: the *given label* of a sample may be wrong, its *true label* is not; a sample is *clean* if they agree, else
*noisy*. A *projection* is the unit vector that the contrastive loss sees, a *prototype* the running mean of a class's
projections. Training *warms up*, then *splits* the samples every epoch into a labeled and an unlabeled set. The
*candidate set* of a sample is its most probable classes and its given label. The other network is the *peer*.
"""

__version__ = "0.1.0"
