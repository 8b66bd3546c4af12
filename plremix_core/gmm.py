"""Split the samples into clean and noisy by a Gaussian mixture over one or two losses."""

import functools
import warnings
from dataclasses import dataclass

import numpy as np
import threadpoolctl
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import roc_auc_score
from sklearn.mixture import GaussianMixture

from .engine.checks import require


@dataclass(frozen=True)
class Split:
    """The result of `split_clean`.

    Attributes
    ----------
    p_clean, is_clean : ndarray of shape (N,), float64 and bool
        Posterior of the clean component; ``p_clean > threshold``: the labeled set, the others are the unlabeled set.
    points : ndarray of shape (N, 1) or (N, 2), float64
        The losses after min-max scaling, in [0, 1].
    mixture, clean : GaussianMixture or None, int
        The fitted mixture and the index of its clean component; None if all losses agree and there is nothing to fit.
    """

    p_clean: np.ndarray
    is_clean: np.ndarray
    points: np.ndarray
    mixture: GaussianMixture | None
    clean: int
    threshold: float

    def on_grid(self, size: int = 100) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Evaluate the mixture on a regular grid of `size` points along each axis of [0, 1].

        Returns the axis (size,) and, of shape (size,) or (size, size) with the prototype loss first, the density of the
        mixture and the posterior of the clean component: the decision boundary is its contour at `threshold`.
        """
        require(self.mixture is not None, "mixture", "fitted", None, "All losses agreed; train longer.")
        axis = np.linspace(0, 1, size)
        dims = self.points.shape[1]
        grid = np.stack([g.ravel() for g in np.meshgrid(*[axis] * dims)], axis=1)  # (size**dims, dims)
        density = np.exp(self.mixture.score_samples(grid))
        posterior = self.mixture.predict_proba(grid)[:, self.clean]
        return axis, density.reshape([size] * dims), posterior.reshape([size] * dims)

    def indices(self, least: int) -> tuple[np.ndarray, np.ndarray]:
        """Indices of the clean and of the noisy samples, each filled up to `least` with the next likely ones."""
        by_posterior = np.argsort(-self.p_clean, kind="stable")
        parts = np.flatnonzero(self.is_clean), np.flatnonzero(~self.is_clean)
        orders = by_posterior, by_posterior[::-1]
        return tuple(part if len(part) >= least else order[:least].copy() for part, order in zip(parts, orders))

    def metrics(self, right: np.ndarray | None) -> dict[str, float]:
        """Sizes of the parts and, knowing whose label is right (N,), AUC of `p_clean`, precision and recall."""
        row = {"clean": int(self.is_clean.sum()), "noisy": int((~self.is_clean).sum())}
        if right is not None:
            hits = int((right & self.is_clean).sum())
            both = 0 < right.sum() < len(right)
            row["auc"] = float(roc_auc_score(right, self.p_clean)) if both else float("nan")
            row["precision"], row["recall"] = hits / max(row["clean"], 1), hits / max(int(right.sum()), 1)
        return row


@functools.cache
def _threads() -> threadpoolctl.ThreadpoolController:
    return threadpoolctl.ThreadpoolController()


def scale(loss: np.ndarray) -> np.ndarray:
    """Min-max scale a loss of shape (N,) to [0, 1]; all equal gives zeros."""
    low, high = loss.min(), loss.max()
    return (loss - low) / (high - low) if high > low else np.zeros_like(loss)


def split_clean(
    loss_cls: np.ndarray, loss_proto: np.ndarray | None = None, *, threshold: float = 0.5, seed: int
) -> Split:
    """Fit two Gaussians to the per-sample losses and call the component nearer to zero loss clean.

    Classifier and prototype loss (N,) are against the given label, in nats; without `loss_proto` the mixture has one
    dimension. A sample is clean above a posterior of `threshold` in (0, 1); `seed` is of the k-means start.

    Source: paper arXiv:2402.17589v2; release, utils/train_utils.py, gmm_selection. 10 iterations of EM, tolerance 1e-2,
    5e-4 added to the covariances, clean = smaller squared norm of the mean.
    Differs: seeded; if all losses agree every posterior is 1, where the release divides by zero.
    """
    losses = [np.asarray(x, dtype=np.float64) for x in (loss_cls, loss_proto) if x is not None]
    for name, loss in zip(("loss_cls", "loss_proto"), losses):
        fits = loss.ndim == 1 and len(loss) == len(losses[0]) >= 2
        require(fits, name, "of shape (N,) with N >= 2", loss.shape, "Pass one loss a sample, both for the same ones.")
        bad = int((~np.isfinite(loss)).sum())
        require(bad == 0, name, "finite", f"{bad} values that are not", "The network has diverged; lower lr.")
    require(0 < threshold < 1, "threshold", "in (0, 1)", threshold, "The paper uses 0.5.")
    points = np.stack([scale(loss) for loss in losses], axis=1)  # (N,) each -> (N, 1 or 2)
    if (points == points[0]).all():
        return Split(np.ones(len(points)), np.ones(len(points), bool), points, None, 0, threshold)
    mixture = GaussianMixture(2, max_iter=10, tol=1e-2, reg_covar=5e-4, random_state=seed)
    with warnings.catch_warnings(), _threads().limit(limits=1):  # more would wait for torch's, which go on spinning
        warnings.simplefilter("ignore", ConvergenceWarning)  # ten iterations are the method
        posterior = mixture.fit(points).predict_proba(points)
    clean = int((mixture.means_**2).sum(axis=1).argmin())
    p_clean = posterior[:, clean]
    return Split(p_clean, p_clean > threshold, points, mixture, clean, threshold)
