"""The command ``plremix train``; most of its options are the fields of Config."""

import dataclasses
import json
import shlex
from pathlib import Path

import click

from .. import data
from ..config import GROUPS, RATED, Config
from ..data import catalogue, folders, label_files
from ..engine.checks import require
from ..engine.files import write_json
from ..engine.history import brief
from ..engine.settings import choices
from ..presets import PROFILES, for_folder, preset
from . import (
    FOLDER,
    PLACE,
    TARGET,
    read_value,
    refuse,
    require_outside,
    require_run,
    require_writable,
    stoppable,
    tell_time,
    typed,
)

FIELDS = sorted(dataclasses.fields(Config), key=lambda field: GROUPS.index(field.metadata["group"]))
GO_ON = "plremix train --resume"
PREACT = "width blocks stem_stride pooled".split()
SEMI = "lambda_u ramp_epochs mixup_alpha sharpening threshold short_parts prototypes_from".split()
NAIVE = ["naive_temperature", "naive_contrast"]
CONTRAST = "lambda_c contrast temperature kappa warm_up_contrast warm_up_temperature".split()
IDLE = {"none": CONTRAST + NAIVE, "relaxed": NAIVE, "all": []}  # by the negatives of a method


class Grouped(click.Command):
    """A command whose help has the fields of Config under the headings of GROUPS."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        for group in ("run", *GROUPS):
            options = [option for option in self.get_params(ctx) if getattr(option, "group", "run") == group]
            with formatter.section(f"Options: {group}"):
                formatter.write_dl([option.get_help_record(ctx) for option in options])


class Field(click.Option):
    """The option of a field of Config; what it may be is looked up when help is asked for, as that imports torch."""

    def __init__(self, field: dataclasses.Field) -> None:
        flag, plain = "--" + field.name.replace("_", "-"), field.type in (bool, int, float, str)
        names = [f"{flag}/--no-{flag[2:]}" if field.type is bool else flag, field.name]
        names += ["--limit-train"] * (field.name == "train_size")
        kind = dict(type=field.type) if plain else dict(type=read_list, metavar="LIST")
        super().__init__(names, default=None, **kind)
        self.field, self.group = field, field.metadata["group"]

    def get_help_record(self, ctx: click.Context) -> tuple[str, str]:
        name, _ = super().get_help_record(ctx)
        known = ", ".join(filter(None, choices(self.field.metadata)))
        meaning = self.field.metadata["meaning"] + (f" ({known})" if known else "")
        return name, f"{meaning}  [paper: {json.dumps(self.field.default)}]"


def read_list(text: str) -> object:
    """Read a list in any form that people write: [1, 1], (1, 1) or 1,1."""
    text = text.strip().translate(str.maketrans("()", "[]"))
    return read_value(text if text.startswith("[") else f"[{text}]")


def configure(images: Path | None, settings: dict[str, object], **options: object) -> Config:
    """Make the settings of a folder of images, an .npz or a named data set, checked as far as torch is not needed."""
    settings = ({"noise": "file"} if "label_file" in settings else {}) | settings
    dataset = settings.get("dataset", "fashion_mnist")
    if images:
        idle = ["noise"] * (settings.get("noise", "none") not in ("none", "file"))
        rule = "none of data set, its folder, rate and drawn noise"
        refuse([*idle, "dataset", "rate", "folder"], "--images", rule, "Your labels stay as they are; leave them out.")
        layout = folders.own(images)
        known = len(layout.names), len(layout.train), 0
        config = for_folder(known[0], **options, **settings)
        if config.noise == "file":
            paths = [path for path, _ in layout.train]
            labels = label_files.read(config.label_file, len(paths), known[0], paths, layout.names).tolist()
            other = sum(label not in (old, -1) for label, (_, old) in zip(labels, layout.train))
            click.echo(f"{config.label_file}: {other:,} of {len(paths):,} labels differ from the folders' names")
    elif dataset.endswith(".npz"):
        refuse(["folder"], f"--dataset {dataset}", "without another place of the data", "Leave it out.")
        arrays = catalogue.read_npz(Path(dataset))
        known = 0, len(arrays["train_images"]), [*arrays["train_images"].shape, 0][1]
        config = for_folder(catalogue.count_classes(arrays), **options, **settings)
    else:
        require(dataset != "folder", "dataset", "a known set, or an .npz", dataset, "Your own images: --images FOLDER.")
        config = preset(**({"dataset": dataset} | settings), **options)
        known = catalogue.SOURCES[dataset].known
    refuse(["rate"] * (config.noise not in RATED), f"--noise {config.noise}", "without a rate", "Leave it out.")
    catalogue.require_fits(config, *known)
    return config


def summarise(part: object, history: object) -> None:
    """Say what a training came to, and on which images that was measured."""
    if len(part.test_images):
        best = f"best {history.best:.4f} (picked on the test set)"
        click.echo(f"last {history.last:.4f} (mean of the last epochs), {best}")
        if len(part.holdout_images):
            click.echo(f"chosen {history.chosen:.4f} (epoch picked by the hold-out's given labels)")
    elif len(part.holdout_images):
        last = history.table["holdout_accuracy"].iloc[-1]
        click.echo(f"last {last:.4f} on the hold-out's given labels; there is no test set")
    else:
        click.echo("no accuracy: there is neither a test set nor a hold-out")


@click.command("train", cls=Grouped)
@click.option("--profile", type=click.Choice(PROFILES), default="quick", show_default=True, help="Size of training.")
@click.option("--released", is_flag=True, help="Switch on the bugs of the authors' release (lesson 10).")
@click.option("--data", "folder", type=PLACE, help="Folder of cifar10.npz and the like.")
@click.option("--images", type=PLACE, help="Your class folders, or train/, val/, test/ of them.")
@click.option("--out", type=TARGET, help="For checkpoints, history.csv, log.txt.")
@click.option("--resume", type=FOLDER, help="Folder of a run to go on with.")
def train(profile, released, folder, images, out, resume, **fields) -> None:
    """Train one method on one data set; every field of Config is an option.

    Without an option the preset of the data set and the profile decides; the values shown are the paper's for
    CIFAR-10. Without --dataset it trains on the bundled part of Fashion-MNIST; --dataset FILE.npz takes your arrays
    train_images, train_labels and, perhaps, test_images, test_labels, class_names.

    \b
    plremix train --method ce --epochs 10
    plremix train --images photos --label-file corrected.csv --out runs/photos
    plremix train --dataset cifar10 --rate 0.5 --profile full --seed 1 --out runs/c10
    """
    settings = {name: value for name, value in fields.items() if value is not None}
    if resume:
        others = [name for name in ("profile", "released", "out", *fields) if name != "device"]
        refuse(others, "--resume", "--data, --images or --device", "A run keeps its settings.")
        require_run(resume, "resume")
        moved = (images or folder) and not (images or folder).exists()
        require(not moved, "--images or --data", "a place that exists", str(images or folder), "Check the path.")
    else:
        config = configure(images, settings, profile=profile, released=released)
        source = catalogue.SOURCES.get(config.dataset)
        if out and source and source.layout and (images or folder):
            require_outside(out, images or folder)
        if out:
            remedy = f"It holds one: {GO_ON} {shlex.quote(str(out))} goes on with it; or choose another folder."
            require(not any(out.glob("epoch-*.pt")), "out", "a folder without a run", str(out), remedy)
            require_writable(out)
        else:
            click.echo("nothing is kept of this training; --out FOLDER keeps it")
    from tqdm import tqdm

    from ..engine.provenance import find_device  # with torch, which takes seconds: what needs none is checked by now
    from ..trainer import Trainer

    if resume:
        trainer = Trainer.resume(resume, data_folder=images or folder, device=settings.get("device"))
        click.echo(data.describe(trainer.data))
    else:
        find_device(config.device)
        idle = PREACT if config.backbone != "preact" else ["pretrained"]
        idle = idle + SEMI * (not config.spec.semi) + IDLE[config.spec.negatives]
        if given := typed(idle):
            click.echo(f"without effect on method {config.method} and backbone {config.backbone}: {', '.join(given)}")
        part = data.open_set(config, images or folder)
        click.echo(data.describe(part))
        if part.true is None and config.spec.semi and "lambda_u" not in settings:
            click.echo(f"lambda_u = {config.lambda_u:g}: 0 suits mild noise; if half of the labels are random, try 25")
        trainer = Trainer(config, data.read_images(part, device=config.device), out)
    config, kept = trainer.config, trainer.run.folder
    tell_time(trainer)
    with stoppable(f"{GO_ON} {shlex.quote(str(kept))} goes on" if kept else "nothing is kept"):
        history = trainer.fit(on_epoch=lambda _, row: tqdm.write(brief(row, config.epochs, len(trainer.given))))
    if kept:
        write_json(kept / "result.json", {"fingerprint": config.fingerprint()} | trainer.outcome())
    summarise(trainer.data, history)


train.params += [Field(field) for field in FIELDS]
