"""What most trainings of the tests share: settings, images with labels, a checksum of all that training changes."""

import hashlib
from pathlib import Path

import numpy as np

from plremix_core.config import Config
from plremix_core.data import Dataset, from_arrays
from plremix_core.engine.history import History
from plremix_core.trainer import Trainer

SETTINGS = dict(
    dataset="fashion_mnist", width=4, blocks=(1,), stem_stride=4, batch_size=8, pad=1, flip=False, fill=0, epochs=3,
    warm_up=1, steps_per_epoch=2, kappa=((0, 1),), ramp_epochs=1, lr_drops=(2,), device="cpu",
)  # fmt: skip
NOTEBOOK = dict(train_size=400, epochs=3, warm_up=1, steps_per_epoch=3, batch_size=16, lr_drops=[], width=8)
BARS = ("left", "right", "top", "bottom")


def settings(**changes: object) -> Config:
    """A plremix training of a few steps on the CPU."""
    return Config(**(SETTINGS | changes))


def bars(n: int = 64, wrong: float = 0.3, seed: int = 0, size: int = 8, known: bool = True) -> Dataset:
    """Images of which one half is bright, four classes that any network can tell apart; a share of labels is wrong."""
    draws = np.random.default_rng(seed)

    def drawn(count: int) -> tuple[np.ndarray, np.ndarray]:
        labels, half = np.arange(count) % 4, size // 2
        pictures = draws.integers(0, 60, (count, size, size), dtype=np.uint8)
        places = (np.s_[:, :half], np.s_[:, half:], np.s_[:half, :], np.s_[half:, :])
        for picture, label in zip(pictures, labels):
            picture[places[label]] += 150
        return pictures, labels

    pictures, true = drawn(n)
    given, chosen = true.copy(), draws.permutation(n)[: int(wrong * n)]
    given[chosen] = (true[chosen] + 1 + draws.integers(3, size=len(chosen))) % 4
    return from_arrays(pictures, given, *drawn(40), BARS, true=true if known else None, name="bars")


def speckles(n: int, classes: int, wrong: int = 0) -> Dataset:
    """Colour images of noise, 8 x 8; classes come in turn, and the first `wrong` labels are those of the next class."""
    pixels, true = np.random.default_rng(0).integers(256, size=(n, 8, 8, 3), dtype=np.uint8), np.arange(n) % classes
    given = np.where(np.arange(n) < wrong, (true + 1) % classes, true)
    return from_arrays(pixels, given, pixels[:8], true[:8], classes, true=true)


def trained(config: Config, images: Dataset, folder: Path | None = None) -> tuple[Trainer, History]:
    """A trainer after its whole training, and the history."""
    trainer = Trainer(config, images, folder)
    return trainer, trainer.fit(progress=False)


def checksum(trainer: Trainer) -> str:
    """Sum over everything that training changes: weights, statistics, prototypes, momentum, selection."""
    digest = hashlib.sha256()
    for net, optimizer in zip(trainer.nets, trainer.optimizers):
        for tensor in net.state_dict().values():
            digest.update(tensor.numpy().tobytes())
        for entry in optimizer.state_dict()["state"].values():
            digest.update(entry["momentum_buffer"].numpy().tobytes())
    for tensor in trainer.adaptive:
        digest.update(tensor.numpy().tobytes())
    return digest.hexdigest()
