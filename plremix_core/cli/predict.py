"""The commands ``plremix predict`` and ``plremix export``."""

import click

from .. import analysis
from ..data.folders import IMAGES, NO_IMAGE, NOTES, left_out, walk
from ..engine.checks import require
from . import FOLDER, PLACE, TARGET, require_new, require_run, require_writable


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
    require_new(out)
    passed: list[str] = []
    inside = sorted(path.relative_to(folder).as_posix() for path in walk(folder, passed))
    files = [file for file in inside if file.lower().endswith(IMAGES)]
    other = [file for file in inside if not file.lower().endswith((*IMAGES, *NOTES))]
    require(bool(files), "folder", f"one with images ({', '.join(IMAGES)})", str(folder), "Check the path.")
    table = analysis.deploy.predict(analysis.deploy.open_run(run), folder, files, network)
    analysis.review.write_csv(table, out)
    found = ", ".join(f"{name} {count:,}" for name, count in table["predicted"].value_counts().items())
    notes = left_out(passed) + left_out(other, NO_IMAGE)
    click.echo("\n".join([f"{len(table):,} images: {found}", *notes, f"written: {out}"]))


@click.command("export")
@click.argument("run", type=FOLDER)
@click.option("--out", type=TARGET, help="Folder; by default export in RUN.")
def export(run, out) -> None:
    """Write the networks of RUN for use without this package.

    weights.pt (state of both networks), model.pt (TorchScript: uint8 images in, probabilities out), classes.json
    (names, statistics, shape, settings) and load.py, ten lines that read an image and predict.
    """
    require_run(run, "run")
    require_writable(out or run)
    written = analysis.deploy.export(analysis.deploy.open_run(run), out or run / "export")
    click.echo("written: " + ", ".join(map(str, written)))
