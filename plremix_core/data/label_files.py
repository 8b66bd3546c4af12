"""Labels as people write them: names of classes or numbers from 0, in an .npy, .npz, .json or .csv."""

import csv
import io
import json
import re
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from ..engine.checks import require
from ..engine.files import read_text

Names = tuple[str, ...]  # of the classes, in order of their numbers
KINDS = (".npy", ".npz", ".json", ".csv")
KEYS = ("", "index", "idx", "id", "key", "file", "path", "image", "filename", "file_name", "image_id", "name")
HEADLESS = re.compile(r"\s*-?[0-9]{1,18}\s*")  # cells of a first line that is no heading
WHOLE, NUMERIC = re.compile(r"[0-9]{1,6}"), re.compile(r"[-+]?[0-9.]+")
REMEDY = "Write names for all, or numbers from 0."


def readable(text: str) -> str:
    """Return a name of a file as people read it: bytes that are no UTF-8 become escapes."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def tell_apart(names: Sequence[str]) -> Names:
    """Return names of classes as people read them; equal ones with their number."""
    names = [readable(str(name)) for name in names]
    return tuple(f"{name} (class {c})" if names.count(name) > 1 else name for c, name in enumerate(names))


def number(words: list[str], names: Names | None, where: Callable[[int], str]) -> tuple[list[int], Names]:
    """Turn words into labels, and return the names of the classes; `where` tells of the i-th word for a message.

    Words that all are names of classes mean these classes; else all are numbers from 0. Without `names` the first word
    says which of the two; numbers are their own names. What mixes names and numbers, or could mean both, is refused.
    """
    if names is None:
        numbers = NUMERIC.fullmatch(words[0]) is not None
        odd = [not WHOLE.fullmatch(word) if numbers else bool(NUMERIC.fullmatch(word)) for word in words]
        first, rule = odd.index(max(odd)), "a whole number from 0, below 1000000" if numbers else "a name as others are"
        require(not odd[first], where(first), rule, words[first], REMEDY)
        names = tuple(map(str, range(max(map(int, words)) + 1))) if numbers else tuple(sorted(set(words)))
    times = Counter(names)
    by_name = {name: c for c, name in enumerate(names) if times[name] == 1}
    by_number = {str(c): c for c in range(len(names))}
    known = by_name if by_name.keys() >= set(words) else by_number
    for i, word in enumerate(words):
        remedy = "Correct it; if two classes have that name, write its number."
        require(word in by_name or word in by_number, where(i), f"one of {len(names)} classes", word, remedy)
    for i, word in enumerate(words):
        clear = known is by_name or word not in by_name
        require(clear, where(i), "a number, as others are no names", word, REMEDY)
    return [known[word] for word in words], names


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
    columns = read_columns(Path(path), name)
    called = [key] if key else [column for column in columns if column.strip().lower() == "label"] or list(columns)
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
            odd = sorted(set(place).symmetric_difference(cells))[:3]
            remedy = "Correct the paths; to drop an image, leave its label empty."
            require(not odd, told, "the paths of all images and no others", odd, remedy)
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


def read_columns(path: Path, name: str) -> dict[str, np.ndarray | list]:
    """Read all columns of a file; `name` is for the message."""
    kind = path.suffix.lower()
    try:
        if kind == ".pt":
            return _load_torch(path)
        if kind == ".csv":
            rows = [row for row in csv.reader(io.StringIO(read_text(path))) if "".join(row).strip()] or [[]]
            bare = all(map(HEADLESS.fullmatch, rows[0]))
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
