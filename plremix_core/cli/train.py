"""The command ``plremix train``; most of its options are the fields of Config."""

import dataclasses
import json
import logging
import sys
from collections.abc import Iterable
from pathlib import Path

import click
from click.core import ParameterSource

from ..config import GROUPS, Config
from ..data import folders, prepare
from ..engine.checks import require
from ..engine.files import write_json
from ..presets import PROFILES, for_folder, preset
from ..trainer import Trainer
from . import read_value

FIELDS = sorted(dataclasses.fields(Config), key=lambda field: GROUPS.index(field.metadata["group"]))
HEAD = """# Settings

Options of `plremix train` and arguments of `preset`, with the paper's values for CIFAR-10. From `train --settings`.

| group | setting | default | meaning |
|---|---|---|---|"""


class Grouped(click.Command):
    """A command whose help has the fields of Config under the headings of GROUPS."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        groups = {field.name: field.metadata["group"] for field in FIELDS}
        for group in ("run", *GROUPS):
            options = [option for option in self.get_params(ctx) if groups.get(option.name, "run") == group]
            with formatter.section(f"Options: {group}"):
                formatter.write_dl([option.get_help_record(ctx) for option in options])


def describe(field: dataclasses.Field) -> str:
    """Say what a field means and what it may be."""
    choices = ", ".join(choice for choice in field.metadata.get("one_of", ()) if choice)
    return field.metadata["meaning"] + (f" ({choices})" if choices else "")


def make_option(field: dataclasses.Field) -> click.Option:
    """Make the option of a field of Config; without it the preset decides."""
    flag, plain = "--" + field.name.replace("_", "-"), field.type in (bool, int, float, str)
    names = [f"{flag}/--no-{flag[2:]}" if field.type is bool else flag]
    names += ["--limit-train"] if field.name == "train_size" else []
    kind = field.type if plain else read_value
    text = f"{describe(field)}  [default: {json.dumps(field.default)}]"
    return click.Option([*names, field.name], type=kind, metavar=None if plain else "LIST", default=None, help=text)


def tabulate_settings() -> str:
    """Return all settings as a Markdown page, committed as ``data/settings.md``."""
    rows = [(field.metadata["group"], f"`{field.name}`", f"`{json.dumps(field.default)}`") for field in FIELDS]
    return "\n".join([HEAD, *(f"| {' | '.join(row)} | {describe(field)} |" for row, field in zip(rows, FIELDS))])


def refuse(names: Iterable[str], beside: str, rule: str, remedy: str) -> None:
    """Refuse options that would be ignored beside another one."""
    source = click.get_current_context().get_parameter_source
    given = ["--" + name.replace("_", "-") for name in names if source(name) is ParameterSource.COMMANDLINE]
    require(not given, f"options beside {beside}", rule, ", ".join(given), remedy)


def configure(images: Path | None, settings: dict[str, object], **options: object) -> Config:
    """Make the settings of a named data set, or of a folder of images."""
    if images is None:
        return preset(**(dict(dataset="fashion_mnist") | settings), **options)
    named = ("dataset", "noise", "rate", "label_file")
    refuse(named, "--images", "none of data set and noise", "Leave them out.")
    config = for_folder(len(folders.own(images).names), **options, **settings)
    click.echo(f"lambda_u = {config.lambda_u:g}: 0 suits mild noise; if half of the labels are random, try 25")
    return config


def describe_labels(trainer: Trainer) -> str:
    """Say how many images there are and how many of their labels are wrong."""
    config, data = trainer.config, trainer.data
    real = "an unknown share" if data.real_rate is None else f"{data.real_rate:.1%}"
    nominal = f" (nominal rate {config.rate:.0%})" if config.rate else ""
    size = f"{len(data.images)} images of {data.num_classes} classes"
    return f"{size}, {config.noise}: {real} of the labels wrong{nominal}"


@click.command("train", cls=Grouped)
@click.option("--profile", type=click.Choice(PROFILES), default="quick", show_default=True, help="Size of training.")
@click.option("--released", is_flag=True, help="Switch on the faults of the authors' release; see presets.FAULTS.")
@click.option("--data", "folder", type=click.Path(path_type=Path), help="Folder of cifar10.npz and the like.")
@click.option("--images", type=click.Path(path_type=Path), help="Your own class folders, or train/ and test/ of them.")
@click.option("--out", type=click.Path(path_type=Path), help="Folder for checkpoints, history.csv and log.txt.")
@click.option("--resume", type=click.Path(path_type=Path, exists=True), help="Folder of a run to go on with.")
@click.option("--settings", "listed", is_flag=True, help="Print all settings as a Markdown page and stop.")
def train(profile, released, folder, images, out, resume, listed, **fields) -> None:
    """Train one method on one data set; every field of Config is an option.

    Without an option the preset of the data set and the profile decides; the defaults shown are the paper's for
    CIFAR-10. Without --dataset it trains on the bundled part of Fashion-MNIST.

    \b
    plremix train --method ce --epochs 10
    plremix train --dataset cifar10 --rate 0.5 --limit-train 2000 --epochs 12 --width 16
    plremix train --dataset cifar10 --rate 0.5 --profile full --seed 1 --out runs/c10
    """
    if listed:
        click.echo(tabulate_settings())
        return
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    settings = {name: value for name, value in fields.items() if value is not None}
    if resume:
        others = [name for name in ("profile", "released", "out", *fields) if name != "device"]
        refuse(others, "--resume", "--data, --images or --device", "A run keeps its settings.")
        trainer = Trainer.resume(resume, data_folder=images or folder, device=settings.get("device"))
    else:
        config = configure(images, settings, profile=profile, released=released)
        trainer = Trainer(config, prepare(config, images or folder), out)
    click.echo(describe_labels(trainer))
    folder = trainer.run.folder
    try:
        history = trainer.fit()
    except KeyboardInterrupt:
        kept = f"plremix train --resume {folder} goes on" if folder else "nothing is kept"
        click.echo(f"stopped; {kept}", err=True)
        sys.exit(130)
    if folder:
        write_json(folder / "result.json", dict(fingerprint=trainer.config.fingerprint()) | trainer.outcome())
    click.echo(f"last {history.last:.4f} (mean of the last epochs), best {history.best:.4f} (picked on the test set)")
    if history.chosen == history.chosen:
        click.echo(f"chosen {history.chosen:.4f} (epoch picked by the hold-out's given labels)")


train.params += [make_option(field) for field in FIELDS]
