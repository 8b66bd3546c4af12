"""The known data sets: one `Source` record each, and the reading of arrays, checked by content."""

import functools
import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ..engine.checks import require
from ..engine.files import ROOT
from . import folders

FOLDER = ROOT / "data"
Statistics = tuple[tuple[float, ...], tuple[float, ...]]
PARTS = ("train_images", "train_labels", "test_images", "test_labels")


@dataclass(frozen=True, kw_only=True, eq=False)
class Source:
    """All that is known of one data set, which is either an .npz of arrays or a folder of images."""

    known: tuple[int, int, int] = (0, 0, 0)  # classes, training images, their side; 0 = not known without the files
    file: str = ""  # .npz with the arrays PARTS: images (N, H, W) or (N, H, W, 3) in uint8, labels (N,)
    class_names: tuple[str, ...] = ()  # of the .npz, in order of their numbers
    checksums: tuple[str, ...] = ()  # first 16 hex digits of the SHA-256 of each array as uint8; () = not compared
    torchvision: str = ""  # class of torchvision.datasets that downloads the set where the .npz is missing
    layout: Callable[[Path], folders.Layout] | None = None  # instead of the four above: lists the images of a folder
    image_size: int = 0  # side that images of a layout are resized to, pixels; 0 = all have one shape
    true_labels: bool = True  # whether the labels that come with the training images are right
    statistics: Statistics | None = None  # mean and deviation a channel, pixels in [0, 1]; None = measured
    asymmetric: dict[str, dict[int, int]] = field(default_factory=dict)  # noise -> true class -> wrong class
    human: dict[str, tuple[str, str]] = field(default_factory=dict)  # noise -> name in the file, checksum
    human_files: tuple[str, ...] = ()  # the original file of human labels, and an .npz of the same arrays


def next_in_group(groups: list[int]) -> dict[int, int]:
    """Map each class to the next one of its group in order of numbers, the last one to the first."""
    members = [[c for c, group in enumerate(groups) if group == wanted] for wanted in sorted(set(groups))]
    return {c: group[(place + 1) % len(group)] for group in members for place, c in enumerate(group)}


SUPER_CLASS = [  # of CIFAR-100's 100 classes in order of their number; 20 super-classes of five
    4, 1, 14, 8, 0, 6, 7, 7, 18, 3, 3, 14, 9, 18, 7, 11, 3, 9, 7, 11, 6, 11, 5, 10, 7, 6, 13, 15, 3, 15, 0, 11, 1, 10,
    12, 14, 16, 9, 11, 5, 5, 19, 8, 8, 15, 13, 14, 17, 18, 10, 16, 4, 17, 4, 2, 0, 17, 4, 18, 17, 10, 3, 2, 12, 12, 16,
    12, 1, 9, 19, 2, 10, 0, 1, 16, 12, 9, 13, 15, 13, 16, 19, 2, 4, 6, 19, 5, 5, 8, 19, 18, 1, 2, 15, 6, 0, 17, 8, 14,
    13,
]  # fmt: skip
CLOTHING = ((0.6959, 0.6537, 0.6371), (0.3113, 0.3192, 0.3214))
IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
SOURCES = {
    "fashion_mnist": Source(
        known=(10, 10_000, 28),
        file="fashion_mnist_part.npz",
        class_names=tuple("T-shirt trouser pullover dress coat sandal shirt sneaker bag boot".split()),
        checksums=("4f7cf6dd3e34367c", "9581eb77d351b7c3", "faeb535a68fb9b14", "650fde680f85edac"),
        statistics=((0.2860,), (0.3530,)),
        asymmetric={"asym": {6: 0, 2: 4, 4: 2, 5: 7, 9: 7}},  # shirt>T-shirt pullover<>coat sandal, boot>sneaker
    ),
    "cifar10": Source(
        known=(10, 50_000, 32),
        file="cifar10.npz",
        class_names=tuple("airplane automobile bird cat deer dog frog horse ship truck".split()),
        checksums=("47af8b02cfcfb6cd", "2b7cd2f244873176", "f9b1e2130bab680d", "cec8a24a1e92aa2e"),
        torchvision="CIFAR10",
        statistics=((0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010)),
        asymmetric={"asym": {2: 0, 4: 7, 3: 5, 5: 3, 9: 1}},  # bird>airplane deer>horse cat<>dog truck>automobile
        human={
            "aggre": ("aggre_label", "2bd5e02e39c9c797"),
            "random1": ("random_label1", "8d01b5a5af048e84"),
            "random2": ("random_label2", "7ea04c887750912f"),
            "random3": ("random_label3", "cdbfad7e15bfc8fc"),
            "worse": ("worse_label", "11a306ed336e3bc8"),
        },
        human_files=("CIFAR-10_human.pt", "cifar10n_labels.npz"),
    ),
    "cifar100": Source(
        known=(100, 50_000, 32),
        file="cifar100.npz",
        class_names=tuple(
            "apple aquarium_fish baby bear beaver bed bee beetle bicycle bottle bowl boy bridge bus butterfly camel "
            "can castle caterpillar cattle chair chimpanzee clock cloud cockroach couch crab crocodile cup dinosaur "
            "dolphin elephant flatfish forest fox girl hamster house kangaroo keyboard lamp lawn_mower leopard lion "
            "lizard lobster man maple_tree motorcycle mountain mouse mushroom oak_tree orange orchid otter palm_tree "
            "pear pickup_truck pine_tree plain plate poppy porcupine possum rabbit raccoon ray road rocket rose sea "
            "seal shark shrew skunk skyscraper snail snake spider squirrel streetcar sunflower sweet_pepper table tank "
            "telephone television tiger tractor train trout tulip turtle wardrobe whale willow_tree wolf woman "
            "worm".split()
        ),
        checksums=("4e457917601a66ae", "9f11b9f97aad759b", "4cb8e5d9309da489", "4dad7d09c7c97d33"),
        torchvision="CIFAR100",
        statistics=((0.5071, 0.4865, 0.4409), (0.2673, 0.2564, 0.2762)),
        asymmetric={
            "asym": next_in_group(SUPER_CLASS),
            "asym-consecutive": next_in_group([c // 5 for c in range(100)]),  # that of the released label file
        },
        human={"fine": ("noisy_label", "54050bc3f9441adc")},
        human_files=("CIFAR-100_human.pt", "cifar100n_labels.npz"),
    ),
    "tiny_imagenet": Source(known=(200, 100_000, 0), layout=folders.tiny_imagenet, image_size=64, statistics=IMAGENET),
    "clothing1m": Source(
        known=(14, 0, 0), layout=folders.clothing1m, image_size=256, true_labels=False, statistics=CLOTHING
    ),
    "webvision": Source(
        known=(50, 0, 0), layout=folders.webvision, image_size=320, true_labels=False, statistics=IMAGENET
    ),
    "folder": Source(layout=folders.own, image_size=64, true_labels=False),
}


def require_fits(settings: object, classes: int, size: int, side: int) -> None:
    """Refuse settings, a Config, that do not fit a data set of `classes`, `size` and `side`; 0 is not known yet."""
    most, wanted = max(k for _, k in settings.kappa), settings.train_size + settings.holdout
    require(not classes or most <= classes, "kappa", f"at most {classes}, the number of classes", most, "Lower k.")
    require(
        not size or settings.holdout < size,
        "holdout",
        f"below the {size} training images",
        settings.holdout,
        "Lower it.",
    )
    require(not size or wanted <= size, "train_size", f"at most {size} with holdout", wanted, "Lower it.")
    require(
        not (side and settings.image_size),
        "image_size",
        "0 on images of one size",
        settings.image_size,
        "Leave it out.",
    )
    side = settings.image_size or side
    room = side + 2 * settings.pad
    require(not side or settings.crop <= room, "crop", f"at most {room}, with padding", settings.crop, "Lower it.")


def read_arrays(name: str, folder: Path) -> dict[str, np.ndarray]:
    """Read the arrays PARTS of a data set of SOURCES, read-only, and compare them with its checksums.

    `folder` is where the .npz or torchvision's download lies, or goes; or the .npz itself, whatever its name. What was
    checked once in this process is neither read nor checked again while its files stay the same.
    """
    source = SOURCES[name]
    there = bool(source.torchvision) or folder.exists()
    require(there, "folder of the data", "one that exists", str(folder), "Check the path, or leave it out.")
    path = folder if folder.suffix == ".npz" else folder / source.file
    if not path.exists() and path != folder and not source.torchvision:
        path = FOLDER / source.file  # the bundled set need not lie in a folder of other sets
    if path.exists() or path == folder or not source.torchvision:
        remedy = "Check the path; a bundled file comes back with git checkout."
        require(path.is_file(), "dataset file", "present", str(path), remedy)
        files = [path]
    else:
        unpacked = _torchvision(source).base_folder
        path = folder if (folder / unpacked).is_dir() else folder / "cache"
        files = sorted((path / unpacked).glob("*"))
    stamp = tuple((str(file), file.stat().st_size, file.stat().st_mtime_ns) for file in files)
    return _read_checked(name, source, path.absolute(), stamp)


@functools.lru_cache(maxsize=1)
def _read_checked(name: str, source: Source, path: Path, stamp: tuple) -> dict[str, np.ndarray]:
    """Read and check arrays; `stamp` changes with their files and makes the cache forget."""
    arrays = _read_npz(path) if path.suffix == ".npz" else _download(name, source, path)
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


def read_own(path: Path) -> dict[str, np.ndarray]:
    """Read an .npz of your own: the arrays PARTS, without those of the test perhaps, and class_names if it has them."""
    require(path.is_file(), "dataset file", "one that exists", str(path), "Check the path.")
    return _read_npz(path, PARTS[:2])


def count_classes(arrays: dict[str, np.ndarray]) -> int:
    """Number of classes of an .npz of your own: by its names, or its labels, or 0 if they are no numbers."""
    labels = [arrays[part] for part in PARTS[1::2] if part in arrays and arrays[part].dtype.kind in "iu"]
    highest = max((int(part.max()) for part in labels if part.size), default=-1)
    return len(arrays.get("class_names", range(highest + 1)))


def _read_npz(path: Path, needed: tuple[str, ...] = PARTS) -> dict[str, np.ndarray]:
    remedy = f"{path} is damaged; fetch it again." if needed == PARTS else "See data.load."
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = {part: archive[part] for part in (*PARTS, "class_names") if part in archive.files}
    except Exception as error:  # a cut or damaged zip raises many types
        raise ValueError(f"dataset file must be a readable .npz, got {error!r}. {remedy}") from error
    missing = [part for part in needed if part not in arrays]
    require(not missing, "dataset file", f"an .npz with {', '.join(needed)}", f"none of {missing}", remedy)
    return arrays


def _torchvision(source: Source) -> type:
    from torchvision import datasets  # takes seconds

    return getattr(datasets, source.torchvision)


def _download(name: str, source: Source, folder: Path) -> dict[str, np.ndarray]:
    kind = _torchvision(source)
    try:
        train, test = (kind(str(folder), train=train, download=True) for train in (True, False))
    except Exception as error:
        remedy = f"Without a network put {source.file} into {folder.parent}, or torchvision's files into {folder}."
        raise ValueError(f"{name} must be downloadable or present, got {error!r}. {remedy}") from error
    return dict(zip(PARTS, (train.data, np.array(train.targets), test.data, np.array(test.targets))))
