"""How data sets lie in folders: class folders, list files, Tiny-ImageNet, Clothing1M, WebVision. Nothing is decoded."""

import os
import warnings
from pathlib import Path
from typing import NamedTuple

from torchvision.datasets.folder import IMG_EXTENSIONS

from ..engine.checks import require

NOTES = (".txt", ".csv", ".json", ".xml", ".md", ".db", ".ini")  # files left out without a warning
SPLITS = {"train", "training", "val", "valid", "validation", "test"}
Pairs = list[tuple[str, int]]  # path of an image below the folder of the set, and its label
Names = tuple[str, ...]  # of the classes, in order of their numbers


class Layout(NamedTuple):
    """A data set that is not read yet; `validation` becomes its hold-out."""

    names: Names
    train: Pairs
    test: Pairs = []
    validation: Pairs = []


def class_folders(root: Path, place: str = "", names: Names | None = None) -> tuple[Pairs, Names]:
    """List images in one folder a class below a place in `root`, and the classes: `names`, or all folders, sorted.

    Images may lie at any depth; names that start with a dot are passed over. Links to folders are not followed:
    torchvision's make_dataset does, and two of them can lead it round for ever.
    """
    top = root / place
    require(top.is_dir(), "folder", "one that exists", str(top), "Check the path.")
    found = sorted(entry.name for entry in os.scandir(top) if entry.is_dir() and not entry.name.startswith("."))
    require(bool(found), "folder", "one with a folder for each class", str(top), "Put the images into class folders.")
    are_classes = names is not None or not {name.lower() for name in found} <= SPLITS
    remedy = f"Pass train={max(found, key=lambda name: name.startswith('train'))!r} and, if it is there, test."
    require(are_classes, "class folders", "classes", found, remedy)
    names = tuple(found) if names is None else names
    unknown = sorted(set(found) - set(names))
    require(not unknown, "class folders", f"among the {len(names)} classes of training", unknown[:3], "Rename them.")
    pairs, other = [], []
    for label, name in enumerate(names):
        entries = sorted(path.relative_to(root).as_posix() for path in _walk(top / name))
        images = [(path, label) for path in entries if path.lower().endswith(IMG_EXTENSIONS)]
        remedy = "Delete it if it is empty; links to folders are not followed."
        require(bool(images) or name not in found, "class folder", "one with images", name, remedy)
        pairs += images
        other += [path for path in entries if not path.lower().endswith((*IMG_EXTENSIONS, *NOTES))]
    if other:
        kinds = f"no {', '.join(IMG_EXTENSIONS)}, or links to folders"
        warnings.warn(f"{len(other)} entries are {kinds}, and are left out: {', '.join(other[:5])}", stacklevel=2)
    return pairs, names


def _walk(folder: Path) -> list[Path]:
    """List the files in a folder at any depth, and the links to folders in it."""
    if folder.is_symlink():
        return [folder]
    found = []
    for place, below, files in os.walk(folder):
        below[:] = [name for name in below if not name.startswith(".")]
        links = [name for name in below if Path(place, name).is_symlink()]
        found += [Path(place, name) for name in (*links, *files) if not name.startswith(".")]
    return found


def list_file(root: Path, file: str, names: Names | None = None) -> tuple[Pairs, Names]:
    """List images of a file with a line ``path label`` each, and the classes: `names`, or those that occur.

    Paths are relative to `root` and may hold spaces. Labels are numbers from 0 or names of classes.
    """
    place = root / file
    pairs = [tuple(line.rsplit(maxsplit=1)) for line in _read_lines(root, file)]
    require(bool(pairs), "list file", "one with a line 'path label' an image", str(place), "Fill it.")
    bad = next((line for line, pair in enumerate(pairs, 1) if len(pair) != 2), None)
    require(bad is None, f"entry {bad} of {place}", "path label", "one word", "Write both, with a space between.")
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
    return [(path, number[word]) for path, word in pairs], names


def own(root: Path, train: str | None = None, test: str = "", names: Names | None = None) -> Layout:
    """Layout of your own images: class folders or list files `train` and `test` in `root`; "" is `root` itself.

    With neither named: class folders in `root`, or in its train/ and, if it is there, its test/.
    """
    if train is None:
        inside = {entry.name for entry in os.scandir(root) if entry.is_dir()} if root.is_dir() else set()
        split = "train" in inside and inside <= SPLITS
        train, test = "train" if split else "", "test" if split and "test" in inside else ""
    parts = []
    for place in [train, test] if test else [train]:
        find = list_file if (root / place).is_file() else class_folders
        pairs, names = find(root, place, names)
        parts.append(pairs)
    return Layout(names, *parts)


def tiny_imagenet(root: Path) -> Layout:
    """Layout of Tiny-ImageNet: train/<wnid>/images/*.JPEG, val/images/ with val/val_annotations.txt, words.txt."""
    _require_inside(root, "train")
    train, wnids = class_folders(root, "train")
    inside = (root / "val" / "images").is_dir()  # else sorted into val/<wnid>, as the release has them
    number, test = {wnid: c for c, wnid in enumerate(wnids)}, []
    for line in _read_lines(root, "val/val_annotations.txt"):
        name, wnid = (line.split() + [""])[:2]
        require(wnid in number, "class in val_annotations.txt", "one of the folders of train", wnid, "Unpack it again.")
        test.append((f"val/{'images' if inside else wnid}/{name}", number[wnid]))
    lines = _read_lines(root, "words.txt") if (root / "words.txt").is_file() else []
    words = {line.partition("\t")[0]: line.partition("\t")[2] for line in lines}
    return Layout(tuple(words.get(wnid, wnid).split(",")[0] for wnid in wnids), train, test)


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
        bare = (root / paths[0].removeprefix("images/")).is_file()  # some unpack the images without that folder
        return [(path.removeprefix("images/") if bare else path, known[path]) for path in paths]

    clean = [listed(f"clean_{part}_key_list.txt", "clean_label_kv.txt") for part in ("test", "val")]
    return Layout(names, listed("noisy_train_key_list.txt", "noisy_label_kv.txt"), *clean)


def webvision(root: Path, classes: int = 50) -> Layout:
    """Layout of WebVision 1.0: Google's part of the first `classes` classes, tested on its validation images."""
    names = tuple(line.split(maxsplit=1)[-1].split(",")[0] for line in _read_lines(root, "info/synsets.txt"))
    train, _ = list_file(root, "info/train_filelist_google.txt", names)
    test, _ = list_file(root, "info/val_filelist.txt", names)
    test = [(f"val_images_256/{path}", label) for path, label in test if label < classes]
    return Layout(names[:classes], [(path, label) for path, label in train if label < classes], test)


def _read_lines(root: Path, name: str) -> list[str]:
    _require_inside(root, name)
    try:
        lines = [line.strip() for line in (root / name).read_text("utf-8").splitlines()]
    except UnicodeDecodeError as error:
        raise ValueError(f"{root / name} must be text in UTF-8, got {error}. Unpack it again.") from error
    return [line for line in lines if line]


def _require_inside(root: Path, name: str) -> None:
    found = (root / name).exists()
    require(found, "folder", f"the data set's, with {name} inside", str(root), "See data/README.md for the layout.")
