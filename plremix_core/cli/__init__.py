"""The command line: a file a command, imported when the command is called, so that help and version answer at once."""

import importlib

import click
import yaml

COMMANDS = {
    "train": "Train one method on one data set.",
    "suspects": "Rank the images of a run by how suspect their labels are.",
    "lessons": "Run notebooks without JupyterLab.",
    "lab": "Start JupyterLab at the notebooks.",
    "claims": "Write the table of equations, tests and claims.",
    "sweep": "Do every run of a grid, or go on with it.",
    "report": "Write the report of a sweep.",
    "bench": "Measure how fast this machine trains.",
}


class Commands(click.Group):
    """A group that imports a command when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        return importlib.import_module(f".{name}", __package__).command if name in COMMANDS else None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


def read_value(text: str) -> object:
    """Read a value of an option that is written as YAML: a number, a word, a list."""
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError:
        raise ValueError(f"{text!r} is no YAML") from None  # click names the option and the text
