"""The command ``plremix train``; most of its options are the fields of Config."""

import dataclasses
import json
import shlex
import sys
from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path

import click
from click.core import ParameterSource

from ..config import GROUPS, RATED, Config
from ..data import catalogue, folders, label_files
from ..engine.checks import require
from ..engine.files import write_json
from ..engine.settings import choices
from ..presets import PROFILES, for_folder, preset
from . import read_list

FIELDS = sorted(dataclasses.fields(Config), key=lambda field: GROUPS.index(field.metadata["group"]))
HEAD = """# Settings

Options of `plremix train` and arguments of `preset`, with the paper's values for CIFAR-10. From `train --settings`.

| group | setting | default | meaning |
|---|---|---|---|"""
SEMI = "lambda_u ramp_epochs mixup_alpha sharpening threshold short_parts prototypes_from"
CONTRAST = "lambda_c contrast temperature kappa warm_up_contrast warm_up_temperature naive_temperature naive_contrast"


class Grouped(click.Command):
    """A command whose help has the fields of Config under the headings of GROUPS."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        groups = {field.name: field.metadata["group"] for field in FIELDS}
        for group in ("run", *GROUPS):
            options = [option for option in self.get_params(ctx) if groups.get(option.name, "run") == group]
            with formatter.section(f"Options: {group}"):
                formatter.write_dl([option.get_help_record(ctx) for option in options])


class Field(click.Option):
    """The option of a field of Config; what it may be is looked up when help is asked for, as that imports torch."""

    def __init__(self, field: dataclasses.Field) -> None:
        flag, plain = "--" + field.name.replace("_", "-"), field.type in (bool, int, float, str)
        names = [f"{flag}/--no-{flag[2:]}" if field.type is bool else flag]
        names += ["--limit-train"] if field.name == "train_size" else []
        kind = field.type if plain else read_list
        super().__init__([*names, field.name], type=kind, metavar=None if plain else "LIST", default=None)
        self.field = field

    def get_help_record(self, ctx: click.Context) -> tuple[str, str]:
        name, _ = super().get_help_record(ctx) or ("", "")
        return name, f"{describe_field(self.field)}  [default: {json.dumps(self.field.default)}]"


def describe_field(field: dataclasses.Field) -> str:
    """Say what a field means and what it may be."""
    known = ", ".join(choice for choice in choices(field.metadata) if choice)
    return field.metadata["meaning"] + (f" ({known})" if known else "")


def tabulate_settings() -> str:
    """Return all settings as a Markdown page, committed as ``data/settings.md``."""
    rows = [(field.metadata["group"], f"`{field.name}`", f"`{json.dumps(field.default)}`") for field in FIELDS]
    return "\n".join([HEAD, *(f"| {' | '.join(row)} | {describe_field(field)} |" for row, field in zip(rows, FIELDS))])


def typed(names: Iterable[str]) -> list[str]:
    """Options of these parameters that stand on the command line."""
    context = click.get_current_context()
    flags = {option.name: option.opts[0] for option in context.command.params}
    return [flags[name] for name in names if context.get_parameter_source(name) is ParameterSource.COMMANDLINE]


def refuse(names: Iterable[str], beside: str, rule: str, remedy: str) -> None:
    """Refuse options that would be ignored beside another one."""
    given = typed(names)
    require(not given, f"options beside {beside}", rule, ", ".join(given), remedy)


def configure(images: Path | None, settings: dict[str, object], **options: object) -> Config:
    """Make the settings of a named data set, of an .npz or of a folder of images, checked as far as torch allows."""
    settings = ({"noise": "file"} if "label_file" in settings else {}) | settings
    dataset = settings.get("dataset", "fashion_mnist")
    if images is None and not dataset.endswith(".npz"):
        require(dataset != "folder", "dataset", "a known set, or an .npz", dataset, "Your own images: --images FOLDER.")
        config = preset(**({"dataset": dataset} | settings), **options)
        catalogue.require_fits(config, *catalogue.SOURCES[dataset].known)
        if config.noise not in RATED:
            refuse(["rate"], f"--noise {config.noise}", "without a rate", "Leave it out.")
        return config
    if images is None:
        refuse(["folder"], f"--dataset {dataset}", "without another place of the data", "Leave it out.")
        arrays = catalogue.read_own(Path(dataset))
        config = for_folder(catalogue.count_classes(arrays), **options, **settings)
        catalogue.require_fits(config, 0, len(arrays["train_images"]), 0)
    else:
        idle = ["noise"] * (settings.get("noise", "none") not in ("none", "file"))
        rule = "none of data set, its folder, rate and drawn noise"
        refuse([*idle, "dataset", "rate", "folder"], "--images", rule, "Your labels stay as they are; leave them out.")
        layout = folders.own(images)
        config = for_folder(len(layout.names), **options, **settings)
        catalogue.require_fits(config, len(layout.names), len(layout.train), 0)
        if config.noise == "file":
            paths = [path for path, _ in layout.train]
            label_files.read(config.label_file, len(paths), len(layout.names), paths, layout.names)
    return config


def require_new(out: Path | None, inside: Path | None) -> None:
    """Refuse a folder for a run that lies among the images, or has a run already."""
    if out is None:
        click.echo("nothing is kept of this training; --out FOLDER keeps it")
        return
    within = inside is not None and out.resolve().is_relative_to(inside.resolve())
    require(not within, "out", f"a folder outside the images in {inside}", str(out), "Example: --out runs/mine.")
    require(out.is_dir() or not out.exists(), "out", "a folder", str(out), "There is a file of that name.")
    remedy = f"It holds one: plremix train --resume {shlex.quote(str(out))} goes on with it; or choose another folder."
    require(not any(out.glob("epoch-*.pt")), "out", "a folder without a run", str(out), remedy)


def name_idle(config: Config) -> None:
    """Name the options that do nothing with the method or the network."""
    spec, preact = config.spec, config.backbone == "preact"
    idle = ["width", "blocks", "stem_stride", "pooled"] * (not preact) + ["pretrained"] * preact
    idle += SEMI.split() * (not spec.semi) + CONTRAST.split() * (spec.negatives == "none")
    idle += ["naive_temperature", "naive_contrast"] * (spec.negatives == "relaxed")
    if given := typed(idle):
        click.echo(f"without effect on method {config.method} and backbone {config.backbone}: {', '.join(given)}")


def summarise(trainer: object, history: object) -> None:
    """Say what a training came to, and on which images that was measured."""
    table = history.table
    if len(trainer.data.test_images):
        best = f"best {history.best:.4f} (picked on the test set)"
        click.echo(f"last {history.last:.4f} (mean of the last epochs), {best}")
        if history.chosen == history.chosen:
            click.echo(f"chosen {history.chosen:.4f} (epoch picked by the hold-out's given labels)")
    elif "holdout_accuracy" in table:
        click.echo(
            f"last {table['holdout_accuracy'].iloc[-1]:.4f} on the hold-out's given labels; there is no test set"
        )
    else:
        click.echo("no accuracy: there is neither a test set nor a hold-out")


@click.command("train", cls=Grouped)
@click.option("--profile", type=click.Choice(PROFILES), default="quick", show_default=True, help="Size of training.")
@click.option("--released", is_flag=True, help="Switch on the faults of the authors' release; see presets.FAULTS.")
@click.option("--data", "folder", type=click.Path(path_type=Path), help="Folder of cifar10.npz and the like.")
@click.option("--images", type=click.Path(path_type=Path), help="Your class folders, or train/, val/, test/ of them.")
@click.option("--out", type=click.Path(path_type=Path), help="Folder for checkpoints, history.csv and log.txt.")
@click.option("--resume", type=click.Path(path_type=Path, exists=True), help="Folder of a run to go on with.")
@click.option("--settings", "listed", is_flag=True, help="Print all settings as a Markdown page and stop.")
def train(profile, released, folder, images, out, resume, listed, **fields) -> None:
    """Train one method on one data set; every field of Config is an option.

    Without an option the preset of the data set and the profile decides; the defaults shown are the paper's for
    CIFAR-10. Without --dataset it trains on the bundled part of Fashion-MNIST; --dataset FILE.npz takes your arrays
    train_images, train_labels and, perhaps, test_images, test_labels, class_names.

    \b
    plremix train --method ce --epochs 10
    plremix train --images photos --label-file corrected.csv --out runs/photos
    plremix train --dataset cifar10 --rate 0.5 --profile full --seed 1 --out runs/c10
    """
    if listed:
        click.echo(tabulate_settings())
        return
    settings = {name: value for name, value in fields.items() if value is not None}
    if resume:
        others = [name for name in ("profile", "released", "out", *fields) if name != "device"]
        refuse(others, "--resume", "--data, --images or --device", "A run keeps its settings.")
        found = any(resume.glob("epoch-*.pt"))
        require(found, "resume", "a folder that train --out wrote", str(resume), "It holds no epoch-NNNN.pt.")
        config = None
    else:
        config = configure(images, settings, profile=profile, released=released)
        source = catalogue.SOURCES.get(config.dataset)
        require_new(out, images or (folder if source and source.layout else None))
    from tqdm.auto import tqdm

    from ..data.dataset import describe  # with torch, which takes seconds: all that needs none is checked by now
    from ..data.sets import open_set, read_images
    from ..engine.history import brief
    from ..engine.provenance import find_device
    from ..trainer import Trainer

    if resume:
        trainer = Trainer.resume(resume, data_folder=images or folder, device=settings.get("device"))
        click.echo(describe(trainer.data))
    else:
        find_device(config.device)
        name_idle(config)
        data = open_set(config, images or folder)
        click.echo(describe(data))
        if data.true is None and "lambda_u" not in settings:
            click.echo(f"lambda_u = {config.lambda_u:g}: 0 suits mild noise; if half of the labels are random, try 25")
        trainer = Trainer(config, read_images(data, device=config.device), out)
    folder, epochs = trainer.run.folder, trainer.config.epochs
    joint = trainer.config.warm_up * trainer.config.spec.semi

    def tell(trainer: Trainer, row: dict) -> None:
        tqdm.write(brief(row, epochs, len(trainer.given)))
        if row["epoch"] in (0, joint):
            left = timedelta(seconds=round(row["seconds"] * (epochs - row["epoch"] - 1)))
            later = "; epochs after warm-up take longer" if row["epoch"] < joint else ""
            tqdm.write(f"about {left} left, measured on this epoch{later}")

    try:
        history = trainer.fit(on_epoch=tell)
    except KeyboardInterrupt:
        kept = f"plremix train --resume {shlex.quote(str(folder))} goes on" if folder else "nothing is kept"
        click.echo(f"stopped; {kept}", err=True)
        sys.exit(130)
    if folder:
        write_json(folder / "result.json", dict(fingerprint=trainer.config.fingerprint()) | trainer.outcome())
    summarise(trainer, history)


train.params += [Field(field) for field in FIELDS]
