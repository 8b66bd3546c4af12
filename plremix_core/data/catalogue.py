"""Where known data sets come from: the bundled part of Fashion-MNIST, and CIFAR-10/100, checked by content."""

import functools
import hashlib
from pathlib import Path

import numpy as np

from ..engine.checks import require

FOLDER = Path(__file__).resolve().parents[2] / "data"
PARTS = ("train_images", "train_labels", "test_images", "test_labels")
CLASS_NAMES = {
    "fashion_mnist": tuple("T-shirt trouser pullover dress coat sandal shirt sneaker bag boot".split()),
    "cifar10": tuple("airplane automobile bird cat deer dog frog horse ship truck".split()),
    "cifar100": tuple(
        "apple aquarium_fish baby bear beaver bed bee beetle bicycle bottle bowl boy bridge bus butterfly camel can "
        "castle caterpillar cattle chair chimpanzee clock cloud cockroach couch crab crocodile cup dinosaur dolphin "
        "elephant flatfish forest fox girl hamster house kangaroo keyboard lamp lawn_mower leopard lion lizard lobster "
        "man maple_tree motorcycle mountain mouse mushroom oak_tree orange orchid otter palm_tree pear pickup_truck "
        "pine_tree plain plate poppy porcupine possum rabbit raccoon ray road rocket rose sea seal shark shrew skunk "
        "skyscraper snail snake spider squirrel streetcar sunflower sweet_pepper table tank telephone television tiger "
        "tractor train trout tulip turtle wardrobe whale willow_tree wolf woman worm".split()
    ),
}
CONTENT = {  # first 16 hex digits of the SHA-256 of each part's bytes, images and labels as uint8
    "fashion_mnist": ("4f7cf6dd3e34367c", "9581eb77d351b7c3", "faeb535a68fb9b14", "650fde680f85edac"),
    "cifar10": ("47af8b02cfcfb6cd", "2b7cd2f244873176", "f9b1e2130bab680d", "cec8a24a1e92aa2e"),
    "cifar100": ("4e457917601a66ae", "9f11b9f97aad759b", "4cb8e5d9309da489", "4dad7d09c7c97d33"),
}
STATISTICS = {  # mean and deviation of pixels in [0, 1], one a channel
    "fashion_mnist": ((0.2860,), (0.3530,)),
    "cifar10": ((0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010)),
    "cifar100": ((0.5071, 0.4865, 0.4409), (0.2673, 0.2564, 0.2762)),
    "tiny_imagenet": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),  # ImageNet's, as in the release
    "clothing1m": ((0.6959, 0.6537, 0.6371), (0.3113, 0.3192, 0.3214)),
    "webvision": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    "folder": None,  # measured
}
IMAGE_SIZE = {"tiny_imagenet": 64, "clothing1m": 256, "webvision": 320, "folder": 64}  # shorter side, pixels
FILES = {"fashion_mnist": "fashion_mnist_part.npz", "cifar10": "cifar10.npz", "cifar100": "cifar100.npz"}
UNPACKED = {"cifar10": "cifar-10-batches-py", "cifar100": "cifar-100-python"}  # torchvision's folder


def read(name: str, folder: Path) -> dict[str, np.ndarray]:
    """Read the four arrays of a known data set and compare them with the sums of their content.

    Content that was checked once in this process, is neither read nor summed again while its files stay the same.

    Parameters
    ----------
    name : str
        Key of FILES.
    folder : Path
        Where the .npz or torchvision's download lies, or goes; or the .npz itself, whatever its name.

    Returns
    -------
    dict of str to ndarray
        train_images, train_labels, test_images, test_labels; read-only.

    Raises
    ------
    ValueError
        If the name is unknown, nothing can be had, or the content is not that of the data set.
    """
    known = ", ".join((*FILES, *IMAGE_SIZE))
    require(name in FILES, "dataset", f"one of {known}", name, "For your own use data.from_arrays or data.from_folder.")
    path = folder if folder.suffix == ".npz" else folder / FILES[name]
    if name == "fashion_mnist" and path != folder and not path.exists():
        path = FOLDER / FILES[name]  # bundled: a folder of other sets need not hold it
    if path.exists() or path == folder or name == "fashion_mnist":
        remedy = "Restore it with git checkout." if name == "fashion_mnist" else "Check the path."
        require(path.is_file(), "dataset file", "present", str(path), remedy)
        files = [path]
    else:
        path = folder if (folder / UNPACKED[name]).is_dir() else folder / "cache"
        files = sorted((path / UNPACKED[name]).glob("*"))
    stamp = tuple((str(file), file.stat().st_size, file.stat().st_mtime_ns) for file in files)
    return _checked(name, path.absolute(), stamp)


@functools.lru_cache(maxsize=1)
def _checked(name: str, path: Path, stamp: tuple) -> dict[str, np.ndarray]:
    """Arrays from `path`; `stamp` tells whether its files are still those that were checked."""
    arrays = _read_npz(path) if path.suffix == ".npz" else _from_torchvision(name, path)
    for part, expected in zip(PARTS, CONTENT[name]):
        found = hashlib.sha256(np.ascontiguousarray(arrays[part], dtype=np.uint8).tobytes()).hexdigest()[:16]
        remedy = f"{path} is damaged or another data set; delete it and fetch it again."
        require(found == expected, f"content of {name}/{part}", f"sha256 {expected}...", found, remedy)
        arrays[part].setflags(write=False)
    return arrays


def _read_npz(path: Path) -> dict[str, np.ndarray]:
    remedy = f"{path} is damaged; delete it and fetch it again."
    try:
        with np.load(path, allow_pickle=False) as archive:
            missing = [part for part in PARTS if part not in archive.files]
            require(not missing, "dataset file", f"an .npz with {', '.join(PARTS)}", f"none of {missing}", remedy)
            return {part: archive[part] for part in PARTS}
    except ValueError as error:
        if str(error).startswith("dataset file"):
            raise
        raise ValueError(f"dataset file must be a readable .npz, got {error}. {remedy}") from error
    except Exception as error:  # a cut or damaged zip raises many types
        raise ValueError(f"dataset file must be a readable .npz, got {error!r}. {remedy}") from error


def _from_torchvision(name: str, folder: Path) -> dict[str, np.ndarray]:
    from torchvision import datasets

    kind = {"cifar10": datasets.CIFAR10, "cifar100": datasets.CIFAR100}[name]
    try:
        train, test = (kind(str(folder), train=train, download=True) for train in (True, False))
    except Exception as error:
        remedy = f"Without a network put {FILES[name]} into {folder.parent}, or torchvision's files into {folder}."
        raise ValueError(f"{name} must be downloadable or present, got {error!r}. {remedy}") from error
    return dict(zip(PARTS, (train.data, np.array(train.targets), test.data, np.array(test.targets))))
