"""How data sets lie in folders: class folders, list files, Tiny-ImageNet, Clothing1M, WebVision. Nothing is decoded."""

import os
import warnings
from pathlib import Path
from typing import NamedTuple

from torchvision.datasets.folder import IMG_EXTENSIONS

from ..engine.checks import require

NOTES = (".txt", ".csv", ".json", ".xml", ".md", ".db", ".ini")  # files left out without a warning
SPLITS = {"train", "training", "val", "valid", "validation", "test"}


class Listed(NamedTuple):
    """Files below `root` and the label of each."""

    root: Path
    paths: list[str]
    labels: list[int]


class Layout(NamedTuple):
    """A data set that is not read yet; `validation` becomes its hold-out and may be empty, as `test` may."""

    names: tuple[str, ...]
    train: Listed
    test: Listed
    validation: Listed


def class_folders(root: Path, names: tuple[str, ...] | None = None) -> tuple[Listed, tuple[str, ...]]:
    """List images that lie in one folder a class, at any depth, and the classes: `names`, or all folders, sorted.

    Names that start with a dot are passed over. Links to folders are not followed: torchvision's make_dataset does,
    and two of them can lead it round for ever.
    """
    require(root.is_dir(), "folder", "one that exists", str(root), "Check the path.")
    found = sorted(entry.name for entry in os.scandir(root) if entry.is_dir() and not entry.name.startswith("."))
    require(bool(found), "folder", "one with a folder for each class", str(root), "Put the images into class folders.")
    are_classes = names is not None or not {name.lower() for name in found} <= SPLITS
    remedy = f"Pass train={max(found, key=lambda name: name.startswith('train'))!r} and, if it is there, test."
    require(are_classes, "class folders", "classes", found, remedy)
    names = tuple(found) if names is None else names
    unknown = sorted(set(found) - set(names))
    require(not unknown, "class folders", f"among the {len(names)} classes of training", unknown[:3], "Rename them.")
    paths, labels, other = [], [], []
    for label, name in enumerate(names):
        found_here = sorted(_walk(root, name))
        images = [path for path in found_here if path.lower().endswith(IMG_EXTENSIONS)]
        remedy = "Delete it if it is empty; links to folders are not followed."
        require(bool(images) or name not in found, "class folder", "one with images", name, remedy)
        paths += images
        labels += [label] * len(images)
        other += [path for path in found_here if not path.lower().endswith((*IMG_EXTENSIONS, *NOTES))]
    if other:
        kinds = f"no {', '.join(IMG_EXTENSIONS)}, or links to folders"
        warnings.warn(f"{len(other)} entries are {kinds}, and are left out: {', '.join(other[:5])}", stacklevel=2)
    return Listed(root, paths, labels), names


def _walk(root: Path, name: str) -> list[str]:
    """List the files in a folder at any depth, and the links to folders in it; paths are relative to `root`."""
    if (root / name).is_symlink():
        return [name]
    entries = []
    for place, below, files in os.walk(root / name):
        below[:] = [folder for folder in below if not folder.startswith(".")]
        links = [folder for folder in below if Path(place, folder).is_symlink()]
        here = Path(place).relative_to(root)
        entries += [(here / entry).as_posix() for entry in (*links, *files) if not entry.startswith(".")]
    return entries


def list_file(root: Path, file: str, names: tuple[str, ...] | None = None) -> tuple[Listed, tuple[str, ...]]:
    """List images of a file with a line ``path label`` each, and the classes: `names`, or those that occur.

    Paths are relative to `root` and may hold spaces. Labels are numbers from 0 or names of classes.
    """
    place = root / file
    pairs = _read_pairs(place)
    words = [word for _, word in pairs]
    if names is None and all(word.isdecimal() for word in words):
        highest, most = max(int(word[:20]) for word in words), max(10**6, len(words))
        require(highest < most, f"label in {place}", f"below {most}", highest, "Labels are numbers from 0.")
        names = tuple(str(c) for c in range(highest + 1))
    names = tuple(sorted(set(words))) if names is None else names
    number = {name: c for c, name in enumerate(names)} | {str(c): c for c in range(len(names))}
    for line, word in enumerate(words, 1):
        require(
            word in number, f"label of entry {line} of {place}", f"one of {len(names)} classes", word, "Correct it."
        )
    return Listed(root, [path for path, _ in pairs], [number[word] for word in words]), names


def own(root: Path) -> Layout:
    """Layout of your own images: class folders in `root`, or in its train/ and, if it is there, its test/."""
    inside = {entry.name for entry in os.scandir(root) if entry.is_dir()} if root.is_dir() else set()
    split = "train" in inside and inside <= SPLITS
    train, names = class_folders(root / "train" if split else root)
    nothing = Listed(root, [], [])
    test = class_folders(root / "test", names)[0] if split and "test" in inside else nothing
    return Layout(names, train, test, nothing)


def tiny_imagenet(root: Path) -> Layout:
    """Layout of Tiny-ImageNet: train/<wnid>/images/*.JPEG, val/images/ with val/val_annotations.txt, words.txt."""
    train, wnids = class_folders(_require_inside(root, "train"))
    entries = [(line.split() + [""])[:2] for line in _read_lines(root, "val/val_annotations.txt")]
    inside = (root / "val" / "images").is_dir()  # else sorted into val/<wnid>, as the release has them
    paths = [f"val/images/{name}" if inside else f"val/{wnid}/{name}" for name, wnid in entries]
    number = {wnid: c for c, wnid in enumerate(wnids)}
    for _, wnid in entries:
        require(wnid in number, "class in val_annotations.txt", "one of the folders of train", wnid, "Unpack it again.")
    lines = _read_lines(root, "words.txt") if (root / "words.txt").is_file() else []
    words = {line.partition("\t")[0]: line.partition("\t")[2] for line in lines}
    names = tuple(words.get(wnid, wnid).split(",")[0] for wnid in wnids)
    test = Listed(root, paths, [number[wnid] for _, wnid in entries])
    return Layout(names, train, test, Listed(root, [], []))


def clothing1m(root: Path) -> Layout:
    """Layout of Clothing1M: two files of labels, three lists of keys, in `root` or its annotations/; 14 classes."""
    notes = root / "annotations" if (root / "annotations").is_dir() else root
    names = tuple(_read_lines(notes, "category_names_eng.txt"))
    require(len(names) == 14, "category_names_eng.txt", "14 lines", len(names), "Unpack it again.")

    def listed(keys: str, labels: str) -> Listed:
        known = dict(_read_pairs(notes / labels))
        paths = _read_lines(notes, keys)
        bad = next((path for path in paths if known.get(path) not in {str(c) for c in range(14)}), None)
        require(bad is None, f"label in {labels}", "0 to 13 for every key", bad, "Unpack it again.")
        numbers = [int(known[path]) for path in paths]
        short = [path.removeprefix("images/") for path in paths]  # some unpack the images without that folder
        return Listed(root, short if (root / short[0]).is_file() else paths, numbers)

    clean = [listed(f"clean_{part}_key_list.txt", "clean_label_kv.txt") for part in ("test", "val")]
    return Layout(names, listed("noisy_train_key_list.txt", "noisy_label_kv.txt"), *clean)


def webvision(root: Path, classes: int = 50) -> Layout:
    """Layout of WebVision 1.0: Google's part of the first `classes` classes, tested on its validation images."""
    names = tuple(line.split(maxsplit=1)[-1].split(",")[0] for line in _read_lines(root, "info/synsets.txt"))[:classes]
    parts = []
    for name, below in (("info/train_filelist_google.txt", ""), ("info/val_filelist.txt", "val_images_256/")):
        pairs = _read_pairs(root / name)
        for _, word in pairs:
            require(word.isdecimal(), f"label in {root / name}", "a whole number", word, "Unpack it again.")
        pairs = [(below + path, int(word)) for path, word in pairs if int(word) < classes]
        parts.append(Listed(root, [path for path, _ in pairs], [label for _, label in pairs]))
    return Layout(names, *parts, Listed(root, [], []))


def _require_inside(root: Path, name: str) -> Path:
    found = (root / name).exists()
    require(found, "folder", f"the data set's, with {name} inside", str(root), "See data/README.md for the layout.")
    return root / name


def _read_lines(root: Path, name: str) -> list[str]:
    try:
        lines = [line.strip() for line in _require_inside(root, name).read_text("utf-8").splitlines()]
    except UnicodeDecodeError as error:
        raise ValueError(f"{root / name} must be text in UTF-8, got {error}. Unpack it again.") from error
    return [line for line in lines if line]


def _read_pairs(file: Path) -> list[tuple[str, str]]:
    pairs = [tuple(line.rsplit(maxsplit=1)) for line in _read_lines(file.parent, file.name)]
    require(bool(pairs), "list file", "one with a line 'path label' an image", str(file), "Fill it.")
    bad = next((line for line, pair in enumerate(pairs, 1) if len(pair) != 2), None)
    require(bad is None, f"entry {bad} of {file}", "path label", "one word", "Write both, with a space between.")
    return pairs
