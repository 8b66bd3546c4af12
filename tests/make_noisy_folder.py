"""Write images of CIFAR-10 as class folders by human labels: `python tests/make_noisy_folder.py cifar10.npz OUT`.

The .npz has train_images, train_labels and human_worse_label. Beside the folder, OUT.csv says which label is wrong.
"""

import sys
from pathlib import Path

import numpy as np
from PIL import Image

CLASSES = "airplane automobile bird cat deer dog frog horse ship truck".split()


def main(file: str, out: Path, count: int = 3000, labels: str = "human_worse_label", seed: int = 0) -> None:
    """Write `count` images drawn by `seed`, named by their number in the data set."""
    with np.load(file) as arrays:
        images, given, true = (arrays[name] for name in ("train_images", labels, "train_labels"))
    rows = ["file,wrong"]
    for number in np.sort(np.random.default_rng(seed).permutation(len(images))[:count]):
        path = Path(CLASSES[given[number]], f"{number:05d}.png")
        (out / path.parent).mkdir(parents=True, exist_ok=True)
        Image.fromarray(images[number]).save(out / path)
        rows.append(f"{path.as_posix()},{int(given[number] != true[number])}")
    out.with_name(out.name + ".csv").write_text("\n".join(rows) + "\n")


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), *(int(word) for word in sys.argv[3:4]))
