"""Embeddings and tables with labels, instead of images: from arrays, an .npy or a .csv. Only numpy and pandas."""

import io
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from ..engine.checks import require
from ..engine.files import read_text
from .label_files import KEYS, csv_rows


class Features(NamedTuple):
    """Rows of numbers (N, D), float64, with given labels (N,), int64, and the names of the classes."""

    values: np.ndarray
    given: np.ndarray
    class_names: tuple[str, ...]


def from_features(values: object, labels: object) -> Features:
    """Make features for `analysis.features.rank`: rows (N, D) of numbers, and a label each, whole number or name."""
    values, labels = as_array(values, "features"), as_array(labels, "labels")
    right = values.dtype.kind in "iuf" and values.ndim >= 2 and values.size > 0
    require(right, "features", "numbers of shape (N, D)", (str(values.dtype), values.shape), "One row a sample.")
    values = values.reshape(len(values), -1).astype(np.float64)
    bad = np.flatnonzero(~(np.abs(values) < 1e100).all(axis=1))[:1].tolist()
    require(not bad, "features", "below 1e100", f"nan, inf or more in row {bad}", "Fill or drop such rows.")
    rule, remedy = f"of shape ({len(values)},)", "One label a row; in a .csv a first line of numbers is a row."
    require(labels.shape == (len(values),), "labels", rule, labels.shape, remedy)
    empty = np.flatnonzero(pd.isna(labels) | (labels.astype(str) == ""))[:1].tolist()
    require(not empty, "labels", "given in all rows", f"none in row {empty}", "Fill or drop such rows.")
    require(labels.dtype.kind in "iuUO", "labels", "whole numbers or names", str(labels.dtype), "Convert them.")
    names, given = np.unique(labels if labels.dtype.kind != "O" else labels.astype(str), return_inverse=True)
    require(1 < len(names) < len(labels), "labels", "of two classes or more, not one a row", len(names), "Check them.")
    return Features(values, given.astype(np.int64), tuple(map(str, names)))


def require_repeated(given: np.ndarray) -> None:
    """Refuse labels (N,) unless two classes have two samples, as each fold is predicted from the others."""
    second = np.sort(np.bincount(given, minlength=2))[-2]
    require(second > 1, "labels", "of two classes with at least two samples each", f"one with {second}", "Add some.")


def as_array(value: object, key: str) -> np.ndarray:
    """An array of what people have: an array, a tensor on any device, a list."""
    try:
        return np.asarray(value.detach().cpu() if hasattr(value, "detach") else value)
    except (TypeError, ValueError) as error:  # lists of several lengths, a type that numpy lacks
        raise ValueError(f"{key} must be of one shape and type, got {error}. Make all entries alike.") from error


def read_features(file: Path, labels: Path | None) -> Features:
    """Read an .npy, or a .csv with one heading a column; `labels` is an .npy or .csv, or None for a column `label`."""
    table = _read(file)
    there = labels is not None or "label" in table
    require(there, "labels", "given", None, "Add --labels FILE, or a column label to the .csv.")
    once = labels is None or "label" not in table
    require(once, "labels", "given once", [str(labels), f"column label of {file}"], "Leave one out.")
    known = table if labels is None else _read(labels)
    lone = "label" in known or len(known.columns) == 1
    require(lone, str(labels), "a table with one column, or one named label", list(known), "Name it.")
    found = known.pop("label" if "label" in known else known.columns[0])
    named = [name for name in table if str(name).lower() in KEYS]
    counted = [name for name in known if known is not table and known[name].is_unique and known[name].dtype.kind != "f"]
    remedy = "Sort the rows alike and drop it (pandas writes none with index=False)."
    require(not named + counted, "columns", "no keys, as rows are taken in their order", named + counted, remedy)
    text = [name for name in table if not pd.api.types.is_numeric_dtype(table[name])]
    require(not text, f"columns of {file}", "numbers", text, "Drop them or encode them; decimal commas become points.")
    return from_features(table.to_numpy(), found)


def _read(file: Path) -> pd.DataFrame:
    kind = file.suffix.lower()
    require(kind in (".npy", ".csv"), "file", "an .npy or a .csv", str(file), "Save it as one of them.")
    require(file.is_file(), "file", "one that exists", str(file), "Check the path.")
    try:
        if kind == ".csv":
            heading, _ = csv_rows(file, str(file), 20)
            table = pd.read_csv(io.StringIO(read_text(file)), header="infer" if heading else None)
            return table.rename(columns={name: "" for name in table if str(name).startswith("Unnamed: ")})
        array = np.atleast_1d(np.load(file, allow_pickle=False))
        return pd.DataFrame(array if array.ndim < 2 else array.reshape(len(array), array[:1].size))
    except Exception as error:  # a damaged file raises many types
        if str(error).startswith(str(file)):
            raise
        remedy = "Save names as text: array.astype(str)." if "Object arrays" in str(error) else "Write it again."
        raise ValueError(f"{file} must be a readable {kind}, got {error!r:.200}. {remedy}") from error
