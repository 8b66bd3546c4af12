"""Make data/fashion_mnist_part.npz from the original Fashion-MNIST files.

    python data/make_fashion_mnist_part.py FOLDER

FOLDER holds the four original .gz files (Debian: package dataset-fashion-mnist puts them into
/usr/share/datasets/fashion-mnist). The same seed and files give the same arrays; `data/README.md` has their sums.
"""

import gzip
import hashlib
import sys
from pathlib import Path

import numpy as np

MD5 = {  # of the unpacked original files
    "train-images-idx3-ubyte": "f4a8712d7a061bf5bd6d2ca38dc4d50a",
    "train-labels-idx1-ubyte": "9018921c3c673c538a1fc5bad174d6f9",
    "t10k-images-idx3-ubyte": "8181f5470baa50b63fa0f6fddb340f0a",
    "t10k-labels-idx1-ubyte": "15d484375f8d13e6eb1aabb0c3f46965",
}


def read(folder: Path, name: str) -> bytes:
    """Unpack one original file and check its sum."""
    content = gzip.decompress((folder / f"{name}.gz").read_bytes())
    if hashlib.md5(content).hexdigest() != MD5[name]:
        raise SystemExit(f"{folder / name}.gz must be the original file, its content has another md5. Fetch it again.")
    return content


def part(folder: Path, split: str, per_class: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw `per_class` images of every class, in shuffled order."""
    images = np.frombuffer(read(folder, f"{split}-images-idx3-ubyte"), np.uint8, offset=16).reshape(-1, 28, 28)
    labels = np.frombuffer(read(folder, f"{split}-labels-idx1-ubyte"), np.uint8, offset=8)
    rng = np.random.default_rng(seed)
    chosen = np.concatenate([rng.permutation(np.flatnonzero(labels == c))[:per_class] for c in range(10)])
    chosen = rng.permutation(chosen)
    return images[chosen], labels[chosen]


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit(__doc__)
    source = Path(sys.argv[1])
    train_images, train_labels = part(source, "train", 1000, seed=0)
    test_images, test_labels = part(source, "t10k", 200, seed=0)
    target = Path(__file__).with_name("fashion_mnist_part.npz")
    np.savez_compressed(
        target, train_images=train_images, train_labels=train_labels, test_images=test_images, test_labels=test_labels
    )
    for name, array in np.load(target).items():
        print(f"{name:13s} {array.shape} sha256 {hashlib.sha256(array.tobytes()).hexdigest()}")
    print(f"{target.name} {target.stat().st_size:,} bytes sha256 {hashlib.sha256(target.read_bytes()).hexdigest()}")
