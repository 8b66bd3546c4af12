"""One step of training against a literal restatement in float64."""

import copy
import math

import pytest
import torch
import torch.nn.functional as F

from plremix_core.config import Config
from plremix_core.losses import all_negatives
from plremix_core.model import Network
from plremix_core.steps import Terms, co_refine_and_co_guess, contrast_terms, semi_step, supervised_step

B, C, SIZE = 4, 5, 8
CLOSE = dict(rtol=1e-10, atol=1e-10)


def seeded(seed):
    return torch.Generator().manual_seed(seed)


def network(seed=0):
    return Network(C, 1, width=4, blocks=(1,), stem_stride=2, generator=seeded(seed)).double().train()


def draw(*shape, seed):
    return torch.randn(*shape, generator=seeded(seed), dtype=torch.float64)


def soft(rows, seed):
    return draw(rows, C, seed=seed).softmax(dim=1)


def logits_of(net, images):
    return net.classifier(net.features(images))


def log_softmax(row):
    return row - torch.log(torch.exp(row - row.max()).sum()) - row.max()


def contrast_by_hand(q, labels_differ, temperature, flat):
    """Loss (or mean v, which has the gradient of the flat loss), mean v and mean number of negatives.

    `q` holds first views, then second views; `labels_differ(i, j)` says whether images i and j repel. Mean v is over
    the anchors that have a negative, InfoNCE over all of them.
    """
    size, q = len(q) // 2, [row / row.norm() for row in q]
    values, negatives = [], 0
    for a in range(2 * size):
        others = [b for b in range(2 * size) if labels_differ(a % size, b % size)]
        negatives += len(others) / 2
        if others:
            total = sum(torch.exp(q[a] @ q[b] / temperature) for b in others)
            values.append(torch.log(total) - q[a] @ q[(a + size) % (2 * size)] / temperature)
    mean_v = sum(values) / len(values)
    loss = mean_v if flat else sum(torch.log(1 + torch.exp(v)) for v in values) / (2 * size)
    return loss, mean_v.detach(), negatives / (2 * size)


def gradients(net, loss):
    net.zero_grad(set_to_none=True)
    loss.backward()
    return {name: p.grad for name, p in net.named_parameters() if p.grad is not None}


def assert_same_gradients(found, expected):
    assert found.keys() == expected.keys()
    assert max(float(g.abs().max()) for g in expected.values()) > 1e-3
    for name in expected:
        torch.testing.assert_close(found[name], expected[name], **CLOSE)


# ----------------------------------------------------------------------------------------------------- warm-up


@pytest.mark.parametrize("flat", [True, False])
@pytest.mark.parametrize("penalty", [True, False])
def test_warm_up_step_equals_its_literal_statement(flat, penalty):
    weak, strong, given = draw(B, 1, SIZE, SIZE, seed=1), draw(2, B, 1, SIZE, SIZE, seed=2), torch.tensor([0, 3, 1, 3])
    net = network()
    twin = copy.deepcopy(net)
    config = Config(contrast="flat_nce" if flat else "info_nce", confidence_penalty=penalty, lambda_c=0.3)
    terms = supervised_step(net, weak, strong, given, torch.arange(B), config)

    log_p = torch.stack([log_softmax(row) for row in logits_of(twin, weak)])
    loss_x = -sum(log_p[i, c] for i, c in enumerate(given.tolist())) / B
    negentropy = sum((row.exp() * row).sum() for row in log_p) / B
    q = twin.projector(twin.features(torch.cat([strong[0], strong[1]])))
    contrast, mean_v, _ = contrast_by_hand(q, lambda i, j: i != j, 0.1, flat)
    expected = loss_x + contrast + (negentropy if penalty else 0)

    assert terms.loss_x.item() == pytest.approx(loss_x.item(), rel=1e-10)
    assert terms.penalty.item() == pytest.approx(negentropy.item() if penalty else 0, rel=1e-10)
    assert terms.contrast.item() == pytest.approx(mean_v.item(), rel=1e-10)
    assert (terms.loss_u.item(), terms.negatives.item()) == (0, B - 1)
    total = expected.item() - (contrast.item() - 1 if flat else 0)
    assert terms.total.item() == pytest.approx(total, rel=1e-10)
    assert_same_gradients(gradients(net, terms.total), gradients(twin, expected))


def test_step_without_strong_views_is_plain_cross_entropy():
    weak, given = draw(B, 1, SIZE, SIZE, seed=1), torch.tensor([0, 3, 1, 3])
    net = network()
    twin = copy.deepcopy(net)
    terms = supervised_step(net, weak, None, given, torch.arange(B), Config())
    assert terms.total.item() == terms.loss_x.item()
    assert [x.item() for x in (terms.loss_u, terms.penalty, terms.contrast, terms.negatives)] == [0, 0, 0, 0]
    found, expected = gradients(net, terms.total), gradients(twin, F.cross_entropy(logits_of(twin, weak), given))
    assert_same_gradients(found, expected)
    assert not any(name.startswith("projector") for name in found)


@pytest.mark.parametrize("method", ["plremix", "naive"])
def test_a_supervised_step_after_warm_up_has_the_joint_contrast_times_its_weight(method):
    """Without a mask it is warm-up, however the mask would look."""
    weak, strong, given = draw(B, 1, SIZE, SIZE, seed=1), draw(2, B, 1, SIZE, SIZE, seed=2), torch.tensor([0, 3, 1, 3])
    config = Config(method=method, temperature=0.8, lambda_c=0.6, contrast="info_nce", naive_temperature=0.4)
    mask = torch.tensor(MASK, dtype=torch.int8)[:B, :B]
    net = network()
    twin = copy.deepcopy(net)
    terms = supervised_step(net, weak, strong, given, torch.arange(B), config, mask)
    loss_x = F.cross_entropy(logits_of(twin, weak), given)
    q, temperature = twin.projector(twin.features(torch.cat([*strong]))), 0.8 if method == "plremix" else 0.4
    contrast, mean_v, negatives = contrast_by_hand(q, lambda i, j: MASK[i][j] < 0, temperature, flat=False)
    assert terms.total.item() == pytest.approx((loss_x + 0.6 * contrast).item(), rel=1e-10)
    assert (terms.contrast.item(), terms.negatives.item()) == pytest.approx((mean_v.item(), negatives), rel=1e-10)
    assert_same_gradients(gradients(net, terms.total), gradients(twin, loss_x + 0.6 * contrast))
    everyone = supervised_step(network(), weak, strong, given, torch.arange(B), config, all_negatives(B))
    warm = supervised_step(network(), weak, strong, given, torch.arange(B), config)
    assert warm.negatives == everyone.negatives and warm.total != everyone.total


# ------------------------------------------------------------------------------------------------------ targets


def sharpened(row, temperature):
    powered = [x ** (1 / temperature) for x in row]
    return [x / sum(powered) for x in powered]


@pytest.mark.parametrize("temperature", [0.5, 1.0])
def test_targets_equal_their_literal_statement(temperature):
    net, peer = network(0), network(1).eval()
    for name, buffer in peer.named_buffers():
        if "running" in name:
            buffer += 0.5  # so that eval and train mode differ
    twin = copy.deepcopy(net)
    weak_x, weak_u = draw(2, B, 1, SIZE, SIZE, seed=1), draw(2, B, 1, SIZE, SIZE, seed=2)
    given, p_clean = torch.tensor([4, 0, 2, 2]), torch.tensor([1.0, 0.9, 0.6, 0.0], dtype=torch.float64)
    targets_x, targets_u = co_refine_and_co_guess(net, peer, weak_x, weak_u, given, p_clean, temperature)

    with torch.no_grad():
        own_x = [logits_of(twin, view).softmax(dim=1) for view in weak_x]
        own_u = [logits_of(twin, view).softmax(dim=1) for view in weak_u]
        peer_u = [logits_of(peer, view).softmax(dim=1) for view in weak_u]
    for i in range(B):
        guess = [float(sum(p[i, c] for p in own_u + peer_u)) / 4 for c in range(C)]
        assert targets_u[i].tolist() == pytest.approx(sharpened(guess, temperature), rel=1e-10, abs=1e-15)
        w, refined = float(p_clean[i]), []
        for c in range(C):
            mean = float(own_x[0][i, c] + own_x[1][i, c]) / 2
            refined.append(w * (c == int(given[i])) + (1 - w) * mean)
        assert targets_x[i].tolist() == pytest.approx(sharpened(refined, temperature), rel=1e-10, abs=1e-15)


def test_targets_have_no_gradient_and_sum_to_one():
    net, peer = network(0), network(1).eval()
    views = draw(2, B, 1, SIZE, SIZE, seed=1)
    targets = co_refine_and_co_guess(
        net, peer, views, views, torch.zeros(B, dtype=torch.int64), torch.full((B,), 0.7), 0.5
    )
    for target in targets:
        assert not target.requires_grad
        torch.testing.assert_close(target.sum(dim=1), torch.ones(B, dtype=torch.float64))


def test_a_surely_clean_sample_keeps_its_given_label():
    net, peer = network(0), network(1).eval()
    views, given = draw(2, B, 1, SIZE, SIZE, seed=1), torch.tensor([4, 0, 2, 2])
    targets_x, _ = co_refine_and_co_guess(net, peer, views, views, given, torch.ones(B, dtype=torch.float64), 0.5)
    assert targets_x.tolist() == F.one_hot(given, C).tolist()


def test_guessing_leaves_the_peer_and_the_weights_alone():
    net, peer = network(0), network(1).eval()
    states = copy.deepcopy(peer.state_dict()), copy.deepcopy(dict(net.named_parameters()))
    views = draw(2, B, 1, SIZE, SIZE, seed=1)
    co_refine_and_co_guess(net, peer, views, views, torch.zeros(B, dtype=torch.int64), torch.full((B,), 0.7), 0.5)
    assert all((a == b).all() for a, b in zip(peer.state_dict().values(), states[0].values()))
    assert all((p == states[1][name]).all() for name, p in net.named_parameters())
    assert net.training
    assert not peer.training


# -------------------------------------------------------------------------------------------------- whole step

MASK = [  # clean images 0-3, then noisy ones 4-7
    [1, -1, 0, 0, -1, 0, 0, -1],
    [-1, 1, 0, -1, 0, 0, 0, 0],
    [0, 0, 1, 0, 0, 0, 0, 0],
    [0, -1, 0, 1, 0, -1, 0, 0],
    [-1, 0, 0, 0, 1, 0, 0, 0],
    [0, 0, 0, -1, 0, 1, 0, -1],
    [0, 0, 0, 0, 0, 0, 1, 0],
    [-1, 0, 0, 0, 0, -1, 0, 1],
]


@pytest.mark.parametrize("contrast", ["flat", "not flat", "none"])
def test_semi_supervised_step_equals_its_literal_statement(contrast):
    mix, weight_u, lambda_c, temperature = 0.7, 12.5, 0.6, 0.8
    strong_x, strong_u = draw(2, B, 1, SIZE, SIZE, seed=1), draw(2, B, 1, SIZE, SIZE, seed=2)
    targets_x, targets_u = soft(B, 3), soft(B, 4)
    permutation = torch.randperm(4 * B, generator=seeded(5))
    config = Config(
        lambda_c=lambda_c, temperature=temperature, contrast="flat_nce" if contrast == "flat" else "info_nce"
    )
    mask = None if contrast == "none" else torch.tensor(MASK, dtype=torch.int8)
    net = network()
    twin = copy.deepcopy(net)
    terms = semi_step(net, strong_x, strong_u, targets_x, targets_u, mask, mix, permutation, weight_u, config)

    images = [*strong_x[0], *strong_x[1], *strong_u[0], *strong_u[1]]
    targets = [*targets_x, *targets_x, *targets_u, *targets_u]
    partners = permutation.tolist()
    mixed = torch.stack([mix * images[i] + (1 - mix) * images[j] for i, j in enumerate(partners)])
    mixed_targets = [mix * targets[i] + (1 - mix) * targets[j] for i, j in enumerate(partners)]
    log_p = [log_softmax(row) for row in logits_of(twin, mixed)]
    loss_x = sum(-(mixed_targets[i] * log_p[i]).sum() for i in range(2 * B)) / (2 * B)
    loss_u = sum(((log_p[i].exp() - mixed_targets[i]) ** 2).sum() for i in range(2 * B, 4 * B)) / (2 * B * C)
    mean_p = sum(row.exp() for row in log_p) / (4 * B)
    penalty = sum((1 / C) * torch.log((1 / C) / p) for p in mean_p)
    expected, mean_v, negatives = loss_x + weight_u * loss_u + penalty, torch.zeros(()), 0.0
    total = expected.item()
    if mask is not None:
        first_then_second = torch.cat([strong_x[0], strong_u[0], strong_x[1], strong_u[1]])
        q = twin.projector(twin.features(first_then_second))
        loss, mean_v, negatives = contrast_by_hand(q, lambda i, j: MASK[i][j] < 0, temperature, contrast == "flat")
        expected = expected + lambda_c * loss
        total += lambda_c * (1 if contrast == "flat" else loss.item())

    assert terms.loss_x.item() == pytest.approx(loss_x.item(), rel=1e-10)
    assert terms.loss_u.item() == pytest.approx(loss_u.item(), rel=1e-10)
    assert terms.penalty.item() == pytest.approx(penalty.item(), rel=1e-10)
    assert terms.contrast.item() == pytest.approx(mean_v.item(), rel=1e-10)
    assert terms.negatives.item() == pytest.approx(negatives)
    assert terms.total.item() == pytest.approx(total, rel=1e-10)
    assert_same_gradients(gradients(net, terms.total), gradients(twin, expected))


def semi(mask, strong_x=None, **changes):
    arguments = dict(
        strong_x=draw(2, B, 1, SIZE, SIZE, seed=1) if strong_x is None else strong_x,
        strong_u=draw(2, B, 1, SIZE, SIZE, seed=2),
        targets_x=soft(B, 3),
        targets_u=soft(B, 4),
        mask=mask,
        mix=0.7,
        permutation=torch.randperm(4 * B, generator=seeded(5)),
        weight_u=1.0,
        config=Config(),
    )
    return semi_step(network(), **(arguments | changes))


def test_no_partner_image_matters_when_nothing_is_mixed():
    a, b = semi(None, mix=1.0), semi(None, mix=1.0, permutation=torch.arange(4 * B))
    torch.testing.assert_close(tuple(a), tuple(b), **CLOSE)


def test_same_inputs_give_equal_bits():
    mask = torch.tensor(MASK, dtype=torch.int8)
    assert all((a == b).all() for a, b in zip(semi(mask), semi(mask)))


def test_a_batch_without_negatives_trains_on_the_other_terms():
    with_mask, without = semi(torch.eye(2 * B, dtype=torch.int8)), semi(None)
    assert with_mask.total.isfinite()
    assert with_mask.total.item() == pytest.approx(without.total.item(), rel=1e-12)
    assert (with_mask.contrast.item(), with_mask.negatives.item()) == (0.0, 0.0)


def test_inputs_of_a_step_are_not_changed():
    strong, targets, mask = draw(2, B, 1, SIZE, SIZE, seed=1), soft(B, 3), torch.tensor(MASK, dtype=torch.int8)
    copies = strong.clone(), targets.clone(), mask.clone()
    semi(mask, strong_x=strong, targets_x=targets)
    assert all((a == b).all() for a, b in zip((strong, targets, mask), copies))


# ---------------------------------------------------------------------------------------------- readable terms


def test_contrast_terms_of_two_opposite_images():
    angle = torch.tensor([[0.0, 0.0], [math.pi, math.pi]], dtype=torch.float64)
    projections = torch.stack([angle.cos(), angle.sin()], dim=-1)
    mask = torch.tensor([[1, -1], [-1, 1]], dtype=torch.int8)
    loss, mean_v, negatives = contrast_terms(projections, mask, 1.0, "flat_nce")
    assert loss.item() == pytest.approx(1.0)
    assert mean_v.item() == pytest.approx(math.log(2) - 2)
    assert negatives.item() == 1.0


def test_mean_v_leaves_out_anchors_without_negatives():
    projections, mask = draw(3, 2, 4, seed=1), torch.tensor([[1, -1, 0], [-1, 1, 0], [0, 0, 1]], dtype=torch.int8)
    pair = torch.tensor([[1, -1], [-1, 1]], dtype=torch.int8)
    all_three = contrast_terms(projections, mask, 1.0, "info_nce")
    two = contrast_terms(projections[:2], pair, 1.0, "info_nce")
    assert all_three[0].item() == pytest.approx(two[0].item() * 2 / 3, rel=1e-12)  # the release's mean is over all
    assert all_three[1].item() == pytest.approx(two[1].item(), rel=1e-12)
    assert all_three[2].item() == pytest.approx(2 / 3)


def test_terms_are_named():
    assert Terms._fields == ("total", "loss_x", "loss_u", "penalty", "contrast", "negatives")
