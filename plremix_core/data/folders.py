"""How data sets lie in folders: class folders, list files, Tiny-ImageNet, Clothing1M, WebVision. Nothing is decoded."""

import os
import re
from collections import Counter
from pathlib import Path
from typing import NamedTuple

from ..engine.checks import require
from ..engine.files import read_text
from .label_files import Names, number, some

IMAGES = (".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp")
NOTES = (".txt", ".csv", ".json", ".xml", ".md", ".html")  # files of people that are passed over without a word
LEFT_BEHIND = "left behind by a system or a program"
NO_IMAGE = f"neither an image ({', '.join(IMAGES)}) nor a folder that is no link"
LEFTOVER = re.compile(  # what systems and programs leave behind
    r"\..*|__macosx|@eadir|#recycle|\$recycle\.bin|system volume information|lost\+found|__pycache__|icon\r"
    r"|(eh)?thumbs(_\w+)?\.db|desktop\.ini",
    re.IGNORECASE,
)
ROLES = dict.fromkeys(("train", "training", "trn"), "train")
ROLES |= dict.fromkeys(("val", "valid", "validation", "dev", "eval", "holdout"), "val")
ROLES |= dict.fromkeys(("test", "testing", "tst"), "test")
USES = {"train": "trained on", "val": "the hold-out", "test": "the test set"}
DECORATION = re.compile(r"images?|imgs?|data|set|split|(19|20)\d\d|[ _-]")  # of the name of a part
Pairs = list[tuple[str, int]]  # path of an image below the folder of the set, and its label


class Layout(NamedTuple):
    """A data set that is not read yet; `validation` becomes its hold-out."""

    names: Names
    train: Pairs
    test: Pairs = []
    validation: Pairs = []
    notes: tuple[str, ...] = ()  # what was understood and what was passed over, in sentences


def split_named(name: str) -> str:
    """Tell which part of a split a folder's name speaks of: train, val, test or "" for none of them."""
    return ROLES.get(DECORATION.sub("", name.lower()), "")


def folders_in(place: Path) -> list[str]:
    """Names of the folders in a folder, sorted, without what systems leave behind."""
    require(place.is_dir(), "folder", "one that exists", str(place), "Check the path.")
    return sorted(entry.name for entry in os.scandir(place) if entry.is_dir() and not LEFTOVER.fullmatch(entry.name))


def class_folders(root: Path, place: str = "", names: Names | None = None) -> tuple[Pairs, Names, list[str]]:
    """List images in one folder a class below a place in `root`, the classes (`names`, or all folders) and notes.

    Images may lie at any depth. Links to folders are not followed, as two of them can lead round for ever.
    """
    top, found = root / place, folders_in(root / place)
    remedy = f"Sort the images into them; if it is a class itself, pass the folder above: {top.parent}."
    require(bool(found), "folder", "one with a folder for each class", str(top), remedy)
    if names is None:
        _require_classes(top, found)
    inside: dict[str, list[str]] = {name: [] for name in names or found}
    unknown = sorted(set(found) - set(inside))
    require(not unknown, "class folders", f"among the {len(inside)} classes of training", unknown[:3], "Rename them.")
    passed, loose, other = [], [], []
    for file in sorted(path.relative_to(top).as_posix() for path in walk(top, passed)):
        name, _, rest = file.partition("/")
        if file.lower().endswith(IMAGES):
            (inside[name] if rest else loose).append(file)
        elif rest and not file.lower().endswith(NOTES):
            other.append(Path(place, file).as_posix())
    empty = next((name for name in found if not inside[name]), None)
    remedy = f"Move it out of {top} if it is no class; read are {', '.join(IMAGES)}, and no links to folders."
    require(empty is None, "class folder", "one with images", empty, remedy)
    pairs = [(Path(place, file).as_posix(), label) for label, name in enumerate(inside) for file in inside[name]]
    enough, counts = names is not None or len(pairs) >= 2 * len(found), f"{len(pairs)} in {len(found)}"
    remedy = f"Put all images of one class into one folder of {top}."
    require(enough, "class folders", "of at least two images each on average", counts, remedy)
    deep = [name for name, files in inside.items() if any(file.count("/") > 1 for file in files)]
    notes = left_out(passed)
    notes += left_out(other, NO_IMAGE)
    notes += left_out(loose, f"in no class folder, but in {top} itself")
    notes += [f"images at any depth count for the class of the topmost folder: {some(deep)}"] if deep else []
    return pairs, tuple(inside), notes


def left_out(names: list[str], why: str = LEFT_BEHIND) -> list[str]:
    """A note, if there is anything, of what is passed over."""
    return [f"left out: {len(names)} {why}: {some(names)}"] if names else []


def _require_classes(top: Path, found: list[str]) -> None:
    """Refuse folders that are parts of a split, or lie one level too high, or are no two classes."""
    parts = [name for name in found if split_named(name)]
    lone = len(parts) == 1 and split_named(parts[0]) == "train" and not folders_in(top / parts[0])  # of trains
    if parts and not lone:
        first = max(parts, key=lambda name: split_named(name) == "train")
        other = some(sorted(set(found) - set(parts))) or "the other parts"
        remedy = f"Pass {top / first} (in Python train={first!r}), or move {other} out of {top}."
        require(False, "class folders", "classes, without parts of a split", found[:8], remedy)
    below = {name: folders_in(top / name) for name in found}
    splits = [name for name in found if sum(bool(split_named(inside)) for inside in below[name]) > 1]
    name = (splits or found)[0]
    remedy = f"{name} holds {some(below[name])}: pass {top / name}."
    remedy = remedy if below[name] else "Put the images of each class into a folder of its own."
    require(len(found) > 1 and not splits, "class folders", "at least two classes", found[:8], remedy)


def walk(folder: Path, passed: list[str]) -> list[Path]:
    """List the files in a folder at any depth, and the links to folders in it; leftovers are added to `passed`."""
    found = []
    for place, below, files in os.walk(folder):
        left = [name for name in (*below, *files) if LEFTOVER.fullmatch(name)]
        passed += [Path(place, name).relative_to(folder).as_posix() for name in left]
        below[:] = [name for name in below if name not in left]
        links = [name for name in below if Path(place, name).is_symlink()]
        found += [Path(place, name) for name in (*links, *files) if name not in left]
    return found


def list_file(root: Path, file: str, names: Names | None = None) -> tuple[Pairs, Names, list[str]]:
    """List images of a file with a line ``path label`` each, the classes (`names`, or those that occur) and notes.

    Paths are relative to `root` and may hold spaces. Labels are numbers from 0 or names of classes; see `number`.
    """
    place, rows, passed = root / file, [], []
    for line, text in enumerate(_read_lines(root, file), 1):
        path, *word = text.rsplit("\t" if "\t" in text else None, 1) or [""]
        if LEFTOVER.fullmatch(path.rpartition("/")[2]):
            passed.append(path)
        elif text:
            remedy = "Write both, with a space or a tab between them."
            require(bool(word), f"line {line} of {place}", "path label", text, remedy)
            rows.append((line, path, *word))
    require(bool(rows), "list file", "one with a line 'path label' an image", str(place), "Fill it.")
    labels, names = number([word for *_, word in rows], names, lambda i: f"label of line {rows[i][0]} of {place}")
    pairs = [(path, label) for (_, path, _), label in zip(rows, labels)]
    first = dict(reversed(pairs))
    for (line, path, _), label in zip(rows, labels):
        where, rule = f"label of line {line} of {place}", "that of the same image before"
        require(first[path] == label, where, rule, names[label], "Correct one.")
    twice = [path for path, times in Counter(path for path, _ in pairs).items() if times > 1]
    return pairs, names, left_out(passed) + [f"listed more than once: {len(twice)} images: {some(twice)}"] * bool(twice)


def own(
    root: Path, train: str | None = None, test: str = "", names: Names | None = None, validation: str = ""
) -> Layout:
    """Layout of your own images: class folders or list files `train`, `test`, `validation` in `root`; "" is `root`.

    With `train` None: class folders in `root`; or in its folder of training and, if they are there, those of
    validation (the hold-out) and test, under any of the usual names.
    """
    notes = []
    if train is None:
        inside, train = folders_in(root), ""
        roles = {split_named(name): name for name in inside}
        whole = "train" in roles and "" not in roles and len(roles) == len(inside)
        if whole and folders_in(root / roles["train"]):
            train, validation, test = (roles.get(role, "") for role in USES)
            notes = ["split: " + ", ".join(f"{roles[role]} is {use}" for role, use in USES.items() if role in roles)]
    parts: list[Pairs] = [[], [], []]
    for part, place in enumerate((train, test, validation)):
        if place or part == 0:
            find = list_file if (root / place).is_file() else class_folders
            parts[part], names, found = find(root, place, names)
            notes += found
    return Layout(names, *parts, tuple(notes))


def tiny_imagenet(root: Path) -> Layout:
    """Layout of Tiny-ImageNet: train/<wnid>/images/*.JPEG, val/images/ with val/val_annotations.txt, words.txt."""
    train, wnids, notes = class_folders(root, "train", tuple(folders_in(root / "train")) or None)
    rows = [(line.split() + [""])[:2] for line in _read_lines(root, "val/val_annotations.txt")]
    labels, _ = number([wnid for _, wnid in rows], wnids, lambda i: f"class of {rows[i][0]} in val_annotations.txt")
    inside = (root / "val" / "images").is_dir()  # else sorted into val/<wnid>, as the release has them
    test = [(f"val/{'images' if inside else wnid}/{name}", label) for (name, wnid), label in zip(rows, labels)]
    lines = _read_lines(root, "words.txt") if (root / "words.txt").is_file() else []
    words = {wnid: text for wnid, _, text in (line.partition("\t") for line in lines)}
    names = tuple(words.get(wnid, wnid).split(",")[0] for wnid in wnids)
    return Layout(names, train, test, notes=tuple(note for note in notes if note.startswith("left out")))


def clothing1m(root: Path) -> Layout:
    """Layout of Clothing1M: two files of labels, three lists of keys, in `root` or its annotations/; 14 classes."""
    notes = root / "annotations" if (root / "annotations").is_dir() else root
    names = tuple(_read_lines(notes, "category_names_eng.txt"))
    require(len(names) == 14, "category_names_eng.txt", "14 lines", len(names), "Unpack it again.")

    def listed(keys: str, file: str) -> Pairs:
        known = dict(list_file(notes, file, names)[0])
        paths = _read_lines(notes, keys)
        bad = next((path for path in paths if path not in known), None)
        require(bad is None, f"label in {file}", "there for every key", bad, "Unpack it again.")
        return [(path if inside else path.removeprefix("images/"), known[path]) for path in paths]

    inside = (root / "images").is_dir()  # some unpack the images without that folder
    clean = [listed(f"clean_{part}_key_list.txt", "clean_label_kv.txt") for part in ("test", "val")]
    return Layout(names, listed("noisy_train_key_list.txt", "noisy_label_kv.txt"), *clean)


def webvision(root: Path, classes: int = 50) -> Layout:
    """Layout of WebVision 1.0: Google's part of the first `classes` classes, tested on its validation images."""
    names = tuple(line.split(maxsplit=1)[-1].split(",")[0] for line in _read_lines(root, "info/synsets.txt"))
    numbers = tuple(str(c) for c in range(len(names)))  # the lists hold numbers
    train, *_ = list_file(root, "info/train_filelist_google.txt", numbers)
    test, *_ = list_file(root, "info/val_filelist.txt", numbers)
    test = [(f"val_images_256/{path}", label) for path, label in test if label < classes]
    return Layout(names[:classes], [(path, label) for path, label in train if label < classes], test)


def _read_lines(root: Path, name: str) -> list[str]:
    found = (root / name).exists()
    require(found, "folder", f"the data set's, with {name} inside", str(root), "See data/README.md for the layout.")
    return [line.strip() for line in read_text(root / name).rstrip().splitlines()]
