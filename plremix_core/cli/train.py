"""The commands ``plremix train``, ``plremix suspects`` and ``plremix bench``."""

import dataclasses
import logging
import sys
from collections.abc import Callable
from pathlib import Path

import click
import yaml
from click.core import ParameterSource

from ..analysis import suspects
from ..bench import measure, report
from ..config import METHODS, NOISES, RATED, Config
from ..data import folders
from ..data.prepare import prepare
from ..engine import distributed, health, provenance
from ..engine.checkpoint import state_of
from ..engine.checks import require
from ..engine.files import ROOT, write_json
from ..presets import PROFILES, SCHEDULES, TABLE, for_folder, preset
from ..trainer import Trainer


def parse(pairs: tuple[tuple[str, str], ...]) -> dict[str, object]:
    """Options NAME VALUE as a mapping; the values are YAML."""
    return {name: yaml.safe_load(value) for name, value in pairs}


def _fields(command: Callable) -> Callable:
    """Add an option for every field of Config that `preset` does not ask for by name."""
    named = ("dataset", "noise", "rate", "method")
    for field in reversed([f for f in dataclasses.fields(Config) if f.name not in named]):
        names = ["--" + field.name.replace("_", "-")]
        if field.type is bool:
            names = [f"{names[0]}/--no-{names[0][2:]}"]
        names += ["--limit-train"] if field.name == "train_size" else []
        kind = field.type if field.type in (bool, int, float, str) else str  # tuples are written as YAML lists
        text = f"In place of the preset's; {'' if kind is field.type else 'a YAML list; '}CIFAR-10: {field.default!r}"
        command = click.option(*names, field.name, type=kind, default=None, help=text)(command)
    return command


def require_alone() -> None:
    """Refuse options beside --resume that would be ignored."""
    context = click.get_current_context()
    kept = ("resume", "folder", "images", "device")
    asked = [name for name in context.params if context.get_parameter_source(name) is ParameterSource.COMMANDLINE]
    others = ", ".join("--" + name.replace("_", "-") for name in asked if name not in kept)
    require(not others, "options beside --resume", "--data, --images or --device", others, "A run keeps its settings.")


def _labels(trainer: Trainer) -> str:
    config, images = trainer.config, trainer.data
    real = "an unknown share" if images.real_rate is None else f"{images.real_rate:.1%}"
    nominal = f" (nominal rate {config.rate:.0%})" if config.noise in RATED else ""
    size = f"{len(images.images)} images of {images.num_classes} classes"
    return f"{size}, {config.noise}: {real} of the labels wrong{nominal}"


@click.command("train")
@click.option("--dataset", default="fashion_mnist", show_default=True, help=", ".join(TABLE))
@click.option("--noise", "kind", default="sym", show_default=True, help=", ".join(NOISES))
@click.option("--rate", type=float, default=0.5, show_default=True, help="Nominal rate, a fraction.")
@click.option("--method", type=click.Choice(list(METHODS)), default="plremix", show_default=True)
@click.option("--profile", type=click.Choice(PROFILES), default="quick", show_default=True)
@click.option("--schedule", type=click.Choice(SCHEDULES), default="full", show_default=True)
@click.option("--released", is_flag=True, help="Switch on the faults of the authors' release; see presets.FAULTS.")
@click.option("--data", "folder", type=click.Path(path_type=Path), help="Folder of cifar10.npz and the like.")
@click.option("--images", type=click.Path(path_type=Path), help="Your own class folders, or train/ and test/ of them.")
@click.option("--out", type=click.Path(path_type=Path), help="Folder for checkpoints, history.csv and log.txt.")
@click.option("--resume", type=click.Path(path_type=Path, exists=True), help="Folder of a run to go on with.")
@_fields
def train_command(
    dataset, kind, rate, method, profile, schedule, released, folder, images, out, resume, **fields
) -> None:
    """Train one method on one data set; every field of Config is an option.

    \b
    plremix train --method ce --epochs 10
    plremix train --dataset cifar10 --rate 0.5 --limit-train 2000 --epochs 12 --width 16
    plremix train --dataset cifar10 --rate 0.5 --profile full --seed 1 --out runs/c10
    torchrun --nproc-per-node 4 -m plremix_core train --dataset clothing1m --noise none --data DIR --profile full
    """
    fields["device"] = distributed.start() or fields["device"]
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    folder = images or folder
    if resume:
        require_alone()
        trainer = Trainer.resume(resume, data_folder=folder, device=fields["device"])
    else:
        plain = (bool, int, float, str)
        kinds = {field.name: field.type for field in dataclasses.fields(Config)}
        changes = {k: v if kinds[k] in plain else yaml.safe_load(v) for k, v in fields.items() if v is not None}
        options = dict(method=method, profile=profile, schedule=schedule, released=released)
        if images:
            config = for_folder(len(folders.own(images).names), **options, **changes)
            click.echo(f"lambda_u = {config.lambda_u:g}: 0 suits mild noise; if half of the labels are random, try 25")
        else:
            config = preset(dataset, kind, rate, **options, **changes)
        trainer = Trainer(config, prepare(config, folder), out)
    click.echo(_labels(trainer))
    try:
        history = trainer.fit()
    except KeyboardInterrupt:
        place = trainer.folder
        click.echo(
            f"stopped; plremix train --resume {place} goes on" if place else "stopped; nothing is kept", err=True
        )
        sys.exit(130)
    if trainer.folder and distributed.rank() == 0:
        result = dict(fingerprint=trainer.config.fingerprint()) | health.outcome(state_of(trainer), history)
        write_json(trainer.folder / "result.json", result)
    click.echo(f"last {history.last:.4f} (mean of the last epochs), best {history.best:.4f} (picked on the test set)")
    if history.chosen == history.chosen:
        click.echo(f"chosen {history.chosen:.4f} (epoch picked by the hold-out's given labels)")


@click.command("suspects")
@click.argument("run", type=click.Path(path_type=Path, exists=True))
@click.option("--images", "--data", "folder", type=click.Path(path_type=Path), help="As given to train.")
@click.option("--out", type=click.Path(path_type=Path), help="The CSV file; by default suspects.csv in RUN.")
def suspects_command(run, folder, out) -> None:
    """Rank the training images of RUN, a folder that train wrote, by how suspect their labels are.

    \b
    plremix suspects runs/mine --images DIR --out suspects.csv
    """
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    trainer = Trainer.resume(run, data_folder=folder)
    if trainer.epoch < trainer.config.epochs:
        click.echo(f"not finished: epoch {trainer.epoch} of {trainer.config.epochs}; plremix train --resume goes on")
    table, out = suspects.rank(trainer), out or run / "suspects.csv"
    suspects.write_csv(table, out)
    few = int((table["p_clean"] < trainer.config.threshold).sum())
    click.echo(
        f"{few:,} of {len(table):,} labels are suspect (p_clean < {trainer.config.threshold:g}); all are in {out}"
    )
    if "wrong" in table:
        precision = suspects.precision_at(table["wrong"])
        shown = ", ".join(f"{precision[k - 1]:.0%} at {k:,}" for k in (10, 100, 1000) if k <= len(table))
        click.echo(f"really wrong are {table['wrong'].mean():.1%} of all; of the first {shown}")


@click.command("bench")
@click.option("--dataset", default="fashion_mnist", show_default=True)
@click.option("--data", "folder", type=click.Path(path_type=Path), help="Folder of cifar10.npz and the like.")
@click.option("--size", type=int, default=1280, show_default=True, help="Images of the comparison.")
@click.option("--limit", type=int, default=50000, show_default=True, help="Most images of the growth.")
@click.option("--steps", type=int, default=0, help="Steps a network; 0 = every image once.")
@click.option("--width", type=int, default=16, show_default=True, help="Channels of the first stage.")
@click.option("--set", "changes", nargs=2, multiple=True, metavar="NAME VALUE", help="Any field of Config; repeatable.")
@click.option("--precision", multiple=True, default=["float32"], show_default=True, help="float32, bf16; repeatable.")
@click.option("--compile", "compile_", is_flag=True, help="Every precision also compiled.")
@click.option("--workers", multiple=True, type=int, default=[0], help="Processes of the plain loader; repeatable.")
@click.option("--repeats", type=int, default=5, show_default=True, help="Epochs that count.")
@click.option("--quick", is_flag=True, help="Few images, one repeat: does it run?")
@click.option("--name", default="", help="Of the files; by default data set and device.")
@click.option("--out", type=click.Path(path_type=Path), default=ROOT / "data" / "results" / "bench")
def bench_command(
    dataset, folder, size, limit, steps, width, changes, precision, compile_, workers, repeats, quick, name, out
) -> None:
    """Measure this machine: an epoch beside a plain trainer's, and how time and memory grow.

    \b
    plremix bench --dataset cifar10 --data ~/cifar --workers 0 --workers 2
    plremix bench --dataset cifar10 --width 64 --set blocks "[2, 2, 2, 2]" --set stem_stride 1 --size 12800 \\
        --precision float32 --precision bf16 --compile          (a GPU)
    """
    logging.getLogger("plremix").setLevel(logging.ERROR)  # parts that are filled up are no news here
    size, repeats, most = (256, 1, 2) if quick else (size, repeats, 10)
    config = measure.settings(dataset, size, steps, **(dict(width=width) | parse(changes)))
    modes = [dict(precision=p, compile=c) for p in precision for c in ([False, True] if compile_ else [False])]
    device = provenance.find_device(config.device)
    result = dict(provenance=provenance.provenance(device), config=config.fingerprint())
    result |= measure.measure(config, folder, modes, list(workers), repeats, limit, most)
    paths = report.save(result, out, name or f"{dataset}-{device.type}" + "-quick" * quick)
    click.echo(report.table(result))
    click.echo("written: " + ", ".join(map(str, paths)))
