"""Given labels from files: any .npy, .npz, .json or .csv, and the human labels of CIFAR-N."""

import csv
import io
import json
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from ..engine.checks import require
from ..engine.files import read_text
from .catalogue import SOURCES, require_content
from .words import number, readable

KINDS = (".npy", ".npz", ".json", ".csv")
KEYS = ("", "index", "idx", "id", "key", "file", "path", "image", "filename", "file_name", "image_id", "name")
WHOLE = re.compile(r"\s*-?[0-9]{1,18}\s*")


def read(
    file: str | Path, size: int, num_classes: int, files: Sequence[str] = (), names: Sequence[str] = ()
) -> np.ndarray:
    """Read the given labels (N,), int64, of a training set; nothing is ever unpickled.

    The file is an .npy with one array; an .npz with one array, or ``path::name`` for one of several; a .json with a
    list, or an object from index (or file) to label; or a .csv with a column ``label``, or one column with or without a
    heading. Labels are whole numbers in [0, `num_classes`), or all of them `names` of classes.

    A column of paths, those of `files`, finds the image of each label. A column of the numbers 0 to N - 1, under any
    name, puts the labels in the order of the images. With either, a label that is empty or -1 drops its image: it is
    -1. Without, labels are in the order of the images, and a column that could be another key is refused.
    """
    path, _, key = str(file).partition("::")
    kind, name = Path(path).suffix.lower(), f"label_file {path}"
    require(kind in KINDS, "label_file", f"one of {', '.join(KINDS)}", path, "Save the labels in such a file.")
    require(Path(path).is_file(), "label_file", "a file that exists", path, "Check the path.")
    columns = _read_columns(Path(path), name)
    called = [column for column in columns if column.strip().lower() == "label"] or list(columns)
    called = [key] if key else called
    rule = f"with an array {key!r}" if key else "with one column, or one named label (of an .npz: path::name)"
    require(len(called) == 1 and called[0] in columns, name, rule, ", ".join(columns), "Name one of them.")
    values = columns.pop(called[0])
    listed = isinstance(values, (list, np.ndarray))
    require(listed, name, "a list, or an object from index to label", values, "Write a list.")
    if isinstance(values, list):
        values = np.array(values if {*map(type, values)} == {int} else [str(value) for value in values])
    order = _order(columns, values.shape, files, name)
    remedy = "One label a training image, in the order of the data set."
    require(values.shape == (size,), name, f"of shape ({size},)", values.shape, remedy)
    found = np.full(size, -1, dtype=np.int64)
    found[slice(None) if order is None else order] = _numbered(values, num_classes, names, order is not None, name)
    require(found.max() >= 0, name, "of at least one label", "none", remedy)
    return found


def _order(columns: dict, shape: tuple[int, ...], files: Sequence[str], name: str) -> np.ndarray | None:
    """Places of the images that rows of labels are of, from the `columns` beside them; None if none is a key."""
    place, found = {readable(file).removeprefix("'"): number for number, file in enumerate(files)}, None
    for column, values in columns.items():
        if np.shape(values) != shape:
            continue
        cells = [str(value).strip().removeprefix("'") for value in values]  # ' is put there against spreadsheets
        numbers = pd.to_numeric(pd.Series(cells, dtype=object), "coerce").to_numpy()
        told, measured = f"{name}, column {column!r},", (numbers % 1 > 0).any()  # what is measured is no key
        if not place.keys().isdisjoint(cells):
            strange, missing = sorted(set(cells) - set(place))[:3], sorted(set(place) - set(cells))[:3]
            require(not strange, told, "of the images' paths", strange, "Correct it.")
            remedy = "To drop an image, leave its label empty."
            require(not missing, told, "of all images", f"none of {missing}", remedy)
            return np.array([place[cell] for cell in cells])
        elif np.array_equal(np.sort(numbers), np.arange(len(cells))):
            same = found is None or np.array_equal(found, numbers)
            require(same, name, "with one order of its rows", f"another one in {column!r}", "Drop a column.")
            found = numbers.astype(np.int64)
        elif any(cells) and (column.strip().lower() in KEYS or len(set(cells)) == len(cells) > 1 and not measured):
            rule = f"of each index from 0 to {len(cells) - 1} once" + " or of the images' paths" * bool(files)
            remedy = "It could be a key. Write it so, or drop it if the rows are in the order of the images."
            require(False, told, rule, cells[:3], remedy)
    return found


def _numbered(values: np.ndarray, classes: int, names: Sequence[str], drops: bool, name: str) -> np.ndarray:
    """Labels (N,) as numbers: whole ones, or what words mean; -1, if the file `drops` images, for -1 and no word."""
    if values.dtype.kind != "U":
        require(values.dtype.kind in "iu", name, "of whole numbers", values.dtype, "Number classes from 0.")
        worst, least = int(values.max() if values.max() >= classes else values.min()), -1 if drops else 0
        require(least <= worst < classes, name, f"in [{least}, {classes})", worst, "Is it of another data set?")
        return values
    words = [word.strip() for word in values.tolist()]
    kept = [place for place, word in enumerate(words) if not (drops and word in ("", "-1"))]
    found, names = np.full(len(words), -1), tuple(names) or tuple(map(str, range(classes)))
    found[kept] = number([words[place] for place in kept], names, lambda i: f"{name}, entry {kept[i]},")[0]
    return found


def _read_columns(path: Path, name: str) -> dict[str, np.ndarray | list]:
    """Read all columns of a file; `name` is for the message."""
    kind = path.suffix.lower()
    try:
        if kind == ".pt":
            return _load_torch(path)
        if kind == ".csv":
            rows = [row for row in csv.reader(io.StringIO(read_text(path))) if "".join(row).strip()]
            bare = all(map(WHOLE.fullmatch, rows[0]))
            heading = [str(number) for number in range(len(rows[0]))] if bare else rows.pop(0)
            if len(set(heading)) < len(heading) or any(len(row) != len(heading) for row in rows):
                raise ValueError("two columns of one name, or rows of several lengths")
            return {called: cells for called, *cells in zip(heading, *rows)}
        if kind == ".json":
            content = json.loads(read_text(path), object_pairs_hook=tuple)  # in which an index may stand twice
            if content and isinstance(content, tuple):
                return dict(zip(("index", "label"), map(list, zip(*content))))
            return {"label": content}
        if kind == ".npy":
            return {"label": np.load(path, allow_pickle=False)}
        with np.load(path, allow_pickle=False) as archive:
            return dict(archive)
    except Exception as error:  # a damaged file raises many types
        remedy = "The file is cut, damaged or something else; write or fetch it again."
        raise ValueError(f"{name} must be a readable {kind}, got {error!r:.300}. {remedy}") from error


def _load_torch(path: Path) -> dict[str, np.ndarray]:
    """Load a dict of arrays, pickled under the names of NumPy 1 or 2, without running anything else."""
    rebuild = np.zeros(0).__reduce__()[0]
    names = [f"numpy.{core}.multiarray._reconstruct" for core in ("core", "_core")]
    kinds = [type(np.dtype(kind)) for kind in ("uint8", "int32", "int64")]
    import torch  # takes seconds

    with torch.serialization.safe_globals([np.ndarray, np.dtype, *kinds, *((rebuild, name) for name in names)]):
        return dict(torch.load(path, map_location="cpu", weights_only=True))


def human(noise: str, dataset: str, folder: Path, true: np.ndarray) -> np.ndarray:
    """Read labels (N,) that people gave to the training images of CIFAR-10 or CIFAR-100; see data/README.md.

    The file lies in `folder` and is checked by its content and by the `true` labels beside it, in the order of the
    data set. Source: Wei et al., Learning with noisy labels revisited, arXiv:2110.12088. Not in the paper.
    """
    source = SOURCES[dataset]
    rule = f"one of {', '.join(source.human)}" if source.human else "sym, asym, instance, file or none"
    require(noise in source.human, "noise", f"{rule} on {dataset}", noise, "Human labels are of cifar10 and cifar100.")
    found = next((folder / name for name in source.human_files if (folder / name).is_file()), None)
    remedy = (
        f"Download {source.human_files[0]} from https://github.com/UCSC-REAL/cifar-10-100n (folder data; licence "
        f"CC BY-NC 4.0, therefore not bundled) and put it into {folder}"
    )
    require(found is not None, "file of human labels", " or ".join(source.human_files), found, remedy)
    columns, (key, expected) = _read_columns(found, str(found)), source.human[noise]
    there = {key, "clean_label"} <= set(columns)
    require(there, str(found), f"a file of CIFAR-N with {key} and clean_label", list(columns), "Fetch it again.")
    require_content(columns[key], expected, f"{found.name}/{key}", found)
    same = np.array_equal(columns["clean_label"], true)
    require(same, f"clean labels of {found.name}", "those of the data set", "others", "Is the data set whole?")
    return np.asarray(columns[key]).astype(np.uint8).astype(np.int64)  # what was checked, of any type
