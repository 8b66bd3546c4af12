"""Networks, prototypes and the self-adaptive selection."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from plremix_core.label_losses import CrossEntropy, EarlyLearning
from plremix_core.model import (
    Network,
    SelfAdaptive,
    init_prototypes,
    select_confident,
    update_prototypes,
)

GOLDEN = np.load(Path(__file__).parent / "golden" / "golden_public.npz", allow_pickle=False)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def tiny(classes=3, channels=1, blocks=(1, 1), stem_stride=2, seed=0):
    return Network(classes, channels, width=4, blocks=blocks, stem_stride=stem_stride, generator=seeded(seed))


def unit_rows(rows, width, seed, dtype=torch.float64):
    return F.normalize(torch.randn(rows, width, generator=seeded(seed), dtype=dtype), dim=1)


# ---------------------------------------------------------------------------------------------------- networks


def test_preact_resnet_18_has_the_parameters_of_the_release():
    net = Network(10, generator=seeded())
    heads = {p for part in (net.classifier, net.projector) for p in part.parameters()}
    assert sum(p.numel() for p in net.parameters()) == 11_499_594
    assert sum(p.numel() for p in net.parameters() if p not in heads) == 11_166_144


def test_prototypes_are_a_buffer_and_no_parameter():
    net = tiny(classes=5)
    assert net.prototypes.shape == (5, 128)
    assert "prototypes" in net.state_dict()
    assert all(p is not net.prototypes for p in net.parameters())


def test_a_label_loss_is_a_part_of_the_network_and_cross_entropy_by_default():
    assert isinstance(tiny().label_loss, CrossEntropy)
    net = Network(3, 1, width=4, blocks=(1,), label_loss=EarlyLearning(7, 3), generator=seeded())
    assert net.state_dict()["label_loss.memory"].shape == (7, 3)


def test_without_a_projector_contrast_and_prototypes_see_the_normalised_features():
    net = Network(3, 1, head="none", width=4, blocks=(1, 1), generator=seeded()).eval()
    images = torch.randn(4, 1, 16, 16, generator=seeded(1))
    torch.testing.assert_close(net(images).projection, F.normalize(net.features(images), dim=1))
    assert net.prototypes.shape == (3, 8) and not list(net.projector.parameters())


@pytest.mark.parametrize(("channels", "size"), [(1, 28), (3, 32), (3, 17)])
def test_output_shapes_and_unit_length(channels, size):
    net = tiny(classes=7, channels=channels)
    images = torch.randn(4, channels, size, size, generator=seeded(1))
    logits, projection = net(images)
    assert logits.shape == (4, 7)
    assert projection.shape == (4, 128)
    torch.testing.assert_close(projection.norm(dim=1), torch.ones(4))


def literal_features(net, x):
    """The backbone written out from its weights: stem, BN, ReLU; blocks whose shortcut starts after a ReLU; mean."""
    weights, stage_blocks = net.backbone.state_dict(), len(net.backbone.layers)

    def bn(x, name):
        mean, var = weights[f"{name}.running_mean"], weights[f"{name}.running_var"]
        weight, bias = weights[f"{name}.weight"], weights[f"{name}.bias"]
        columns = [t[None, :, None, None] for t in (mean, var, weight, bias)]
        return (x - columns[0]) / (columns[1] + 1e-5).sqrt() * columns[2] + columns[3]

    x = bn(F.conv2d(x, weights["stem.weight"], stride=net.backbone.stem.stride, padding=1), "bn").clamp_min(0)
    for number in range(stage_blocks):
        name = f"layers.{number}"
        stride = 2 if number else 1  # one block a stage
        out = bn(x, f"{name}.bn1").clamp_min(0)
        key = f"{name}.shortcut.weight"
        shortcut = F.conv2d(out, weights[key], stride=stride) if key in weights else out
        out = F.conv2d(out, weights[f"{name}.conv1.weight"], stride=stride, padding=1)
        out = bn(out, f"{name}.bn2").clamp_min(0)
        x = F.conv2d(out, weights[f"{name}.conv2.weight"], padding=1) + shortcut
    return x.mean(dim=3).mean(dim=2)


def test_forward_equals_the_architecture_written_out():
    net = tiny(channels=3, blocks=(1, 1, 1), stem_stride=1).double()
    with torch.no_grad():
        for name, tensor in net.state_dict().items():  # running statistics that are not 0 and 1
            if tensor.dtype == torch.float64 and "running" in name:
                tensor += torch.rand(tensor.shape, generator=seeded(2), dtype=torch.float64)
        net.eval()
        images = torch.randn(2, 3, 12, 12, generator=seeded(3), dtype=torch.float64)
        features = literal_features(net, images.clone())
        w = net.state_dict()
        logits = features @ w["classifier.weight"].T + w["classifier.bias"]
        hidden = (features @ w["projector.0.weight"].T + w["projector.0.bias"]).clamp_min(0)
        projection = hidden @ w["projector.2.weight"].T + w["projector.2.bias"]
        projection = projection / projection.pow(2).sum(dim=1, keepdim=True).sqrt()
        found = net(images)
    torch.testing.assert_close(found.logits, logits, rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(found.projection, projection, rtol=1e-10, atol=1e-10)


def test_classify_project_and_forward_agree():
    net = tiny().eval()
    images = torch.randn(3, 1, 16, 16, generator=seeded(1))
    both = net(images)
    assert (net.classify(images) == both.logits).all()
    assert (net.project(images) == both.projection).all()


def test_forward_leaves_the_images_alone():
    net, images = tiny(), torch.randn(3, 1, 16, 16, generator=seeded(1))
    copy = images.clone()
    net(images)
    assert (images == copy).all()


def test_blocks_and_width_set_the_depth_and_the_channels():
    net = Network(3, 1, width=8, blocks=(2, 1, 3), stem_stride=1, generator=seeded())
    assert len(net.backbone.layers) == 6
    assert net.classifier.in_features == 8 * 4
    strides = [block.conv1.stride[0] for block in net.backbone.layers]
    assert strides == [1, 1, 2, 2, 1, 1]


def test_same_seed_gives_equal_weights_and_another_seed_others():
    a, b, c = tiny(seed=1), tiny(seed=1), tiny(seed=2)
    assert all((x == y).all() for x, y in zip(a.parameters(), b.parameters()))
    assert any((x != y).any() for x, y in zip(a.parameters(), c.parameters()))


def test_making_a_network_leaves_the_global_random_state_alone():
    state = torch.get_rng_state()
    tiny()
    assert (torch.get_rng_state() == state).all()


def test_global_draws_do_not_change_the_weights():
    a = tiny(seed=1)
    torch.randn(10)
    assert (tiny(seed=1).backbone.stem.weight == a.backbone.stem.weight).all()


# -------------------------------------------------------------------------------------------------- prototypes


def naive_prototypes(projections, labels, classes):
    rows = []
    for c in range(classes):
        total = [0.0] * projections.shape[1]
        for row, label in zip(projections.tolist(), labels.tolist()):
            if label == c:
                total = [a + b for a, b in zip(total, row)]
        length = math.sqrt(sum(x * x for x in total))
        rows.append([x / length if length else 0.0 for x in total])
    return torch.tensor(rows, dtype=torch.float64)


def test_proto_logits_are_cosines_over_a_tenth():
    net = tiny(classes=2).double()
    net.prototypes.copy_(unit_rows(2, 128, seed=1))
    q = unit_rows(3, 128, seed=2)
    expected = [[sum(a * b for a, b in zip(x, p)) / 0.1 for p in net.prototypes.tolist()] for x in q.tolist()]
    torch.testing.assert_close(net.proto_logits(q), torch.tensor(expected, dtype=torch.float64), rtol=1e-10, atol=1e-10)


def test_init_prototypes_equals_naive_loops():
    projections, labels = unit_rows(20, 5, seed=1), torch.randint(4, (20,), generator=seeded(2))
    expected = naive_prototypes(projections, labels, 4)
    torch.testing.assert_close(init_prototypes(projections, labels, 4), expected, rtol=1e-12, atol=1e-12)


def test_class_without_samples_starts_with_a_zero_row():
    found = init_prototypes(unit_rows(4, 5, seed=1), torch.tensor([0, 0, 2, 2]), 3)
    assert (found[1] == 0).all()
    torch.testing.assert_close(found[[0, 2]].norm(dim=1), torch.ones(2, dtype=torch.float64))


@pytest.mark.parametrize("momentum", [0.0, 0.5, 0.99, 1.0])
def test_update_prototypes_equals_naive_loops_and_absent_classes_keep_theirs(momentum):
    prototypes, projections = unit_rows(5, 6, seed=1), unit_rows(12, 6, seed=2)
    labels = torch.tensor([0, 0, 3, 3, 3, 4, 0, 4, 4, 3, 0, 0])  # nothing of 1 and 2
    means = naive_prototypes(projections, labels, 5)
    expected = prototypes.clone()
    for c in (0, 3, 4):
        moved = momentum * prototypes[c] + (1 - momentum) * means[c]
        expected[c] = moved / moved.norm()
    found = update_prototypes(prototypes, projections, labels, momentum)
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)
    assert (found[[1, 2]] == prototypes[[1, 2]]).all()


def test_prototypes_move_by_one_percent_by_default():
    prototypes = torch.tensor([[1.0, 0.0]], dtype=torch.float64)
    found = update_prototypes(prototypes, torch.tensor([[0.0, 1.0]], dtype=torch.float64), torch.tensor([0]))
    torch.testing.assert_close(found, torch.tensor([[0.99, 0.01]], dtype=torch.float64) / math.hypot(0.99, 0.01))


def test_no_selected_sample_keeps_every_prototype():
    prototypes = unit_rows(3, 4, seed=1)
    found = update_prototypes(prototypes, prototypes[:0], torch.empty(0, dtype=torch.int64))
    assert (found == prototypes).all()


def test_prototypes_are_not_changed_in_place():
    prototypes, projections = unit_rows(3, 4, seed=1), unit_rows(6, 4, seed=2)
    copies = prototypes.clone(), projections.clone()
    update_prototypes(prototypes, projections, torch.tensor([0, 1, 2, 0, 1, 2]))
    assert (prototypes == copies[0]).all()
    assert (projections == copies[1]).all()


def test_prototypes_equal_golden():
    g = {key.split("/")[1]: torch.tensor(GOLDEN[key]) for key in GOLDEN.files if key.startswith("prototypes_0/")}
    start = init_prototypes(g["init_features"], g["init_labels"], 10)
    torch.testing.assert_close(start, g["init"], rtol=1e-6, atol=1e-6)
    moved = update_prototypes(g["init"], g["update_features"], g["update_labels"], float(g["momentum"]))
    torch.testing.assert_close(moved, g["updated"], rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(
    ("projections", "labels", "message"),
    [
        (
            torch.zeros(4),
            torch.tensor([0] * 4),
            r"projections must be of shape \(N, D\), got \(4,\). One row a sample.",
        ),
        (torch.zeros(4, 2), torch.tensor([0, 1]), r"labels must be of shape \(4,\), got \(2,\)"),
        (torch.zeros(2, 2), torch.tensor([0, 3]), r"labels must be in \[0, 3\), got 3"),
        (torch.zeros(2, 2), torch.tensor([0, -1]), r"labels must be in \[0, 3\), got -1"),
    ],
)
def test_prototypes_refuse_wrong_shapes_and_labels(projections, labels, message):
    with pytest.raises(ValueError, match=message):
        init_prototypes(projections, labels, 3)
    with pytest.raises(ValueError, match=message):
        update_prototypes(torch.zeros(3, 2), projections, labels)


@pytest.mark.parametrize("momentum", [-0.1, 1.1])
def test_momentum_outside_zero_and_one_is_refused(momentum):
    with pytest.raises(ValueError, match=rf"momentum must be in \[0, 1\], got {momentum}. The release uses 0.99."):
        update_prototypes(torch.zeros(3, 2), torch.zeros(1, 2), torch.tensor([0]), momentum)


# --------------------------------------------------------------------------------------------------- selection


def naive_selection(tau, p_model, proto_logits, cls_logits, epoch, epochs):
    """The rule of the release, sample by sample: the blend is thresholded, the label is the classifier's."""
    alpha = 0.5 * (1 + math.cos(math.pi * epoch / epochs))
    rows = []
    for s, t in zip(proto_logits.tolist(), cls_logits.tolist()):
        mixed = [(1 - alpha) * a + alpha * b for a, b in zip(s, t)]
        exps = [math.exp(x - max(mixed)) for x in mixed]
        rows.append([x / sum(exps) for x in exps])
    tau = 0.99 * tau + 0.01 * sum(max(row) for row in rows) / len(rows)
    p_model = [0.99 * p + 0.01 * sum(row[c] for row in rows) / len(rows) for c, p in enumerate(p_model)]
    kept = [max(row) >= tau * p_model[row.index(max(row))] / max(p_model) for row in rows]
    return tau, p_model, kept, [row.index(max(row)) for row in cls_logits.tolist()]


def test_selection_equals_its_literal_statement_over_several_epochs():
    classes, epochs = 6, 20
    tau, p_model = 0.5, [0.05, 0.1, 0.15, 0.2, 0.25, 0.25]
    state = SelfAdaptive(torch.tensor(tau, dtype=torch.float64), torch.tensor(p_model, dtype=torch.float64))
    shares = []
    for epoch in (0, 3, 10, 19, 20):
        logits = torch.randn(2, 80, classes, generator=seeded(epoch), dtype=torch.float64)
        tau, p_model, kept, labels = naive_selection(tau, p_model, *logits, epoch, epochs)
        state, selected, found = select_confident(state, *logits, epoch / epochs)
        assert float(state.tau) == pytest.approx(tau, rel=1e-12)
        assert state.p_model.tolist() == pytest.approx(p_model, rel=1e-12)
        assert found.tolist() == labels
        assert selected.tolist() == kept
        shares.append(sum(kept) / len(kept))
    assert all(0.1 < share < 0.9 for share in shares)  # the thresholds do decide something


@pytest.mark.parametrize(("progress", "predicted"), [(0.0, 1), (0.3, 1), (0.7, 0), (1.0, 0)])
def test_weight_moves_from_the_classifier_to_the_prototypes(progress, predicted):
    start = torch.full((2,), 0.5)
    proto, cls = torch.tensor([[2.0, 0.0]]), torch.tensor([[0.0, 2.0]])
    state, _, label = select_confident(SelfAdaptive(start[0], start), proto, cls, progress)
    assert int(state.p_model.argmax()) == predicted  # the blend decides what is confident
    assert label.tolist() == [1]  # the classifier alone decides which prototype moves


def test_selection_equals_golden():
    g = {key.split("/")[1]: torch.tensor(GOLDEN[key]) for key in GOLDEN.files if key.startswith("self_adaptive_0/")}
    start = torch.full((10,), 0.1)
    state = SelfAdaptive(start[0], start)
    for number in range(3):
        state, selected, _ = select_confident(
            state,
            g[f"proto_logits{number}"],
            g[f"cls_logits{number}"],
            int(g[f"epoch{number}"]) / int(g["num_epochs"]),
            float(g["momentum"]),
        )
        assert (selected == g[f"selected{number}"]).all()
        torch.testing.assert_close(state.tau, g[f"time_p{number}"], rtol=1e-6, atol=1e-6)
        torch.testing.assert_close(state.p_model, g[f"p_model{number}"], rtol=1e-6, atol=1e-6)


def test_selection_leaves_its_state_alone():
    start = torch.full((3,), 1 / 3)
    state = SelfAdaptive(start[0].clone(), start.clone())
    select_confident(state, torch.randn(4, 3, generator=seeded()), torch.randn(4, 3, generator=seeded(1)), 0.5)
    assert (state.tau == start[0]).all()
    assert (state.p_model == start).all()
