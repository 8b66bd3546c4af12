"""Measure the engine in one process: epochs beside a plain trainer, checkpoints, and growth with N, batch and C."""

import dataclasses
import importlib.util
import itertools
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode
from tqdm.auto import tqdm

from .. import batches, evaluate, gmm
from ..config import Config, from_dict
from ..data import prepare as data_module
from ..data.prepare import Dataset
from ..engine import provenance
from ..engine.checks import require
from ..engine.files import ROOT
from ..engine.seeds import generator
from ..trainer import Trainer

PLAIN = ROOT / "tests" / "plain_trainer.py"
SMALL = dict(width=16, blocks=(1, 1, 1, 1), stem_stride=2, batch_size=64, warm_up=1, epochs=1000)
SIZES = (1000, 2000, 5000, 10000, 20000, 50000)  # images
BATCHES = (16, 32, 64, 128)  # samples of a part
CLASSES = (10, 30, 100, 300, 1000)
POINTS = (10**3, 10**4, 10**5, 10**6)  # of the mixture alone


def settings(dataset: str, size: int, steps: int, **changes: object) -> Config:
    """Settings of the benchmark: a small backbone, `size` images, `steps` a network; 0 = every image once."""
    config = from_dict(SMALL | dict(dataset=dataset, train_size=size) | changes)
    return config.replace(steps_per_epoch=steps or max(1, size // (2 * config.batch_size)))


def shrink(data: Dataset, size: int) -> Dataset:
    """The first `size` training images, and test images in the same share."""
    tests = max(1, len(data.test_images) * size // len(data.images))
    parts = {name: getattr(data, name)[:size] for name in ("images", "given", "true")}
    parts |= {name: getattr(data, name)[:tests] for name in ("test_images", "test_labels")}
    return dataclasses.replace(data, **parts)


def relabel(data: Dataset, classes: int) -> Dataset:
    """The same images with `classes` classes in turn: for time and memory, not for learning."""
    labels = {name: torch.arange(len(getattr(data, name))) % classes for name in ("given", "true", "test_labels")}
    return dataclasses.replace(data, class_names=tuple(map(str, range(classes))), **labels)


def ready(config: Config, data: Dataset, folder: Path | None = None) -> Trainer:
    """A trainer at the end of its warm-up, whose networks know nothing: the cost of an epoch is the same."""
    trainer = Trainer(config, data, folder)
    trainer.start_prototypes()
    trainer.epoch = config.warm_up
    return trainer


def plain_trainer(config: Config, data: Dataset, workers: int):
    """The plain trainer of the repository's tests, or None where there are no tests."""
    if not PLAIN.exists():
        return None
    spec = importlib.util.spec_from_file_location("plain_trainer", PLAIN)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.PlainTrainer(config, data, workers)


def seconds_of(function: Callable[[], object], repeats: int, device: torch.device) -> list[float]:
    """Seconds of each call after a first one that does not count."""
    taken = []
    for _ in range(repeats + 1):
        provenance.wait(device)
        start = time.perf_counter()
        function()
        provenance.wait(device)
        taken.append(time.perf_counter() - start)
    return taken[1:]


def summary(seconds: list[float]) -> dict[str, float | list[float]]:
    """Median and spread, and what they were made of."""
    return dict(median=statistics.median(seconds), low=min(seconds), high=max(seconds), all=seconds)


def step_flop(config: Config, data: Dataset) -> int:
    """Floating-point operations of one SGD step on a divided set, counted: 2 a multiply-add."""
    trainer = ready(config.replace(steps_per_epoch=1, compile=False), data)
    p_clean = np.tile([0.9, 0.1], len(data.given))[: len(data.given)]
    division = gmm.Split(p_clean, p_clean > 0.5, p_clean[:, None], None, 0, 0.5)
    logits = torch.zeros(len(data.given), data.num_classes, device=trainer.device)
    with FlopCounterMode(display=False) as counter:
        trainer.train_semi(config.warm_up, 0, division, logits)
    return counter.get_total_flops()


def compare(config: Config, data: Dataset, modes: list[dict], workers: list[int], repeats: int) -> list[dict]:
    """One epoch of both networks by every engine, in turn, so that a busy machine is busy for all of them.

    Parameters
    ----------
    config : Config
        Of all engines; `modes` change it for ours.
    data : Dataset
        Training and test images.
    modes : list of dict
        Changes to the settings, e.g. ``{"precision": "bf16", "compile": True}``.
    workers : list of int
        DataLoader processes of the plain trainer, one entry of the result each.
    repeats : int
        Epochs that count; one more comes first.

    Returns
    -------
    list of dict
        engine, epoch (seconds; see `summary`), first (seconds of the epoch that does not count) and memory (bytes).

    Source
    ------
    ours

    Differs
    -------
    nothing
    """
    engines = {}
    if any(mode.get("compile") for mode in modes):  # every mode compiles the same code, 8 variants are torch's limit
        torch._dynamo.config.recompile_limit = 8 * len(modes)
    for count in workers:
        if (plain := plain_trainer(config, data, count)) is not None:
            engines[f"plain, {count} workers"] = plain
    for mode in modes:
        changed = config.replace(**mode)
        name = f"ours, {changed.precision}" + (", compiled" if changed.compile else "")
        engines[name] = ready(changed, data)
    times, memory = {name: [] for name in engines}, {}
    turns = itertools.product(range(repeats + 1), engines.items())
    for number, (name, engine) in tqdm(turns, total=(repeats + 1) * len(engines), desc="engines", unit="epoch"):
        provenance.reset_memory(engine.device)
        start = time.perf_counter()
        engine.run_epoch(config.warm_up + number)
        provenance.wait(engine.device)
        times[name].append(time.perf_counter() - start)
        memory[name] = max(memory.get(name, 0), provenance.peak_memory(engine.device))
    return [
        dict(engine=name, epoch=summary(taken[1:]), first=taken[0], memory=memory[name])
        for name, taken in times.items()
    ]


def parts_of(config: Config, data: Dataset, repeats: int) -> dict[str, dict]:
    """Seconds of the parts of an epoch of both networks, each on its own: views (also the plain ones), divide, ..."""
    with tempfile.TemporaryDirectory() as folder:
        trainer = ready(config, data, Path(folder))
        trainer.rows = [trainer.run_epoch(config.warm_up)] * 400  # a long training's history

        order = torch.arange(2 * config.steps_per_epoch * 2 * config.batch_size).view(-1, 2 * config.batch_size)

        def views() -> None:
            for batch in batches.passes(trainer.images, order % len(data.images), 2, 2, config, generator(0)):
                evaluate.normalise_batch(batch, data)

        def divide() -> None:
            for m, net in enumerate(trainer.nets):
                trainer.divide(trainer.per_sample(net), config.warm_up, m)

        def test() -> None:
            trainer.accuracy(data.test_images, data.test_labels)

        calls = dict(views=views, divide=divide, test=test, checkpoint=trainer.save)
        if (plain := plain_trainer(config, data, 0)) is not None:
            kinds, flat = ["weak", "weak", "strong", "strong"], order.flatten() % len(data.images)
            source = data.images, data.given, kinds, flat, config.batch_size
            calls["plain views"] = lambda: [None for _ in plain.loader(*source)]
        return {name: summary(seconds_of(call, max(repeats, 3), trainer.device)) for name, call in calls.items()}


def grow(points: dict[int, tuple[Config, Dataset]], repeats: int, name: str) -> list[dict]:
    """Seconds and peak memory of an epoch of both networks at every point."""
    rows = []
    for value, (config, data) in tqdm(points.items(), desc=f"growth with {name}"):
        trainer = ready(config, data)
        provenance.reset_memory(trainer.device)
        taken = seconds_of(lambda t=trainer: t.run_epoch(t.config.warm_up), repeats, trainer.device)
        rows.append({name: value, "epoch": summary(taken), "memory": provenance.peak_memory(trainer.device)})
    return rows


def losses_like(points: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Two losses of two overlapping groups, for the mixture alone."""
    rng = np.random.default_rng(seed)
    centre = np.where(rng.random(points) < 0.5, 0.5, 2.0)
    return tuple(np.abs(rng.normal(centre, 0.4)) for _ in range(2))


def mixture(points: tuple[int, ...], repeats: int) -> list[dict]:
    """Seconds of a two-dimensional division alone."""
    rows, cpu = [], torch.device("cpu")
    for count in tqdm(points, desc="mixture alone"):
        pair = losses_like(count, seed=0)
        taken = seconds_of(lambda pair=pair: gmm.split_clean(*pair, seed=0), repeats, cpu)
        rows.append(dict(points=count, seconds=summary(taken)))
    return rows


def measure(
    config: Config, folder: Path | None, modes: list[dict], workers: list[int], repeats: int, limit: int, most: int
) -> dict:
    """All measurements as plain values; `limit` is the largest number of images, `most` that of points a curve."""
    whole = data_module.prepare(config.replace(train_size=0), folder)
    size = config.train_size
    require(size <= len(whole.images), "size", f"at most {len(whole.images)}", size, "Lower it.")
    data = shrink(whole, size)
    flop = step_flop(config, data)
    engines = compare(config, data, modes, workers, repeats)
    parts = parts_of(config, data, repeats)
    batches = {b: (settings_like(config, size, batch_size=b), data) for b in BATCHES[:most] if 2 * b <= size}
    classes = {c: (config, relabel(data, c)) for c in CLASSES[:most] if c <= size}
    sizes = {
        n: (settings_like(config, n), shrink(whole, n)) for n in SIZES[:most] if n <= min(limit, len(whole.images))
    }
    growth = {
        "mixture": mixture(POINTS[:most], repeats),
        "batch": grow(batches, repeats, "batch"),
        "classes": grow(classes, repeats, "classes"),
        "images": grow(sizes, 1, "images"),
    }
    device = provenance.find_device(config.device)
    precisions = {mode.get("precision", "float32") for mode in modes}
    peak = {precision: provenance.peak_flops(device, precision) for precision in sorted(precisions)}
    work = dict(
        dataset=config.dataset, images=size, steps=config.steps_per_epoch, batch=config.batch_size, step_flop=flop
    )
    found = dict(work=work, engines=engines, parts=parts, growth=growth, peak_flops=peak)
    return found | dict(load_after=provenance.load())


def settings_like(config: Config, size: int, **changes: object) -> Config:
    """The same settings for another number of images, each seen once by each network."""
    changed = config.replace(train_size=size, **changes)
    return changed.replace(steps_per_epoch=max(1, size // (2 * changed.batch_size)))
