"""The command ``plremix lab``."""

import subprocess
import sys

import click

from ..engine.files import ROOT


@click.command("lab")
@click.argument("arguments", nargs=-1)
def command(arguments) -> None:
    """Start JupyterLab on localhost at notebooks/, with a token; ARGUMENTS go to JupyterLab."""
    options = ["--ServerApp.ip=127.0.0.1", f"--ServerApp.root_dir={ROOT}", "--LabApp.default_url=/lab/tree/notebooks"]
    silent = [
        "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
        "--LabApp.news_url=None",
    ]  # calls nobody
    sys.exit(subprocess.call([sys.executable, "-m", "jupyterlab", *options, *silent, *arguments]))
