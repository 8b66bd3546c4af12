"""A data set is added from outside the package: one record in the catalogue, then everything knows its name."""

import numpy as np
import pytest
import torch
from PIL import Image

from plremix_core import data
from plremix_core.config import Config
from plremix_core.data import catalogue, folders
from plremix_core.trainer import Trainer

SMALL = dict(width=4, blocks=(1,), batch_size=4, epochs=2, warm_up=1, kappa=((0, 1),), lr_drops=(), pad=1)
SMALL |= dict(steps_per_epoch=2, device="cpu")


def arrays(per_class):
    """Dark and bright images of two classes, with their labels."""
    labels = np.arange(2 * per_class) % 2
    noise = np.random.default_rng(0).integers(60, size=(len(labels), 8, 8, 3))
    return (noise + 150 * labels[:, None, None, None]).astype(np.uint8), labels


def test_a_data_set_is_added_from_outside(tmp_path, monkeypatch):
    images, labels = arrays(20)
    np.savez(tmp_path / "mine.npz", train_images=images, train_labels=labels, test_images=images, test_labels=labels)
    mine = catalogue.Source(file="mine.npz", class_names=("cat", "dog"), asymmetric={"asym": {0: 1}})
    monkeypatch.setitem(catalogue.SOURCES, "mine", mine)
    config = Config(dataset="mine", noise="asym", rate=0.5, holdout=4, **SMALL)
    found = data.prepare(config, tmp_path)
    assert (found.name, found.class_names, len(found.images), len(found.holdout_images)) == (
        "mine",
        ("cat", "dog"),
        36,
        4,
    )
    wrong = found.given != found.true
    assert wrong.any() and (found.true[wrong] == 0).all()
    assert len(found.mean) == len(found.std) == 3  # measured
    history = Trainer(config, found, tmp_path / "run").fit(progress=False)
    assert history.table["test_accuracy"].between(0, 1).all()
    assert Trainer.resume(tmp_path / "run", data_folder=tmp_path).epoch == 2


def test_a_data_set_in_files_is_added_with_its_own_layout(tmp_path, monkeypatch):
    for number, (image, label) in enumerate(zip(*arrays(10))):
        Image.fromarray(image).save(tmp_path / f"{'cat' if label == 0 else 'dog'}-{number:02}.png")

    def layout(root):
        paths = sorted(path.name for path in root.glob("*.png"))
        pairs = [(path, int(path.startswith("dog"))) for path in paths]
        return folders.Layout(("cat", "dog"), train=pairs[::2], test=pairs[1::2])

    monkeypatch.setitem(catalogue.SOURCES, "pets", catalogue.Source(layout=layout, image_size=6))
    found = data.load("pets", tmp_path)
    assert found.images.shape == found.test_images.shape == (10, 3, 6, 6)
    assert torch.equal(found.true, found.given) and found.given.tolist() == [0] * 5 + [1] * 5
    assert data.prepare(Config(dataset="pets", noise="sym", image_size=6, **SMALL), tmp_path).real_rate > 0


def test_content_of_an_added_set_is_checked_if_it_has_checksums(tmp_path, monkeypatch):
    images, labels = arrays(5)
    np.savez(tmp_path / "mine.npz", train_images=images, train_labels=labels, test_images=images, test_labels=labels)
    mine = catalogue.Source(file="mine.npz", class_names=("cat", "dog"), checksums=("0" * 16,) * 4)
    monkeypatch.setitem(catalogue.SOURCES, "mine", mine)
    with pytest.raises(ValueError, match="content of mine/train_images must be sha256 0000000000000000"):
        data.load("mine", tmp_path)
