"""Write images of CIFAR-10 as class folders by human labels: `python tests/make_noisy_folder.py cifar10.npz OUT`."""

import argparse
from pathlib import Path

import numpy as np
from PIL import Image

CLASSES = "airplane automobile bird cat deer dog frog horse ship truck".split()


def write(file: Path, out: Path, count: int, labels: str, seed: int = 0) -> None:
    """Write `count` images drawn by `seed`, named by their number in the data set."""
    with np.load(file) as arrays:
        missing = sorted({"train_images", "train_labels", labels} - set(arrays))
        if missing:
            raise ValueError(f"{file} lacks {', '.join(missing)}; it has {', '.join(arrays)}")
        images, given, true = (arrays[name] for name in ("train_images", labels, "train_labels"))
    rows = ["file,wrong"]
    for number in np.sort(np.random.default_rng(seed).permutation(len(images))[:count]):
        path = Path(CLASSES[given[number]], f"{number:05d}.png")
        (out / path.parent).mkdir(parents=True, exist_ok=True)
        Image.fromarray(images[number]).save(out / path)
        rows.append(f"{path.as_posix()},{int(given[number] != true[number])}")
    out.with_name(out.name + ".csv").write_text("\n".join(rows) + "\n")


def main() -> None:
    """Read the arguments; what is wrong with them is one line."""
    parser = argparse.ArgumentParser(description="Write images of CIFAR-10 as class folders by human labels.")
    parser.add_argument("file", type=Path, help=".npz with train_images, train_labels and the human labels")
    parser.add_argument("out", type=Path, help="new folder; beside it, OUT.csv says which label is wrong")
    parser.add_argument("count", type=int, nargs="?", default=3000, help="images, drawn at random (default 3000)")
    parser.add_argument("--labels", default="human_worse_label", help="array of the human labels (default %(default)s)")
    given = parser.parse_args()
    try:
        write(given.file, given.out, given.count, given.labels)
    except (OSError, ValueError) as error:  # no such file, or no such array
        parser.error(str(error))


if __name__ == "__main__":
    main()
