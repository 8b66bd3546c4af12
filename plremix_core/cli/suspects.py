"""The command ``plremix suspects``; `analysis` imports torch when everything that can be refused has been looked at."""

import dataclasses
import shutil
from pathlib import Path

import click
import numpy as np
import pandas as pd

from .. import analysis, data
from ..data.features import read_features, require_repeated
from ..data.folders import Layout, own
from ..engine.checks import require
from ..presets import for_folder
from . import PLACE, once, read_value, refuse, require_new, require_outside, stoppable, tell_time

COST = 3.1  # seconds of PLReMix over those of two networks of cross-entropy; all from data/results/suspects.csv
RECORDED = f"""\
--method plremix takes {COST} times as long. Recorded average precision of this ranking, of features and of PLReMix:
random errors 0.89, 0.92 and 0.94; similar classes 0.41, 0.37 and 0.40; labels of people 0.65, 0.64 and 0.61."""


@click.command("suspects")
@click.argument("source", type=click.Path(path_type=Path, exists=True))
@click.option("--method", type=click.Choice(["ce", "plremix"]), default="ce", show_default=True, help="Is trained.")
@click.option("--labels", type=PLACE, help="Labels of a file of features: .npy or .csv.")
@click.option("--out", type=PLACE, help="The CSV file; the page lies beside it.")
@click.option("--check", help="Look at so many images at random; then again with the file that the page saved.")
@click.option("--images", "--data", "folder", type=PLACE, help="Of a run, as given to train.")
@click.option("--show", type=click.IntRange(1), default=200, show_default=True, help="Images on the page.")
@click.option("--set", "changes", type=(str, read_value), multiple=True, metavar="NAME VALUE", help="Any setting.")
def suspects(source, method, labels, out, check, folder, show, changes) -> None:
    """Rank the labels of SOURCE by how suspect they are: class folders, a file of features or a run of train.

    Class folders: a network is trained and cross-checked with simple features; written are suspects_NAME.csv and a page
    suspects_NAME.html, on which you keep, relabel or drop, and which saves a file for train --label-file and for clean.
    The column `agree` says how many of network, regression and neighbours prefer another class. Features (.npy, or .csv
    with a column a feature) are ranked without a network, a run (--out of train) by its own networks.

    \b
    plremix suspects photos                             ranks photos/<class>/*.jpg; goes on where it was stopped
    plremix suspects photos --check 100                 a page of 100 images at random, to learn the rate
    plremix suspects photos --check suspects_photos_check_labels.csv
    plremix suspects embeddings.npy --labels labels.npy
    """
    run, file = any(source.glob("epoch-*.pt")), source.is_file()
    idle = ["labels"] * (not file) + ["folder"] * (not run) + ["method", "check", "show", "changes"] * (run or file)
    kind = "a run" if run else "a file of features" if file else "class folders"
    if check is not None and kind == "class folders":
        idle, kind = [*idle, "method", "show", "changes"], "--check"
    refuse(idle, kind, "those that it needs", "See plremix suspects --help.")
    settings = once(changes, "set")
    out = out or (source / "suspects.csv" if run else Path(f"suspects_{source.absolute().stem}.csv"))
    require(out.suffix == ".csv", "out", "the name of a .csv", str(out), "The page gets the same name.")
    require_new(out)
    if run:
        _rank_run(source, folder, out)
    elif file:
        _rank_features(source, labels, out)
    else:
        require_outside(out, source)
        layout = own(source)
        if check is None:
            _rank_images(source, layout, out, show, method, settings)
        elif check.isdecimal():
            require(int(check) > 0, "check", "a number of images from 1, or a file", check, "100 is a good start.")
            _draw_check(source, layout, out, int(check))
        else:
            rule = "a number of images, or a file that exists"
            require(Path(check).is_file(), "check", rule, check, "Check the path.")
            _read_check(layout, out, Path(check))


def _rank_run(run: Path, folder: Path | None, out: Path) -> None:
    from ..trainer import Trainer

    trainer = Trainer.resume(run, data_folder=folder)
    config, table = trainer.config, analysis.suspects.rank(trainer)
    if trainer.epoch < config.epochs:
        click.echo(f"not finished: epoch {trainer.epoch} of {config.epochs}; plremix train --resume goes on")
    analysis.review.write_csv(table, out)
    few = (table["p_clean"] < config.threshold).sum()
    click.echo(f"{few:,} of {len(table):,} labels are suspect (p_clean < {config.threshold:g}); all are in {out}")


def _rank_features(file: Path, labels: Path | None, out: Path) -> None:
    values, given, names = rows = read_features(file, labels)
    table, chance = analysis.features.rank(rows), np.bincount(given).max() / len(given)
    hits, doubted = (table["suggested"] == given).mean(), (table["agree"] == 2).sum()
    click.echo(f"{len(table):,} rows, {values.shape[1]:,} features, {len(names)} classes")
    click.echo(f"given label predicted from the other folds: {hits:.1%}; the commonest class alone: {chance:.1%}")
    _require_signal(hits, chance, len(table), "Are features and labels in one order?")
    table = table.assign(given=given).sort_values("rank").rename_axis("index").reset_index()
    for column in ("given", "suggested", "neighbours"):
        table[column] = np.array(names, dtype=object)[table[column]]
    analysis.review.write_csv(table, out)
    click.echo(f"both rankings doubt {doubted:,} labels; written: {out}, the most suspect first")


def _require_signal(accuracy: float, chance: float, count: int, remedy: str) -> None:
    found, rule = analysis.review.above_chance(accuracy, chance, count), "better than the commonest class alone"
    require(found, "prediction", f"{rule}, or a ranking means nothing", f"{accuracy:.1%} of held-out labels", remedy)


def _rank_images(source: Path, layout: Layout, out: Path, show: int, method: str, changes: dict) -> None:
    idle = sorted({*changes} & {*"dataset train_size holdout noise rate label_file method".split()})
    remedy = "Leave it out; --method is an option of its own."
    require(not idle, "set", "no setting of what is ranked, as all images are", ", ".join(idle), remedy)
    require_repeated(np.array([label for _, label in layout.train]))
    data.catalogue.require_fits(for_folder(len(layout.names), **changes), len(layout.names), len(layout.train), 0)
    click.echo(f"reading {len(layout.train):,} images; times below leave out predictions and the cross-check")
    whole = data.load("folder", source, image_size=changes.get("image_size"))
    config = analysis.suspects.settings_for(whole, method, **changes)
    part, _ = analysis.suspects.hold_out(whole, config.seed)
    click.echo(data.describe(dataclasses.replace(part, given=whole.given)))  # counts of all that are ranked
    kept = out.with_name(f"{out.stem}_{config.fingerprint()}_{part.fingerprint()}")
    with stoppable("the same command goes on"):
        table, facts = analysis.suspects.find(whole, config, folder=kept, on_start=tell_time)
    table, second = analysis.suspects.cross_check(table, whole, config.seed)
    held, accuracy, chance = facts.values()
    click.echo(
        f"given label predicted: network {accuracy:.1%} of {held} held-out images; regression on gradient histograms "
        f"{second:.1%} (five folds); the commonest class alone {chance:.1%}"
    )
    if not analysis.review.above_chance(accuracy, chance, held):
        remedy = "Give it more images or passes (--set epochs 40), or larger ones (--set image_size 128)."
        _require_signal(second, chance, len(table), remedy)
        click.echo("The network is near chance: ranked by the features instead.")
        table = table.sort_values("rank_features", ignore_index=True)
    analysis.review.write_csv(table.drop(columns="suggested_number"), out)
    shown, doubted = table[:show], _first((table["agree"] == 3).cumsum().to_numpy())
    about = [
        f"The {len(shown)} most suspect of {len(table):,} labels of {source.absolute().name}.",
        f"From the top, network, regression and neighbours all prefer another class for {doubted}. A right but unusual "
        "label looks the same, so this is no count of wrong ones; --check 100 estimates it.",
    ]
    click.echo(f"{about[1]}\nwritten: {out}")
    _write_page(out.with_suffix(".html"), shown, source, layout, about, True)
    shutil.rmtree(kept)  # now that everything that it led to is written
    if method == "ce":
        click.echo(RECORDED)


def _first(totals: np.ndarray) -> str:
    """How many of the first 50, 100, ... of a ranking, from running totals."""
    places = [k for k in (50, 100, 200, 500, 1000) if k <= len(totals)] or [len(totals)]
    return ", ".join(f"{totals[k - 1]:.0f} of {k}" for k in places)


def _write_page(page: Path, shown: pd.DataFrame, source: Path, layout: Layout, about: list[str], whole: bool) -> None:
    from ..data.image_files import ImageFiles

    files, given = zip(*layout.train)
    pictures = ImageFiles(source, files, 128)
    every = files, given, layout.names
    analysis.review.write_page(page, shown, *every, lambda index: pictures[index].numpy(), about, whole)
    then = "train --label-file, or clean" if whole else f"suspects {source} --check {page.stem}_labels.csv"
    click.echo(f"written: {page}; open it, look at the images, save, and give what it saves to plremix {then}")


def _draw_check(source: Path, layout: Layout, out: Path, count: int) -> None:
    given = np.array([label for _, label in layout.train])
    index = np.sort(np.random.default_rng([0, 0x63]).permutation(len(given))[:count])
    shown = pd.DataFrame(dict(index=index, suggested_number=given[index], probability=0.0))
    about = [f"{len(shown)} of {len(given):,} images at random, to learn how many labels are wrong."]
    click.echo("\n".join(layout.notes), nl=bool(layout.notes))
    _write_page(out.with_name(f"{out.stem}_check.html"), shown, source, layout, about, False)


def _read_check(layout: Layout, out: Path, saved: Path) -> None:
    seen = analysis.review.read_reviewed(saved, [file for file, _ in layout.train])
    share, low, high = analysis.review.rate(seen)
    click.echo(f"{share:.1%} of the labels are wrong (95 % interval {low:.1%} to {high:.1%}, {len(seen)} images)")
    if out.is_file():
        ranking = pd.DataFrame(data.label_files.read_columns(out, str(out)))
        ranked = set(seen["index"].astype(str)) <= set(ranking.get("index", ()))
        require(ranked, str(out), "the ranking of these images", list(ranking)[:3], "Run plremix suspects again.")
        expected = analysis.review.budget(seen, ranking.astype({"index": int}))
        click.echo(f"expected wrong labels from the top of {out}: {_first(expected)}; of all {expected[-1]:.0f}")
