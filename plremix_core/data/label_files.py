"""Given labels from files: any .npy, .npz, .json or .csv, and the human labels of CIFAR-N."""

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
BROKEN = re.compile(r"[-+]?[0-9]*\.[0-9]+(e[-+]?[0-9]+)?|nan", re.IGNORECASE)  # a measured value is no key
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
    require(not key or kind == ".npz", "label_file", "without :: unless it is an .npz", str(file), "Drop the name.")
    columns = _read_columns(Path(path), name)
    called = next((column for column in columns if column.strip().lower() == "label"), "label")
    column = key or (called if len(columns) != 1 else next(iter(columns)))
    rule = f"with an array {key!r}" if key else "with one column, or one named label (of an .npz: path::name)"
    require(column in columns, name, rule, ", ".join(columns), "Name one of them.")
    values = columns.pop(column)
    rule, listed = "a list, or an object from index to label", isinstance(values, (list, np.ndarray))
    require(listed, name, rule, values, "Write a list.")
    order = _order(columns, np.size(values), files, name)
    remedy = "One label a training image, in the order of the data set."
    shape = np.shape(values) if order is None else order.shape
    require(shape == (size,), name, f"of shape ({size},)", shape, remedy)
    rows = np.arange(size) if order is None else order
    if order is not None and isinstance(values, list):
        kept = [place for place, value in enumerate(values) if str(value).strip() not in ("", "-1")]
        values, rows = [values[place] for place in kept], rows[kept]
    labels = _numbered(values, names, name)
    require(labels.shape == rows.shape and len(rows) > 0, name, f"of shape ({size},)", labels.shape, remedy)
    worst = labels.max() if labels.max() >= num_classes else labels.min()
    require(0 <= worst < num_classes, name, f"in [0, {num_classes})", int(worst), "Is it of another data set?")
    found = np.full(size, -1, dtype=np.int64)
    found[rows] = labels
    return found


def _order(columns: dict, count: int, files: Sequence[str], name: str) -> np.ndarray | None:
    """Places of the images that rows of labels are of, from the `columns` beside them; None if none is a key."""
    place, found = {readable(file).removeprefix("'"): number for number, file in enumerate(files)}, None
    for column, values in columns.items():
        if len(values) != count or getattr(values, "ndim", 1) != 1:
            continue
        cells = [str(value).strip() for value in values]
        if not any(cells):
            continue
        if any(cell.removeprefix("'") in place for cell in cells):
            cells = [cell.removeprefix("'") for cell in cells]  # put there against spreadsheets
            strange = next((cell for cell in cells if cell not in place), None)
            require(strange is None, f"{name}, column {column!r},", "of the images' paths", strange, "Correct it.")
            missing, once = sorted(set(place) - set(cells))[:3], len(set(cells)) == count
            require(once, f"{name}, column {column!r},", "of each image once", "one twice", "Keep one of the rows.")
            remedy = "To drop an image, leave its label empty."
            require(not missing, f"{name}, column {column!r},", "of all images", f"none of {missing}", remedy)
            return np.array([place[cell] for cell in cells])
        cells = [re.sub(r"\.0+$", "", cell) for cell in cells]
        whole = all(map(WHOLE.fullmatch, cells))
        order = np.array(cells, dtype=np.int64) if whole else np.array([])
        if whole and np.array_equal(np.sort(order), np.arange(count)):
            same = found is None or np.array_equal(found, order)
            require(same, name, "with one order of its rows", f"another one in {column!r}", "Drop a column.")
            found = order
        elif column.strip().lower() in KEYS or (len(set(cells)) == count > 1 and not any(map(BROKEN.fullmatch, cells))):
            rule = f"of each index from 0 to {count - 1} once" + " or of the images' paths" * bool(files)
            remedy = "It could be a key. Write it so, or drop it if the rows are in the order of the images."
            require(False, f"{name}, column {column!r},", rule, cells[:3], remedy)
    return found


def _read_columns(path: Path, name: str) -> dict[str, np.ndarray | list]:
    """Read all columns of a file; `name` is for the message."""
    kind = path.suffix.lower()
    try:
        if kind == ".pt":
            return _load_torch(path)
        if kind == ".csv":
            form = dict(header=None, dtype=str, keep_default_na=False, engine="python")
            table = pd.read_csv(io.StringIO(read_text(path)), **form)  # the C engine fills short rows up in silence
            if table.isna().any(axis=None):
                raise ValueError("rows of several lengths")
            cells = table.loc[0].tolist()
            if not all(WHOLE.fullmatch(cell) for cell in cells):
                table = table[1:].set_axis(cells, axis=1)
            names = [str(cell) for cell in table.columns]
            if len(set(names)) < len(names):
                raise ValueError("two columns of one name")
            return {name: column.tolist() for name, column in zip(names, table.T.to_numpy())}
        if kind == ".json":
            content = json.loads(read_text(path), object_pairs_hook=_split_pairs)
            return content if isinstance(content, dict) else {"label": content}
        if kind == ".npy":
            return {"label": np.load(path, allow_pickle=False)}
        with np.load(path, allow_pickle=False) as archive:
            return dict(archive)
    except Exception as error:  # a damaged file raises many types
        remedy = "The file is cut, damaged or something else; write or fetch it again."
        raise ValueError(f"{name} must be a readable {kind}, got {error!r:.300}. {remedy}") from error


def _split_pairs(pairs: list[tuple[str, object]]) -> dict[str, list]:
    """Make columns of a JSON object, in which an index may stand twice."""
    return {"index": [index for index, _ in pairs], "label": [label for _, label in pairs]}


def _load_torch(path: Path) -> dict[str, np.ndarray]:
    """Load a dict of arrays, pickled under the names of NumPy 1 or 2, without running anything else."""
    rebuild = np.zeros(0).__reduce__()[0]
    names = [f"numpy.{core}.multiarray._reconstruct" for core in ("core", "_core")]
    kinds = [type(np.dtype(kind)) for kind in ("uint8", "int32", "int64")]
    import torch  # takes seconds

    with torch.serialization.safe_globals([np.ndarray, np.dtype, *kinds, *((rebuild, name) for name in names)]):
        return dict(torch.load(path, map_location="cpu", weights_only=True))


def _numbered(values: np.ndarray | list, names: Sequence[str], name: str) -> np.ndarray:
    """Return labels as numbers; text of digits is taken for a number, unless all of the text are `names`."""
    remedy = "Number classes from 0, or write their names." if names else "Number classes from 0."
    if isinstance(values, np.ndarray) and not (names and values.dtype.kind == "U"):
        require(np.issubdtype(values.dtype, np.integer), name, "of whole numbers", values.dtype, remedy)
        return values
    values = values.tolist() if isinstance(values, np.ndarray) else values
    if names and all(isinstance(value, str) for value in values):
        words = [value.strip() for value in values]
        return np.array(number(words, tuple(names), lambda place: f"{name}, entry {place},")[0], dtype=np.int64)
    for place, value in enumerate(values):
        whole = type(value) in (int, str) and WHOLE.fullmatch(str(value))
        require(bool(whole), f"{name}, entry {place},", "a whole number", value, remedy)
    return np.array([int(value) for value in values], dtype=np.int64)


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
