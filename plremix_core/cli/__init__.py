"""The command line; what a command needs is imported when it is called, so that help and version answer at once."""

import contextlib
import importlib
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import timedelta
from pathlib import Path

import click
from click.core import ParameterSource

from ..engine.checks import require
from ..engine.plain_yaml import read_yaml as read_value  # a value of an option: a number, a word, a list

PLACE = click.Path(path_type=Path)
FOLDER = click.Path(path_type=Path, exists=True, file_okay=False)
FILE = click.Path(path_type=Path, exists=True, dir_okay=False)
TARGET = click.Path(path_type=Path, file_okay=False)  # a folder that need not exist
COUNT = click.IntRange(0)
COMMANDS = {  # name: the file that has it, and what it does
    "train": ("train", "Train one method on one data set."),
    "suspects": ("suspects", "Rank the labels of a folder, of features or of a run by how suspect they are."),
    "clean": ("clean", "Copy, move or list images by a reviewed label file."),
    "predict": ("predict", "Predict the classes of images with a run."),
    "export": ("predict", "Write the networks of a run for use without this package."),
    "lessons": ("lessons", "Run notebooks without JupyterLab."),
    "lab": ("lessons", "Start JupyterLab at the notebooks."),
    "sweep": ("sweep", "Do every run of a grid, or go on with it."),
    "report": ("sweep", "Write the report of a sweep."),
}


class Commands(click.Group):
    """A group that imports a command when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        file = COMMANDS.get(name, [None])[0]
        return file and getattr(importlib.import_module(f".{file}", __package__), name)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, meaning) for name, (_, meaning) in COMMANDS.items()])


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="plremix", prog_name="plremix")
def main() -> None:
    """PLReMix: train image classifiers on wrongly labelled data; run the lessons.

    \b
    plremix lessons                              all notebooks, quick profile
    plremix train --rate 0.5 --out runs/mine     bundled data, two CPU cores
    plremix train --resume runs/mine             go on after an interruption
    plremix train --images DIR --out runs/own    your own folder of class folders
    plremix suspects DIR                         its labels, the most suspect first, to be reviewed
    plremix sweep data/grids/bundled.yaml        many runs, on all cores, GPUs or a cluster
    """


def typed(names: Iterable[str]) -> list[str]:
    """Options of these parameters that stand on the command line."""
    context = click.get_current_context()
    flags = {option.name: option.opts[0] for option in context.command.params}
    return [flags[name] for name in names if context.get_parameter_source(name) is ParameterSource.COMMANDLINE]


def refuse(names: Iterable[str], beside: str, rule: str, remedy: str) -> None:
    """Refuse options that would be ignored beside another one."""
    given = typed(names)
    require(not given, f"options beside {beside}", rule, ", ".join(given), remedy)


def once(pairs: Iterable[tuple[str, object]], option: str) -> dict[str, object]:
    """Names and values of an option that may be repeated; a name that stands twice is refused."""
    names = [name for name, _ in pairs]
    require(len({*names}) == len(names), option, "given once for each name", names, "Leave one out.")
    return dict(pairs)


def require_outside(place: Path, images: Path, name: str = "out") -> None:
    """Refuse to write among images, where it could be taken for one of the classes."""
    inside = place.resolve().is_relative_to(images.resolve())
    require(not inside, name, f"outside the folder of images {images}", str(place), "Choose another place.")


@contextlib.contextmanager
def stoppable(how: str) -> Iterator[None]:
    """On Ctrl-C say how to go on, and end."""
    try:
        yield
    except KeyboardInterrupt:
        click.echo(f"stopped; {how}", err=True)
        sys.exit(130)


def tell_time(trainer: object) -> None:
    """Say how long the steps of a training will take, once the first are made, and again after its warm-up."""
    from tqdm import tqdm

    config, seen = trainer.config, defaultdict(list)
    steps = 2 * (config.steps_per_epoch or max(1, len(trainer.given) // (2 * config.batch_size)))  # of both networks
    enough = min(steps, 21)

    def made(*_: object) -> None:
        warms_up = trainer.epoch < config.warm_up * config.spec.semi
        times = seen[warms_up]
        times.append(time.perf_counter())
        if len(times) == enough:
            pace = (times[-1] - times[0]) / (enough - 1)
            left = timedelta(seconds=round(pace * steps * (config.epochs - trainer.epoch)))
            tqdm.write(f"at least {left} left, measured on the first {enough} steps" + " of warm-up" * warms_up)

    for optimizer in trainer.optimizers:
        optimizer.register_step_post_hook(made)


def require_run(folder: Path, name: str) -> None:
    """Refuse a folder without a checkpoint."""
    found = any(folder.glob("epoch-*.pt"))
    require(found, name, "a folder that train --out wrote", str(folder), "It holds no epoch-NNNN.pt.")


def require_writable(folder: Path, name: str = "out") -> None:
    """Refuse, before the work, a folder that cannot be written to; it need not exist yet."""
    place = next(filter(Path.exists, (folder.absolute(), *folder.absolute().parents)))
    try:
        tempfile.TemporaryFile(dir=place).close()
    except OSError as error:
        remedy = f"{place}: {error.strerror}. Choose another place."
        require(False, name, "in a folder that can be written to", str(folder), remedy)


def require_new(out: Path) -> None:
    """Refuse, before the work, a file for --out that could not be written."""
    rule, remedy = "a file in a folder that exists", "Make the folder, or choose another name."
    require(out.parent.is_dir() and not out.is_dir(), "out", rule, str(out), remedy)
    require_writable(out.parent)
