"""The command line; what a command needs is imported when it is called, so that help and version answer at once."""

import importlib

import click

from ..engine.plain_yaml import read_yaml

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
        return (
            getattr(importlib.import_module(f".{COMMANDS[name][0]}", __package__), name) if name in COMMANDS else None
        )

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


def read_value(text: str) -> object:
    """Read a value of an option that is written as YAML: a number, a word, a list."""
    try:
        return read_yaml(text)
    except ValueError:
        raise ValueError(f"{text!r} is no YAML") from None  # click names the option and the text


def read_list(text: str) -> object:
    """Read a list in any form that people write: [1, 1], (1, 1) or 1,1."""
    text = text.strip().translate(str.maketrans("()", "[]"))
    return read_value(text if text.startswith("[") else f"[{text}]")
