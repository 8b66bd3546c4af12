"""Given labels from files: any .npy, .npz, .json or .csv, and the human labels of CIFAR-N."""

import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from ..engine.checks import require
from .catalogue import SOURCES, require_content

KINDS = (".npy", ".npz", ".json", ".csv")
WHOLE = re.compile(r"\s*-?[0-9]{1,18}\s*")


def read(file: str | Path, size: int, num_classes: int) -> np.ndarray:
    """Read the given labels (N,), int64, of a training set in the order of its images; nothing is ever unpickled.

    The file is an .npy with one array; an .npz with one array, or ``path::name`` for one of several; a .json with a
    list, or an object from index to label; or a .csv with a column ``label``, or one column with or without a heading,
    whose rows a column ``index`` may put in order. Labels that are not `size` whole numbers in [0, `num_classes`) are
    refused.
    """
    path, _, key = str(file).partition("::")
    kind, name = Path(path).suffix.lower(), f"label_file {path}"
    require(kind in KINDS, "label_file", f"one of {', '.join(KINDS)}", path, "Save the labels in such a file.")
    require(Path(path).is_file(), "label_file", "a file that exists", path, "Check the path.")
    require(not key or kind == ".npz", "label_file", "without :: unless it is an .npz", str(file), "Drop the name.")
    columns = _read_columns(Path(path), name)
    column = key or ("label" if len(columns) != 1 else next(iter(columns)))
    rule = f"with an array {key!r}" if key else "with one column, or one named label (of an .npz: path::name)"
    require(column in columns, name, rule, ", ".join(columns), "Name one of them.")
    labels = _require_whole(columns[column], name)
    if "index" in columns and column != "index":
        order = _require_whole(columns["index"], name)
        once = np.array_equal(np.sort(order), np.arange(len(labels)))
        require(once, name, f"of each index from 0 to {len(labels) - 1} once", "others", "Write it again.")
        labels = labels[np.argsort(order)]
    remedy = "One label a training image, in the order of the data set."
    require(labels.shape == (size,), name, f"of shape ({size},)", labels.shape, remedy)
    worst = labels.max() if labels.max() >= num_classes else labels.min()
    require(0 <= worst < num_classes, name, f"in [0, {num_classes})", int(worst), "Is it of another data set?")
    return labels.astype(np.int64)


def _read_columns(path: Path, name: str) -> dict[str, np.ndarray | list]:
    """Read all columns of a file; `name` is for the message."""
    kind = path.suffix.lower()
    try:
        if kind == ".pt":
            return _load_torch(path)
        if kind == ".csv":
            form = dict(header=None, dtype=str, keep_default_na=False, encoding="utf-8-sig")
            table = pd.read_csv(path, engine="python", **form)  # the C engine fills short rows up in silence
            if table.isna().any(axis=None):
                raise ValueError("rows of several lengths")
            cells = table.loc[0].tolist()
            if not all(WHOLE.fullmatch(cell) for cell in cells):
                table = table[1:].set_axis(cells, axis=1)
            return {str(cell): column.tolist() for cell, column in table.items()}
        if kind == ".json":
            content = json.loads(path.read_text("utf-8"), object_pairs_hook=_split_pairs)
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
    with torch.serialization.safe_globals([np.ndarray, np.dtype, *kinds, *((rebuild, name) for name in names)]):
        return dict(torch.load(path, map_location="cpu", weights_only=True))


def _require_whole(values: np.ndarray | list, name: str) -> np.ndarray:
    """Return whole numbers as an array; text of digits is taken for a number."""
    remedy = "Number classes from 0."
    if isinstance(values, np.ndarray):
        require(np.issubdtype(values.dtype, np.integer), name, "of whole numbers", values.dtype, remedy)
        return values
    require(isinstance(values, list), name, "a list, or an object from index to label", values, "Write a list.")
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
