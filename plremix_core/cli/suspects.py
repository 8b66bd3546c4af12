"""The command ``plremix suspects``; torch is imported when everything that can be refused has been looked at."""

from pathlib import Path

import click
import numpy as np
import pandas as pd

from ..data import folders
from ..engine.checks import require
from . import read_value

AT = (50, 100, 200, 500, 1000)
COST = 3.1  # seconds of PLReMix over those of two networks of cross-entropy; both lines: data/results/suspects.csv
RECORDED = """Recorded average precision of this ranking, of the features alone and of PLReMix (three seeds each):
random errors 0.89, 0.92 and 0.94; similar classes 0.41, 0.37 and 0.40; labels of people 0.65, 0.64 and 0.61."""
HOW = "Keep what is right, give another class to what is wrong, drop what fits no class; then save the label file."


@click.command("suspects")
@click.argument("source", type=click.Path(path_type=Path, exists=True))
@click.option(
    "--method", type=click.Choice(["ce", "plremix"]), default="ce", show_default=True, help="What is trained."
)
@click.option("--labels", type=click.Path(path_type=Path), help="Labels of a file of features: .npy or .csv.")
@click.option("--out", type=click.Path(path_type=Path), help="The CSV file; the page lies beside it.")
@click.option("--check", help="Look at so many images at random; then again with the file that the page saved.")
@click.option("--images", "--data", "folder", type=click.Path(path_type=Path), help="Of a run, as given to train.")
@click.option("--show", type=click.IntRange(1), default=200, show_default=True, help="Images on the page.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True)
@click.option("--set", "changes", type=(str, read_value), multiple=True, metavar="NAME VALUE", help="Any setting.")
def suspects(source, method, labels, out, check, folder, show, seed, changes) -> None:
    """Rank the labels of SOURCE by how suspect they are: class folders, a file of features or a run of train.

    Class folders: a network is trained and cross-checked with simple features; written are suspects_NAME.csv and a page
    suspects_NAME.html, on which you keep, relabel or drop, and which saves a file for train --label-file and for clean.
    The CSV has path, given label, suggestion and its probability, places in three rankings and `agree`: how many of
    network, regression and neighbours prefer another class. Features (.npy, or .csv with a column a feature) are ranked
    without a network, a run (--out of train) by its own networks.

    \b
    plremix suspects photos                             ranks photos/<class>/*.jpg
    plremix suspects photos --check 100                 a page of 100 images at random, to learn the rate
    plremix suspects photos --check suspects_photos_check_labels.csv
    plremix suspects embeddings.npy --labels labels.npy
    """
    run, file = source.is_dir() and any(source.glob("epoch-*.pt")), source.is_file()
    wrong = {"--labels": labels and not file, "--images": folder and not run, "--check": check and (run or file)}
    wrong |= {"--set": changes and (run or file), "--method": method != "ce" and (run or file)}
    found = [name for name, bad in wrong.items() if bad]
    kind = "a run" if run else "a file of features" if file else "class folders"
    require(not found, "options", f"those for {kind}", ", ".join(found), "See plremix suspects --help.")
    out = out or (source / "suspects.csv" if run else Path(f"suspects_{source.absolute().stem}.csv"))
    require(out.suffix == ".csv", "out", "the name of a .csv", str(out), "The page gets the same name.")
    require(out.parent.is_dir(), "out", "in a folder that exists", str(out), "Make the folder.")
    if run:
        _rank_run(source, folder, out)
    elif file:
        _rank_features(source, labels, out, seed)
    else:
        require(
            source.resolve() not in out.resolve().parents,
            "out",
            "outside the folder of images",
            str(out),
            "Choose another place.",
        )
        layout = folders.own(source)
        if check:
            _check(source, layout, out, check, seed)
        else:
            _rank_images(source, layout, out, show, method, dict(changes) | {"seed": seed})


def _rank_run(run: Path, folder: Path | None, out: Path) -> None:
    from ..analysis import review
    from ..analysis.suspects import rank
    from ..trainer import Trainer

    trainer = Trainer.resume(run, data_folder=folder)
    config = trainer.config
    if trainer.epoch < config.epochs:
        click.echo(f"not finished: epoch {trainer.epoch} of {config.epochs}; plremix train --resume goes on")
    table = rank(trainer)
    review.write_csv(table, out)
    few = int((table["p_clean"] < config.threshold).sum())
    click.echo(f"{few:,} of {len(table):,} labels are suspect (p_clean < {config.threshold:g}); all are in {out}")
    if "wrong" in table:
        precision = review.precision_at(table["wrong"])
        shown = ", ".join(f"{precision[k - 1]:.0%} at {k:,}" for k in (10, 100, 1000) if k <= len(table))
        click.echo(f"really wrong are {table['wrong'].mean():.1%} of all; of the first {shown}")


def _rank_features(file: Path, labels: Path | None, out: Path, seed: int) -> None:
    from ..analysis import features, review
    from ..data.features import read_features

    data = read_features(file, labels)
    table, names = features.rank(data, seed), np.array(data.class_names, dtype=object)
    hits, chance = (table["suggested"] == data.given).mean(), np.bincount(data.given).max() / len(data.given)
    click.echo(f"{len(table):,} rows, {data.values.shape[1]:,} features, {len(names)} classes")
    click.echo(f"given label predicted from the other folds: {hits:.1%}; the commonest class alone: {chance:.1%}")
    _require_signal(review.above_chance(hits, chance, len(table)), hits, "Are features and labels in one order?")
    table["agree"] = (table[["suggested", "neighbours"]].to_numpy() != data.given[:, None]).sum(axis=1)
    table["rank"], table["rank_votes"] = (table[c].rank(method="first").astype(int) for c in ("margin", "votes"))
    table["given"], table["suggested"] = names[data.given], names[table["suggested"]]
    columns = ["index", "given", "suggested", "probability", "margin", "votes", "rank", "rank_votes", "agree"]
    review.write_csv(table.rename_axis("index").reset_index().sort_values("rank")[columns], out)
    click.echo(
        f"both rankings doubt {int((table['agree'] == 2).sum()):,} labels; written: {out}, the most suspect first"
    )


def _require_signal(found: bool, accuracy: float, remedy: str) -> None:
    text = f"{accuracy:.1%} of the held-out labels"
    require(found, "prediction", "better than the commonest class alone, or a ranking means nothing", text, remedy)


def _rank_images(source: Path, layout: folders.Layout, out: Path, show: int, method: str, changes: dict) -> None:
    from ..analysis import review
    from ..analysis.suspects import cross_check, find, settings_for
    from ..data import load
    from ..data.dataset import describe

    data = load("folder", source, image_size=changes.get("image_size"))
    config = settings_for(data, method, **changes)
    click.echo(describe(data))
    names, count = data.class_names, len(data.given)

    def tell(trainer: object, row: dict) -> None:
        if row["epoch"] == config.warm_up * config.spec.semi:
            click.echo(f"about {row['seconds'] * config.epochs / 60:.1f} minutes in all, by the first epochs", err=True)

    table, facts = find(data, config, on_epoch=tell)
    table, second = cross_check(table, data, changes["seed"])
    click.echo(
        f"given label predicted: network {facts['accuracy']:.1%} of {facts['held']} held-out images; regression on "
        f"gradient histograms {second:.1%} (five folds); the commonest class alone {facts['chance']:.1%}"
    )
    if not review.above_chance(facts["accuracy"], facts["chance"], facts["held"]):
        remedy = "Give it more images or passes (--set epochs 40), or larger ones (--set image_size 128)."
        _require_signal(review.above_chance(second, facts["chance"], count), facts["accuracy"], remedy)
        click.echo("The network is near chance: ranked by the features instead.")
        table = table.sort_values("rank_features", ignore_index=True)
    review.write_csv(table.drop(columns="suggested_number"), out)
    told = ", ".join(f"{(table['agree'][:k] == 3).sum()} of {k}" for k in [k for k in AT if k <= count] or [count])
    about = [
        f"The {min(show, count)} most suspect of {count:,} labels of {source.absolute().name}. {HOW}",
        f"From the top, network, regression and neighbours all prefer another class for {told}. A right but unusual "
        "label looks the same, so this is no count of wrong ones; --check 100 estimates it.",
    ]
    page, given = out.with_suffix(".html"), data.given.tolist()
    review.write_page(page, table[:show], data.files, given, names, _picture(source, layout), about)
    click.echo(about[1])
    click.echo(f"written: {out} and {page}; open it, and give the label file that it saves to train or clean")
    if method == "ce":
        click.echo(f"--method plremix would take about {COST * facts['seconds'] / 60:.0f} minutes. {RECORDED}")


def _picture(source: Path, layout: folders.Layout):
    from ..data.image_files import read_image

    return lambda index: read_image(source / layout.train[index][0], 128).numpy()


def _check(source: Path, layout: folders.Layout, out: Path, check: str, seed: int) -> None:
    """Write a page of images at random, or say what a file that it saved tells of all."""
    from ..analysis import review

    files, given = zip(*layout.train)
    if check.isdecimal():
        count = min(int(check), len(files))
        require(count > 0, "check", "1 at least", check, "A hundred is a good number.")
        index = np.sort(np.random.default_rng([seed, 0x63]).permutation(len(files))[:count])
        shown = pd.DataFrame(dict(index=index, suggested_number=np.array(given)[index], probability=0.0))
        page = out.with_name(f"{out.stem}_check.html")
        about = [f"{count} of {len(files):,} images at random, to learn how many labels are wrong. {HOW}"]
        review.write_page(page, shown, files, given, layout.names, _picture(source, layout), about, whole=False)
        click.echo(
            f"written: {page}; look at all, save, then: plremix suspects {source} --check {page.stem}_labels.csv"
        )
        return
    seen = review.read_reviewed(Path(check), files)
    share, low, high = review.rate(seen)
    click.echo(f"{share:.1%} of the labels are wrong (95 % interval {low:.1%} to {high:.1%}, {len(seen)} images)")
    if out.is_file():
        ranking = pd.read_csv(out)
        expected = review.budget(seen, ranking)
        told = ", ".join(f"{expected[k - 1]:.0f} of {k}" for k in AT if k <= len(ranking))
        click.echo(f"expected wrong labels from the top of {out}: {told}; of all {expected[-1]:.0f}")
