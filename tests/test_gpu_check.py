"""`make gpu-check`, tried without a GPU: tiny networks, the same code from the first check to the last figure."""

import json
import os
import subprocess
import sys

import pytest
import torch
from bench import gpu_check
from click.testing import CliRunner

from plremix_core.config import Config
from plremix_core.data import augment, from_arrays
from plremix_core.engine import checkpoint
from plremix_core.engine.files import ROOT


def small(**changes):
    rng = torch.Generator().manual_seed(0)
    images = torch.randint(256, (48, 8, 8, 3), dtype=torch.uint8, generator=rng).numpy()
    labels = (torch.arange(48) % 4).numpy()
    data = from_arrays(images, labels, images[:8], labels[:8], tuple("abcd"), true=labels)
    settings = dict(dataset="bars", noise="none", width=4, blocks=(1, 1), batch_size=8, steps_per_epoch=1, warm_up=1)
    return Config(**(settings | dict(epochs=5, kappa=((0, 1),), device="cpu") | changes)), data


@pytest.mark.slow
def test_make_gpu_check_writes_its_numbers_and_figures(tmp_path):
    options = f"--dry --run {tmp_path / 'run'}"
    command = ["make", "gpu-check", f"PYTHON={sys.executable}", f"OPTIONS={options}"]
    done = subprocess.run(command, cwd=ROOT, env=os.environ | {"OUT": str(tmp_path)}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    result = json.loads((tmp_path / "gpu-check.json").read_text())
    assert result["devices"] == dict(ok=True, devices=["cpu"], waited=None, watched_steps=4)
    assert result["step"] == dict(ok=True, terms=0.0, weights=0.0)  # the same processor
    assert [row["engine"] for row in result["engines"]] == ["plain, 0 workers", "ours, float32", "ours, bf16"]
    assert len(result["training"]["rows"]) == 2 and checkpoint.load_newest(tmp_path / "run")["epoch"] == 2
    for word in ("devices, step", "ratio", "plain, 0 workers", "training"):
        assert word in done.stdout
    assert {path.name for path in tmp_path.glob("*.png")} == {"gpu-check.png", "gpu-training.png"}


def test_without_a_gpu_it_says_how_to_try_it(tmp_path):
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    done = CliRunner().invoke(gpu_check.main, ["--data", str(tmp_path), "--out", str(tmp_path)])
    assert "device must be a GPU, got 'cpu'. Use --dry" in str(done.exception)


def test_a_training_ends_before_its_time_is_up_and_goes_on_from_there(tmp_path, monkeypatch):
    config, data = small()
    clock = [0.0]
    monkeypatch.setattr(gpu_check.time, "monotonic", lambda: clock[0])
    run = gpu_check.Trainer.run_epoch

    def slow(self, epoch):
        clock[0] += 10
        return run(self, epoch)

    monkeypatch.setattr(gpu_check.Trainer, "run_epoch", slow)
    first = gpu_check.train(config, data, tmp_path, deadline=30.0)
    assert len(first["rows"]) == 2 and clock[0] == 20  # a third would end at 30 at the earliest
    assert checkpoint.load_newest(tmp_path)["epoch"] == 2
    second = gpu_check.train(config, data, tmp_path, deadline=1000.0)
    assert [row["epoch"] for row in second["rows"]] == [0, 1, 2, 3, 4]


def test_a_step_that_differs_is_found(monkeypatch):
    config, data = small()
    assert gpu_check.compare_step(config, data)["ok"]
    view, calls = augment.weak_view, []

    def changed(images, *rest):
        calls.append(len(images))
        found = view(images, *rest)
        return found if len(calls) <= 4 else 255 - found  # the second trainer's

    monkeypatch.setattr(augment, "weak_view", changed)
    found = gpu_check.compare_step(config, data)
    assert not found["ok"] and found["weights"] > 0.01


def test_a_step_that_waits_is_told(monkeypatch):
    config, data = small()

    def waits(self, which, terms):
        raise RuntimeError("called a synchronizing CUDA operation")

    monkeypatch.setattr(gpu_check.Watched, "descend", waits)
    found = gpu_check.check_devices(config, data)
    assert not found["ok"] and found["waited"] == "called a synchronizing CUDA operation"


def test_sheets_are_unpacked_and_a_folder_is_taken_as_it_is(tmp_path):
    assert gpu_check.unpack(tmp_path, tmp_path / "out") == tmp_path
    (tmp_path / "unpack.py").write_text("import sys; open(sys.argv[1] + '/cifar10.npz', 'w').write(sys.argv[2])")
    assert gpu_check.unpack(tmp_path, tmp_path / "out") == tmp_path / "out"
    assert (tmp_path / "out" / "cifar10.npz").read_text() == "cifar10"
