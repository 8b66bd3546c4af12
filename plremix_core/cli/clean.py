"""The command ``plremix clean``."""

import shutil
from pathlib import Path

import click

from ..analysis.review import read_reviewed
from ..data import folders
from ..engine.checks import require


@click.command("clean")
@click.argument("images", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.argument("labels", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--copy", "copy", type=click.Path(path_type=Path), help="New folder for a clean copy of all images.")
@click.option(
    "--move", "move", type=click.Path(path_type=Path), help="New folder for dropped images; others move inside."
)
def clean(images, labels, copy, move) -> None:
    """Apply a label file, saved by a page of suspects, to the class folders IMAGES; without an option only list.

    \b
    plremix clean photos suspects_photos_labels.csv                      what would change
    plremix clean photos suspects_photos_labels.csv --copy photos_clean
    plremix clean photos suspects_photos_labels.csv --move dropped
    """
    layout = folders.own(images)
    require(not (copy and move), "options", "one of --copy and --move", "both", "Leave one out.")
    files, given = zip(*layout.train)
    reviewed = read_reviewed(labels, files).set_index("index")["label"]
    bad = [label for label in reviewed if not -1 <= label < len(layout.names)]
    require(
        not bad, "label", f"in [0, {len(layout.names)}), or -1 for dropped", bad[:1], "Save it from the page again."
    )
    wanted = [int(reviewed.get(i, label)) for i, label in enumerate(given)]
    target, away = copy or images, move or copy
    if away is not None:
        inside = away.resolve() == images.resolve() or images.resolve() in away.resolve().parents
        require(not inside, "folder", "outside the folder of images", str(away), "Choose another place.")
        require(not away.exists(), "folder", "new", str(away), "Choose another name.")
    plan, taken = [], set(files)
    for file, old, new in zip(files, given, wanted):
        place = _in_class(Path(file), layout.names[old], layout.names[new]) if new >= 0 else Path(file)
        while new not in (old, -1) and place.as_posix() in taken:  # another image of that class has the name
            place = place.with_name(f"{place.stem}_{layout.names[old]}{place.suffix}")
        taken.add(place.as_posix())
        plan.append((file, place, old, new))
    changed = [row for row in plan if row[2] != row[3]]
    for file, _, old, new in changed if away is None else []:
        click.echo(f"{file}: {layout.names[old]} -> {'dropped' if new < 0 else layout.names[new]}")
    for file, place, _, new in plan if copy else changed if move else []:
        to = (target if new >= 0 else away) / place
        if new >= 0 or move:
            to.parent.mkdir(parents=True, exist_ok=True)
            (shutil.move if move else shutil.copy2)(images / file, to)
    dropped = sum(new < 0 for *_, new in changed)
    done = "copied" if copy else "moved" if move else "nothing written; --copy or --move does it"
    click.echo(f"{len(plan) - len(changed)} kept, {len(changed) - dropped} relabelled, {dropped} dropped: {done}")


def _in_class(file: Path, old: str, new: str) -> Path:
    """The path of a file in the folder of another class."""
    place = file.parts.index(old)
    return Path(*file.parts[:place], new, *file.parts[place + 1 :])
