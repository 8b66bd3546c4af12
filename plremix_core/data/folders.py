"""How data sets lie in folders: class folders, list files, Tiny-ImageNet, Clothing1M, WebVision. Nothing is decoded."""

import os
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from ..engine.checks import require

KINDS = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".ppm", ".pgm", ".tif", ".tiff")  # as in the release
NOTES = (".txt", ".csv", ".json", ".xml", ".md", ".db", ".ini")  # left out without a word
SPLITS = {"train", "training", "val", "valid", "validation", "test"}


class Listed(NamedTuple):
    """Files below `root` and the label of each."""

    root: Path
    paths: list[str]
    labels: list[int]


class Layout(NamedTuple):
    """A data set that is not read yet; `validation` has true labels, `known` tells whether those of `train` are."""

    names: tuple[str, ...]
    train: Listed
    test: Listed
    validation: Listed
    known: bool


def class_folders(root: str | Path, names: tuple[str, ...] | None = None) -> tuple[Listed, tuple[str, ...]]:
    """List images that lie in one folder a class, at any depth.

    Parameters
    ----------
    root : path
        Has a folder for each class; names that start with a dot are passed over.
    names : tuple of str, optional
        Classes in order of their numbers; by default all folders, sorted. A folder of another name is refused.

    Returns
    -------
    files : Listed
        Sorted by class, then by path.
    names : tuple of str
        Names of the classes.

    Raises
    ------
    ValueError
        If there is no class folder, one is empty, or one is not among `names`.

    Source
    ------
    ours; order as torchvision's ImageFolder and the release's tiny_imagenet.py

    Differs
    -------
    Warns of files that are not read and of links to folders, which are not followed; links to files are.
    """
    root = Path(root)
    require(root.is_dir(), "folder", "one that exists", str(root), "Check the path.")
    found = sorted(entry.name for entry in os.scandir(root) if entry.is_dir() and not entry.name.startswith("."))
    require(bool(found), "folder", "one with a folder for each class", str(root), "Put the images into class folders.")
    whole = names is not None or not set(name.lower() for name in found) <= SPLITS
    remedy = f"Pass train={max(found, key=lambda name: name.startswith('train'))!r} and, if it is there, test."
    require(whole, "class folders", "classes", found, remedy)
    names = tuple(found) if names is None else names
    unknown = sorted(set(found) - set(names))
    require(not unknown, "class folders", f"among the {len(names)} classes of training", unknown[:3], "Rename them.")
    paths, labels, other, links = [], [], [], []
    for label, name in enumerate(names):
        files = list(_files(root, name, links))
        here = [path for path in files if path.lower().endswith(KINDS)]
        other += [path for path in files if not path.lower().endswith((*KINDS, *NOTES))]
        remedy = "Delete it if it is empty; links to folders are not followed."
        require(bool(here) or name not in found, "class folder", "one with images", name, remedy)
        paths += sorted(here)
        labels += [label] * len(here)
    if links:
        why = "they lead outside, or to what is listed in its own place"
        warnings.warn(
            f"{len(links)} links to folders are left out, {why}: {', '.join(sorted(links)[:5])}", stacklevel=2
        )
    if other:
        kinds = ", ".join(KINDS)
        warnings.warn(f"{len(other)} files are not {kinds} and are left out, the first is {other[0]}", stacklevel=2)
    return Listed(root, paths, labels), names


def _files(root: Path, name: str, links: list[str]) -> Iterator[str]:
    """Paths below `root` of what is in a class folder at any depth; links to folders are put into `links` instead."""
    if (root / name).is_symlink():
        links.append(name)
        return
    for place, folders, files in os.walk(root / name):
        below = Path(place).relative_to(root)
        folders[:] = [folder for folder in folders if not folder.startswith(".")]
        links += [(below / folder).as_posix() for folder in folders if Path(place, folder).is_symlink()]
        yield from ((below / file).as_posix() for file in files)


def list_file(
    root: str | Path, file: str | Path, names: tuple[str, ...] | None = None
) -> tuple[Listed, tuple[str, ...]]:
    """List images of a file with a line ``path label`` each.

    Parameters
    ----------
    root : path
        Paths are relative to it and may not leave it; they may hold spaces.
    file : path
        The list, relative to `root`. Labels are numbers from 0 or names of classes.
    names : tuple of str, optional
        Classes in order of their numbers; by default the names that occur, sorted, or the numbers up to the highest.

    Returns
    -------
    files : Listed
        In the order of the list.
    names : tuple of str
        Names of the classes.

    Raises
    ------
    ValueError
        If the file is missing or empty, or a line has no path or no known label.

    Source
    ------
    ours; the form of WebVision's lists

    Differs
    -------
    nothing
    """
    file = Path(root) / file
    pairs = [(path, label) for path, label in _pairs(file)]
    words = [label for _, label in pairs]
    if names is None and all(word.isdecimal() for word in words):
        highest, most = max(int(word[:20]) for word in words), max(10**6, len(words))
        require(highest < most, f"label in {file}", f"below {most}", highest, "Labels are numbers from 0, one a class.")
        names = tuple(str(c) for c in range(highest + 1))
    names = tuple(sorted(set(words))) if names is None else names
    number = {name: c for c, name in enumerate(names)} | {str(c): c for c in range(len(names))}
    for line, word in enumerate(words, 1):
        require(word in number, f"label of entry {line} of {file}", f"one of {len(names)} classes", word, "Correct it.")
    return Listed(Path(root), [path for path, _ in pairs], [number[word] for word in words]), names


def own(root: Path) -> Layout:
    """Layout of your own images: class folders in `root`, or in its train/ and, if it is there, its test/."""
    inside = {entry.name for entry in os.scandir(root) if entry.is_dir()} if root.is_dir() else set()
    split = "train" in inside and inside <= SPLITS
    train, names = class_folders(root / "train" if split else root)
    test = class_folders(root / "test", names)[0] if split and "test" in inside else Listed(root, [], [])
    return Layout(names, train, test, Listed(root, [], []), False)


def tiny_imagenet(root: Path) -> Layout:
    """Layout of Tiny-ImageNet: train/<wnid>/images/*.JPEG, val/images/ with val/val_annotations.txt, words.txt."""
    train, wnids = class_folders(_present(root, "train"))
    entries = [(line.split() + [""])[:2] for line in _lines(root, "val/val_annotations.txt")]
    inside = (root / "val" / "images").is_dir()  # else sorted into val/<wnid>, as the release has them
    paths = [f"val/images/{name}" if inside else f"val/{wnid}/{name}" for name, wnid in entries]
    number = {wnid: c for c, wnid in enumerate(wnids)}
    for _, wnid in entries:
        require(wnid in number, "class in val_annotations.txt", "one of the folders of train", wnid, "Unpack it again.")
    test = Listed(root, paths, [number[wnid] for _, wnid in entries])
    lines = _lines(root, "words.txt") if (root / "words.txt").is_file() else []
    words = {line.partition("\t")[0]: line.partition("\t")[2] for line in lines}
    names = tuple(words.get(wnid, wnid).split(",")[0] for wnid in wnids)
    return Layout(names, train, test, Listed(root, [], []), True)


def clothing1m(root: Path) -> Layout:
    """Layout of Clothing1M: two files of labels, three lists of keys, in `root` or its annotations/; 14 classes."""
    notes = root / "annotations" if (root / "annotations").is_dir() else root
    names = tuple(_lines(notes, "category_names_eng.txt"))
    require(len(names) == 14, "category_names_eng.txt", "14 lines", len(names), "Unpack it again.")

    def listed(keys: str, labels: str) -> Listed:
        known = dict(_pairs(notes / labels))
        paths = _lines(notes, keys)
        bad = next((path for path in paths if known.get(path) not in {str(c) for c in range(14)}), None)
        require(bad is None, f"label in {labels}", "0 to 13 for every key", bad, "Unpack it again.")
        numbers = [int(known[path]) for path in paths]
        short = [path.removeprefix("images/") for path in paths]  # some unpack the images without that folder
        return Listed(root, short if (root / short[0]).is_file() else paths, numbers)

    clean = [listed(f"clean_{part}_key_list.txt", "clean_label_kv.txt") for part in ("test", "val")]
    return Layout(names, listed("noisy_train_key_list.txt", "noisy_label_kv.txt"), *clean, False)


def webvision(root: Path, classes: int = 50) -> Layout:
    """Layout of WebVision 1.0: Google's part of the first `classes` classes, tested on its validation images."""
    names = tuple(line.split(maxsplit=1)[-1].split(",")[0] for line in _lines(root, "info/synsets.txt"))[:classes]
    parts = []
    for file, below in (("info/train_filelist_google.txt", ""), ("info/val_filelist.txt", "val_images_256/")):
        pairs = [(below + path, _number(label, root / file)) for path, label in _pairs(root / file)]
        pairs = [pair for pair in pairs if pair[1] < classes]
        parts.append(Listed(root, [path for path, _ in pairs], [label for _, label in pairs]))
    return Layout(names, *parts, Listed(root, [], []), False)


LAYOUTS = {"tiny_imagenet": tiny_imagenet, "clothing1m": clothing1m, "webvision": webvision, "folder": own}


def _number(word: str, file: Path) -> int:
    require(word.isdecimal(), f"label in {file}", "a whole number", word, "Unpack it again.")
    return int(word)


def _present(root: Path, name: str) -> Path:
    found = (root / name).exists()
    require(found, "folder", f"the data set's, with {name} inside", str(root), "See data/README.md for the layout.")
    return root / name


def _lines(root: Path, name: str) -> list[str]:
    try:
        lines = [line.strip() for line in _present(root, name).read_text("utf-8").splitlines()]
    except UnicodeDecodeError as error:
        raise ValueError(f"{root / name} must be text in UTF-8, got {error}. Unpack it again.") from error
    return [line for line in lines if line]


def _pairs(file: Path) -> list[tuple[str, str]]:
    pairs = [tuple(line.rsplit(maxsplit=1)) for line in _lines(file.parent, file.name)]
    require(bool(pairs), "list file", "one with a line 'path label' an image", str(file), "Fill it.")
    bad = next((line for line, pair in enumerate(pairs, 1) if len(pair) != 2), None)
    require(bad is None, f"entry {bad} of {file}", "path label", "one word", "Write both, with a space between.")
    return pairs
