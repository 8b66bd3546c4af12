"""The commands ``plremix predict`` and ``plremix export``."""

import click

from .. import analysis
from ..data.folders import IMAGES, left_out, walk
from ..engine.checks import require
from . import FOLDER, PLACE, require_run, require_writable


@click.command("predict")
@click.argument("run", type=FOLDER)
@click.argument("folder", type=FOLDER)
@click.option("--network", type=click.Choice(["both", "1", "2"]), default="both", show_default=True)
@click.option("--out", type=PLACE, default="predictions.csv", show_default=True)
def predict(run, folder, network, out) -> None:
    """Predict the classes of all images in FOLDER, at any depth, with the networks of RUN (--out of train).

    The CSV has a row an image: file (below FOLDER), predicted, probability.
    """
    require_run(run, "run")
    require_writable(out.parent)
    passed: list[str] = []
    inside = (path for path in walk(folder, passed) if path.suffix.lower() in IMAGES)
    files = sorted(path.relative_to(folder).as_posix() for path in inside)
    require(bool(files), "folder", "one with images", str(folder), "Check the path.")
    table = analysis.deploy.predict(analysis.deploy.open_run(run), folder, files, network)
    analysis.review.write_csv(table, out)
    found = ", ".join(f"{name} {count:,}" for name, count in table["predicted"].value_counts().items())
    click.echo("\n".join([f"{len(table):,} images: {found}", *left_out(passed), f"written: {out}"]))


@click.command("export")
@click.argument("run", type=FOLDER)
@click.option("--out", type=PLACE, help="Folder; by default export in RUN.")
def export(run, out) -> None:
    """Write the networks of RUN for use without this package.

    weights.pt (state of both networks), model.pt (TorchScript: uint8 images in, probabilities out), classes.json
    (names, statistics, shape, settings) and load.py, ten lines that read an image and predict.
    """
    require_run(run, "run")
    written = analysis.deploy.export(analysis.deploy.open_run(run), out or run / "export")
    click.echo("written: " + ", ".join(map(str, written)))
