"""Given labels from files: any .npy, .npz, .json or .csv, and the human labels of CIFAR-N."""

import csv
import hashlib
import json
import re
from pathlib import Path

import numpy as np
import torch

from ..engine.checks import require

HUMAN_FILES = {  # the original file, or an .npz of the same arrays
    "cifar10": ("CIFAR-10_human.pt", "cifar10n_labels.npz"),
    "cifar100": ("CIFAR-100_human.pt", "cifar100n_labels.npz"),
}
HUMAN_LABELS = {  # data set, name inside the file, first 16 hex digits of the SHA-256 of the labels as uint8
    "aggre": ("cifar10", "aggre_label", "2bd5e02e39c9c797"),
    "random1": ("cifar10", "random_label1", "8d01b5a5af048e84"),
    "random2": ("cifar10", "random_label2", "7ea04c887750912f"),
    "random3": ("cifar10", "random_label3", "cdbfad7e15bfc8fc"),
    "worse": ("cifar10", "worse_label", "11a306ed336e3bc8"),
    "fine": ("cifar100", "noisy_label", "54050bc3f9441adc"),
}
AGAIN = "The file is cut, damaged or something else; write or fetch it again."


def read(file: str | Path, size: int, num_classes: int) -> np.ndarray:
    """Read the given labels of a training set.

    Parameters
    ----------
    file : path
        .npy: one array. .npz: one array, or ``path::name`` for one of several. .json: a list, or an object from index
        to label. .csv: a column ``label`` (with a column ``index``, if there is one, the rows may be in any order), or
        one column with or without a heading.
    size : int
        N, samples of the training set.
    num_classes : int
        C.

    Returns
    -------
    ndarray of shape (N,), int64
        In the order of the data set, which for CIFAR is torchvision's.

    Raises
    ------
    ValueError
        If the file is missing or not what its name says, or its labels are not N whole numbers in [0, C).

    Source
    ------
    ours; the release reads .json

    Differs
    -------
    Never unpickles.
    """
    path, _, key = str(file).partition("::")
    readers = {".npy": _npy, ".npz": _npz, ".json": _json, ".csv": _csv}
    kind = Path(path).suffix.lower()
    require(kind in readers, "label_file", f"one of {', '.join(readers)}", path, "Save the labels in such a file.")
    require(Path(path).is_file(), "label_file", "a file that exists", path, "Check the path.")
    require(not key or kind == ".npz", "label_file", "without :: unless it is an .npz", str(file), "Drop the name.")
    name = f"label_file {path}"
    try:
        labels = _npz(path, key) if key else readers[kind](path)
    except _Refused as error:
        raise ValueError(f"{name} must {error}") from None
    except Exception as error:  # a damaged file raises many types
        raise ValueError(f"{name} must be a readable {kind}, got {error!r}. {AGAIN}") from error
    require(np.issubdtype(labels.dtype, np.integer), name, "of whole numbers", labels.dtype, "Number classes from 0.")
    remedy = "One label a training image, in the order of the data set."
    require(labels.shape == (size,), name, f"of shape ({size},)", labels.shape, remedy)
    worst = labels.max() if labels.max() >= num_classes else labels.min()
    require(0 <= worst < num_classes, name, f"in [0, {num_classes})", int(worst), "Is it of another data set?")
    return labels.astype(np.int64)


class _Refused(Exception):
    """What a readable file lacks, worded to follow 'must'."""


def _npy(path: str) -> np.ndarray:
    with open(path, "rb") as file:
        return np.lib.format.read_array(file, allow_pickle=False)


def _npz(path: str, key: str = "") -> np.ndarray:
    with np.load(path, allow_pickle=False) as archive:
        names = archive.files
        if key not in names and (key or len(names) != 1):
            rule = "hold one array, or be named as path::array" if not key else f"hold an array {key!r}"
            raise _Refused(f"{rule}, got {', '.join(names)}. Name one of them.")
        return archive[key or names[0]]


def _json(path: str) -> np.ndarray:
    def once(pairs: list[tuple]) -> dict:
        if len(dict(pairs)) != len(pairs):
            raise _Refused("name each index once, got one twice. Write it again.")
        return dict(pairs)

    content = json.loads(Path(path).read_text("utf-8"), object_pairs_hook=once)
    if isinstance(content, dict):
        return _ordered(list(content), list(content.values()))
    if not isinstance(content, list):
        raise _Refused(f"hold a list or an object from index to label, got {content!r:.40}. Write a list.")
    return _whole(content)


def _csv(path: str) -> np.ndarray:
    with open(path, encoding="utf-8-sig", newline="") as file:
        rows = [row for row in csv.reader(file) if row]
    heading = rows[0] if rows and not all(_is_whole(cell) for cell in rows[0]) else []
    rows = rows[len(heading) > 0 :]
    if heading and "label" not in heading and len(heading) > 1 or not heading and any(len(row) > 1 for row in rows):
        raise _Refused(f"have a column label, or one column, got {heading or rows[0]}. Give the column that heading.")
    if any(len(row) != len(heading or [0]) for row in rows):
        raise _Refused("have equally many entries in every row. " + AGAIN)
    column = heading.index("label") if "label" in heading else 0
    labels = [row[column] for row in rows]
    if "index" in heading:
        return _ordered([row[heading.index("index")] for row in rows], labels)
    return _whole(labels)


def _is_whole(value: object) -> bool:
    return type(value) is int or isinstance(value, str) and re.fullmatch(r"\s*-?[0-9]+\s*", value) is not None


def _whole(values: list) -> np.ndarray:
    for place, value in enumerate(values):
        if not _is_whole(value):
            raise _Refused(f"hold whole numbers, got {value!r:.40} at position {place}. Number classes from 0.")
    return np.array([int(value) for value in values], dtype=np.int64)


def _ordered(indices: list, labels: list) -> np.ndarray:
    places, labels = _whole(indices), _whole(labels)
    if sorted(places.tolist()) != list(range(len(places))):
        raise _Refused(f"have each index from 0 to {len(places) - 1} once, got others. " + AGAIN)
    ordered = np.empty_like(labels)
    ordered[places] = labels
    return ordered


def human(noise: str, dataset: str, folder: str | Path, true: np.ndarray) -> np.ndarray:
    """Read labels that people gave to the training images of CIFAR-10 or CIFAR-100.

    Parameters
    ----------
    noise : str
        Key of HUMAN_LABELS: aggre (majority of three people), random1, random2, random3 (one of them), worse (a wrong
        one if there is any) for cifar10; fine for cifar100.
    dataset : str
        cifar10 or cifar100.
    folder : path
        Where one of HUMAN_FILES lies.
    true : ndarray of shape (50000,), int64
        True labels in the order of the data set.

    Returns
    -------
    ndarray of shape (50000,), int64
        Wrong are 9.01 (aggre), 17.23, 18.12, 17.64 (random1 to 3), 40.21 (worse) and 40.20 % (fine).

    Raises
    ------
    ValueError
        If the noise is not one of this data set, or its file is missing, damaged or in another order.

    Source
    ------
    Wei et al., Learning with noisy labels revisited, arXiv:2110.12088; <https://github.com/UCSC-REAL/cifar-10-100n>.

    Differs
    -------
    Not in the paper.
    """
    of_set = [name for name, (owner, *_) in HUMAN_LABELS.items() if owner == dataset]
    rule = f"one of {', '.join(of_set)}" if of_set else "sym, asym, instance, file or none"
    require(noise in of_set, "noise", f"{rule} on {dataset}", noise, "Human labels are of cifar10 and cifar100.")
    paths = [Path(folder) / name for name in HUMAN_FILES[dataset]]
    found = [path for path in paths if path.is_file()]
    remedy = (
        f"Download {paths[0].name} from https://github.com/UCSC-REAL/cifar-10-100n (folder data; licence CC BY-NC 4.0, "
        f"therefore not bundled) and put it into {paths[0].parent}"
    )
    require(bool(found), "file of human labels", " or ".join(path.name for path in paths), "none", remedy)
    _, key, expected = HUMAN_LABELS[noise]
    given, clean = _human_arrays(found[0], (key, "clean_label"))
    given = given.astype(np.uint8)
    content = hashlib.sha256(given.tobytes()).hexdigest()[:16]
    again = f"{found[0]} is damaged or another file; delete it and fetch it again."
    require(content == expected, f"content of {found[0].name}/{key}", f"sha256 {expected}...", content, again)
    same = np.array_equal(clean, true)
    require(same, f"clean labels of {found[0].name}", "those of the data set", "others", "Is the data set whole?")
    return given.astype(np.int64)


def _human_arrays(path: Path, keys: tuple[str, ...]) -> list[np.ndarray]:
    try:
        if path.suffix == ".npz":
            with np.load(path, allow_pickle=False) as archive:
                return [archive[key] for key in keys]
        with torch.serialization.safe_globals(_numpy_parts()):
            content = torch.load(path, map_location="cpu", weights_only=True)
        return [np.asarray(content[key]) for key in keys]
    except Exception as error:
        again = "Delete it and fetch it again."
        raise ValueError(f"{path} must be a file of CIFAR-N, got {error!r:.200}. {again}") from error


def _numpy_parts() -> list:
    """What a pickled array of whole numbers is made of, under the names of NumPy 1 and 2."""
    rebuild = np.zeros(0).__reduce__()[0]
    names = [f"numpy.{core}.multiarray._reconstruct" for core in ("core", "_core")]
    kinds = [type(np.dtype(kind)) for kind in ("uint8", "int32", "int64")]
    return [np.ndarray, np.dtype, *kinds, *((rebuild, name) for name in names)]
