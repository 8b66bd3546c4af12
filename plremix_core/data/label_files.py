"""Labels as people write them: names of classes or numbers from 0, in an .npy, .npz, .json or .csv."""

import csv
import io
import itertools
import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from ..engine.checks import require
from ..engine.files import read_text

Names = tuple[str, ...]  # of the classes, in order of their numbers
KINDS = (".npy", ".npz", ".json", ".csv")
KEYS = ("", "index", "idx", "id", "key", "file", "path", "image", "filename", "file_name", "image_id", "name")
SEPARATORS = {";": "semicolons", "\t": "tabs", "|": "bars"}  # that programs write instead of commas
FLOAT = re.compile(r"\s*[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)(e[-+]?[0-9]+)?\s*", re.IGNORECASE)
DECIMAL_COMMA = re.compile(r"(?<=[0-9]),(?=[0-9])")
WHOLE, NUMERIC = re.compile(r"[0-9]{1,6}"), re.compile(r"[-+]?[0-9.]+")
REMEDY = "Write names for all, or numbers from 0."


def readable(text: str) -> str:
    """Return a name of a file as people read it: bytes that are no UTF-8 become escapes."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def some(names: Iterable[str]) -> str:
    """The first five of names, sorted, for a message."""
    names = sorted(names)
    return ", ".join(names[:5]) + ", ..." * (len(names) > 5)


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
        if word not in by_name and word not in by_number:
            remedy = "Correct it (is it of another data set?); if two classes have that name, write its number."
            remedy = "Only a label file with paths or an index can drop images." if word in ("", "-1") else remedy
            require(False, where(i), f"one of {len(names)} classes", word, remedy)
    for i, word in enumerate(words):
        if known is by_number and word in by_name:
            require(False, where(i), "a number, as others are no names", word, REMEDY)
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
        words = ["" if value is None else str(value) for value in values]  # null is an empty label
        values = np.array(values if {*map(type, values)} == {int} else words)
    order = _order(columns, values.shape, size, files, name)
    remedy = "One label a training image, in the order of the data set; in a .csv a first line of words is a heading."
    require(values.shape == (size,), name, f"of shape ({size},)", values.shape, remedy)
    require(values.dtype.kind in "iuU", name, "of whole numbers", values.dtype, "Number classes from 0.")
    numbered = values.dtype.kind != "U" or not names or "label name" in columns  # as a page of suspects saves them
    words = [str(word).strip() for word in values.tolist()]
    drops = {"", "-1"}.difference(() if numbered else names)
    kept = np.array([row for row, word in enumerate(words) if order is None or word not in drops], dtype=int)

    def where(i: int) -> str:
        line = f"line {csv_rows(Path(path), name)[1][kept[i]][0]}" if kind == ".csv" else f"entry {kept[i]}"
        return f"{name}, {line},"

    labels, _ = number([words[row] for row in kept], tuple(map(str, range(num_classes)) if numbered else names), where)
    found = np.full(size, -1, dtype=np.int64)
    found[kept if order is None else order[kept]] = labels
    require(found.max() >= 0, name, "of at least one label", "none", remedy)
    return found


def _order(columns: dict, shape: tuple[int, ...], size: int, files: Sequence[str], name: str) -> np.ndarray | None:
    """Places of the images that rows of labels are of, from the `columns` beside them; None if none is a key."""
    place, found = {readable(file).removeprefix("'"): number for number, file in enumerate(files)}, None
    form = f" or of the images' paths, like {next(iter(place))}" if files else ""
    for column, values in columns.items():
        if np.shape(values) != shape:
            continue
        cells = [str(value).strip().removeprefix("'") for value in values]  # ' is put there against spreadsheets
        cells = [cell if cell in place else cell.replace("\\", "/") for cell in cells] if place else cells
        times = Counter(cells)
        again = [f"{cell} ({count} rows)" for cell, count in times.items() if count > 1]
        numbers = pd.to_numeric(pd.Series(cells, dtype=object), "coerce").to_numpy()
        told, measured = f"{name}, column {column!r},", (numbers % 1 > 0).any()  # what is measured is no key
        if not place.keys().isdisjoint(cells):
            absent, foreign = place.keys() - times, times.keys() - place
            faults = {f"no row for {len(absent)} of {size} images": absent, "several rows for one image": again}
            faults |= {f"{len(foreign)} rows for files that are not in the folder": foreign}
            odd = "; ".join(f"{fault}: {some(paths)}" for fault, paths in faults.items() if paths)
            remedy = "Correct the paths; to drop an image, leave its label empty."
            require(not odd, told, "the paths of all images and no others", odd, remedy)
            return np.array([place[cell] for cell in cells])
        elif np.array_equal(np.sort(numbers), np.arange(len(cells))):
            same = found is None or np.array_equal(found, numbers)
            require(same, name, "with one order of its rows", f"another one in {column!r}", "Drop a column.")
            found = numbers.astype(np.int64)
        elif any(cells) and (column.strip().lower() in KEYS or len(times) == len(cells) > 1 and not measured):
            unneeded = ", or drop it if the rows are in the order of the images" * (len(cells) == size)
            rule = f"of each index from 0 to {size - 1} once{form}"
            require(False, told, rule, some(again) or cells[:3], f"It could be a key. Write it so{unneeded}.")
    return found


def csv_rows(file: Path, name: str, most: int | None = None) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """Heading of a .csv, and its rows that hold anything (of the first `most`), each with the number of its line.

    A first line of numbers is no heading, unless they count from 0, as pandas writes it; then the heading is empty.
    """
    text = read_text(file).replace("\r", "\n")
    first = [line for line in text.splitlines()[:20] if line.strip()]
    for sign, called in SEPARATORS.items():
        other = first and all(sign in line and "," not in DECIMAL_COMMA.sub("", line) for line in first)
        remedy = "Save it with commas between cells and points in numbers."
        require(not other, name, "with commas between its cells", called, remedy)
    lines = csv.reader(io.StringIO(text))
    rows = [(lines.line_num, row) for row in itertools.islice(lines, most) if "".join(row).strip()] or [(1, [])]
    heading, remedy = rows[0][1], "Quote cells with commas; write numbers with points."
    uneven = next(((line, len(row)) for line, row in rows if len(row) != len(heading)), (0, 0))
    require(not any(uneven), f"{name}, line {uneven[0]},", f"of {len(heading)} cells", uneven[1], remedy)
    counts = len(heading) > 1 and [cell.strip() for cell in heading] == [str(c) for c in range(len(heading))]
    if all(map(FLOAT.fullmatch, heading)) and not counts:
        return [], rows
    twice = [cell for cell, times in Counter(heading).items() if times > 1]
    require(not twice, name, "of columns with a name each", twice, "Rename them.")
    return heading, rows[1:]


def read_columns(path: Path, name: str) -> dict[str, np.ndarray | list]:
    """Read all columns of a file; `name` is for the message."""
    kind = path.suffix.lower()
    try:
        if kind == ".pt":
            return _load_torch(path)
        if kind == ".csv":
            heading, rows = csv_rows(path, name)
            heading = heading or map(str, range(len(rows[0][1])))
            return {called: cells for called, *cells in zip(heading, *(row for _, row in rows))}
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
        if str(error).startswith((name, str(path))):
            raise
        remedy = "The file is cut, damaged or something else; write or fetch it again."
        remedy = "Save names as text: array.astype(str)." if "Object arrays" in str(error) else remedy
        raise ValueError(f"{name} must be a readable {kind}, got {error!r:.300}. {remedy}") from error


def _load_torch(path: Path) -> dict[str, np.ndarray]:
    """Load a dict of arrays, pickled under the names of NumPy 1 or 2, without running anything else."""
    rebuild = np.zeros(0).__reduce__()[0]
    names = [f"numpy.{core}.multiarray._reconstruct" for core in ("core", "_core")]
    kinds = [type(np.dtype(kind)) for kind in ("uint8", "int32", "int64")]
    import torch  # takes seconds

    with torch.serialization.safe_globals([np.ndarray, np.dtype, *kinds, *((rebuild, name) for name in names)]):
        return dict(torch.load(path, map_location="cpu", weights_only=True))
