"""The path of a step and of a pass on a GPU, tried without one: every tensor on the GPU is torch's fake one.

What is asked of the device "cuda" is a FakeTensor there, which refuses operations over two devices as the GPU would. It
holds its values on the CPU, so that what depends on them (a split, a mask of chosen samples) goes on. What is drawn on
the CPU stays an ordinary tensor until the code moves it. Only backward is left out: torch's engine asks the driver for
a context before it runs. Gradients lie on the device of the forward pass.
"""

import contextlib
import re
import weakref
from types import SimpleNamespace

import numpy as np
import pytest
import tiny
import torch
from torch._subclasses.fake_tensor import (
    DataDependentOutputException,
    DynamicOutputShapeException,
    FakeTensor,
    FakeTensorMode,
)
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten, tree_map

from plremix_core import evaluate, losses, steps
from plremix_core.config import Config, from_dict
from plremix_core.data import augment
from plremix_core.engine.files import ROOT
from plremix_core.model import Network
from plremix_core.trainer import Trainer

N, C, GPU = 64, 4, torch.device("cuda", 0)
MEMORY = r"\| (float32|bf16) \| ([\d.]+) GB \| ([\d.]+) GB \| ([\d.]+) GB \| ([\d.]+) GB \|"
BY_VALUE = (DynamicOutputShapeException, DataDependentOutputException)  # nonzero, a mask, item: sizes are in values
BLIND = ("aten::_fused_sgd_",)  # torch has no fake one
MOVES = ("aten::_to_copy", "aten::copy_")  # the operations that may see two devices


class Gpu(TorchDispatchMode):
    """Tensors on "cuda" are fake and hold their values in `held`, on the CPU; all others are what they are."""

    def __init__(self) -> None:
        super().__init__()
        self.fake = FakeTensorMode(allow_non_fake_inputs=True)
        self.calls = 0

    def on_gpu(self, held: torch.Tensor) -> FakeTensor:
        """A fake tensor of the GPU that holds these values."""
        meta = torch.empty_strided(held.shape, held.stride(), dtype=held.dtype, device="meta")
        made = FakeTensor(self.fake, meta, GPU)
        made.held = held
        return made

    def __torch_dispatch__(self, function, types, arguments=(), options=None):
        name, options = function.name().split(".")[0], options or {}
        if name == "prim::device":
            return arguments[0].fake_device if isinstance(arguments[0], FakeTensor) else function(*arguments)
        flat = tree_flatten((arguments, options))[0]
        tensors = [value for value in flat if isinstance(value, torch.Tensor)]
        there = [tensor for tensor in tensors if isinstance(tensor, FakeTensor)]
        target = options.get("device")
        asked = target is not None and torch.device(target).type == "cuda"
        if not there and not asked:
            return function(*arguments, **options)
        self.calls += 1
        held = tree_map(lambda value: value.held if isinstance(value, FakeTensor) else value, (arguments, options))
        if asked:
            held[1]["device"] = torch.device("cpu")
        draws = [value for value in flat if isinstance(value, torch.Generator)]
        if draws and name not in MOVES:
            raise RuntimeError(f"{name}: a generator of the {draws[0].device} draws for the GPU")
        strangers = [t for t in tensors if not isinstance(t, FakeTensor) and t.ndim]
        if there and strangers and name not in MOVES:
            raise RuntimeError(f"{name}: tensors of the GPU and of the CPU, {[tuple(t.shape) for t in strangers]}")
        if name not in BLIND:  # torch's own rules, and what an operation in place does to a shape
            with contextlib.suppress(*BY_VALUE), self.fake:
                function(*arguments, **options)
        found = function(*held[0], **held[1])
        if name == "aten::_local_scalar_dense" or (name == "aten::_to_copy" and target is not None and not asked):
            return found.clone() if isinstance(found, torch.Tensor) else found
        if there and isinstance(found, torch.Tensor) and found is held[0][0]:
            return arguments[0]
        return tree_map(lambda value: self.on_gpu(value) if isinstance(value, torch.Tensor) else value, found)


@pytest.fixture
def gpu(monkeypatch):
    """A GPU that is not there: torch asks no driver, and what it says of the card is what an H200 would say."""
    if torch.cuda.is_available():
        pytest.skip("there is a GPU: `make gpu-check` tries it")
    torch._C._ensureCUDADeviceGuardSet()
    monkeypatch.setattr("plremix_core.engine.provenance.find_device", torch.device)
    monkeypatch.setattr(torch.cuda, "_lazy_init", lambda: None)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda *arguments: True)
    monkeypatch.setattr(torch.amp.autocast_mode.torch.cuda.amp.common, "amp_definitely_not_available", lambda: False)
    monkeypatch.setattr(torch.backends.cudnn, "enabled", False)  # its BatchNorm has no counterpart on the CPU
    monkeypatch.setattr(torch.Tensor, "pin_memory", lambda self: self)
    augment._in_pixels.cache_clear()
    torch._C._set_only_lift_cpu_tensors(True)  # torch.tensor(..., device=) moves in the sight of the mode
    try:
        with Gpu() as mode:
            yield mode
    finally:
        torch._C._set_only_lift_cpu_tensors(False)
        augment._in_pixels.cache_clear()


def trainer(**changes):
    settings = dict(width=4, blocks=(1, 1), batch_size=8, steps_per_epoch=1, warm_up=1, epochs=9, kappa=((0, 1),))
    return Trainer(
        Config(dataset="arrays", noise="none", device="cuda", **(settings | changes)), tiny.speckles(N, C, wrong=8)
    )


def without_backward(self, which, terms):
    """`Trainer.descend`, with gradients of zero where backward would put them."""
    assert terms.total.device == GPU and terms.total.requires_grad
    for parameter in self.nets[which].parameters():
        parameter.grad = torch.zeros_like(parameter)
    self.optimizers[which].step()


CASES = {
    "plremix": {},
    "bf16": {"precision": "bf16"},
    "crops, peer": {
        "contrast": "info_nce",
        "prototypes_from": "peer",
        "multi_crop": ((2, 8, 0.5, 1), (1, 4, 0.2, 0.5)),
    },
    "elr": {"method": "elr"},
    "1d": {"method": "plr-1d", "crop": 6, "supervised_view": "strong"},
}


@pytest.mark.parametrize("name", [pytest.param(name, marks=[pytest.mark.slow] * (name != "plremix")) for name in CASES])
def test_two_epochs_keep_every_tensor_on_its_device(gpu, monkeypatch, name):
    """Views, order, mask rows, targets, losses, optimizer, evaluation, split and prototypes of both networks."""
    if name != "plremix":  # all 15 operations once are enough
        monkeypatch.setitem(augment.POLICIES, "cifar10", augment.POLICIES["cifar10"][:3])
    monkeypatch.setattr(Trainer, "descend", without_backward)
    one = trainer(**CASES[name])
    rows = [one.run_epoch(epoch) for epoch in (0, 1)]
    assert gpu.calls > 1000 and all(np.isfinite(value) for row in rows for value in row.values())
    assert {value.device for net in one.nets for value in net.state_dict().values()} == {GPU}
    momentum = [entry["momentum_buffer"] for o in one.optimizers for entry in o.state_dict()["state"].values()]
    assert {value.device for value in momentum} == {GPU}


REFUSED = {
    "a CPU index of a GPU tensor": lambda there, here: there[here.long()],
    "a GPU index of a CPU tensor": lambda there, here: here[there.long()],
    "index_select": lambda there, here: there.index_select(0, here.long()),
    "index_add_": lambda there, here: there.index_add_(0, here.long(), there),
    "a sum": lambda there, here: there + here,
    "cross-entropy": lambda there, here: torch.nn.functional.cross_entropy(there[:, None], here.long()),
    "where": lambda there, here: torch.where(here > 0, there, there),
    "a generator of the CPU": lambda there, here: torch.randperm(3, device="cuda", generator=torch.Generator()),
    "numpy": lambda there, here: there.numpy(),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_a_gpu_would_refuse_or_wait_for_is_refused(gpu, name):
    there, here = torch.zeros(3, device="cuda"), torch.zeros(3)
    with pytest.raises((RuntimeError, TypeError), match="GPU|device|cuda|subclasses"):
        REFUSED[name](there, here)
    assert (there + torch.tensor(1.0)).cpu().tolist() == [1, 1, 1]  # a single number may come from the CPU
    assert there[here.to("cuda").long()].tolist() == [0, 0, 0] and (there == 0).nonzero().shape == (3, 1)


class Memory(TorchDispatchMode):
    """Counts the bytes of all tensors that are alive: now, at most, and the largest one."""

    def __init__(self) -> None:
        super().__init__()
        self.now = self.peak = self.largest = 0
        self.alive: dict[int, int] = {}

    def __torch_dispatch__(self, function, types, arguments=(), options=None):
        found = function(*arguments, **(options or {}))
        for tensor in [value for value in tree_flatten(found)[0] if isinstance(value, torch.Tensor)]:
            storage = tensor.untyped_storage()
            if storage._cdata not in self.alive:
                self.alive[storage._cdata] = storage.nbytes()
                weakref.finalize(storage, self.forget, storage._cdata)
                self.now += storage.nbytes()
                self.peak, self.largest = max(self.peak, self.now), max(self.largest, storage.nbytes())
        return found

    def forget(self, key: int) -> None:
        self.now -= self.alive.pop(key, 0)


def full_size(precision):
    """Peak of a step and of a pass over 50,000 images with the paper's network, GB; by shapes alone."""
    config = from_dict(dict(dataset="cifar10", noise="none", precision=precision))
    size, found = config.batch_size, {}
    nets = [Network(10, precision=precision, generator=torch.Generator()) for _ in range(2)]
    with FakeTensorMode(allow_non_fake_inputs=True) as fake, Memory() as memory:
        for net in nets:  # weights of the right shapes, and no values
            net._apply(fake.from_tensor)
        optimizer = torch.optim.SGD(nets[0].parameters(), lr=0.1, momentum=0.9)
        images = torch.zeros(50_000, 3, 32, 32, dtype=torch.uint8)
        data = SimpleNamespace(mean=(0.5,) * 3, std=(0.5,) * 3)
        kept = [evaluate.predict(net, images, data) for net in nets]  # noqa: F841  as in an epoch
        found["resident"] = memory.now
        found["pass"], memory.peak = memory.peak, memory.now
        views, given = torch.zeros(2, 2 * size, 3, 32, 32), torch.zeros(2 * size, dtype=torch.int64)
        for _ in range(2):
            halves = views[:, :size], views[:, size:], given[:size], torch.ones(size)
            targets = steps.co_refine_and_co_guess(nets[0].train(), nets[1].eval(), *halves, 0.5)
            mask = losses.plr_mask(torch.zeros(2 * size, 10), given, 3)
            mixing = 0.7, torch.zeros(4 * size, dtype=torch.int64), 1.0, config
            terms = steps.semi_step(nets[0], views[:, :size], views[:, size:], *targets, mask, *mixing)
            optimizer.zero_grad(set_to_none=True)
            terms.total.backward()
            optimizer.step()
        found["step"], found["largest"] = memory.peak, memory.largest
    return {name: value / 1e9 for name, value in found.items()}


@pytest.mark.slow
def test_the_documented_memory_is_what_a_step_and_a_pass_need(monkeypatch):
    text = (ROOT / "notebooks" / "docs" / "gpu.md").read_text()
    documented = {row[0]: [float(x) for x in row[1:]] for row in re.findall(MEMORY, text)}
    assert list(documented) == ["float32", "bf16"]
    monkeypatch.setattr(losses, "check_labels", lambda *arguments, **options: None)  # looks at values
    monkeypatch.setattr(evaluate, "CPU_BATCH", evaluate.BATCH)  # as on a GPU
    augment._in_pixels.cache_clear()
    for precision, row in documented.items():
        found = full_size(precision)
        assert row == pytest.approx([found[name] for name in ("resident", "pass", "step", "largest")], abs=0.06)
    augment._in_pixels.cache_clear()
