"""What the negative pairs are, against naive loops, and measured during a training without changing it."""

import math

import numpy as np
import pytest
import torch
from tiny import bars, checksum, settings, trained

from plremix_core.analysis import negatives
from plremix_core.losses import all_negatives, plr_mask
from plremix_core.trainer import Trainer

NAMES = {"false_negatives", "false_weight", "nearest_negative"}


def naive(projections, mask, true, temperature):
    """Anchor by anchor: share of pairs, softmax weight and largest cosine."""
    batch, views, _ = projections.shape
    unit = [[row / row.norm() for row in image] for image in projections]
    pairs, false, weights, nearest = 0, 0, [], []
    for i in range(batch):
        for a in range(views):
            others = [(j, b) for j in range(batch) for b in range(views) if mask[i][j] < 0]
            if not others:
                continue
            cosines = [float(unit[i][a] @ unit[j][b]) for j, b in others]
            same = [bool(true[i] == true[j]) for j, _ in others]
            powers = [math.exp(c / temperature) for c in cosines]
            weights.append(sum(p for p, s in zip(powers, same) if s) / sum(powers))
            nearest.append(max(cosines))
            pairs, false = pairs + len(others), false + sum(same)
    means = dict(false_weight=np.mean(weights), nearest_negative=np.mean(nearest))
    return means | dict(false_negatives=false / pairs)


@pytest.mark.parametrize("views", [2, 4])
@pytest.mark.parametrize("relaxed", [True, False])
@pytest.mark.parametrize("temperature", [0.1, 1.0])
def test_negative_pairs_equal_naive_loops(views, relaxed, temperature):
    draws = torch.Generator().manual_seed(views)
    projections = torch.randn(9, views, 5, generator=draws, dtype=torch.float64)
    given, true = torch.randint(4, (2, 9), generator=draws)
    mask = plr_mask(torch.randn(9, 4, generator=draws), given, 1) if relaxed else all_negatives(9)
    found = negatives.negative_pairs(projections, mask, true, temperature)
    assert found == pytest.approx(naive(projections, mask.tolist(), true, temperature), rel=1e-6)
    assert 0 < found["false_negatives"] < 1


def test_a_batch_without_negatives_gives_no_figures():
    q, true = torch.randn(3, 2, 4, generator=torch.Generator().manual_seed(0)), torch.zeros(3, dtype=torch.int64)
    assert negatives.negative_pairs(q, torch.eye(3, dtype=torch.int8), true, 1.0) == {}


@pytest.mark.parametrize("method", ["naive", "plremix"])
def test_measuring_fills_its_columns_and_changes_no_bit_of_the_training(method):
    straight, _ = trained(settings(method=method), bars())
    trainer = Trainer(settings(method=method), bars())
    table = trainer.fit(progress=False, on_epoch=negatives.measure).table
    assert checksum(trainer) == checksum(straight)
    found = table[[f"{name}_{which}" for name in sorted(NAMES | {"top_k"}) for which in (1, 2)]]
    assert found.iloc[0].notna().all() and found.iloc[1:].notna().any().any()
    shares = found.drop(columns=["nearest_negative_1", "nearest_negative_2"])
    assert shares.stack().dropna().between(0, 1).all() and found.stack().dropna().between(-1, 1.000001).all()
    everyone = table["false_negatives_1"].iloc[0]  # of 15 others 3 or 4 have the class of an image
    assert 0.15 < everyone < 0.35


def test_nothing_is_measured_without_contrast_or_true_labels_and_only_top_k_without_negatives():
    def columns(images, **changes):
        table = Trainer(settings(**changes), images).fit(progress=False, on_epoch=negatives.measure).table
        return {name.removesuffix("_1") for name in table if name.removesuffix("_1") in NAMES | {"top_k"}}, table

    assert columns(bars(), method="dividemix")[0] == columns(bars(known=False))[0] == set()
    found, table = columns(bars(), kappa=((0, 1), (1, 4)))  # after warm-up every two candidate sets overlap
    assert found == NAMES | {"top_k"}
    assert table["false_negatives_1"].isna().tolist() == [False, True, True]
    assert table["top_k_1"].iloc[1:].tolist() == [1.0, 1.0]
