"""The losses against naive loops in float64, against golden values, and at their limits."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from plremix_core import losses

GOLDEN = np.load(Path(__file__).parent / "golden" / "golden_public.npz", allow_pickle=False)
EXACT = dict(rtol=1e-10, atol=1e-10)  # float64
SINGLE = dict(rtol=1e-5, atol=1e-6)  # float32


def golden(case):
    """Arrays of one golden case by their short names."""
    return {key.split("/")[1]: GOLDEN[key] for key in GOLDEN.files if key.startswith(case + "/")}


def golden_cases(kind):
    return sorted({key.split("/")[0] for key in GOLDEN.files if key.startswith(kind + "_")})


def circle(*angles):
    """Points on the unit circle for angles in degrees, one row of views an image: -> (B, V, 2)."""
    radians = torch.tensor(angles, dtype=torch.float64).deg2rad()
    return torch.stack([radians.cos(), radians.sin()], dim=-1)


def random_case(batch, classes, views, seed=0, width=5):
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(batch, classes, generator=generator, dtype=torch.float64)
    labels = torch.randint(classes, (batch,), generator=generator)
    projections = torch.randn(batch, views, width, generator=generator, dtype=torch.float64)
    return logits, labels, projections


# ------------------------------------------------------------------------------------------------- naive loops


def naive_mask(logits, labels, k):
    """+1 an image with itself, -1 if no class is a candidate of both, else 0."""
    logits, labels = logits.tolist(), labels.tolist()
    candidates = []
    for row, label in zip(logits, labels):
        ranked = sorted(range(len(row)), key=lambda c: row[c], reverse=True)
        candidates.append({*ranked[:k], label})
    mask = [[0] * len(labels) for _ in labels]
    for i in range(len(labels)):
        for j in range(len(labels)):
            if i == j:
                mask[i][j] = 1
            elif not candidates[i] & candidates[j]:
                mask[i][j] = -1
    return mask


def naive_repulsion(projections, mask, temperature):
    """{anchor: list of v, one for every other view of its image}; anchors without negatives are missing."""
    batch, views, _ = projections.shape
    unit = [[row / row.norm() for row in image] for image in projections]
    found = {}
    for a in range(views):
        for i in range(batch):
            anchor, total, values = unit[i][a], 0.0, []
            for j in range(batch):
                for b in range(views):
                    if mask[i][j] == -1:
                        total = total + torch.exp(anchor @ unit[j][b] / temperature)
            if isinstance(total, float):
                continue
            for b in range(views):
                if b != a:
                    values.append(torch.log(total) - anchor @ unit[i][b] / temperature)
            found[a * batch + i] = values
    return found


def naive_info(projections, mask, temperature):
    """Mean over all anchors and their positives of -log(e^pos / (sum e^pos + sum e^neg))."""
    batch, views, _ = projections.shape
    unit = [[row / row.norm() for row in image] for image in projections]
    anchors = []
    for i in range(batch):
        for a in range(views):
            negatives = [
                math.exp(float(unit[i][a] @ unit[j][b]) / temperature)
                for j in range(batch)
                for b in range(views)
                if mask[i][j] == -1
            ]
            positives = [math.exp(float(unit[i][a] @ unit[i][b]) / temperature) for b in range(views) if b != a]
            terms = [-math.log(p / (sum(positives) + sum(negatives))) for p in positives]
            anchors.append(sum(terms) / len(terms))
    return sum(anchors) / len(anchors)


GRID = [  # (batch, classes, k, views): each size alone, then together
    *[(5, classes, k, 2) for classes, k in ((2, 1), (4, 1), (4, 2), (4, 4), (10, 1), (10, 3))],
    *[(batch, 4, 2, 2) for batch in (1, 2)],
    (8, 10, 3, 3),
    (2, 4, 1, 3),
]


@pytest.mark.parametrize(("batch", "classes", "k"), sorted({case[:3] for case in GRID}))
def test_mask_equals_naive_loops(batch, classes, k):
    logits, labels, _ = random_case(batch, classes, 2, seed=classes + k)
    assert losses.plr_mask(logits, labels, k).tolist() == naive_mask(logits, labels, k)


@pytest.mark.parametrize(("batch", "classes", "k", "views"), GRID)
def test_log_negative_ratio_equals_naive_loops(batch, classes, k, views):
    logits, labels, projections = random_case(batch, classes, views, seed=batch)
    mask = naive_mask(logits, labels, k)
    v, valid = losses.log_negative_ratio(projections, torch.tensor(mask, dtype=torch.int8), 0.7)
    expected = naive_repulsion(projections, mask, 0.7)
    assert v.shape == (views * batch, views - 1)
    assert valid.nonzero()[:, 0].tolist() == sorted(expected)
    for anchor in range(views * batch):
        right = sorted(float(x) for x in expected.get(anchor, [0.0] * (views - 1)))
        assert sorted(v[anchor].tolist()) == pytest.approx(right, rel=1e-10, abs=1e-10)


@pytest.mark.parametrize("views", [2, 3])
def test_similarities_are_cosines_over_tau_with_the_other_views_and_with_the_negatives(views):
    logits, labels, projections = random_case(5, 10, views, seed=1)
    mask = losses.plr_mask(logits, labels, 1)
    positives, negatives = losses.similarities(projections, mask, 0.5)
    q = [image[view] / image[view].norm() for view in range(views) for image in projections]
    for anchor in range(views * 5):
        row = [float(q[anchor] @ other) / 0.5 for other in q]
        others = [number for number in range(views * 5) if number % 5 == anchor % 5 and number != anchor]
        assert sorted(positives[anchor].tolist()) == pytest.approx(sorted(row[number] for number in others))
        expected = [x if mask[anchor % 5, j % 5] < 0 else -math.inf for j, x in enumerate(row)]
        assert negatives[anchor].tolist() == pytest.approx(expected)


def test_a_row_without_negatives_has_minus_infinity_as_log_sum_and_no_gradient():
    rows = torch.tensor([[0.0, 1.0], [-math.inf, 2.0], [-math.inf, -math.inf]], requires_grad=True)
    sums = losses.log_sum(rows)
    assert sums.tolist() == pytest.approx([math.log(1 + math.e), 2.0, -math.inf])
    sums[:2].sum().backward()
    assert rows.grad.isfinite().all() and (rows.grad[2] == 0).all()


@pytest.mark.parametrize(("batch", "classes", "k", "views"), GRID)
def test_loss_that_is_not_flat_equals_naive_loops(batch, classes, k, views):
    logits, labels, projections = random_case(batch, classes, views, seed=batch + 1)
    mask = naive_mask(logits, labels, k)
    found = losses.plr_loss(projections, torch.tensor(mask, dtype=torch.int8), 0.5, flat=False)
    assert float(found) == pytest.approx(naive_info(projections, mask, 0.5), rel=1e-10, abs=1e-10)


@pytest.mark.parametrize(("batch", "classes", "k", "views"), GRID)
def test_flat_loss_is_one_and_its_gradient_is_that_of_mean_v(batch, classes, k, views):
    logits, labels, projections = random_case(batch, classes, views, seed=batch + 2)
    mask = naive_mask(logits, labels, k)
    ours, naive = projections.clone().requires_grad_(), projections.clone().requires_grad_()
    loss = losses.plr_loss(ours, torch.tensor(mask, dtype=torch.int8), 0.7)
    loss.backward()
    value, values = float(loss.detach()), naive_repulsion(naive, mask, 0.7)
    if values:
        assert value == pytest.approx(1.0, abs=1e-12)
        mean_v = sum(sum(row) / len(row) for row in values.values()) / len(values)
        expected = torch.autograd.grad(mean_v, naive)[0]
        assert expected.abs().max() > 1e-3
    else:
        assert value == 0.0
        expected = torch.zeros_like(naive)
    torch.testing.assert_close(ours.grad, expected, **EXACT)


def test_flat_gradient_equals_finite_differences_of_mean_v():
    logits, labels, projections = random_case(4, 10, 2, seed=9, width=3)
    mask = naive_mask(logits, labels, 1)

    def mean_v(points):
        values = naive_repulsion(points, mask, 1.0)
        return float(sum(sum(row) / len(row) for row in values.values()) / len(values))

    ours = projections.clone().requires_grad_()
    losses.plr_loss(ours, torch.tensor(mask, dtype=torch.int8)).backward()
    for place in [(0, 0, 0), (1, 1, 2), (3, 0, 1)]:
        step = torch.zeros_like(projections)
        step[place] = 1e-6
        slope = (mean_v(projections + step) - mean_v(projections - step)) / 2e-6
        assert float(ours.grad[place]) == pytest.approx(slope, abs=1e-8)


@pytest.mark.parametrize("views", [2, 3])
def test_gradcheck_of_log_negative_ratio_and_of_the_loss_that_is_not_flat(views):
    logits, labels, projections = random_case(5, 10, views, seed=3, width=3)
    mask = torch.tensor(naive_mask(logits, labels, 1), dtype=torch.int8)
    projections.requires_grad_()
    assert torch.autograd.gradcheck(lambda q: losses.log_negative_ratio(q, mask, 0.5)[0], (projections,))
    assert torch.autograd.gradcheck(lambda q: losses.plr_loss(q, mask, 0.5, flat=False), (projections,))


@pytest.mark.parametrize("views", [2, 3])
@pytest.mark.parametrize("temperature", [0.1, 1.0])
def test_flat_nce_and_info_nce_are_the_plr_loss_with_every_pair_repelling(views, temperature):
    _, _, projections = random_case(6, 4, views, seed=4)
    everyone = [[1 if i == j else -1 for j in range(6)] for i in range(6)]
    assert losses.all_negatives(6).tolist() == everyone
    assert losses.all_negatives(6).dtype == torch.int8
    info = float(losses.info_nce(projections, temperature))
    assert info == pytest.approx(naive_info(projections, everyone, temperature), rel=1e-10)
    for function, flat in ((losses.flat_nce, True), (losses.info_nce, False)):
        grads = []
        for loss in (
            lambda q, f=function: f(q, temperature),
            lambda q, f=flat: losses.plr_loss(q, torch.tensor(everyone), temperature, flat=f),
        ):
            q = projections.clone().requires_grad_()
            loss(q).backward()
            grads.append(q.grad)
        torch.testing.assert_close(*grads, **EXACT)


def test_flat_nce_defaults_to_the_warm_up_temperature_and_plr_to_one():
    _, _, projections = random_case(4, 4, 2, seed=5)
    mask = losses.all_negatives(4)
    assert losses.info_nce(projections) == losses.info_nce(projections, 0.1)
    assert losses.plr_loss(projections, mask, flat=False) == losses.plr_loss(projections, mask, 1.0, flat=False)


# ------------------------------------------------------------------------------------------------------ golden


def test_golden_file_holds_all_cases():
    counts = {kind: len(golden_cases(kind)) for kind in ("plr", "flatnce", "infonce", "semi")}
    assert counts == {"plr": 7, "flatnce": 3, "infonce": 2, "semi": 4}


@pytest.mark.parametrize("case", golden_cases("plr"))
def test_plr_mask_value_and_gradient_equal_golden(case):
    g = golden(case)
    mask = losses.plr_mask(torch.tensor(g["logits"]), torch.tensor(g["labels"]), int(g["k"]))
    assert (mask.numpy() == g["mask"]).all()
    features = torch.tensor(g["features"], requires_grad=True)
    loss = losses.plr_loss(features, mask, float(g["temperature"]), flat=bool(g["flat"]))
    loss.backward()
    assert float(loss.detach()) == pytest.approx(float(g["loss"]), abs=1e-10)
    np.testing.assert_allclose(features.grad.numpy(), g["grad"], rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("case", golden_cases("flatnce") + golden_cases("infonce"))
def test_contrastive_value_and_gradient_equal_golden(case):
    g = golden(case)  # features of shape (2B, D): first views, then second views
    features = torch.tensor(g["features"], requires_grad=True)
    projections = features.unflatten(0, (2, -1)).transpose(0, 1)
    loss = (losses.flat_nce if "flat" in case else losses.info_nce)(projections, float(g["temperature"]))
    loss.backward()
    assert float(loss.detach()) == pytest.approx(float(g["loss"]), abs=1e-10)
    np.testing.assert_allclose(features.grad.numpy(), g["grad"], rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("case", golden_cases("semi"))
def test_semi_supervised_terms_equal_golden(case):
    g = golden(case)
    arrays = [torch.tensor(g[key]) for key in ("logits_x", "targets_x", "logits_u", "targets_u")]
    loss_x, loss_u = losses.mixmatch_loss(*arrays)
    assert float(loss_x) == pytest.approx(float(g["Lx"]), abs=1e-10)
    assert float(loss_u) == pytest.approx(float(g["Lu"]), abs=1e-10)
    weight = float(g["lambda_u"]) * losses.ramp_up(float(g["epoch"]), int(g["warm_up"]))
    assert weight == pytest.approx(float(g["weight"]), abs=1e-10)


def test_penalties_equal_golden():
    g = golden("negentropy_0")
    assert float(losses.confidence_penalty(torch.tensor(g["logits"]))) == pytest.approx(float(g["value"]), abs=1e-10)
    g = golden("prior_penalty_0")
    assert float(losses.prior_penalty(torch.tensor(g["logits"]))) == pytest.approx(float(g["value"]), abs=1e-10)


# ----------------------------------------------------------------------------------------------- semi-supervised


def soft(batch, classes, seed):
    generator = torch.Generator().manual_seed(seed)
    logits = 3 * torch.randn(batch, classes, generator=generator, dtype=torch.float64)
    targets = torch.rand(batch, classes, generator=generator, dtype=torch.float64)
    return logits, targets / targets.sum(dim=1, keepdim=True)


def naive_softmax(row):
    exps = [math.exp(x - max(row)) for x in row]
    return [x / sum(exps) for x in exps]


@pytest.mark.parametrize(("batch_x", "batch_u", "classes"), [(1, 1, 2), (3, 5, 4), (6, 6, 10)])
def test_mixmatch_loss_equals_naive_loops(batch_x, batch_u, classes):
    (logits_x, targets_x), (logits_u, targets_u) = soft(batch_x, classes, 0), soft(batch_u, classes, 1)
    expected_x = expected_u = 0.0
    for row, target in zip(logits_x.tolist(), targets_x.tolist()):
        for p, t in zip(naive_softmax(row), target):
            expected_x -= t * math.log(p) / batch_x
    for row, target in zip(logits_u.tolist(), targets_u.tolist()):
        for p, t in zip(naive_softmax(row), target):
            expected_u += (p - t) ** 2 / (batch_u * classes)
    found = losses.mixmatch_loss(logits_x, targets_x, logits_u, targets_u)
    assert [float(x) for x in found] == pytest.approx([expected_x, expected_u], rel=1e-10)


def test_empty_parts_of_the_mixmatch_loss_are_zero_and_backward_runs():
    logits = torch.zeros(0, 4, dtype=torch.float64, requires_grad=True)
    empty = torch.zeros(0, 4, dtype=torch.float64)
    loss_x, loss_u = losses.mixmatch_loss(logits, empty, logits, empty)
    (loss_x + loss_u).backward()
    assert (loss_x.item(), loss_u.item()) == (0.0, 0.0)


def test_mixmatch_loss_is_finite_at_logit_gaps_of_1000():
    logits = torch.tensor([[1000.0, 0.0], [-500.0, 500.0]], requires_grad=True)
    targets = torch.tensor([[0.0, 1.0], [0.5, 0.5]])
    loss_x, loss_u = losses.mixmatch_loss(logits, targets, logits, targets)
    (loss_x + loss_u).backward()
    assert loss_x.item() == pytest.approx((1000 + 500) / 2)
    assert loss_u.item() == pytest.approx((1 + 1 + 0.25 + 0.25) / 4)
    assert logits.grad.isfinite().all()


@pytest.mark.parametrize("temperature", [0.1, 0.5, 1.0, 2.0])
def test_sharpen_equals_naive_loops(temperature):
    _, p = soft(5, 6, 2)
    expected = []
    for row in p.tolist():
        powered = [x ** (1 / temperature) for x in row]
        expected.append([x / sum(powered) for x in powered])
    torch.testing.assert_close(
        losses.sharpen(p, temperature), torch.tensor(expected, dtype=torch.float64), rtol=1e-10, atol=1e-12
    )


def test_sharpen_of_known_values():
    p = torch.tensor([[0.75, 0.25], [1.0, 0.0]])
    torch.testing.assert_close(losses.sharpen(p, 0.5), torch.tensor([[0.9, 0.1], [1.0, 0.0]]), **SINGLE)


def test_sharpen_towards_zero_temperature_is_one_hot_and_not_nan():
    found = losses.sharpen(torch.tensor([[0.6, 0.4], [0.5, 0.5]]), 0.001)
    torch.testing.assert_close(found, torch.tensor([[1.0, 0.0], [0.5, 0.5]]), **SINGLE)


@pytest.mark.parametrize("temperature", [0.0, -1.0])
def test_sharpen_refuses_a_temperature_that_is_not_positive(temperature):
    with pytest.raises(ValueError, match=rf"temperature must be > 0, got {temperature}. The paper uses 0.5."):
        losses.sharpen(torch.full((2, 2), 0.5), temperature)


@pytest.mark.parametrize(
    ("epoch", "warm_up", "length", "weight"),
    [
        (0, 10, 16, 0.0), (10, 10, 16, 0.0), (10.5, 10, 16, 1 / 32), (18, 10, 16, 0.5), (26, 10, 16, 1.0),
        (399, 10, 16, 1.0), (4.999, 5, 0, 0.0), (5, 5, 0, 1.0), (8, 5, 6, 0.5), (0, 0, 16, 0.0), (1, 0, 4, 0.25),
    ],
)  # fmt: skip
def test_ramp_up_at_its_edges(epoch, warm_up, length, weight):
    assert losses.ramp_up(epoch, warm_up, length) == pytest.approx(weight, abs=1e-12)


def test_ramp_up_lasts_16_epochs_by_default():
    assert losses.ramp_up(10 + 4, 10) == pytest.approx(0.25)


def test_penalties_equal_naive_loops():
    logits, _ = soft(7, 5, 3)
    rows = [naive_softmax(row) for row in logits.tolist()]
    negentropy = sum(p * math.log(p) for row in rows for p in row) / len(rows)
    prior = sum(0.2 * math.log(0.2 / (sum(row[c] for row in rows) / len(rows))) for c in range(5))
    assert float(losses.confidence_penalty(logits)) == pytest.approx(negentropy, rel=1e-10)
    assert float(losses.prior_penalty(logits)) == pytest.approx(prior, rel=1e-10)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("function", [losses.confidence_penalty, losses.prior_penalty])
def test_penalties_and_their_gradients_are_finite_at_logit_gaps_of_1000(function, dtype):
    logits = torch.tensor([[1000.0, 0.0, -1000.0], [1000.0, 0.0, 0.0]], dtype=dtype, requires_grad=True)
    value = function(logits)
    value.backward()
    assert value.isfinite()
    assert logits.grad.isfinite().all()


def test_penalties_at_known_predictions():
    uniform, sure = torch.zeros(3, 4, dtype=torch.float64), 1000 * torch.eye(4, dtype=torch.float64)
    assert float(losses.confidence_penalty(uniform)) == pytest.approx(-math.log(4))
    assert float(losses.confidence_penalty(sure)) == pytest.approx(0.0, abs=1e-12)
    assert float(losses.prior_penalty(uniform)) == pytest.approx(0.0, abs=1e-12)
    assert float(losses.prior_penalty(sure)) == pytest.approx(0.0, abs=1e-12)  # sure, but balanced


# ------------------------------------------------------------------------------------------------------ limits


@pytest.mark.parametrize("flat", [True, False])
@pytest.mark.parametrize(
    "mask",
    [torch.eye(4, dtype=torch.int8), torch.ones(4, 4, dtype=torch.int8)],
    ids=["all pairs left alone", "all pairs attract"],
)
def test_a_batch_without_negatives_gives_zero_and_zero_gradients(mask, flat):
    projections = random_case(4, 3, 2, seed=6)[2].requires_grad_()
    loss = losses.plr_loss(projections, mask, flat=flat)
    loss.backward()
    assert float(loss.detach()) == 0.0
    assert (projections.grad == 0).all()
    v, valid = losses.log_negative_ratio(projections, mask, 1.0)
    assert not valid.any()
    assert (v == 0).all()


def test_an_image_of_whom_nobody_is_pushed_away_gets_no_gradient():
    mask = torch.tensor([[1, -1, 0], [-1, 1, 0], [0, 0, 1]], dtype=torch.int8)
    projections = random_case(3, 3, 2, seed=7)[2].requires_grad_()
    losses.plr_loss(projections, mask).backward()
    assert (projections.grad[2] == 0).all()
    assert (projections.grad[:2] != 0).any(dim=2).all()


@pytest.mark.parametrize("flat", [True, False])
def test_one_sample_gives_zero_and_zero_gradients(flat):
    projections = torch.randn(1, 2, 4, generator=torch.Generator().manual_seed(0)).requires_grad_()
    mask = losses.plr_mask(torch.zeros(1, 3), torch.tensor([0]), 1)
    assert mask.tolist() == [[1]]
    loss = losses.plr_loss(projections, mask, flat=flat)
    loss.backward()
    assert float(loss.detach()) == 0.0
    assert (projections.grad == 0).all()


def test_no_pair_of_one_given_label_repels():
    logits, _, _ = random_case(6, 8, 2, seed=8)
    mask = losses.plr_mask(logits, torch.full((6,), 5), 1)
    assert mask.tolist() == torch.eye(6).tolist()


@pytest.mark.parametrize(("classes", "k"), [(1, 1), (2, 2), (3, 2), (5, 3), (10, 6), (10, 10)])
def test_more_candidates_than_half_of_the_classes_leave_no_negatives(classes, k):
    logits, labels, _ = random_case(20, classes, 2, seed=k)
    assert losses.plr_mask(logits, labels, k).tolist() == torch.eye(20).tolist()


@pytest.mark.parametrize(("k", "negatives"), [(3, 16), (2, 46), (1, 84)])
def test_random_predictions_leave_as_many_negatives_as_the_paper_counts(k, negatives):
    counts = []
    for seed in range(20):
        logits, labels, _ = random_case(128, 10, 2, seed=seed)
        counts.append(float((losses.plr_mask(logits, labels, k) == -1).sum(dim=1).double().mean()))
    assert np.mean(counts) == pytest.approx(negatives, abs=1.5)


def test_large_logits_and_small_temperatures_stay_finite():
    projections = circle([0, 10], [0, 180], [90, 200]).float().requires_grad_()
    for flat in (True, False):
        loss = losses.plr_loss(projections, losses.all_negatives(3), 0.001, flat=flat)
        assert loss.isfinite()
        assert torch.autograd.grad(loss, projections)[0].isfinite().all()


# -------------------------------------------------------------------------------------------- readable geometry


def test_v_of_two_opposite_images_is_log_2_minus_2():
    v, valid = losses.log_negative_ratio(circle([0, 0], [180, 180]), losses.all_negatives(2), 1.0)
    assert valid.all()  # the two negatives have cosine -1, the positive cosine 1
    torch.testing.assert_close(v, torch.full((4, 1), math.log(2) - 2, dtype=torch.float64), **EXACT)


def test_v_of_right_angles_counts_the_negatives():
    projections = circle([0, 90], [180, 270])  # every anchor: positive at cosine 0, negatives at 0 and -1
    v, _ = losses.log_negative_ratio(projections, losses.all_negatives(2), 1.0)
    torch.testing.assert_close(v, torch.full((4, 1), math.log(1 + math.exp(-1)), dtype=torch.float64), **EXACT)


def angles_after_step(mask, *angles):
    projections = circle(*angles).requires_grad_()
    losses.plr_loss(projections, mask).backward()
    moved = projections.detach() - 0.1 * projections.grad
    return torch.atan2(moved[..., 1], moved[..., 0]).rad2deg()


def test_a_step_moves_repelling_images_apart():
    moved = angles_after_step(losses.all_negatives(2), [0, 0], [60, 60])
    assert (moved[0] < -0.1).all()
    assert (moved[1] > 60.1).all()


def test_a_step_moves_the_views_of_an_image_together():
    moved = angles_after_step(losses.all_negatives(2), [-30, 30], [150, 210])
    assert float(moved[0, 0]) > -29.9
    assert float(moved[0, 1]) < 29.9


def test_only_the_repelling_pair_is_pushed():
    mask = torch.tensor([[1, -1, 0], [-1, 1, 0], [0, 0, 1]], dtype=torch.int8)
    moved = angles_after_step(mask, [0, 0], [60, 60], [30, 30])
    assert float(moved[0, 0]) < -0.1
    assert moved[2].tolist() == pytest.approx([30, 30], abs=1e-9)


def test_gradient_steps_lower_the_repulsion():
    generator = torch.Generator().manual_seed(0)
    projections = torch.randn(8, 2, 6, generator=generator, dtype=torch.float64, requires_grad=True)
    mask = losses.plr_mask(torch.eye(8), torch.arange(8), 1)
    values = []
    for _ in range(20):
        values.append(float(losses.log_negative_ratio(projections, mask, 1.0)[0].detach().mean()))
        (grad,) = torch.autograd.grad(losses.plr_loss(projections, mask), projections)
        projections = (projections - 2 * grad).detach().requires_grad_()
    assert values[-1] < values[0] - 0.5


# ------------------------------------------------------------------------------------ invariance, no side effects


def test_permuting_the_batch_permutes_the_mask_and_keeps_the_loss():
    logits, labels, projections = random_case(7, 10, 3, seed=11)
    order = torch.tensor([3, 0, 6, 1, 5, 2, 4])
    mask = losses.plr_mask(logits, labels, 2)
    permuted = losses.plr_mask(logits[order], labels[order], 2)
    assert (mask == -1).any()
    assert (permuted == mask[order][:, order]).all()
    before, after = (
        losses.plr_loss(projections, mask, flat=False),
        losses.plr_loss(projections[order], permuted, 1.0, False),
    )
    torch.testing.assert_close(before, after, **EXACT)


def test_mask_is_symmetric_with_ones_on_the_diagonal_only():
    logits, labels, _ = random_case(30, 10, 2, seed=12)
    mask = losses.plr_mask(logits, labels, 2)
    assert mask.dtype == torch.int8
    assert (mask == mask.T).all()
    assert ((mask == 1) == torch.eye(30, dtype=torch.bool)).all()


def test_adding_a_constant_to_logits_changes_nothing():
    logits, labels, _ = random_case(6, 10, 2, seed=13)
    shift = torch.arange(6, dtype=torch.float64)[:, None]
    targets = soft(6, 10, 5)[1]
    assert (losses.plr_mask(logits + shift, labels, 2) == losses.plr_mask(logits, labels, 2)).all()
    for function in (losses.confidence_penalty, losses.prior_penalty):
        torch.testing.assert_close(function(logits + shift), function(logits), **EXACT)
    before = losses.mixmatch_loss(logits, targets, logits, targets)
    after = losses.mixmatch_loss(logits + shift, targets, logits + shift, targets)
    torch.testing.assert_close(before, after, **EXACT)


def test_length_of_the_projections_does_not_matter():
    _, _, projections = random_case(5, 10, 2, seed=14)
    longer = projections * torch.linspace(0.1, 9, 5, dtype=torch.float64)[:, None, None]
    torch.testing.assert_close(losses.info_nce(longer), losses.info_nce(projections), **EXACT)


def test_inputs_are_not_changed_in_place():
    logits, labels, projections = random_case(6, 10, 2, seed=15)
    p = soft(6, 10, 6)[1]
    mask = losses.plr_mask(logits, labels, 2)
    inputs = (logits, labels, projections, mask, p)
    copies = [x.clone() for x in inputs]
    losses.plr_mask(logits, labels, 2)
    losses.plr_loss(projections, mask)
    losses.plr_loss(projections, mask, flat=False)
    losses.flat_nce(projections)
    losses.mixmatch_loss(logits, p, logits, p)
    losses.sharpen(p)
    losses.confidence_penalty(logits)
    losses.prior_penalty(logits)
    assert all((a == b).all() for a, b in zip(inputs, copies))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_dtype_follows_the_inputs(dtype):
    logits, labels, projections = random_case(6, 10, 2, seed=16)
    p = soft(6, 10, 7)[1]
    logits, projections, p = logits.to(dtype), projections.to(dtype), p.to(dtype)
    mask = losses.plr_mask(logits, labels, 1)
    scalars = [
        losses.plr_loss(projections, mask),
        losses.info_nce(projections),
        *losses.mixmatch_loss(logits, p, logits, p),
        losses.confidence_penalty(logits),
        losses.prior_penalty(logits),
        losses.sharpen(p),
    ]
    assert {x.dtype for x in scalars} == {dtype}


def test_float32_agrees_with_float64():
    _, _, projections = random_case(8, 10, 2, seed=17)
    double = float(losses.info_nce(projections))
    assert float(losses.info_nce(projections.float())) == pytest.approx(double, rel=1e-5)


# ------------------------------------------------------------------------------------------------------- errors


@pytest.mark.parametrize("k", [0, -1, 4])
def test_k_outside_the_number_of_classes_is_refused(k):
    with pytest.raises(ValueError, match=rf"k must be in \[1, 3\], got {k}. Use 3, 2 or 1"):
        losses.plr_mask(torch.zeros(2, 3), torch.tensor([0, 1]), k)


@pytest.mark.parametrize(
    ("logits", "labels", "message"),
    [
        (torch.zeros(3), torch.tensor([0]), r"logits must be of shape \(B, C\), got \(3,\). Pass one row a sample."),
        (torch.zeros(2, 3), torch.tensor([0]), r"labels must be of shape \(2,\), got \(1,\). One label a sample."),
        (torch.zeros(2, 3), torch.tensor([0, 3]), r"labels must be in \[0, 3\), got 3. Is num_classes right"),
        (torch.zeros(2, 3), torch.tensor([0, -1]), r"labels must be in \[0, 3\), got -1"),
        (torch.zeros(2, 3), torch.tensor([0.0, 1.0]), r"labels must be int64, got torch.float32"),
    ],
)
def test_mask_refuses_wrong_shapes_and_labels(logits, labels, message):
    with pytest.raises(ValueError, match=message):
        losses.plr_mask(logits, labels, 1)


@pytest.mark.parametrize(
    ("projections", "mask", "temperature", "message"),
    [
        (torch.zeros(4, 3), losses.all_negatives(4), 1.0, r"projections must be of shape \(B, V, D\) with V >= 2, got"),
        (torch.zeros(4, 1, 3), losses.all_negatives(4), 1.0, r"with V >= 2, got \(4, 1, 3\). Stack the views along"),
        (torch.zeros(4, 2, 3), losses.all_negatives(3), 1.0, r"mask must be of shape \(4, 4\), got \(3, 3\). Use plr"),
        (torch.zeros(4, 2, 3), losses.all_negatives(4), 0.0, r"temperature must be > 0, got 0.0. The paper uses 1.0"),
        (torch.zeros(4, 2, 3), losses.all_negatives(4), -1.0, r"temperature must be > 0, got -1.0"),
    ],
)  # fmt: skip
def test_contrast_refuses_wrong_shapes_and_temperatures(projections, mask, temperature, message):
    for function in (losses.log_negative_ratio, losses.plr_loss):
        with pytest.raises(ValueError, match=message):
            function(projections, mask, temperature)
