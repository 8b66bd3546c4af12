"""The command ``plremix suspects``."""

from pathlib import Path

import click

from ..analysis.suspects import precision_at, rank, write_csv
from ..trainer import Trainer


@click.command("suspects")
@click.argument("run", type=click.Path(path_type=Path, exists=True))
@click.option("--images", "--data", "folder", type=click.Path(path_type=Path), help="As given to train.")
@click.option("--out", type=click.Path(path_type=Path), help="The CSV file; by default suspects.csv in RUN.")
def suspects(run, folder, out) -> None:
    """Rank the training images of RUN, a folder that train wrote, by how suspect their labels are."""
    trainer = Trainer.resume(run, data_folder=folder)
    config = trainer.config
    if trainer.epoch < config.epochs:
        click.echo(f"not finished: epoch {trainer.epoch} of {config.epochs}; plremix train --resume goes on")
    table, out = rank(trainer), out or run / "suspects.csv"
    write_csv(table, out)
    few = int((table["p_clean"] < config.threshold).sum())
    click.echo(f"{few:,} of {len(table):,} labels are suspect (p_clean < {config.threshold:g}); all are in {out}")
    if "wrong" in table:
        precision = precision_at(table["wrong"])
        shown = ", ".join(f"{precision[k - 1]:.0%} at {k:,}" for k in (10, 100, 1000) if k <= len(table))
        click.echo(f"really wrong are {table['wrong'].mean():.1%} of all; of the first {shown}")
