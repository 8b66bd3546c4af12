"""Blocks, whole steps, warm-up steps and prototype moves against values of the authors' own functions, in float64."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch

from plremix_core import losses, model, steps
from plremix_core.backbones import PreActBlock
from plremix_core.config import Config
from plremix_core.losses import plr_mask
from plremix_core.model import Network, SelfAdaptive

PATH = os.environ.get("PLREMIX_GOLDEN_STEP", Path(__file__).parent / "golden" / "golden_step_public.npz")
GOLDEN = np.load(PATH, allow_pickle=False)
CLOSE = dict(rtol=1e-9, atol=1e-9)


def cases(kind):
    return sorted({name.split("/")[0] for name in GOLDEN.files if name.startswith(kind + "_")})


def golden(case, part=""):
    """Arrays of one case, or of one part of it (net, grad, ...), as tensors by name."""
    start = f"{case}/{part}/" if part else f"{case}/"
    return {name.removeprefix(start): torch.from_numpy(GOLDEN[name]) for name in GOLDEN.files if name.startswith(start)}


def our_name(name):
    """The release's name of a parameter or buffer of a network, as ours."""
    for theirs, ours in (
        ("cls_head.", "classifier."),
        ("backbone.conv1.", "backbone.stem."),
        ("backbone.bn1.", "backbone.bn."),
    ):
        name = name.replace(theirs, ours)
    stages = [f"backbone.layer{stage}.{block}." for stage, blocks in BLOCKS for block in range(blocks)]
    for number, place in enumerate(stages):
        name = name.replace(place, f"backbone.layers.{number}.")
    return name.replace("shortcut.0.", "shortcut.")


BLOCKS = ((1, 2), (2, 1))  # stage and its number of blocks


def network(values):
    net = Network(5, width=4, blocks=tuple(blocks for _, blocks in BLOCKS), generator=torch.Generator()).double()
    net.load_state_dict({our_name(name): value for name, value in values.items()})
    return net.train()


def gradients(net):
    return {name: torch.zeros_like(p) if p.grad is None else p.grad for name, p in net.named_parameters()}


def assert_same(found, expected):
    """Every entry of `expected`, under our names, is in `found` and equal to 1e-9."""
    for name, value in expected.items():
        torch.testing.assert_close(found[our_name(name)], value, **CLOSE, msg=lambda text, name=name: f"{name}: {text}")


def assert_same_buffers(net, after):
    """Running statistics and counters of BatchNorm, and the prototypes."""
    buffers = dict(net.named_buffers())
    expected = {name: value for name, value in after.items() if our_name(name) in buffers}
    assert len(expected) == len(buffers)
    assert_same(buffers, expected)


def test_golden_file_holds_all_cases():
    counts = [len(cases(kind)) for kind in ("block", "step", "warm", "moves")]
    assert min(counts) >= 1 and counts[0] >= 2 and counts[1] >= 2 and counts[2] >= 2


@pytest.mark.parametrize("case", cases("block"))
def test_residual_block_equals_the_release(case):
    g, state = golden(case), golden(case, "state")
    outputs, inputs = state["conv1.weight"].shape[:2]
    block = PreActBlock(inputs, outputs, int(g["stride"])).double()
    block.load_state_dict({name.replace("shortcut.0.", "shortcut."): value for name, value in state.items()})
    x = g["x"].clone().requires_grad_()
    y = block.train()(x)
    y.backward(g["upstream"])
    assert_same({"y": y, "x": x.grad}, {"y": g["y"], "x": g["grad_x"]})
    assert_same(gradients(block), golden(case, "grad"))


@pytest.mark.parametrize("case", cases("step"))
def test_whole_step_equals_the_release(case):
    g = golden(case)
    net, peer = network(golden(case, "net")), network(golden(case, "peer")).eval()
    weak, strong = ([torch.stack([g[kind + n] for n in pair]) for kind in "xu"] for pair in ("12", "34"))
    given, b = torch.cat([g["labels_x"], g["labels_u"]]), len(g["labels_x"])
    config = Config(lambda_u=float(g["lambda_u"]), warm_up=int(g["warm_up"]), kappa=((0, int(g["k"])),))
    mask = plr_mask(g["peer_logits"], given, int(g["k"]))
    assert torch.equal(mask.long(), g["mask"])
    targets = steps.co_refine_and_co_guess(net, peer, *weak, given[:b], g["w_x"], config.sharpening)
    weight_u = config.lambda_u * losses.ramp_up(
        int(g["epoch"]) + int(g["batch"]) / int(g["batches"]), config.warm_up, config.ramp_epochs
    )
    terms = steps.semi_step(net, *strong, *targets, mask, float(g["mix"]), g["permutation"], weight_u, config)
    terms.total.backward()
    crl = g["loss_crl"].nan_to_num(0.0)  # the release's loss is NaN where no image has a negative pair, ours 0
    torch.testing.assert_close(terms.total.detach(), g["loss_semi"] + crl, **CLOSE)
    assert_same(gradients(net), golden(case, "grad"))
    assert_same_buffers(net, golden(case, "after"))


@pytest.mark.parametrize("case", cases("warm"))
def test_warm_up_step_equals_the_release(case):
    g, net = golden(case), network(golden(case, "net"))
    config = Config(confidence_penalty=bool(g["confidence_penalty"]))
    strong, index = torch.stack([g["strong1"], g["strong2"]]), torch.arange(len(g["labels"]))
    terms = steps.supervised_step(net, g["x"], strong, g["labels"], index, config)
    terms.total.backward()
    assert_same(gradients(net), golden(case, "grad"))
    assert_same_buffers(net, golden(case, "after"))


@pytest.mark.parametrize("case", cases("moves"))
def test_prototype_move_equals_the_release(case):
    g = golden(case)
    fifth = torch.full((5,), 1 / 5, dtype=torch.float64)
    start = SelfAdaptive(fifth[0], fifth)
    progress = int(g["epoch"]) / int(g["epochs"])
    state, selected, predicted = model.select_confident(start, g["proto_logits"], g["cls_logits"], progress)
    assert torch.equal(selected, g["selected"])
    torch.testing.assert_close(state.tau, g["tau"], **CLOSE)
    torch.testing.assert_close(state.p_model, g["p_model"], **CLOSE)
    after = model.update_prototypes(g["before"], g["projection"][selected], predicted[selected])
    torch.testing.assert_close(after, g["after"], **CLOSE)
