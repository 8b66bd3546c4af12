"""Data sets by name or from folders, the part of one that a run trains on, and its noise."""

import dataclasses
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from ..engine.checks import require
from . import catalogue, folders, label_files, noise
from .dataset import Dataset, from_arrays, measure
from .image_files import ImageFiles, in_memory, memory_limit, require_readable

SAMPLED = 1000  # images that mean and deviation are measured on


def from_folder(
    root: str | Path,
    train: str = "",
    test: str = "",
    *,
    validation: str = "",
    image_size: int = 0,
    class_names: tuple[str, ...] | None = None,
    name: str = "",
    memory: int | None = None,
) -> Dataset:
    """Make a data set of your own images, whose true labels are unknown.

    `train`, `test` and `validation` (which becomes the hold-out) are, in `root`, a folder with one folder a class, or a
    list file with a line ``path label`` an image, paths relative to `root`. Without `train` the class folders lie in
    `root` itself; without `test` there is no test set. Images become squares of `image_size` pixels (0 = all files
    already have one shape). Classes are numbered in the order of `class_names`, by default the folders' names, sorted.
    Images that need more than `memory` bytes, by default half of what is free, stay in their files and are read while
    training.
    """
    made = dict(train=train, test=test, validation=validation, image_size=image_size, class_names=class_names)
    root = Path(root).absolute()
    made |= dict(root=str(root), name=name or root.name)
    layout = folders.own(root, train, test, class_names, validation)
    for note in layout.notes:
        if note.startswith("left out") and folders.LEFT_BEHIND not in note:
            warnings.warn(note, stacklevel=2)
    data = _open_layout(made["name"], root, layout, image_size, catalogue.SOURCES["folder"])
    return read_images(dataclasses.replace(data, source=made), memory)


def load(
    name: str, folder: str | Path | None = None, *, image_size: int | None = None, memory: int | None = None
) -> Dataset:
    """Load a data set of catalogue.SOURCES, with the labels that come with its images; or an .npz of your own.

    `folder` is where the .npz or torchvision's download lies, or goes, or that .npz itself; of images in files the
    unpacked data set. By default it is the repository's data/, or the name in it. A `name` that ends in .npz is the
    path of a file with the arrays catalogue.PARTS (those of the test may be missing) and, perhaps, class_names; its
    labels are taken to be right. Others as for `from_folder`.
    """
    return read_images(_open(name, folder, image_size), memory)


def _open(name: str, folder: str | Path | None, image_size: int | None) -> Dataset:
    """Make a data set of the catalogue, or of an .npz; images in files are not read."""
    own = name.endswith(".npz")
    remedy = "For your own use a path that ends in .npz, data.from_arrays or data.from_folder."
    require(own or name in catalogue.SOURCES, "dataset", f"one of {', '.join(catalogue.SOURCES)}", name, remedy)
    source = catalogue.Source() if own else catalogue.SOURCES[name]
    place = catalogue.FOLDER if folder is None else Path(folder)
    if source.layout:
        place = place / name if folder is None else place
        size = source.image_size if image_size is None else image_size
        return _open_layout(name, place, source.layout(place), size, source)
    arrays = catalogue.read_npz(Path(name)) if own else catalogue.read_arrays(name, place)
    parts = [arrays.get(part) for part in catalogue.PARTS]
    names = arrays.get("class_names", source.class_names or None)
    name = Path(name).stem if own else name
    true = parts[1] if source.true_labels else None
    return from_arrays(*parts, names, true=true, name=name, statistics=source.statistics)


def _open_layout(name: str, root: Path, layout: folders.Layout, size: int, source: catalogue.Source) -> Dataset:
    """Make a data set of images in files, of which only some are read, to measure mean and deviation."""
    names, *parts, notes = layout
    paths = [[path for path, _ in pairs] for pairs in parts]
    require(bool(paths[0]), "training images", "at least one", str(root), "Is the data set whole?")
    try:
        train = ImageFiles(root, paths[0], size)
        test, holdout = (ImageFiles(root, below, size, shape=train.shape) for below in paths[1:])
        some = torch.linspace(0, len(train) - 1, min(SAMPLED, len(train))).long()
        mean, std = source.statistics or measure(train[some])
    except ValueError:
        require_readable(root, sum(paths, []))  # names all, not the first one
        raise
    given, test_labels, holdout_given = (torch.tensor([c for _, c in pairs], dtype=torch.int64) for pairs in parts)
    true = given if source.true_labels else None
    where = f"read from {root}" + (f" and made {size} x {size} pixels: the middle square, resized" if size else "")
    return Dataset(
        name, train, given, true, test, test_labels, names, mean, std, holdout, holdout_given,
        notes=(where, *notes), own=source.statistics is None,
    )  # fmt: skip


def read_images(data: Dataset, memory: int | None = None, device: str = "auto") -> Dataset:
    """Read images of files into memory as far as `memory` bytes go; of your own, broken ones are all named at once."""
    if not isinstance(data.images, ImageFiles):
        return data
    parts = {part: getattr(data, part) for part in ("images", "test_images", "holdout_images")}
    origin = data.images.signature() + data.test_images.signature()
    limit, kept = memory_limit(device) if memory is None else memory, {}
    try:
        for part, files in parts.items():
            if files.shape.numel() <= limit:
                kept[part] = in_memory(files)
                limit -= files.shape.numel()
            elif data.own:
                require_readable(files.root, files.paths)
    except ValueError:
        require_readable(data.images.root, sum((files.paths for files in parts.values()), []))
        raise
    return dataclasses.replace(data, **kept, origin=origin, files=tuple(data.images.paths))


def prepare(settings: object, folder: str | Path | None = None, *, memory: int | None = None) -> Dataset:
    """Load the data set of a run, take its part, set the hold-out aside and corrupt the labels.

    Read are the fields dataset, image_size, train_size, holdout, noise, rate, label_file, seed and device of the
    `settings`, a Config. `folder` and `memory` are those of `load`; the files of human labels lie in the folder, too.
    The hold-out keeps its given labels and is class-balanced like the rest; with holdout = 0 it is the one of `load`.

    Differs: seeded; the release seeds neither part nor noise, and draws another part of Clothing1M for every epoch.
    """
    return read_images(open_set(settings, folder), memory, settings.device)


def open_set(settings: object, folder: str | Path | None = None) -> Dataset:
    """What `prepare` returns, before images of files are read: enough for `describe`."""
    whole = _open(settings.dataset, folder, settings.image_size)
    if settings.noise == "none" and settings.dataset.endswith(".npz"):
        whole = dataclasses.replace(whole, true=None)  # nobody said that they are right
    labels = whole.given if whole.true is None else whole.true
    if settings.noise == "file":
        order = whole.images.paths if isinstance(whole.images, ImageFiles) else ()
        given = label_files.read(settings.label_file, len(labels), whole.num_classes, order, whole.class_names)
        whole = dataclasses.replace(whole, given=torch.from_numpy(given))
    kept = (whole.given >= 0).nonzero()[:, 0]  # others are dropped by the file
    count, unused, holdout = len(kept), len(whole.holdout_images), settings.holdout
    known = catalogue.SOURCES.get(settings.dataset, catalogue.Source()).known
    catalogue.require_fits(settings, whole.num_classes, count, known[2])
    size = settings.train_size or count - holdout
    rng = np.random.default_rng([settings.seed, 0x64617461])
    chosen = kept[_draw_balanced(labels[kept].numpy(), size + holdout, rng)]
    images, given = _select(whole.images, chosen), _corrupt(settings, whole, chosen, folder)
    nominal = f", nominal rate {settings.rate:.0%}" if settings.noise in noise.RATED else ""
    notes = [f"noise: {settings.noise}{nominal}"] * (settings.noise != "none")
    notes += [f"left out: {len(whole.given) - count} images without a label"] * (count < len(whole.given))
    if holdout:
        notes += [f"not used: {unused} validation images, as holdout = {holdout} are set aside"] * (unused > 0)
        held = dict(holdout_images=_select(images, slice(size, None)), holdout_given=given[size:])
        whole = dataclasses.replace(whole, **held)
    true = None if whole.true is None else whole.true[chosen[:size]]
    source = {"folder": None if folder is None else str(Path(folder).absolute())}
    part = dict(images=_select(images, slice(size)), given=given[:size], true=true)
    return dataclasses.replace(whole, **part, notes=(*whole.notes, *notes), source=source)


def reopen(settings: object, source: dict, folder: str | Path | None = None) -> Dataset:
    """The data set of a run again, as its checkpoint's `source` says it was made; perhaps from another `folder`."""
    if not source and str(folder).endswith(".npz"):
        return load(str(folder))
    remedy = "Pass --data FILE.npz with the arrays of catalogue.PARTS; in Python Trainer.resume(folder, data=...)."
    require(bool(source), "data of the run", "images in files or a known set", "arrays of Python", remedy)
    key = "root" if "root" in source else "folder"
    place = source[key] if folder is None else folder
    remedy = "If the data have moved, say where: --images FOLDER or --data FOLDER."
    require(place is None or Path(place).exists(), "folder of the data", "one that exists", str(place), remedy)
    return from_folder(**source | {key: place}) if key == "root" else prepare(settings, place)


def _select(images: Tensor | ImageFiles, index: Tensor | slice) -> Tensor | ImageFiles:
    return images.subset(index) if isinstance(images, ImageFiles) else images[index]


def _corrupt(settings: object, whole: Dataset, chosen: Tensor, folder: str | Path | None) -> Tensor:
    """Return the given labels (n,) of the chosen samples (n,)."""
    kind = settings.noise
    if kind in ("none", "file"):
        return whole.given[chosen]
    require(whole.true is not None, "noise", f"none or file on {whole.name}", kind, "Its true labels are not known.")
    if kind in noise.HUMAN:
        place = catalogue.FOLDER if folder is None else Path(folder)
        place = place.parent if place.suffix == ".npz" else place
        return torch.from_numpy(noise.human(kind, whole.name, place, whole.true.numpy()))[chosen]
    drawn = whole.true[chosen].numpy(), kind, settings.rate, whole.num_classes, whole.name, settings.seed
    return torch.from_numpy(noise.corrupt(*drawn))


def _draw_balanced(labels: np.ndarray, size: int, rng: np.random.Generator) -> Tensor:
    """Draw `size` indices whose classes come in turn, in random order within a class."""
    order = rng.permutation(len(labels))
    rank = pd.Series(order).groupby(labels[order]).cumcount().to_numpy()
    return torch.from_numpy(order[np.argsort(rank, kind="stable")][:size])
