"""What makes the engine fast leaves its results as they are, or within what bfloat16 can say."""

import shutil

import numpy as np
import pytest
import tiny
import torch
import torch.nn.functional as F
from torch.utils._python_dispatch import TorchDispatchMode

from plremix_core import batches, evaluate, losses, steps
from plremix_core.config import Config
from plremix_core.data import augment
from plremix_core.engine.seeds import generator
from plremix_core.gmm import Split
from plremix_core.model import Network
from plremix_core.trainer import Trainer

N, C = 64, 4


def images(count, seed=0, side=16):
    return torch.randn(count, 3, side, side, generator=torch.Generator().manual_seed(seed))


def network(**options):
    return Network(C, width=8, blocks=(1, 1), generator=torch.Generator().manual_seed(1), **options)


def trainer(**changes):
    settings = dict(width=4, blocks=(1, 1), batch_size=8, steps_per_epoch=3, warm_up=1, epochs=9, kappa=((0, 1),))
    return Trainer(Config(dataset="arrays", noise="none", **(settings | changes)), tiny.speckles(N, C))


def halves():
    p_clean = np.where(np.arange(N) % 2, 0.9, 0.1)
    return Split(p_clean, p_clean > 0.5, p_clean[:, None], None, 0, 0.5)


# ---------------------------------------------------------------------------------------- precision and memory layout


def test_bf16_says_nearly_what_float32_says():
    exact, rough = network(), network(precision="bf16")
    rough.load_state_dict(exact.state_dict())
    x = images(64)
    for net in (exact, rough):
        net.train()(images(64, seed=2)), net.eval()  # statistics that are not 0 and 1
    (logits, projection), (rough_logits, rough_projection) = exact(x), rough(x)
    assert not torch.equal(logits, rough_logits)  # else it was float32 all along
    assert (logits - rough_logits).abs().max() < 0.05 * logits.abs().max()
    assert (projection * rough_projection).sum(dim=1).min() > 0.999


def test_bf16_leaves_heads_weights_statistics_and_gradients_in_float32():
    net = network(precision="bf16").train()
    out = net(images(8))
    (out.logits.sum() + out.projection.sum()).backward()
    assert out.logits.dtype == out.projection.dtype == net.features(images(8)).dtype == torch.float32
    assert {p.dtype for p in net.parameters()} == {p.grad.dtype for p in net.parameters()} == {torch.float32}
    assert {b.dtype for b in net.buffers()} == {torch.float32, torch.int64}  # int64: number of batches


def test_bf16_trains_and_its_terms_are_near_those_of_float32():
    logits, means = torch.zeros(N, C), {}
    for precision in ("float32", "bf16"):
        one = trainer(precision=precision, device="cpu")
        means[precision] = one.train_semi(1, 0, halves(), logits)
    assert means["bf16"]["x"] == pytest.approx(means["float32"]["x"], rel=0.02)
    assert means["bf16"]["x"] != means["float32"]["x"]


def test_the_layout_of_the_images_does_not_matter():
    net = network().eval()
    x = images(16)
    for out, other in zip(net(x), net(x.contiguous(memory_format=torch.channels_last))):
        assert torch.equal(out, other)


@pytest.mark.parametrize("batch", [1, 7, 64, 1000])
def test_the_batch_of_the_evaluation_does_not_matter(monkeypatch, batch):
    one = trainer(device="cpu")
    expected = one.per_sample(one.nets[0])
    monkeypatch.setattr(evaluate, "CPU_BATCH", batch)
    for name, value in one.per_sample(one.nets[0]).items():
        torch.testing.assert_close(value, expected[name])


# -------------------------------------------------------------------------------------------------------- compiling


def test_compiling_leaves_the_names_of_the_weights():
    plain, compiled = network(), network(compile=True)
    assert list(plain.state_dict()) == list(compiled.state_dict())
    compiled.load_state_dict(plain.state_dict())


@pytest.mark.long
@pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile needs a C++ compiler on a CPU")
def test_a_compiled_backbone_computes_the_same():
    plain, compiled = network().train(), network(compile=True).train()
    for net in (plain, compiled):
        net.classify(images(8)).square().sum().backward()
    torch.testing.assert_close(plain.state_dict(), compiled.state_dict(), rtol=1e-4, atol=1e-5)
    for p, q in zip(plain.parameters(), compiled.parameters()):
        assert (p.grad is None) == (q.grad is None)
        if p.grad is not None:
            torch.testing.assert_close(p.grad, q.grad, rtol=1e-3, atol=1e-4)


# ---------------------------------------------------------------------------------------------------- views and waits


@pytest.mark.parametrize("pad", [0, 1, 3])
def test_crops_as_windows_are_the_crops_pixel_by_pixel(pad):
    config = Config(pad=pad)
    pixels = torch.randint(256, (20, 3, 6, 6), dtype=torch.uint8, generator=generator(0))
    views = augment.weak_view(pixels, config, generator(1))
    draws = generator(1)
    top, left = (torch.randint(2 * pad + 1, (20, 1), generator=draws)[:, 0].tolist() for _ in range(2))
    flip = (torch.rand(20, 1, generator=draws) < 0.5)[:, 0].tolist()
    for n in range(20):
        for y in range(6):
            for x in range(6):
                row, column = y + top[n] - pad, (5 - x if flip[n] else x) + left[n] - pad
                inside = 0 <= row < 6 and 0 <= column < 6
                expected = pixels[n, :, row, column].tolist() if inside else [0, 0, 0]
                assert views[n, :, y, x].tolist() == expected


def test_the_images_are_not_changed_by_their_views():
    one = trainer(device="cpu")
    before, order = one.images.clone(), torch.arange(16).view(2, 8)
    for _ in batches.passes(one.images, order, 2, 2, one.config, one.statistics, generator(0)):
        pass
    assert torch.equal(one.images, before)


class Waits(TorchDispatchMode):
    """Notes every operation whose result decides sizes or is read on the host: on a GPU these wait."""

    NAMES = ("_local_scalar_dense", "nonzero", "masked_select", "unique_dim", "_unique2")

    def __init__(self):
        super().__init__()
        self.found, self.seen = [], 0

    def __torch_dispatch__(self, function, types, arguments=(), options=None):
        name, self.seen = function.name().removeprefix("aten::"), self.seen + 1
        masks = [t for t in arguments[1] if t is not None and t.dtype == torch.bool] if name == "index.Tensor" else []
        if masks or name.split(".")[0] in self.NAMES:
            self.found.append(name)
        return function(*arguments, **(options or {}))


@pytest.mark.parametrize(
    ("method", "epoch", "precision"),
    [("plremix", 0, "float32"), ("plremix", 1, "float32"), ("plremix", 1, "bf16"), ("elr", 1, "float32")],
)
def test_no_operation_of_a_step_would_wait_for_a_gpu(monkeypatch, method, epoch, precision):
    one, passes, mean_terms, waits = (
        trainer(method=method, precision=precision),
        batches.passes,
        steps.mean_terms,
        Waits(),
    )
    seen = []

    def begin(*arguments):
        views = list(passes(*arguments))  # views come before
        waits.__enter__()
        for batch in views:
            seen.append(waits.seen)
            yield batch

    def finish(terms):
        waits.__exit__(None, None, None)
        return mean_terms(terms)

    monkeypatch.setattr(losses, "check_labels", lambda *arguments, **options: None)  # looks at values on a CPU only,
    monkeypatch.setattr(F, "one_hot", lambda labels, count: torch.eye(count, dtype=labels.dtype)[labels])  # as torch's
    monkeypatch.setattr(batches, "passes", begin)
    monkeypatch.setattr(steps, "mean_terms", finish)
    split = one.config.spec.semi and epoch > 0
    one.train_semi(epoch, 0, halves(), torch.zeros(N, C)) if split else one.train_supervised(epoch, 0)
    assert waits.found == [] and waits.seen > 100 and len(seen) == one.config.steps_per_epoch
    with waits:  # and it can tell
        torch.arange(3)[torch.tensor([True, False, True])].sum().item()
    assert waits.found == ["index.Tensor", "_local_scalar_dense"]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("precision", ["float32", "bf16"])
def test_no_step_waits_for_the_device(monkeypatch, precision):
    one, logits = trainer(precision=precision, device="cuda"), torch.zeros(N, C, device="cuda")
    one.train_semi(1, 0, halves(), logits)  # first calls allocate and choose kernels
    passes, mean_terms, guess, counted = batches.passes, steps.mean_terms, steps.co_refine_and_co_guess, []

    def watched(*arguments):
        counted.append(torch.cuda.set_sync_debug_mode("error"))
        return guess(*arguments)

    def finish(terms):
        torch.cuda.set_sync_debug_mode("default")
        return mean_terms(terms)

    monkeypatch.setattr(batches, "passes", lambda *arguments: iter(list(passes(*arguments))))  # views come before
    monkeypatch.setattr(steps, "co_refine_and_co_guess", watched)
    monkeypatch.setattr(steps, "mean_terms", finish)
    try:
        one.train_semi(1, 0, halves(), logits)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert len(counted) == one.config.steps_per_epoch
