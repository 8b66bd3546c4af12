"""Two processes train as one does: the same losses, gradients, statistics and weights, and they stop together."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from torch import nn

from plremix_core import backbones
from plremix_core.__main__ import main
from plremix_core.engine import checkpoint, distributed, files
from plremix_core.trainer import Trainer

SCRIPT = Path(__file__).with_name("distributed_run.py")
CLOSE = dict(rtol=1e-9, atol=1e-9)


def run(out, method, processes, *words):
    command = [sys.executable]
    if processes > 1:
        command += ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
    path = os.pathsep.join([str(SCRIPT.parent.parent), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": path}
    command += [str(SCRIPT), str(out), method, *words]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=600)


def ended(out, *arguments):
    done = run(out, *arguments)
    assert done.returncode == 0, done.stderr[-2000:]
    return torch.load(out, weights_only=True)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("method", "variant"),
    [("plremix", "plain"), ("naive", "plain"), ("ce", "plain"), ("plremix", "info_nce"), ("plremix", "multi_crop")],
)
def test_two_processes_give_losses_gradients_and_weights_of_one(tmp_path, method, variant):
    one, two = (ended(tmp_path / "out.pt", method, processes, variant) for processes in (1, 2))
    assert len(one["steps"]) == len(two["steps"]) == 3 * 2 * 3
    for (terms, grads), (terms_two, grads_two) in zip(one["steps"], two["steps"]):
        torch.testing.assert_close(terms_two, terms, **CLOSE)
        torch.testing.assert_close(grads_two, grads, **CLOSE)
    for state, state_two in zip(one["states"], two["states"]):
        for name, value in state.items():
            torch.testing.assert_close(state_two[name], value, **CLOSE, msg=lambda text, name=name: f"{name}: {text}")
    torch.testing.assert_close(torch.tensor(two["rows"]), torch.tensor(one["rows"]), rtol=1e-6, atol=1e-6)


@pytest.mark.slow
def test_two_processes_in_bf16_begin_as_one_does_and_keep_statistics_in_float32(tmp_path):
    """Rounding to 8 bits differs with the size of a batch, and grows: only the first step is near."""
    one, two = (ended(tmp_path / "out.pt", "plremix", processes, "bf16") for processes in (1, 2))
    torch.testing.assert_close(two["steps"][0][0], one["steps"][0][0], rtol=0.02, atol=0.02)
    for state in two["states"]:
        for name, value in state.items():
            assert value.isfinite().all() and (value.dtype == torch.float32 or "num_batches" in name), name


@pytest.mark.slow
def test_a_training_of_two_processes_that_is_stopped_and_resumed_ends_as_one_that_was_not(tmp_path):
    found = ended(tmp_path / "out.pt", "plremix", 2, "resume")
    straight, resumed = found["straight"], found["resumed"]
    assert resumed["rows"] == straight["rows"] and len(straight["rows"]) == 3
    for state, other in zip(straight["states"], resumed["states"]):
        assert all(torch.equal(other[name], value) for name, value in state.items())


@pytest.mark.slow
def test_nan_in_one_process_stops_all(tmp_path):
    done = run(tmp_path / "out.pt", "plremix", 2, "poison")
    assert done.returncode != 0 and not (tmp_path / "out.pt").exists()
    assert done.stderr.count("must be finite, got nan or inf in epoch 0") >= 2  # each process says so, none hangs


def test_alone_nothing_is_shared_or_gathered():
    x = torch.arange(6.0)
    assert distributed.size() == 1 and distributed.rank() == 0 and distributed.start() is None
    for same in (distributed.share, distributed.gather, distributed.gather_with_gradient, distributed.mean):
        assert same(x) is x or (same(x) == x).all()
    assert x[distributed.own_rows(6, 2, x.device)].tolist() == x.tolist()
    assert list(distributed.rows_of(5)) == [0, 1, 2, 3, 4]
    net = torch.nn.Sequential(torch.nn.BatchNorm2d(3))
    assert type(distributed.share_batch_norm(net)[0]) is torch.nn.BatchNorm2d


@pytest.mark.parametrize(("total", "processes"), [(10, 3), (3, 4), (8, 2), (1, 2), (0, 2)])
def test_uneven_rows_are_shared_out_without_loss(monkeypatch, total, processes):
    monkeypatch.setattr(distributed, "size", lambda: processes)
    shares = [list(distributed.rows_of(total, which)) for which in range(processes)]
    assert sum(shares, []) == list(range(total))


def test_a_batch_that_cannot_be_shared_out_is_refused(monkeypatch):
    monkeypatch.setattr(distributed, "size", lambda: 3)
    with pytest.raises(ValueError, match="batch_size must be a multiple of the 3 processes, got 64. Take another"):
        distributed.require_even(64)


def test_the_shared_batch_norm_is_torch_s_if_one_process_has_the_whole_batch():
    plain, shared = torch.nn.BatchNorm2d(3).double(), distributed.SharedBatchNorm(3).double()
    for net in (plain, shared):
        torch.nn.init.normal_(net.weight, generator=torch.Generator().manual_seed(1))
    x = torch.randn(5, 3, 4, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    inputs = x.clone().requires_grad_(), x.clone().requires_grad_()
    weight = torch.randn(x.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    for net, given in zip((plain, shared), inputs):
        (net(given) * weight).sum().backward()
    torch.testing.assert_close(inputs[1].grad, inputs[0].grad, **CLOSE)
    for name, value in plain.state_dict().items():
        torch.testing.assert_close(shared.state_dict()[name], value, **CLOSE)
    plain.eval(), shared.eval()
    torch.testing.assert_close(shared(x), plain(x), **CLOSE)


# --------------------------------------------------------------------------------------------- norms of every backbone


def norms(net: nn.Module) -> list[nn.Module]:
    return [module for module in net.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)]


@pytest.mark.parametrize("kind", ["preact", "resnet50", "inception_resnet_v2"])
def test_every_norm_of_every_backbone_is_shared(monkeypatch, kind):
    if kind == "inception_resnet_v2":
        pytest.importorskip("timm")
    net, _ = backbones.make(kind, 3)
    kept = list(net.state_dict())
    monkeypatch.setattr(distributed, "size", lambda: 2)
    distributed.share_batch_norm(net)
    assert len(norms(net)) > 10 and all(isinstance(norm, distributed.SharedBatchNorm) for norm in norms(net))
    assert list(net.state_dict()) == kept


def test_a_norm_that_cannot_be_shared_is_refused(monkeypatch):
    monkeypatch.setattr(distributed, "size", lambda: 2)
    with pytest.raises(ValueError, match="norm must be BatchNorm2d or BatchNormAct2d to be shared .*got 'BatchNorm1d'"):
        distributed.share_batch_norm(nn.Sequential(nn.BatchNorm1d(3)))


@pytest.mark.parametrize("train", [True, False])
def test_the_shared_norm_with_an_activation_is_timm_s_if_one_process_has_the_whole_batch(monkeypatch, train):
    layers = pytest.importorskip("timm.layers")
    plain, shared = layers.BatchNormAct2d(3).double().train(train), layers.BatchNormAct2d(3).double().train(train)
    monkeypatch.setattr(distributed, "size", lambda: 2)
    distributed.share_batch_norm(shared)
    monkeypatch.undo()
    x = torch.randn(5, 3, 4, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    found = shared(x)
    torch.testing.assert_close(found, plain(x), **CLOSE)
    assert type(shared) is distributed.SharedBatchNormAct and (found >= 0).all()
    for name, value in plain.state_dict().items():
        torch.testing.assert_close(shared.state_dict()[name], value)


def test_the_shared_norm_keeps_bf16_and_measures_in_float32():
    x = (torch.randn(6, 3, 4, 4, generator=torch.Generator().manual_seed(2)) + 5).bfloat16()
    plain, shared = nn.BatchNorm2d(3), distributed.SharedBatchNorm(3)
    with torch.autocast("cpu", torch.bfloat16):
        found, expected = shared(x), plain(x)
    assert found.dtype == expected.dtype == torch.bfloat16
    torch.testing.assert_close(found.float(), expected.float(), rtol=0.02, atol=0.02)
    torch.testing.assert_close(shared.running_var, plain.running_var)
    torch.testing.assert_close(shared.running_mean, plain.running_mean)


# ------------------------------------------------------------------------------------------------------ whose device


def test_each_process_takes_the_gpu_of_its_number(monkeypatch):
    chosen = []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "set_device", chosen.append)
    monkeypatch.setattr(torch.distributed, "init_process_group", chosen.append)
    monkeypatch.setenv("WORLD_SIZE", "4")
    monkeypatch.setenv("LOCAL_RANK", "3")
    assert distributed.start() == "cuda:3" and chosen == [3, "nccl"]


SMALL = "--limit-train 60 --epochs 1 --warm-up 1 --steps-per-epoch 1 --width 4 --blocks [1] --device cpu"


def test_a_run_of_another_machine_s_gpu_is_resumed_on_the_device_that_is_asked_for(tmp_path, monkeypatch, caplog):
    ran = CliRunner().invoke(main, ["train", *SMALL.split(), "--out", str(tmp_path)])
    assert ran.exit_code == 0, ran.output
    state = checkpoint.load_newest(tmp_path)
    state["config"]["device"] = "cuda:0"
    for optimizer in state["optimizers"]:
        optimizer["param_groups"][0]["fused"] = True
    checkpoint.save(state, tmp_path, 1)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    trainer = Trainer.resume(tmp_path)
    assert trainer.device.type == "cpu" and "the run was on cuda:0 and there is no GPU here" in caplog.text
    assert not trainer.optimizers[0].param_groups[0]["fused"]
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)  # as if there were one: --device still counts
    ran = CliRunner().invoke(main, ["train", "--resume", str(tmp_path), "--device", "cpu"])
    assert ran.exit_code == 0, (ran.output, ran.exception)
    assert files.read_json(tmp_path / "result.json")["stretches"][-1]["from_epoch"] == 0
