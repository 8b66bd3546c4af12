"""Noisy labels: drawn at a rate from an explicit generator, or given by people."""

from pathlib import Path

import numpy as np

from ..engine.checks import require
from .catalogue import SOURCES, require_content
from .label_files import read_columns

RATED = ("sym", "asym", "asym-consecutive")  # drawn at a rate, see `corrupt`
HUMAN = tuple(kind for source in SOURCES.values() for kind in source.human)  # given by people, see `human`
NOISES = (*RATED, *HUMAN, "file", "none")


def corrupt(labels: np.ndarray, noise: str, rate: float, num_classes: int, dataset: str, seed: int) -> np.ndarray:
    """Draw given labels (N,) for a noise of RATED, or none, at `rate` from true `labels`.

    Of floor(`rate` N) drawn samples sym draws the labels anew, uniformly over all classes, so that the real rate is
    about r (C - 1) / C; asym changes those of the classes that look like another one (data/catalogue.yaml has the
    pairs), asym-consecutive to the next number in blocks of five, as in the released label file of CIFAR-100.
    Release: data/cifar.py, data/asymmetric_noise.py.
    """
    rng, given = np.random.default_rng([seed, 0x6E6F6973]), labels.copy()
    kinds = (*RATED, "none")
    require(noise in kinds, "noise", f"one of {', '.join(kinds)}", noise, "See human for labels of people.")
    if noise == "none":
        return given
    require(0 <= rate < 1, "rate", "in [0, 1)", rate, "It is a fraction, not a percentage.")
    chosen = rng.permutation(len(labels))[: int(rate * len(labels))]
    if noise == "sym":
        given[chosen] = rng.integers(num_classes, size=len(chosen))
        return given
    having = [name for name, source in SOURCES.items() if noise in source.asymmetric]
    rule = f"sym or none unless the data set is one of {', '.join(having)}"
    require(dataset in having, "noise", rule, noise, "Use sym.")
    pairs = SOURCES[dataset].asymmetric[noise]
    given[chosen] = [pairs.get(label, label) for label in labels[chosen].tolist()]
    return given


def human(kind: str, dataset: str, folder: Path, true: np.ndarray) -> np.ndarray:
    """Read labels (N,) that people gave to the training images of CIFAR-10 or CIFAR-100; see data/README.md.

    The file lies in `folder` and is checked by its content and by the `true` labels beside it, in the order of the
    data set. Source: Wei et al., Learning with noisy labels revisited, arXiv:2110.12088. Not in the paper.
    """
    source = SOURCES[dataset]
    rule = f"one of {', '.join(source.human)}" if source.human else "sym, asym, file or none"
    require(kind in source.human, "noise", f"{rule} on {dataset}", kind, "Human labels are of cifar10 and cifar100.")
    found = next((folder / name for name in source.human_files if (folder / name).is_file()), None)
    remedy = (
        f"Download {source.human_files[0]} from https://github.com/UCSC-REAL/cifar-10-100n (folder data; licence "
        f"CC BY-NC 4.0, therefore not bundled) and put it into {folder}"
    )
    require(found is not None, "file of human labels", " or ".join(source.human_files), found, remedy)
    columns, (key, expected) = read_columns(found, str(found)), source.human[kind]
    there = {key, "clean_label"} <= set(columns)
    require(there, str(found), f"a file of CIFAR-N with {key} and clean_label", list(columns), "Fetch it again.")
    require_content(columns[key], expected, f"{found.name}/{key}", found)
    same = np.array_equal(columns["clean_label"], true)
    require(same, f"clean labels of {found.name}", "those of the data set", "others", "Is the data set whole?")
    return np.asarray(columns[key]).astype(np.uint8).astype(np.int64)  # what was checked, of any type


def real_rate(given: np.ndarray, true: np.ndarray) -> float:
    """Share of given labels that are wrong, in [0, 1]; the nominal rate counts some that stayed right."""
    return float((given != true).mean())
