"""Two processes train as one does: the same losses, gradients, statistics and weights, and they stop together."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from plremix_core import distributed

SCRIPT = Path(__file__).with_name("distributed_run.py")
CLOSE = dict(rtol=1e-9, atol=1e-9)


def run(out, method, processes, *words):
    command = [sys.executable]
    if processes > 1:
        command += ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
    path = os.pathsep.join([str(SCRIPT.parent.parent), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": path}
    command += [str(SCRIPT), str(out), method, *words]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=200)


@pytest.mark.slow
@pytest.mark.parametrize("method", ["plremix", "naive", "ce"])
def test_two_processes_give_losses_gradients_and_weights_of_one(tmp_path, method):
    found = []
    for processes in (1, 2):
        done = run(tmp_path / "out.pt", method, processes)
        assert done.returncode == 0, done.stderr[-2000:]
        found.append(torch.load(tmp_path / "out.pt", weights_only=True))
    one, two = found
    assert len(one["steps"]) == len(two["steps"]) == 3 * 2 * 3
    for (terms, grads), (terms_two, grads_two) in zip(one["steps"], two["steps"]):
        torch.testing.assert_close(terms_two, terms, **CLOSE)
        torch.testing.assert_close(grads_two, grads, **CLOSE)
    for state, state_two in zip(one["states"], two["states"]):
        for name, value in state.items():
            torch.testing.assert_close(state_two[name], value, **CLOSE, msg=lambda text, name=name: f"{name}: {text}")
    torch.testing.assert_close(torch.tensor(two["rows"]), torch.tensor(one["rows"]), rtol=1e-6, atol=1e-6)


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
