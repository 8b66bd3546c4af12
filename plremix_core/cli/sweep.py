"""The commands ``plremix sweep`` and ``plremix report``."""

import sys
import webbrowser
from pathlib import Path

import click

from ..engine.files import ROOT


@click.command("sweep")
@click.argument("path", metavar="GRID", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--out", type=click.Path(path_type=Path), help="Folder of the runs.  [default: runs/<grid>]")
@click.option("--jobs", type=int, default=0, help="Runs at once on this machine; 0 = one a GPU, or one a core.")
@click.option("--scheduler", default="", help="Address of a running dask scheduler, e.g. tcp://host:8786.")
@click.option("--data", "folder", default="", help="Folder of cifar10.npz and the like.")
@click.option("--only", multiple=True, help="Pattern of cell names, e.g. 'ce_seed-1'; repeatable.")
@click.option("--retry-failed", is_flag=True, help="Run failed cells again.")
@click.option("--dry-run", is_flag=True, help="List the cells and the time they may take; run nothing.")
@click.option("--status", "show", is_flag=True, help="List the cells and how far they are; run nothing.")
def sweep_command(path, out, jobs, scheduler, folder, only, retry_failed, dry_run, show) -> None:
    """Run every cell of GRID (a small YAML file), or go on with it.

    \b
    plremix sweep data/grids/smoke.yaml --dry-run
    plremix sweep data/grids/bundled.yaml --only seed-1
    plremix sweep data/grids/cifar10.yaml --scheduler tcp://head:8786 --out /shared/runs/cifar10
    """
    from ..sweeps import grid, run_all  # dask is needed nowhere else

    cells = grid.load(path)
    out = out or ROOT / "runs" / cells.name
    if dry_run or show:
        click.echo((run_all.forecast if dry_run else run_all.progress)(run_all.choose(cells, only), out, jobs))
        return
    try:
        states = run_all.run(
            cells, out, jobs=jobs, scheduler=scheduler, data=folder, only=only, retry_failed=retry_failed
        )
    except KeyboardInterrupt:
        click.echo("stopped; the same command goes on from the checkpoints", err=True)
        sys.exit(130)
    counts = {state: list(states.values()).count(state) for state in dict.fromkeys(states.values())}
    click.echo(", ".join(f"{count} {state}" for state, count in counts.items()) + f"; plremix report {out}")
    sys.exit(set(states.values()) != {"done"})


@click.command("report")
@click.argument("folder", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--record", "keep", is_flag=True, help="Also write data/results/<grid>.csv and .json, for committing.")
@click.option("--open", "open_", is_flag=True, help="Open the page in a browser.")
def report_command(folder, keep, open_) -> None:
    """Write FOLDER/report.html: what a sweep came to, in tables and curves.

    \b
    plremix report runs/bundled --open
    """
    from ..sweeps import report, results

    click.echo(f"report: {report.write(folder)}")
    for path in results.record(folder) if keep else []:
        click.echo(f"recorded: {path}")
    if open_:
        webbrowser.open((folder / "report.html").resolve().as_uri())
