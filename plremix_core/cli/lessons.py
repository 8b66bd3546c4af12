"""The commands ``plremix lessons`` and ``plremix lab``: notebooks."""

import subprocess
import sys
import webbrowser
from pathlib import Path

import click

from ..engine.files import ROOT
from ..lessons import render, runner
from . import read_value

LAB = [
    "--ServerApp.ip=127.0.0.1",
    f"--ServerApp.root_dir={ROOT}",
    "--LabApp.default_url=/lab/tree/notebooks",
    "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",  # calls nobody
    "--LabApp.news_url=None",
]


@click.command("lessons")
@click.option("--only", multiple=True, help="Notebook numbers, e.g. 03; repeatable.")
@click.option("--out", type=click.Path(path_type=Path), default=Path("runs/lessons"), show_default=True)
@click.option("--jobs", type=int, default=0, help="Notebooks at once; 0 = one a core.")
@click.option("--timeout", type=float, default=1800, show_default=True, help="Seconds a notebook.")
@click.option("--control", default="", help="Name of a mechanism to break; see lessons/controls.py.")
@click.option("-p", "parameters", type=(str, read_value), multiple=True, metavar="NAME VALUE", help="Repeatable.")
@click.option("--render", "rendered", is_flag=True, help="Write the outputs back into notebooks/ if all is well.")
@click.option("--open", "open_", is_flag=True, help="Open the index in a browser.")
def lessons(only, out, jobs, timeout, control, parameters, rendered, open_) -> None:
    """Run notebooks headless and write OUT/index.html and OUT/result.json.

    \b
    plremix lessons --only 03 --control all_negatives      break a mechanism: its claims must fail
    plremix lessons --only 05 -p dataset cifar10 -p rate 0.5 -p profile full --timeout 100000
    """
    paths = [path for path in sorted(runner.NOTEBOOKS.glob("[0-9]*.ipynb")) if not only or path.name[:2] in only]
    values = dict(parameters) | ({"control": control} if control else {})
    results = runner.run_lessons(paths, out, values, timeout, jobs)
    click.echo(render.summary(results))
    click.echo(f"index: {out / 'index.html'}")
    if rendered:
        render.render(results, out)
    if open_:
        webbrowser.open((out / "index.html").resolve().as_uri())
    sys.exit(any(result.status != "ok" for result in results))


@click.command("lab")
@click.argument("arguments", nargs=-1)
def lab(arguments) -> None:
    """Start JupyterLab on localhost at notebooks/, with a token; ARGUMENTS go to JupyterLab."""
    sys.exit(subprocess.call([sys.executable, "-m", "jupyterlab", *LAB, *arguments]))
