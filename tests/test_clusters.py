"""Compactness of classes, against loops and by hand."""

import numpy as np
import pytest
from tiny import bars, settings

from plremix_core.analysis import clusters
from plremix_core.trainer import Trainer


def naive(vectors, labels):
    """The three measures, image by image."""
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    n, within, between, silhouettes, votes = len(labels), [], [], [], []
    for i in range(n):
        apart = [1 - unit[i] @ unit[j] for j in range(n)]
        means = {c: np.mean([apart[j] for j in range(n) if labels[j] == c and j != i]) for c in set(labels)}
        within += [apart[j] for j in range(n) if j != i and labels[j] == labels[i]]
        between += [apart[j] for j in range(n) if labels[j] != labels[i]]
        own, other = means[labels[i]], min(value for c, value in means.items() if c != labels[i])
        silhouettes.append((other - own) / max(own, other))
        near = sorted((apart[j], j) for j in range(n) if j != i)[: clusters.NEIGHBOURS]
        counts = np.bincount([labels[j] for _, j in near], minlength=max(labels) + 1)
        votes.append(counts.argmax() == labels[i])
    return dict(within_between=np.mean(within) / np.mean(between), silhouette=np.mean(silhouettes), knn=np.mean(votes))


def test_compactness_agrees_with_a_loop_over_images():
    rng = np.random.default_rng(3)
    labels = rng.integers(0, 3, 60)
    vectors = rng.normal(size=(60, 5)) + 2 * np.eye(3, 5)[labels]
    assert clusters.compactness(vectors, labels) == pytest.approx(naive(vectors, labels))


def test_tight_classes_measure_better_than_spread_ones_and_a_collapse_of_everything_does_not():
    rng = np.random.default_rng(4)
    labels = np.repeat([0, 1, 2], 30)
    centres, noise = np.eye(3, 8)[labels], rng.normal(size=(90, 8))
    tight, spread = (clusters.compactness(centres + size * noise, labels) for size in (0.1, 0.4))
    collapsed = clusters.compactness(np.ones(8) + 0.01 * noise, labels)
    assert tight["within_between"] < spread["within_between"] < 0.95 < collapsed["within_between"]
    assert tight["silhouette"] > spread["silhouette"] > 0.05 > collapsed["silhouette"]
    assert tight["knn"] == 1.0 > collapsed["knn"]


def test_a_training_logs_compactness_at_the_first_and_the_last_epoch(monkeypatch):
    monkeypatch.setattr(clusters, "EVERY", 5)
    table = Trainer(settings(epochs=3), bars()).fit(progress=False, on_epoch=clusters.measure).table
    for name in (
        "within_between",
        "silhouette",
        "knn",
        "features_within_between",
        "features_silhouette",
        "features_knn",
    ):
        assert table[name].notna().tolist() == [True, False, True]
    assert table["within_between"].iloc[-1] != table["features_within_between"].iloc[-1]
