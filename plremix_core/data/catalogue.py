"""The known data sets: a `Source` for each record of catalogue.yaml, and arrays, checked by content."""

import functools
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ..engine.checks import require
from ..engine.files import ROOT
from ..engine.plain_yaml import read_yaml
from . import folders
from .label_files import read_columns

FOLDER = ROOT / "data"
PARTS = ("train_images", "train_labels", "test_images", "test_labels")


@dataclass(frozen=True, kw_only=True, eq=False)
class Source:
    """All that is known of one data set, which is either an .npz of arrays or a folder of images."""

    known: Sequence[int] = (0, 0, 0)  # classes, training images, their side; 0 = not known without the files
    file: str = ""  # .npz with the arrays PARTS: images (N, H, W) or (N, H, W, 3) in uint8, labels (N,)
    class_names: Sequence[str] = ()  # of the .npz, in order of their numbers
    checksums: Sequence[str] = ()  # first 16 hex digits of the SHA-256 of each array as uint8; () = not compared
    torchvision: str = ""  # class of torchvision.datasets that downloads the set where the .npz is missing
    layout: Callable[[Path], folders.Layout] | None = None  # instead of the four above: lists the images of a folder
    image_size: int = 0  # side that images of a layout are resized to, pixels; 0 = all have one shape
    true_labels: bool = True  # whether the labels that come with the training images are right
    statistics: tuple | None = None  # tuples of mean and deviation a channel, pixels in [0, 1]; None = measured
    asymmetric: dict[str, dict[int, int]] = field(default_factory=dict)  # noise -> true class -> wrong class
    human: dict[str, Sequence[str]] = field(default_factory=dict)  # noise -> name in the file, checksum
    human_files: Sequence[str] = ()  # the original file of human labels, and an .npz of the same arrays


def _read_record(record: dict) -> Source:
    """Make a source of a record of catalogue.yaml: its names of classes become numbers."""
    names = tuple(" ".join(record.get("class_names", [])).split())
    for noise, pairs in record.get("asymmetric", {}).items():
        if isinstance(pairs, list):
            groups = [group.split() for group in pairs]
            pairs = {true: wrong for group in groups for true, wrong in zip(group, group[1:] + group[:1])}
        record["asymmetric"][noise] = {names.index(true): names.index(wrong) for true, wrong in pairs.items()}
    if "statistics" in record:
        record["statistics"] = tuple(map(tuple, record["statistics"]))
    layout = getattr(folders, record["layout"]) if "layout" in record else None
    return Source(**(record | dict(class_names=names, layout=layout)))


SOURCES = {
    name: _read_record(record)
    for name, record in read_yaml(Path(__file__).with_suffix(".yaml").read_text(encoding="utf-8")).items()
}


def require_fits(settings: object, classes: int, size: int, side: int) -> None:
    """Refuse settings, a Config, that do not fit a data set of `classes`, `size` and `side`; 0 is not known yet."""
    most, holdout, own_side = max(k for _, k in settings.kappa), settings.holdout, settings.image_size
    require(not classes or most <= classes, "kappa", f"at most {classes}, the number of classes", most, "Lower k.")
    require(not size or holdout < size, "holdout", f"below the {size} training images", holdout, "Lower it.")
    wanted = settings.train_size + holdout
    require(not size or wanted <= size, "train_size", f"at most {size} with holdout", wanted, "Lower it.")
    having = [name for name, known in SOURCES.items() if settings.noise in {*known.human, *known.asymmetric}]
    rule = f"sym or none unless the data set is one of {', '.join(having)}"
    require(not having or settings.dataset in having, "noise", rule, settings.noise, "Use sym.")
    require(not (side and own_side), "image_size", "0 on images of one size", own_side, "Leave it out.")
    side = own_side or side
    room = side + 2 * settings.pad
    require(not side or settings.crop <= room, "crop", f"at most {room}, with padding", settings.crop, "Lower it.")


def read_arrays(name: str, folder: Path) -> dict[str, np.ndarray]:
    """Read the arrays PARTS of a data set of SOURCES, read-only, and compare them with its checksums.

    `folder` is where the .npz or torchvision's download lies, or goes; or the .npz itself, whatever its name. What was
    checked once in this process is neither read nor checked again while its file stays the same.
    """
    source = SOURCES[name]
    path = folder if folder.suffix == ".npz" else folder / source.file
    if path != folder and not path.exists():
        if source.torchvision:
            path = folder
        elif folder.is_dir():
            path = FOLDER / source.file  # the bundled set need not lie in a folder of other sets
    stamp = (path.stat().st_size, path.stat().st_mtime_ns) if path.is_file() else None
    return _read_checked(name, source, path.absolute(), stamp)


@functools.lru_cache(maxsize=1)
def _read_checked(name: str, source: Source, path: Path, stamp: tuple | None) -> dict[str, np.ndarray]:
    """Read and check arrays; `stamp` changes with their file and makes the cache forget."""
    arrays = read_npz(path, PARTS) if path.suffix == ".npz" else _download(name, source, path)
    for part, expected in zip(PARTS, source.checksums):
        require_content(arrays[part], expected, f"{name}/{part}", path)
    for array in arrays.values():
        array.setflags(write=False)
    return arrays


def require_content(array: np.ndarray, expected: str, name: str, path: Path) -> None:
    """Refuse an array whose bytes as uint8 have another checksum than expected."""
    found = hashlib.sha256(np.ascontiguousarray(array, dtype=np.uint8).tobytes()).hexdigest()[:16]
    remedy = f"{path} is damaged or another data set; fetch it again."
    require(found == expected, f"content of {name}", f"sha256 {expected}...", found, remedy)


def read_npz(path: Path, needed: tuple[str, ...] = PARTS[:2]) -> dict[str, np.ndarray]:
    """Read an .npz: the arrays PARTS, of which those that are `needed` must be there, and perhaps class_names."""
    remedy = "Check the path; a bundled file comes back with git checkout."
    require(path.is_file(), "dataset file", "one that exists", str(path), remedy)
    found = read_columns(path, f"dataset file {path}")
    missing = [part for part in needed if part not in found]
    require(not missing, f"dataset file {path}", f"an .npz with {', '.join(needed)}", f"none of {missing}", "Add them.")
    found = {part: found[part] for part in (*PARTS, "class_names") if part in found}
    single = [part for part in found if found[part].ndim == 0]
    require(not single, f"dataset file {path}", "an .npz of arrays", f"one value as {single}", "One entry an image.")
    return found


def count_classes(arrays: dict[str, np.ndarray]) -> int:
    """Number of classes of an .npz of your own, by its names or its labels; below two is refused."""
    labels = [arrays[part] for part in PARTS[1::2] if part in arrays and arrays[part].dtype.kind in "iu"]
    highest = max((int(part.max()) for part in labels if part.size), default=-1)
    count, remedy = len(arrays.get("class_names", range(highest + 1))), "Number the classes from 0."
    require(count > 1, "train_labels", "whole numbers of at least two classes", f"{count} classes", remedy)
    return count


def _download(name: str, source: Source, folder: Path) -> dict[str, np.ndarray]:
    from torchvision import datasets  # takes seconds

    kind = getattr(datasets, source.torchvision)
    root = folder if (folder / kind.base_folder).is_dir() else folder / "cache"
    try:
        train, test = (kind(str(root), train=train, download=True) for train in (True, False))
    except Exception as error:
        remedy = f"Without a network put {source.file} into {folder}, or torchvision's files into {root}."
        raise ValueError(f"{name} must be downloadable or present, got {error!r}. {remedy}") from error
    return dict(zip(PARTS, (train.data, np.array(train.targets), test.data, np.array(test.targets))))
