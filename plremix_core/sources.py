"""Where known data sets come from: the bundled part of Fashion-MNIST, and CIFAR-10/100, checked by content."""

import hashlib
from pathlib import Path

import numpy as np

from .checks import require

FOLDER = Path(__file__).resolve().parent.parent / "data"
PARTS = ("train_images", "train_labels", "test_images", "test_labels")
CLASS_NAMES = {
    "fashion_mnist": tuple("T-shirt trouser pullover dress coat sandal shirt sneaker bag boot".split()),
    "cifar10": tuple("airplane automobile bird cat deer dog frog horse ship truck".split()),
    "cifar100": tuple(f"class {c}" for c in range(100)),
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
}
FILES = {"fashion_mnist": "fashion_mnist_part.npz", "cifar10": "cifar10.npz", "cifar100": "cifar100.npz"}


def read(name: str, folder: Path) -> dict[str, np.ndarray]:
    """Read the four arrays of a known data set and compare them with the sums of their content.

    Parameters
    ----------
    name : str
        Key of FILES.
    folder : Path
        Where the .npz or torchvision's download lies, or goes.

    Returns
    -------
    dict of str to ndarray
        train_images, train_labels, test_images, test_labels.

    Raises
    ------
    ValueError
        If the name is unknown, nothing can be had, or the content is not that of the data set.
    """
    require(name in FILES, "dataset", f"one of {', '.join(FILES)}", name, "For data of your own use data.from_arrays.")
    path = folder / FILES[name]
    if path.exists() or name == "fashion_mnist":
        require(path.exists(), "dataset file", "present", str(path), "Restore it with git checkout.")
        arrays = _read_npz(path)
    else:
        arrays = _from_torchvision(name, folder)
    for part, expected in zip(PARTS, CONTENT[name]):
        found = hashlib.sha256(np.ascontiguousarray(arrays[part], dtype=np.uint8).tobytes()).hexdigest()[:16]
        remedy = f"{path} is damaged or another data set; delete it and fetch it again."
        require(found == expected, f"content of {name}/{part}", f"sha256 {expected}...", found, remedy)
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
        train, test = (kind(str(folder / "cache"), train=train, download=True) for train in (True, False))
    except Exception as error:
        remedy = f"Without a network put {FILES[name]} into {folder}, or torchvision's files into {folder / 'cache'}."
        raise ValueError(f"{name} must be downloadable or present, got {error!r}. {remedy}") from error
    return dict(zip(PARTS, (train.data, np.array(train.targets), test.data, np.array(test.targets))))
