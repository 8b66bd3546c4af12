"""The command ``plremix clean``."""

import shutil
from pathlib import Path

import click

from ..data import folders, label_files
from ..engine.checks import require
from . import FOLDER, PLACE, require_outside, require_writable


@click.command("clean")
@click.argument("images", type=FOLDER)
@click.argument("labels", type=PLACE)
@click.option("--copy", type=PLACE, help="New folder for a clean copy of all images.")
@click.option("--move", type=PLACE, help="New folder for dropped images; others move inside.")
def clean(images, labels, copy, move) -> None:
    """Apply a label file, saved by a page of suspects, to the class folders IMAGES; without an option only list.

    \b
    plremix clean photos suspects_photos_labels.csv                      what would change
    plremix clean photos suspects_photos_labels.csv --copy photos_clean
    plremix clean photos suspects_photos_labels.csv --move dropped
    """
    require(not (copy and move), "options", "one of --copy and --move", "both", "Leave one out.")
    if new := copy or move:
        require_outside(new, images, "folder")
        require(not new.exists(), "folder", "new", str(new), "Choose another name.")
        require_writable(new, "folder")
    names, train, *_, notes = folders.own(images)
    files = [file for file, _ in train]
    wanted = label_files.read(labels, len(files), len(names), files, names)
    level = int(any(Path(file).parts[0] != names[label] for file, label in train))  # 1: the classes lie in train/
    taken, counts = set(files), dict(kept=0, relabelled=0, dropped=0)
    for (file, old), label in zip(train, wanted.tolist()):
        what = "dropped" if label < 0 else "kept" if label == old else "relabelled"
        counts[what] += 1
        place = Path(file)
        if what == "relabelled":
            place = Path(*place.parts[:level], names[label], *place.parts[level + 1 :])
            while place.as_posix() in taken:  # another image of that class has the name
                place = place.with_name(f"{place.stem}_{names[old]}{place.suffix}")
            taken.add(place.as_posix())
        if new is None and what != "kept":
            click.echo(f"{file}: {names[old]} -> {'dropped' if label < 0 else names[label]}")
        if copy and what != "dropped" or move and what != "kept":
            to = (images if move and what == "relabelled" else new) / place
            to.parent.mkdir(parents=True, exist_ok=True)
            (shutil.move if move else shutil.copy2)(images / file, to)
    click.echo("\n".join(notes), nl=bool(notes))
    done = "copied" if copy else "moved" if move else "nothing written; --copy or --move does it"
    click.echo(", ".join(f"{count} {what}" for what, count in counts.items()) + f": {done}")
