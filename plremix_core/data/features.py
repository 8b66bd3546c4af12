"""Embeddings and tables with labels, instead of images: from arrays, an .npy or a .csv. Only numpy and pandas."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from ..engine.checks import require
from .label_files import csv_rows


class Features(NamedTuple):
    """Rows of numbers (N, D), float64, with given labels (N,), int64, and the names of the classes."""

    values: np.ndarray
    given: np.ndarray
    class_names: tuple[str, ...]


def from_features(values: object, labels: object) -> Features:
    """Make features for `analysis.features.rank`: rows (N, D) of numbers, and a label each, whole number or name."""
    values, labels = np.asarray(values), np.asarray(labels)
    right = np.issubdtype(values.dtype, np.number) and values.ndim >= 2 and values.size > 0
    require(right, "features", "numbers of shape (N, D)", (str(values.dtype), values.shape), "One row a sample.")
    values = values.reshape(len(values), -1).astype(np.float64)
    bad = np.flatnonzero(~(np.abs(values) < 1e100).all(axis=1))[:1].tolist()
    require(not bad, "features", "below 1e100", f"nan, inf or more in row {bad}", "Fill or drop such rows.")
    rule, remedy = f"of shape ({len(values)},)", "One label a row; in a .csv a first line of numbers is a row."
    require(labels.shape == (len(values),), "labels", rule, labels.shape, remedy)
    require(labels.dtype.kind in "iuUO", "labels", "whole numbers or names", str(labels.dtype), "Convert them.")
    names, given = np.unique(labels if labels.dtype.kind != "O" else labels.astype(str), return_inverse=True)
    require(1 < len(names) < len(labels), "labels", "of two classes or more, not one a row", len(names), "Check them.")
    return Features(values, given.astype(np.int64), tuple(map(str, names)))


def read_features(file: Path, labels: Path | None) -> Features:
    """Read an .npy, or a .csv with one heading a column; `labels` is an .npy or .csv, or None for a column `label`."""
    table = _read(file)
    there = labels is not None or "label" in table
    require(there, "labels", "given", None, "Add --labels FILE, or a column label to the .csv.")
    known = table if labels is None else _read(labels)
    lone = "label" in known or len(known.columns) == 1
    require(lone, str(labels), "a table with one column, or one named label", list(known), "Name it.")
    found = known.pop("label" if "label" in known else known.columns[0])
    empty = np.flatnonzero(found.isna())[:1].tolist()
    require(not empty, "labels", "given in all rows", f"none in row {empty}", "Fill or drop such rows.")
    text = [name for name in table if not pd.api.types.is_numeric_dtype(table[name])]
    require(not text, f"columns of {file}", "numbers", text, "Drop them or encode them; decimal commas become points.")
    return from_features(table.to_numpy(), found)


def _read(file: Path) -> pd.DataFrame:
    require(file.suffix in (".npy", ".csv"), "file", "an .npy or a .csv", str(file), "Save it as one of them.")
    require(file.is_file(), "file", "one that exists", str(file), "Check the path.")
    try:
        if file.suffix == ".csv":
            heading, _ = csv_rows(file, str(file), 20)
            return pd.read_csv(file, encoding="utf-8-sig", header="infer" if heading else None)
        array = np.load(file, allow_pickle=False)
        return pd.DataFrame(array if array.ndim < 2 else array.reshape(len(array), -1))
    except Exception as error:  # a damaged file raises many types
        if str(error).startswith(str(file)):
            raise
        raise ValueError(f"{file} must be a readable {file.suffix}, got {error!r:.200}. Write it again.") from error
