"""The commands ``plremix sweep`` and ``plremix report``: many runs."""

import sys
import webbrowser

import click

from ..engine.files import ROOT
from ..sweeps import grid, results
from . import COUNT, FILE, FOLDER, TARGET, stoppable


@click.command("sweep")
@click.argument("path", metavar="GRID", type=FILE)
@click.option("--out", type=TARGET, help="Folder of the runs.  [default: runs/<grid>]")
@click.option("--jobs", type=COUNT, default=0, help="Runs at once on this machine; 0 = one a GPU, or one a core.")
@click.option("--scheduler", default="", help="Address of a running dask scheduler, e.g. tcp://host:8786.")
@click.option("--data", default="", help="Folder of cifar10.npz and the like.")
@click.option("--only", multiple=True, help="Pattern of names of runs, e.g. 'ce_seed-1'; repeatable.")
@click.option("--retry-failed", is_flag=True, help="Do failed runs again.")
@click.option("--dry-run", is_flag=True, help="List the runs and the time they may take; do nothing.")
@click.option("--status", is_flag=True, help="List the runs and how far they are; do nothing.")
def sweep(path, out, jobs, dry_run, status, only, **options) -> None:
    """Do every run of GRID (a small YAML file), or go on with it.

    \b
    plremix sweep data/grids/smoke.yaml --dry-run
    plremix sweep data/grids/bundled.yaml --only seed-1
    plremix sweep data/grids/cifar10.yaml --scheduler tcp://head:8786 --out /shared/runs/cifar10
    """
    runs = grid.load(path)
    chosen = grid.choose(runs, only)
    out = out or ROOT / "runs" / runs.name
    from ..sweeps import run_all

    if dry_run or status:
        click.echo(run_all.progress(chosen, out))
        if dry_run:
            click.echo(run_all.forecast(chosen, out, jobs))
        return
    with stoppable("the same command goes on from the checkpoints"):
        states = run_all.run(runs, out, jobs=jobs, only=only, **options)
    click.echo(f"{run_all.count(states)}; plremix report {out}")
    sys.exit(set(states.values()) != {"done"})


@click.command("report")
@click.argument("folder", type=FOLDER)
@click.option("--record", is_flag=True, help="Also write data/results/<grid>.csv and .json, for committing.")
@click.option("--open", "open_", is_flag=True, help="Open the page in a browser.")
def report(folder, record, open_) -> None:
    """Write FOLDER/report.html: what a sweep came to, in tables and curves."""
    results.read_listing(folder)  # a wrong folder is refused before what takes seconds to import
    from ..sweeps.report import write

    page = write(folder)
    click.echo(f"report: {page}")
    for path in results.record(folder) if record else []:
        click.echo(f"recorded: {path}")
    if open_:
        webbrowser.open(page.resolve().as_uri())
