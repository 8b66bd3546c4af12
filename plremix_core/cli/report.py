"""The command ``plremix report``."""

import webbrowser
from pathlib import Path

import click

from ..sweeps import report, results


@click.command("report")
@click.argument("folder", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--record", is_flag=True, help="Also write data/results/<grid>.csv and .json, for committing.")
@click.option("--open", "open_", is_flag=True, help="Open the page in a browser.")
def command(folder, record, open_) -> None:
    """Write FOLDER/report.html: what a sweep came to, in tables and curves.

    \b
    plremix report runs/bundled --open
    """
    click.echo(f"report: {report.write(folder)}")
    for path in results.record(folder) if record else []:
        click.echo(f"recorded: {path}")
    if open_:
        webbrowser.open((folder / "report.html").resolve().as_uri())
