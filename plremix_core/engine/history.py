"""What a training was like, epoch by epoch."""

import math
from dataclasses import dataclass

import pandas as pd

LAST = 10  # epochs whose mean is reported as "last"
COLUMNS = {  # column: meaning; those with a network's number, _1 or _2, stand without it
    "epoch": "epochs before this one",
    "kappa": "predicted classes in a candidate set",
    "lr": "learning rate",
    "total": "loss that is minimised, mean over the steps",
    "x": "loss of the labeled part, or of the given labels, nats",
    "u": "loss of the unlabeled part, mean squared error",
    "penalty": "penalty on the predictions, nats",
    "contrast": "mean log ratio of the negatives to the positive, nats",
    "negatives": "mean number of negatives of an image",
    "false_negatives": "share of the negative pairs that have one true class",
    "false_weight": "their share of an anchor's softmax weight over its negatives",
    "nearest_negative": "largest cosine of an anchor with a negative, mean",
    "top_k": "share of samples whose true class is among the kappa most probable of the peer",
    "clean": "samples of the labeled set in the network's own split",
    "noisy": "samples of the unlabeled set in the network's own split",
    "auc": "area under the ROC curve of p(clean)",
    "precision": "share of right labels in the labeled set",
    "recall": "share of the right labels that are in the labeled set",
    "within_between": "mean cosine distance within classes over that between them, projections of test images",
    "silhouette": "silhouette of the true classes among projections of test images",
    "knn": "share of test images that their ten nearest projections classify correctly",
    "features_within_between": "within_between of the backbone's features",
    "features_silhouette": "silhouette of the backbone's features",
    "features_knn": "knn of the backbone's features",
    "proto_accuracy": "share of samples whose nearest prototype is that of the true class",
    "test_accuracy": "test accuracy of both networks together",
    "holdout_accuracy": "the same on the hold-out's given labels",
    "seconds": "duration, seconds",
}


@dataclass(frozen=True)
class History:
    """Table of a training, one row an epoch; its columns are `COLUMNS`, accuracies and shares lie in [0, 1].

    Warm-up rows lack the columns of the split (NaN).
    """

    table: pd.DataFrame

    @property
    def last(self) -> float:
        """Mean test accuracy of the last ten epochs (or all, if fewer), in [0, 1]."""
        return float(self.table["test_accuracy"].tail(LAST).mean())

    @property
    def best(self) -> float:
        """Highest test accuracy, in [0, 1]. It is picked on the test set: no estimate of what a user would get."""
        return float(self.table["test_accuracy"].max())

    @property
    def chosen(self) -> float:
        """Test accuracy in the epoch of the best accuracy on the hold-out's given labels; NaN without a hold-out."""
        if "holdout_accuracy" not in self.table:
            return float("nan")
        return float(self.table["test_accuracy"][self.table["holdout_accuracy"].idxmax()])


def brief(row: dict[str, float], epochs: int, samples: int) -> str:
    """One epoch for the screen: its number, the loss, the size of the labeled set, accuracies, seconds."""
    table = pd.Series(row)
    loss, clean = (table.filter(regex=f"^{name}_[12]$").mean() for name in ("total", "clean"))
    shown = {"loss {:.3f}": loss, "clean {:.0%}": clean / samples, "test {:.3f}": table["test_accuracy"]}
    shown |= {"hold-out {:.3f}": table.get("holdout_accuracy", math.nan), "{:.1f} s": table["seconds"]}
    parts = [form.format(value) for form, value in shown.items() if not math.isnan(value)]
    return "  ".join([f"epoch {row['epoch'] + 1} of {epochs}", *parts])
