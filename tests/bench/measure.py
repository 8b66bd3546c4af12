"""Measure the engine in one process: epochs beside a plain trainer's, their parts, and growth with N."""

import dataclasses
import itertools
import statistics
import tempfile
from collections import deque
from collections.abc import Callable
from functools import partial

import psutil
import torch
from torch.utils.benchmark import timer
from torch.utils.flop_counter import FlopCounterMode
from tqdm.auto import tqdm

from plremix_core import batches
from plremix_core.config import Config, from_dict
from plremix_core.data.dataset import Dataset
from plremix_core.engine import provenance
from plremix_core.engine.checks import require
from plremix_core.engine.seeds import generator
from plremix_core.trainer import Trainer

from .plain_trainer import FOUR, PlainTrainer

SMALL = dict(width=16, blocks=(1, 1, 1, 1), stem_stride=2, batch_size=64, epochs=1000)
SIZES = (1000, 2000, 5000, 10000, 20000, 50000)  # images of the growth


def settings(dataset: str, size: int, **changes: object) -> Config:
    """Make settings of a small backbone without warm-up; both networks together see each of `size` images once."""
    config = from_dict(SMALL | dict(dataset=dataset, train_size=size) | changes | dict(warm_up=0))
    return config.replace(steps_per_epoch=max(1, size // (2 * config.batch_size)))


def shrink(data: Dataset, size: int) -> Dataset:
    """Take the first `size` training images, and test images in the same share."""
    tests = max(1, len(data.test_images) * size // len(data.images))
    kept = {name: getattr(data, name)[:size] for name in ("images", "given", "true")}
    kept |= {name: getattr(data, name)[:tests] for name in ("test_images", "test_labels")}
    return dataclasses.replace(data, **kept)


def time_call(call: Callable[[], object]) -> float:
    """Return the seconds of a call by torch's own timer, which waits for the device."""
    start = timer()
    call()
    return timer() - start


def time_in_turn(calls: dict[str, Callable[[], object]], repeats: int) -> dict[str, list[float]]:
    """Time calls `repeats` + 1 times, in turn, so that a busy machine is busy for all of them; seconds by name."""
    times = {name: [] for name in calls}
    for _ in tqdm(range(repeats + 1), desc=", ".join(calls)):
        for name, call in calls.items():
            times[name].append(time_call(call))
    return times


def summarise(seconds: list[float]) -> dict[str, float | list[float]]:
    """Return median and spread of some times, and the times."""
    return dict(median=statistics.median(seconds), low=min(seconds), high=max(seconds), all=seconds)


def find_peak(device: torch.device, precision: str, size: int = 0) -> float:
    """Find the FLOP/s of a large matrix product, best of six; as a 1 x 1 convolution, so with the kernels of a net."""
    dtype = torch.bfloat16 if precision == "bf16" else torch.float32
    size = size or (8192 if device.type == "cuda" else 1024)
    maps = torch.ones(size // 16, size, 8, 8, device=device, dtype=dtype).to(memory_format=torch.channels_last)
    kernel = torch.ones(size, size, 1, 1, device=device, dtype=dtype)
    return 8 * size**3 / min(time_call(lambda: torch.conv2d(maps, kernel)) for _ in range(6))


def count_step_flop(config: Config, data: Dataset) -> int:
    """Count the floating-point operations of one SGD step, 2 a multiply-add, by what a second step of an epoch adds."""
    found = []
    for steps in (1, 2):
        trainer = Trainer(config.replace(steps_per_epoch=steps, compile=False), data)
        with FlopCounterMode(display=False) as counter:
            trainer.run_epoch(0)
        found.append(counter.get_total_flops())
    return (found[1] - found[0]) // len(trainer.nets)


def compare(config: Config, data: Dataset, modes: list[dict], workers: list[int], repeats: int) -> list[dict]:
    """Time an epoch of both networks by every engine; of the times, the first is told apart.

    Engines are plain trainers with so many `workers` of their DataLoader, and ours with each of `modes`, changes to the
    settings such as ``{"precision": "bf16", "compile": True}``.
    """
    if any(mode.get("compile") for mode in modes):  # every mode compiles the same code, 8 variants are torch's limit
        torch._dynamo.config.recompile_limit = 8 * len(modes)
    engines = {f"plain, {count} workers": PlainTrainer(config, data, count) for count in workers}
    for mode in modes:
        changed = config.replace(**mode)
        engines[f"ours, {changed.precision}" + ", compiled" * changed.compile] = Trainer(changed, data)
    epochs = {name: partial(next, map(engine.run_epoch, itertools.count())) for name, engine in engines.items()}
    times = time_in_turn(epochs, repeats)
    return [dict(engine=name, epoch=summarise(taken[1:]), first=taken[0]) for name, taken in times.items()]


def time_parts(config: Config, data: Dataset, repeats: int, plain: bool) -> dict[str, dict]:
    """Time the parts of an epoch of both networks, each on its own; with `plain` its views as well."""
    with tempfile.TemporaryDirectory() as folder:
        trainer = Trainer(config, data, folder)
        trainer.rows = [trainer.run_epoch(0)] * 400  # a long training's history
        order = torch.arange(4 * config.steps_per_epoch * config.batch_size) % len(data.images)
        made = trainer.images, order.view(-1, 2 * config.batch_size), 2, 2, config, trainer.statistics
        nets = list(enumerate(trainer.nets))
        calls = {
            "views": lambda: deque(batches.passes(*made, generator(0)), maxlen=0),
            "divide": lambda: [trainer.split(trainer.per_sample(net), 0, which) for which, net in nets],
            "test": lambda: trainer.accuracy(data.test_images, data.test_labels),
            "checkpoint": trainer.save,
        }
        if plain:
            loader = PlainTrainer(config, data).loader(data.images, data.given, FOUR, order, config.batch_size)
            calls["plain views"] = lambda: deque(loader, maxlen=0)
        times = time_in_turn(calls, repeats)
    return {name: summarise(taken[1:]) for name, taken in times.items()}


def grow(config: Config, whole: Dataset, sizes: list[int]) -> list[dict]:
    """Time the second epoch that sees each image once, for every number of images."""
    rows = []
    for size in sizes:
        steps = max(1, size // (2 * config.batch_size))
        trainer = Trainer(config.replace(train_size=size, steps_per_epoch=steps), shrink(whole, size))
        trainer.run_epoch(0)
        rows.append(dict(images=size, epoch=summarise([time_call(partial(trainer.run_epoch, 1))])))
    return rows


def engines(config: Config, data: Dataset, modes: list[dict], workers: list[int], repeats: int) -> dict:
    """Return the times of all engines, the operations of a step, and what this machine could do, as plain values."""
    work = dict(dataset=config.dataset, images=len(data.images), steps=config.steps_per_epoch, batch=config.batch_size)
    device, precisions = provenance.find_device(config.device), {mode.get("precision", "float32") for mode in modes}
    return dict(
        work=work | dict(step_flop=count_step_flop(config, data)),
        engines=compare(config, data, modes, workers, repeats),
        peak_flops={precision: find_peak(device, precision) for precision in sorted(precisions)},
    )


def measure(config: Config, whole: Dataset, modes: list[dict], workers: list[int], repeats: int, limit: int) -> dict:
    """Return all measurements on a data set; `limit` is the largest number of images."""
    size = config.train_size
    require(size <= len(whole.images), "size", f"at most {len(whole.images)}", size, "Lower it.")
    data = shrink(whole, size)
    sizes = [n for n in SIZES if n <= min(limit, len(whole.images))] or [size]
    return engines(config, data, modes, workers, repeats) | dict(
        parts=time_parts(config, data, max(repeats, 3), plain=bool(workers)),
        growth=dict(images=grow(config, whole, sizes)),
        load_after=[round(value, 2) for value in psutil.getloadavg()],
    )
