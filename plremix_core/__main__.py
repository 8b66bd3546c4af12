"""The command ``plremix``."""

import sys

import click

from .cli import Commands


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="plremix", prog_name="plremix")
def main() -> None:
    """PLReMix: train image classifiers on wrongly labelled data; run the lessons.

    \b
    plremix lessons                              all notebooks, quick profile
    plremix train --rate 0.5 --out runs/mine     bundled data, two CPU cores
    plremix train --resume runs/mine             go on after an interruption
    plremix train --images DIR --out runs/own    your own folder of class folders
    plremix suspects runs/own --images DIR       its labels, the most suspect first
    plremix sweep data/grids/bundled.yaml        many runs, on all cores, GPUs or a cluster
    """


def run() -> None:
    """Run the command; what the user got wrong is one line, not a traceback."""
    try:
        main()
    except (ValueError, FloatingPointError, OSError) as error:
        sys.exit(f"plremix: {error}")


if __name__ == "__main__":
    run()
