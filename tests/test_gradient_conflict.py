"""The gradients by which the conflict is measured, against naive loops in float64 and against the loss itself."""

import copy
import math

import pytest
import torch
import torch.nn.functional as F

from plremix_core import losses
from plremix_core.analysis import gradient_conflict
from plremix_core.data import prepare
from plremix_core.presets import preset
from plremix_core.trainer import Trainer

EXACT = dict(rtol=1e-9, atol=1e-9)


def case(seed=0, batch=7, classes=3):
    generator = torch.Generator().manual_seed(seed)
    projections = torch.randn(batch, 2, 4, generator=generator, dtype=torch.float64, requires_grad=True)
    logits = torch.randn(batch, classes, generator=generator, dtype=torch.float64)
    true, given = torch.randint(classes, (2, batch), generator=generator)
    return projections, losses.plr_mask(logits, given, 1), true[:, None] == true


def naive_parts(projections, mask, same_class, tau):
    """Scalars of the three parts and the share, written out anchor by anchor with the softmax held fixed."""
    batch = len(projections)
    q = [[projections[i, view] / projections[i, view].norm() for view in (0, 1)] for i in range(batch)]
    anchors = [(i, view) for i in range(batch) for view in (0, 1) if (mask[i] < 0).any()]
    alignment = same = other = share = 0 * projections.sum()
    for i, view in anchors:
        alignment = alignment - q[i][view] @ q[i][1 - view] / tau / len(anchors)
        negatives = [(j, w) for j in range(batch) for w in (0, 1) if mask[i, j] < 0]
        similarity = [q[i][view] @ q[j][w] / tau for j, w in negatives]
        total = sum(math.exp(s.item()) for s in similarity)
        for (j, _), s in zip(negatives, similarity):
            weight = math.exp(s.item()) / total / len(anchors)
            if same_class[i, j]:
                same, share = same + weight * s, share + weight
            else:
                other = other + weight * s
    return alignment, same, other, share


def gradient(scalar, projections):
    return torch.autograd.grad(scalar, projections, retain_graph=True, materialize_grads=True)[0]


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("tau", [0.1, 1.0])
def test_each_part_has_the_gradient_of_the_naive_loops(seed, tau):
    projections, mask, same_class = case(seed)
    parts = gradient_conflict.contrast_parts(projections, mask, same_class, tau)
    naive = naive_parts(projections, mask, same_class, tau)
    for got, expected in zip(parts[:3], naive):
        torch.testing.assert_close(gradient(got, projections), gradient(expected, projections), **EXACT)
    torch.testing.assert_close(parts.share, naive[3].detach(), **EXACT)


@pytest.mark.parametrize("seed", range(4))
def test_the_parts_add_up_to_the_flat_loss(seed):
    projections, mask, same_class = case(seed)
    whole = gradient(losses.plr_loss(projections, mask, 0.3), projections)
    parts = gradient_conflict.contrast_parts(projections, mask, same_class, 0.3)
    torch.testing.assert_close(sum(gradient(part, projections) for part in parts[:3]), whole, **EXACT)


def test_a_kind_without_pairs_has_no_gradient_and_no_share():
    projections, _, same_class = case()
    nothing = torch.zeros_like(same_class)
    mask = losses.all_negatives(len(projections))
    parts = gradient_conflict.contrast_parts(projections, mask, nothing, 0.1)
    assert parts.share == 0 and not gradient(parts.same, projections).any()
    parts = gradient_conflict.contrast_parts(projections, mask, ~nothing, 0.1)
    assert abs(parts.share - 1) < 1e-12 and not gradient(parts.other, projections).any()


def test_a_batch_without_repulsion_gives_zero():
    projections, mask, same_class = case()
    parts = gradient_conflict.contrast_parts(projections, mask.clamp_min(0), same_class, 0.1)
    assert parts.share == 0
    assert not any(gradient(part, projections).any() for part in parts[:3])


def test_other_than_two_views_are_refused():
    with pytest.raises(ValueError, match="projections must be of two views"):
        gradient_conflict.contrast_parts(
            torch.randn(4, 3, 5), losses.all_negatives(4), torch.eye(4, dtype=torch.bool), 0.1
        )


@pytest.fixture(scope="module")
def trainer():
    changes = dict(train_size=60, holdout=0, width=4, batch_size=8)
    config = preset("fashion_mnist", "sym", 0.5, profile="quick", **changes)
    return Trainer(config, prepare(config))


def terms_of(trainer):
    def terms(index, logits, projections):
        contrast = losses.flat_nce(projections)
        return {"supervised": F.cross_entropy(logits, trainer.data.true[index]), "contrast": contrast}

    return terms


def test_mean_gradients_are_those_of_a_training_step_averaged_over_the_batches(trainer):
    batches, net = gradient_conflict.measuring_batches(trainer, 8, 3), trainer.nets[0]
    before = copy.deepcopy(net.state_dict())
    got = gradient_conflict.mean_gradients(net, batches, terms_of(trainer))
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    fresh = copy.deepcopy(net).train()
    loss = sum(F.cross_entropy(fresh.classify(weak[0]), trainer.data.true[index]) for index, weak, _ in batches) / 3
    loss.backward()
    expected = (
        [fresh.backbone.stem.weight, fresh.backbone.bn.weight, fresh.backbone.bn.bias],
        *(list(b.parameters()) for b in fresh.backbone.layers),
    )
    assert [len(layer) for layer in got["supervised"]] == [sum(p.numel() for p in layer) for layer in expected]
    for layer, parameters in zip(got["supervised"], expected):
        torch.testing.assert_close(layer, torch.cat([p.grad.flatten() for p in parameters]), rtol=1e-4, atol=1e-6)


def test_measuring_batches_follow_from_the_seed_and_leave_the_global_state_alone(trainer):
    state = torch.get_rng_state()
    one, two = (gradient_conflict.measuring_batches(trainer, 8, 2) for _ in range(2))
    assert torch.equal(state, torch.get_rng_state())
    for (index, weak, strong), (again, weak_again, strong_again) in zip(one, two):
        assert index.shape == (8,) and weak.shape == (1, 8, 1, 28, 28) and strong.shape == (2, 8, 1, 28, 28)
        assert torch.equal(index, again) and torch.equal(weak, weak_again) and torch.equal(strong, strong_again)


def test_cosines_layer_by_layer_and_over_the_whole():
    one = [torch.tensor([3.0, 0.0]), torch.tensor([0.0, 4.0])]
    two = [torch.tensor([1.0, 0.0]), torch.tensor([0.0, -1.0])]
    assert gradient_conflict.cosines(one, two) == pytest.approx([1, -1, (3 - 4) / (5 * 2**0.5)])
    assert gradient_conflict.cosines([torch.zeros(2)], [torch.ones(2)]) == pytest.approx([0, 0])
