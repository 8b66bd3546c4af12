"""The commands ``plremix lessons`` and ``plremix lab``: notebooks."""

import os
import subprocess
import sys

import click

from ..engine.checks import require_known
from ..engine.files import ROOT
from ..lessons import injected
from ..lessons.controls import CONTROLS
from . import COUNT, TARGET, once

FIRST = "my_notebooks/00_start_here.ipynb"
LAB = [
    "--ServerApp.ip=127.0.0.1",
    f"--ServerApp.root_dir={ROOT}",
    "--ServerApp.log_level=ERROR",  # the address is still shown
    f"--LabApp.app_settings_dir={ROOT / 'plremix_core' / 'lessons' / 'lab'}",  # no questions about news
    "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",  # calls nobody
]


@click.command("lessons")
@click.option("--only", multiple=True, help="Notebook number, 00 to 10; repeatable.")
@click.option("--out", type=TARGET, default="runs/lessons", show_default=True)
@click.option("--jobs", type=COUNT, default=0, show_default=True, help="Notebooks at once; 0 = one a core.")
@click.option("--timeout", type=float, default=1800, show_default=True, help="Seconds a notebook.")
@click.option("--control", type=click.Choice([*CONTROLS]), help="Mechanism to break: its claims must then fail.")
@click.option("-p", "parameters", type=(str, str), multiple=True, metavar="NAME VALUE", help="Repeatable.")
@click.option("--render", "rendered", is_flag=True, help="Write the outputs back into notebooks/ if all is well.")
def lessons(only, out, jobs, timeout, control, parameters, rendered) -> None:
    """Run notebooks without JupyterLab and write OUT/index.html and OUT/result.json.

    \b
    plremix lessons --only 03 --control all_negatives      break a mechanism: its claims must fail
    plremix lessons --only 05 -p dataset cifar10 -p rate 0.5 -p profile full --timeout 100000
    """
    known = {path.name[:2]: path for path in sorted(injected.NOTEBOOKS.glob("[0-9]*.ipynb"))}
    for number in only:
        require_known(number, list(known), "only")
    paths = [path for number, path in known.items() if not only or number in only]
    values = injected.as_declared(paths, once(parameters, "p")) | ({"control": control} if control else {})
    injected.accept(paths, values)  # before what takes seconds to import
    from ..lessons import render, runner

    results = runner.run_lessons(paths, out, values, timeout, jobs)
    click.echo(render.summary(results))
    click.echo(f"index: {out / 'index.html'}")
    if rendered:
        render.render(results, out)
    sys.exit(any(result.status != "ok" for result in results))


@click.command("lab")
@click.option("--port", type=int, default=8888, show_default=True, help="If it is taken, the next one that is free.")
@click.option("--no-browser", is_flag=True, help="Only print the address.")
@click.option("--allow-root", is_flag=True, help="Start even as root, in a container for example.")
def lab(port, no_browser, allow_root) -> None:
    """Open JupyterLab at my_notebooks/00_start_here.ipynb, on this machine only and with a token.

    my_notebooks/ holds copies of the lessons for you to change; those that you changed are never overwritten.
    """
    opens = "open" if no_browser else "your browser opens"
    click.echo(f"Starting JupyterLab; {opens} {FIRST} in about half a minute. Stop with Ctrl-C.")
    from ..lessons import copies, process

    for line in copies.update():
        click.echo(line)
    os.environ["JUPYTER_PATH"] = process.own_kernel(str(copies.MINE / ".jupyter"))
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # as in the committed outputs: the digits agree
    command = [sys.executable, "-m", "jupyterlab", *LAB, f"--LabApp.default_url=/lab/tree/{FIRST}"]
    command += [f"--port={port}", *["--no-browser"] * no_browser, *["--allow-root"] * allow_root]
    if os.name == "posix":  # in place of this process: what stops it stops JupyterLab
        os.execv(sys.executable, command)
    sys.exit(subprocess.call(command))
