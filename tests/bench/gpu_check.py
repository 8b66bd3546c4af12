"""`make gpu-check`: what only a GPU can show, in a given number of minutes, without a network and without installing.

In turn: where tensors lie and whether a step waits for the GPU; whether a step in float32 is that of the CPU; the
bench; the paper's training on CIFAR-10 with 90 % symmetric noise for the minutes left. Each part is written at once.
"""

import json
import logging
import os
import subprocess
import sys
import time
from pathlib import Path

import click
import torch

from plremix_core.config import Config
from plremix_core.data import Dataset, prepare
from plremix_core.engine.checks import require
from plremix_core.engine.files import ROOT, write_atomic
from plremix_core.engine.provenance import find_device, provenance
from plremix_core.plots import curves
from plremix_core.presets import SMALL, preset
from plremix_core.trainer import Trainer

from . import measure, report

START = time.monotonic()
STEPS = 3  # of an epoch whose second step is watched
CLOSE = 1e-3  # largest difference of a step's terms, and ten times that of its change of the weights, as fractions


class TimeUp(Exception):
    """The next epoch would not end in time."""


class Watched(Trainer):
    """A Trainer whose second step of an epoch raises an error where it waits for the GPU."""

    steps = 0

    def descend(self, which, terms) -> None:
        super().descend(which, terms)
        self.steps += 1
        if self.device.type == "cuda":
            torch.cuda.set_sync_debug_mode("error" if self.steps % STEPS == 1 else "default")


class Timed(Trainer):
    """A Trainer that stops before an epoch which would end after `deadline`, seconds of the monotonic clock."""

    deadline, longest = 0.0, 0.0

    def run_epoch(self, epoch: int) -> dict[str, float]:
        begin = time.monotonic()
        if begin + 1.2 * self.longest > self.deadline:
            raise TimeUp
        row = super().run_epoch(epoch)
        torch.cuda.synchronize() if self.device.type == "cuda" else None
        self.longest = max(self.longest, time.monotonic() - begin)
        return row


def check_devices(config: Config, data: Dataset) -> dict[str, object]:
    """Train an epoch of warm-up and one after it: where the tensors lie, and the step that waited, if one did."""
    trainer, waited = Watched(config.replace(warm_up=1, steps_per_epoch=STEPS), data), None
    try:
        trainer.run_epoch(0), trainer.run_epoch(1)
    except RuntimeError as error:
        waited = str(error)
    if trainer.device.type == "cuda":
        torch.cuda.set_sync_debug_mode("default")
    places = sorted({value.device.type for net in trainer.nets for value in net.state_dict().values()})
    ok = waited is None and places == [trainer.device.type]
    return dict(ok=ok, devices=places, waited=waited, watched_steps=trainer.steps // STEPS)


def compare_step(config: Config, data: Dataset) -> dict[str, object]:
    """Take the same step in float32 on the CPU and on the device; largest differences, as fractions."""
    config = config.replace(precision="float32", compile=False, warm_up=0, steps_per_epoch=1)
    cpu, other = (Trainer(config.replace(device=device), data) for device in ("cpu", config.device))
    outputs, found = cpu.per_sample(cpu.nets[1]), []
    split, before = cpu.split(outputs, 0, 1), weights(cpu)
    with torch.backends.cudnn.flags(allow_tf32=False):
        for trainer in (cpu, other):
            terms = trainer.train_semi(0, 0, split, outputs["logits"].to(trainer.device))
            found.append((terms, weights(trainer) - before))
    (terms, change), (others, changed) = found
    worst = max(abs(others[name] - value) / max(abs(value), 1) for name, value in terms.items())
    apart = float((changed - change).norm() / change.norm())
    return dict(ok=worst < CLOSE and apart < 10 * CLOSE, terms=worst, weights=apart)


def weights(trainer: Trainer) -> torch.Tensor:
    """All weights of the first network in one row, on the CPU."""
    return torch.cat([value.detach().flatten().cpu() for value in trainer.nets[0].parameters()])


def train(config: Config, data: Dataset, folder: Path, deadline: float) -> dict[str, object]:
    """Train, or go on, until the time is up; the history and seconds an epoch, checkpoints in `folder`."""
    trainer = Timed.resume(folder, data) if any(folder.glob("epoch-*.pt")) else Timed(config, data, folder)
    trainer.deadline = deadline
    try:
        trainer.fit(progress=False)
    except TimeUp:
        pass
    peak = torch.cuda.max_memory_allocated() if trainer.device.type == "cuda" else 0
    return dict(config=trainer.config.fingerprint(), peak_bytes=peak, rows=trainer.rows)


def unpack(place: Path, folder: Path) -> Path:
    """Folder with cifar10.npz: `place` itself, or `folder` with what `place`/unpack.py makes of its packed sheets."""
    if not (place / "unpack.py").exists():
        return place
    folder.mkdir(parents=True, exist_ok=True)
    subprocess.run([sys.executable, str(place / "unpack.py"), str(folder), "cifar10"], check=True)
    return folder


@click.command()
@click.option("--data", "place", type=click.Path(path_type=Path), required=True, help="cifar10.npz or packed sheets.")
@click.option("--minutes", type=float, default=9.0, show_default=True, help="For everything.")
@click.option("--dry", is_flag=True, help="Tiny networks and the bundled images, on any processor: does it run?")
@click.option("--run", "folder", type=click.Path(path_type=Path), default=ROOT / "runs" / "gpu-check")
@click.option("--out", type=click.Path(path_type=Path), default=os.environ.get("OUT") or ROOT / "data/results/gpu")
def main(place: Path, minutes: float, dry: bool, folder: Path, out: Path) -> None:
    """Check and measure the engine on a GPU, then train for the minutes left; writes gpu-check.json and figures."""
    logging.getLogger("plremix").setLevel(logging.ERROR)
    device, deadline = find_device("auto"), START + 60 * minutes - 40
    require(dry or device.type == "cuda", "device", "a GPU", str(device), "Use --dry to try the command without one.")
    config = preset("fashion_mnist" if dry else "cifar10", "sym", 0.9, device=str(device))
    if dry:
        config = config.replace(**SMALL | dict(width=4, batch_size=8, epochs=2, warm_up=1, steps_per_epoch=1))
    whole = prepare(config, None if dry else unpack(place, folder / "data"))
    result: dict[str, object] = dict(provenance=provenance(device), config=config.fingerprint())
    out.mkdir(parents=True, exist_ok=True)

    def keep(**found: object) -> None:
        result.update(found, seconds=time.monotonic() - START)
        write_atomic(out / "gpu-check.json", json.dumps(result, indent=1).encode())
        click.echo(f"{result['seconds']:6.0f} s  {', '.join(found)}")

    few = measure.shrink(whole, 64 if dry else 1024)
    keep(devices=check_devices(config, few), step=compare_step(config, few))
    size = 32 if dry else 6400
    timed = config.replace(warm_up=0, epochs=1000, steps_per_epoch=max(1, size // (2 * config.batch_size)))
    modes = [dict(precision="float32"), dict(precision="bf16"), dict(precision="bf16", compile=True)]
    keep(**measure.engines(timed, measure.shrink(whole, size), modes[: 2 if dry else 3], [0 if dry else 8], repeats=2))
    click.echo(report.table(result))
    report.save(result, out, "gpu-check")
    keep(training=train(config.replace(precision="float32" if dry else "bf16"), whole, folder, deadline))
    rows = result["training"]["rows"]
    if rows:
        last = (
            f"{len(rows)} epochs on {result['provenance']['processor']}: test accuracy {rows[-1]['test_accuracy']:.1%}"
        )
        series = [{"plremix": torch.tensor([[row["test_accuracy"] for row in rows]]).numpy()}]
        curves(series, [last], ["test accuracy (fraction)"]).savefig(out / "gpu-training.png", dpi=90)
    bad = {name: result[name] for name in ("devices", "step") if not result[name]["ok"]}
    require(not bad, "devices and step", "those of the CPU", bad, "The numbers are written; look at the views first.")


if __name__ == "__main__":
    main()
