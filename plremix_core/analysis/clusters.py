"""How compact the classes are in a space of vectors, on images that no network has seen."""

import numpy as np
import pandas as pd
import torch
from scipy.stats import mode
from sklearn.metrics import pairwise_distances, silhouette_score
from sklearn.neighbors import NearestNeighbors

from ..trainer import Trainer

MEASURED = 2000  # first test images
NEIGHBOURS = 10
EVERY = 10  # epochs between two measurements; the last epoch is always measured


def compactness(vectors: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """Say how compact the classes of vectors (n, D) with labels (n,) are, by cosine distances (0 to 2).

    `within_between` is the mean distance of two images of one class divided by that of two images of different classes:
    0 is best, and a collapse of all images to one point does not make it small. `silhouette` (-1 to 1) compares an
    image's own class with the nearest other class. `knn` is the share of images that most of the ten nearest others
    classify correctly (a tie goes to the smaller class).
    """
    apart, own = pairwise_distances(vectors, metric="cosine"), labels[:, None] == labels
    near = NearestNeighbors(n_neighbors=NEIGHBOURS, metric="cosine").fit(vectors).kneighbors(return_distance=False)
    return {
        "within_between": float(apart[own & ~np.eye(len(labels), dtype=bool)].mean() / apart[~own].mean()),
        "silhouette": float(silhouette_score(vectors, labels, metric="cosine")),
        "knn": float((mode(labels[near], axis=1).mode == labels).mean()),
    }


@torch.no_grad()
def measure(trainer: Trainer, row: dict[str, float]) -> None:
    """Add `compactness` on test images to a row of the history, for `Trainer.fit(on_epoch=measure)`.

    Measured every ten epochs and after the last, on the projections and (names with `features_` before them) on what
    the backbone gives; means over both networks. Nothing is added without a test set.
    """
    data, epoch, found = trainer.data, int(row["epoch"]), []
    if not len(data.test_images) or (epoch % EVERY and epoch != trainer.config.epochs - 1):
        return
    images, labels = data.test_images[:MEASURED], data.test_labels[:MEASURED].numpy()
    for net in trainer.nets:
        kept: list[torch.Tensor] = []
        with net.backbone.register_forward_hook(lambda module, images, features, kept=kept: kept.append(features)):
            _, projections = trainer.predict(net, images)
        of_features = compactness(torch.cat(kept).float().cpu().numpy(), labels)
        one = compactness(projections.cpu().numpy(), labels)
        found.append(one | {f"features_{name}": value for name, value in of_features.items()})
    row |= pd.DataFrame(found).mean().to_dict()
