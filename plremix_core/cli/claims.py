"""The command ``plremix claims``."""

import click

from ..lessons import claims


@click.command("claims")
def command() -> None:
    """Write data/claims.csv: equation, function, tests, notebook, claim and the controls that break it."""
    found = claims.write()
    click.echo(f"{found['claim'].nunique()} claims, {found['id'].nunique()} equations and mechanisms: {claims.TABLE}")
