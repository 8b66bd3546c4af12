"""Data sets in folders, each made here in its original layout."""

import re

import numpy as np
import pytest
import torch
from PIL import Image

from plremix_core import data
from plremix_core.config import Config
from plremix_core.data import folders, image_files
from plremix_core.data.image_files import ImageFiles


def picture(path, shade, size=(12, 10)):
    """An image of one grey value, width x height."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, (shade, shade, shade)).save(path)


def shades(images):
    """The grey value of each image."""
    return [round(float(image.double().mean())) for image in images[:]]


# --------------------------------------------------------------------------------------------------------- own folders


@pytest.fixture
def pets(tmp_path):
    """Class folders: 10 is the shade of the first cat, 20 that of the first dog."""
    for place, number in (("train", 3), ("test", 2)):
        for start, kind in ((10, "cat"), (20, "dog")):
            for i in range(number):
                picture(tmp_path / place / kind / f"{i}.png", start + i + 100 * (place == "test"))
    return tmp_path


def test_class_folders_become_labels_in_alphabetical_order(pets):
    found = data.from_folder(pets, "train", "test", image_size=8)
    assert (found.name, found.class_names) == (pets.name, ("cat", "dog"))
    assert found.given.tolist() == [0, 0, 0, 1, 1, 1]
    assert shades(found.images) == [10, 11, 12, 20, 21, 22]
    assert found.test_labels.tolist() == [0, 0, 1, 1]
    assert shades(found.test_images) == [110, 111, 120, 121]
    assert found.images.shape == (6, 3, 8, 8)
    assert (found.images.dtype, found.given.dtype) == (torch.uint8, torch.int64)
    assert (found.true, found.real_rate) == (None, None)
    assert len(found.holdout_images) == 0


def test_without_a_test_folder_the_test_set_is_empty(pets):
    found = data.from_folder(pets / "train", image_size=8)
    assert (len(found.images), len(found.test_images), len(found.test_labels)) == (6, 0, 0)
    assert found.test_images.shape == (0, 3, 8, 8)
    assert found.name == "train"
    assert re.fullmatch("[0-9a-f]{12}", found.fingerprint())


def test_images_as_they_are_have_the_shape_of_the_files(pets):
    found = data.from_folder(pets, "train", "test")
    assert found.images.shape == (6, 3, 10, 12)
    assert data.from_folder(pets / "train").test_images.shape == (0, 3, 10, 12)


def test_images_of_several_shapes_need_an_image_size(pets):
    picture(pets / "train" / "dog" / "wide.png", 30, (40, 10))
    with pytest.raises(
        ValueError, match=r"shape of .*wide.png must be \(3, 10, 12\), got \(3, 10, 40\). Set image_size"
    ):
        data.from_folder(pets, "train")
    assert data.from_folder(pets, "train", image_size=8).images.shape == (7, 3, 8, 8)


def test_mean_and_deviation_are_measured(pets):
    found = data.from_folder(pets, "train", image_size=8)
    assert found.mean == pytest.approx((16 / 255,) * 3, abs=1e-6)
    assert found.std == pytest.approx((np.std([10, 11, 12, 20, 21, 22]) / 255,) * 3, rel=1e-2)


def test_nested_folders_hidden_ones_and_capital_endings(pets):
    picture(pets / "train" / "cat" / "more" / "9.PNG", 40)
    picture(pets / "train" / ".ipynb_checkpoints" / "0.png", 1)
    picture(pets / "train" / "cat" / ".thumbs" / "0.png", 2)
    found = data.from_folder(pets, "train", image_size=8)
    assert found.class_names == ("cat", "dog")
    assert shades(found.images)[:4] == [10, 11, 12, 40]


def test_links_to_folders_are_left_out_with_a_warning_and_links_to_files_are_read(pets):
    cat, dog = pets / "train" / "cat", pets / "train" / "dog"
    picture(pets / "outside" / "0.png", 99)
    (cat / "loop").symlink_to("..")
    (cat / "away").symlink_to(pets / "outside")
    (cat / "dogs").symlink_to("../dog")
    (dog / "linked.png").symlink_to(pets / "outside" / "0.png")
    with pytest.warns(
        UserWarning,
        match="left out: 3 neither an image .* that is no link: train/cat/away, train/cat/dogs, train/cat/loop",
    ):
        found = data.from_folder(pets, "train", image_size=8)
    assert list(zip(shades(found.images), found.given.tolist())) == [
        *((10, 0), (11, 0), (12, 0)),
        *((20, 1), (21, 1), (22, 1), (99, 1)),
    ]
    (pets / "train" / "kitten").symlink_to("cat")
    with pytest.raises(ValueError, match="class folder must be one with images, got 'kitten'.*no links to folders"):
        data.from_folder(pets, "train", image_size=8)


def test_files_that_are_not_read_are_told(pets):
    (pets / "train" / "cat" / "notes.txt").write_text("no picture, no warning")
    (pets / "train" / "cat" / "a.heic").write_bytes(b"")
    with pytest.warns(UserWarning, match="left out: 1 neither an image .*: train/cat/a.heic"):
        assert len(data.from_folder(pets, "train", image_size=8).images) == 6


@pytest.mark.parametrize("names", [("dog", "cat"), ("bird", "cat", "dog")])
def test_classes_can_be_numbered_by_the_user(pets, names):
    found = data.from_folder(pets, "train", image_size=8, class_names=names)
    assert found.class_names == names
    assert sorted(zip(shades(found.images), found.given.tolist())) == [
        *((10 + i, names.index("cat")) for i in range(3)),
        *((20 + i, names.index("dog")) for i in range(3)),
    ]


def test_a_test_folder_may_lack_a_class_but_not_have_another(pets):
    for file in (pets / "test" / "cat").iterdir():
        file.unlink()
    (pets / "test" / "cat").rmdir()
    assert data.from_folder(pets, "train", "test", image_size=8).test_labels.tolist() == [1, 1]
    picture(pets / "test" / "bird" / "0.png", 5)
    with pytest.raises(ValueError, match=r"class folders must be among the 2 classes of training, got \['bird'\]"):
        data.from_folder(pets, "train", "test", image_size=8)


def test_folders_that_cannot_be_meant_are_refused(pets):
    with pytest.raises(
        ValueError,
        match=r"class folders must be classes, without parts of a split, got \['test', 'train'\]. Pass /",
    ):
        data.from_folder(pets, image_size=8)
    with pytest.raises(ValueError, match="folder must be one that exists, got '.*absent'. Check the path."):
        data.from_folder(pets / "absent", image_size=8)
    with pytest.raises(ValueError, match="folder must be one with a folder for each class, got '.*cat'"):
        data.from_folder(pets / "train" / "cat", image_size=8)
    (pets / "train" / "empty").mkdir()
    with pytest.raises(
        ValueError, match="class folder must be one with images, got 'empty'. Move it out of .* if it is no"
    ):
        data.from_folder(pets, "train", image_size=8)


def test_a_broken_image_is_named(pets):
    (pets / "train" / "dog" / "1.png").write_bytes(b"<html>")
    with pytest.raises(ValueError, match="image must be a readable picture, got .*dog/1.png: .*Replace the file"):
        data.from_folder(pets, "train", image_size=8)


# ---------------------------------------------------------------------------------------------------------- list files


def test_a_list_file_gives_paths_and_labels_in_its_order(pets):
    (pets / "train.txt").write_text("train/dog/1.png 1\ntrain/cat/0.png 0\n\ntrain/cat/2.png 1\n")
    (pets / "test.txt").write_text("test/dog/0.png 1\n")
    found = data.from_folder(pets, "train.txt", "test.txt", image_size=8, class_names=("cat", "dog"))
    assert shades(found.images) == [21, 10, 12]
    assert found.given.tolist() == [1, 0, 1]
    assert (shades(found.test_images), found.test_labels.tolist()) == ([120], [1])
    assert found.class_names == ("cat", "dog")


def test_a_list_file_may_name_its_classes_and_have_spaces_in_its_paths(pets):
    picture(pets / "my cats" / "a b.png", 50)
    (pets / "train.txt").write_text("train/dog/0.png dog\nmy cats/a b.png\tcat\n")
    found = data.from_folder(pets, "train.txt", image_size=8)
    assert (found.class_names, found.given.tolist(), shades(found.images)) == (("cat", "dog"), [1, 0], [20, 50])


def test_numbers_without_names_are_their_own_names(pets):
    (pets / "train.txt").write_text("train/dog/0.png 2\ntrain/cat/0.png 0\n")
    found = data.from_folder(pets, "train.txt", image_size=8)
    assert (found.class_names, found.given.tolist()) == (("0", "1", "2"), [2, 0])


@pytest.mark.parametrize("path", ["../secret.png", "/etc/hostname", "train/../../secret.png"])
def test_a_list_file_cannot_reach_outside_its_root(pets, path):
    (pets / "train.txt").write_text(f"train/dog/0.png 1\n{path} 0\n")
    with pytest.raises(ValueError, match="path of an image must be below .*got .*Write it relative to the root"):
        data.from_folder(pets, "train.txt", image_size=8)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "list file must be one with a line 'path label' an image"),
        ("train/dog/0.png\n", "line 1 of .*train.txt must be path label, got 'train/dog/0.png'. Write both"),
        (
            "train/dog/0.png 1\ntrain/dog/1.png -1\n",
            "label of line 2 of .*train.txt must be one of 2 classes, got '-1'",
        ),
        ("train/dog/0.png 2\n", "label of line 1 of .*train.txt must be one of 2 classes, got '2'"),
        ("train/dog/absent.png 1\n", "image must be .*absent.png"),
    ],
)
def test_a_wrong_list_file_is_refused_by_line(pets, text, message):
    (pets / "train.txt").write_text(text)
    with pytest.raises(ValueError, match=message):
        data.from_folder(pets, "train.txt", image_size=8, class_names=("cat", "dog"))


@pytest.mark.parametrize("label", ["9999999999", "1000000", "9" * 5000])
def test_a_label_of_a_list_that_would_make_a_million_classes_is_refused(pets, label):
    (pets / "train.txt").write_text(f"train/dog/0.png 1\ntrain/dog/1.png {label}\n")
    with pytest.raises(
        ValueError, match="label of line [12] of .*train.txt must be a whole number from 0, below 1000000, got"
    ):
        data.from_folder(pets, "train.txt", image_size=8)


def test_a_binary_list_file_is_refused(pets):
    (pets / "train.txt").write_bytes(b"\xff\xfe\x00\x9c 1\n")
    with pytest.raises(ValueError, match="train.txt must be text in UTF-8"):
        data.from_folder(pets, "train.txt", image_size=8)


# -------------------------------------------------------------------------------------------------- in memory or not


def test_what_does_not_fit_stays_in_its_files_and_is_the_same_data(pets):
    one, size = 3 * 8 * 8, dict(image_size=8)
    inside = data.from_folder(pets, "train", "test", **size)
    for memory, kinds in (
        (10 * one, (False, False)),
        (9 * one, (False, True)),
        (5 * one, (True, False)),
        (0, (True, True)),
    ):
        found = data.from_folder(pets, "train", "test", **size, memory=memory)
        assert tuple(isinstance(images, ImageFiles) for images in (found.images, found.test_images)) == kinds
        assert torch.equal(found.images[:], inside.images)
        assert torch.equal(found.test_images[:], inside.test_images)
        assert (found.mean, found.std) == (inside.mean, inside.std)
        assert found.fingerprint() == inside.fingerprint()


def test_fingerprint_follows_files_and_labels(pets):
    base = data.from_folder(pets, "train", "test", image_size=8).fingerprint()
    assert data.from_folder(pets, "train", "test", image_size=6).fingerprint() != base
    assert data.from_folder(pets, "train", image_size=8).fingerprint() != base
    assert data.from_folder(pets, "train", "test", image_size=8, class_names=("dog", "cat")).fingerprint() != base
    picture(pets / "test" / "dog" / "new.png", 7)
    assert data.from_folder(pets, "train", "test", image_size=8).fingerprint() != base


# ------------------------------------------------------------------------------------------------------- Tiny-ImageNet

WNIDS = ("n01443537", "n01629819", "n02056570")


def tiny(root, sorted_val=False, words=True):
    for c, wnid in enumerate(reversed(WNIDS)):
        for i in range(4):
            picture(root / "train" / wnid / "images" / f"{wnid}_{i}.JPEG", 20 * (2 - c) + i, (64, 64))
        (root / "train" / wnid / f"{wnid}_boxes.txt").write_text("box")
    lines = []
    for i, wnid in enumerate((WNIDS[2], WNIDS[0], WNIDS[0])):
        picture(root / "val" / (wnid if sorted_val else "images") / f"val_{i}.JPEG", 100 + i, (64, 64))
        lines.append(f"val_{i}.JPEG\t{wnid}\t0\t32\t44\t62\n")
    (root / "val" / "val_annotations.txt").write_text("".join(lines))
    if words:
        (root / "words.txt").write_text(
            "n00001740\tentity\nn01443537\tgoldfish, Carassius auratus\nn01629819\tsalamander\n"
        )
    return root


@pytest.mark.parametrize("sorted_val", [False, True])
def test_tiny_imagenet_in_its_layout_or_sorted_as_in_the_release(tmp_path, sorted_val):
    found = data.load("tiny_imagenet", tiny(tmp_path, sorted_val))
    assert found.images.shape == (12, 3, 64, 64)
    assert found.given.tolist() == found.true.tolist() == [0] * 4 + [1] * 4 + [2] * 4
    assert shades(found.images) == [*range(4), *range(20, 24), *range(40, 44)]
    assert found.test_labels.tolist() == [2, 0, 0]
    assert shades(found.test_images) == [100, 101, 102]
    assert found.class_names == ("goldfish", "salamander", "n02056570")
    assert (found.mean, found.std) == ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


@pytest.mark.parametrize("memory", [None, 0])
def test_tiny_imagenet_gets_noise_part_and_hold_out(tmp_path, memory):
    config = Config(dataset="tiny_imagenet", noise="sym", rate=0.5, train_size=6, holdout=3, image_size=64)
    found = data.prepare(config, tiny(tmp_path, words=False), memory=memory)
    assert isinstance(found.images, ImageFiles) == (memory == 0)
    assert torch.bincount(found.true).tolist() == [2, 2, 2]
    assert [shade // 20 for shade in shades(found.images)] == found.true.tolist()
    assert not set(shades(found.images)) & set(shades(found.holdout_images))
    assert found.class_names == WNIDS
    again = data.prepare(config, tmp_path, memory=10**9)
    assert again.fingerprint() == found.fingerprint()
    assert torch.equal(again.given, found.given)


def test_tiny_imagenet_takes_a_label_file(tmp_path):
    labels = [0, 0, 0, 1, 1, 1, 1, 1, 2, 2, 2, 2]
    (tmp_path / "labels.json").write_text(str(labels))
    config = Config(dataset="tiny_imagenet", noise="file", label_file=str(tmp_path / "labels.json"), image_size=64)
    found = data.prepare(config, tiny(tmp_path))
    assert found.real_rate == pytest.approx(1 / 12)
    wrong = (found.given != found.true).nonzero()[:, 0]
    assert shades(found.images[wrong]) == [3]


@pytest.mark.parametrize(
    ("missing", "message"),
    [
        ("train", "one that exists, got '.*train'. Check the path."),
        ("val", "the data set's, with val/val_annotations.txt inside.*See data/README.md for the layout."),
    ],
)
def test_an_incomplete_tiny_imagenet_is_refused(tmp_path, missing, message):
    tiny(tmp_path / "a")
    (tmp_path / "a" / missing).rename(tmp_path / "elsewhere")
    with pytest.raises(ValueError, match=f"folder must be {message}"):
        data.load("tiny_imagenet", tmp_path / "a")


# ---------------------------------------------------------------------------------------------------------- Clothing1M

GARMENTS = [f"garment {c}" for c in range(14)]


def clothing(root, notes="", images="images/"):
    """Three training images a class (class 0 has six), one a class to validate and to test; shade = number."""
    place = root / notes
    place.mkdir(parents=True, exist_ok=True)
    (place / "category_names_eng.txt").write_text("\n".join(GARMENTS) + "\n")
    noisy = [c for c in range(14) for _ in range(6 if c == 0 else 3)]
    parts = {"noisy_train": noisy, "clean_val": list(range(14)), "clean_test": list(reversed(range(14)))}
    labels, number = {"noisy": [], "clean": []}, 0
    for part, classes in parts.items():
        keys = []
        for c in classes:
            keys.append(f"images/{number % 7}/{number}.jpg")
            labels[part.split("_")[0]].append(f"{keys[-1]} {c}")
            picture(root / images / f"{number % 7}" / f"{number}.jpg", number, (30, 20))
            number += 1
        (place / f"{part}_key_list.txt").write_text("\n".join(keys) + "\n")
    for kind, lines in labels.items():
        (place / f"{kind}_label_kv.txt").write_text("\n".join(reversed(lines)) + "\n")
    return root


@pytest.mark.parametrize(("notes", "images"), [("", "images/"), ("annotations", "images/"), ("", "")])
def test_clothing1m_in_its_layouts(tmp_path, notes, images):
    found = data.load("clothing1m", clothing(tmp_path, notes, images), image_size=16)
    assert found.images.shape == (45, 3, 16, 16)
    assert found.given.tolist() == [0] * 6 + [c for c in range(1, 14) for _ in range(3)]
    assert shades(found.images) == pytest.approx(list(range(45)), abs=1)
    assert found.true is None
    assert found.holdout_given.tolist() == list(range(14))
    assert found.test_labels.tolist() == list(reversed(range(14)))
    assert shades(found.test_images) == pytest.approx(list(range(59, 73)), abs=1)
    assert found.class_names == tuple(GARMENTS)
    assert data.load("clothing1m", tmp_path).images.shape[2:] == (256, 256)


def test_clothing1m_trains_on_a_class_balanced_part_drawn_by_seed(tmp_path):
    config = Config(dataset="clothing1m", noise="none", train_size=28, image_size=16)
    found = data.prepare(config, clothing(tmp_path), memory=0)
    assert torch.bincount(found.given).tolist() == [2] * 14
    assert isinstance(found.images, ImageFiles)
    assert len(found.holdout_images) == 14  # the validation set
    assert found.real_rate is None
    other = data.prepare(config.replace(seed=1), tmp_path)
    assert shades(other.images) != shades(found.images)
    assert len(data.prepare(config.replace(holdout=14), tmp_path).holdout_given) == 14


def test_noise_cannot_be_added_where_true_labels_are_unknown(tmp_path):
    config = Config(dataset="clothing1m", noise="sym", rate=0.5, image_size=16)
    with pytest.raises(
        ValueError, match="noise must be none or file on clothing1m, got 'sym'. Its true labels are not"
    ):
        data.prepare(config, clothing(tmp_path))


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        ("category_names_eng.txt", "one\ntwo\n", "category_names_eng.txt must be 14 lines, got 2. Unpack it again."),
        ("noisy_label_kv.txt", "images/0/0.jpg 3\n", "label in noisy_label_kv.txt must be there for every key, got"),
        ("clean_label_kv.txt", "images/0/0.jpg\n", "line 1 of .*clean_label_kv.txt must be path label"),
    ],
)
def test_a_wrong_file_of_clothing1m_is_refused_by_name(tmp_path, file, text, message):
    clothing(tmp_path)
    (tmp_path / file).write_text(text)
    with pytest.raises(ValueError, match=message):
        data.load("clothing1m", tmp_path, image_size=16)


# ----------------------------------------------------------------------------------------------------------- WebVision


def web(root, classes=60):
    (root / "info").mkdir(parents=True)
    names = [f"n{c:08d} name {c}, other name" for c in range(classes)]
    (root / "info" / "synsets.txt").write_text("\n".join(names) + "\n")
    train, val = [], []
    for i, c in enumerate([49, 0, 7, 50, 59, 1]):
        picture(root / "google" / f"q{c:04d}" / f"img {i}.jpg", 30 + i, (50, 40))
        train.append(f"google/q{c:04d}/img {i}.jpg {c}\n")
        picture(root / "val_images_256" / f"val{i}.jpg", 130 + i, (50, 40))
        val.append(f"val{i}.jpg {c}\n")
    (root / "info" / "train_filelist_google.txt").write_text("".join(train))
    (root / "info" / "val_filelist.txt").write_text("".join(val))
    return root


def test_webvision_in_its_layout_has_the_first_fifty_classes(tmp_path):
    found = data.load("webvision", web(tmp_path), image_size=32)
    assert found.given.tolist() == found.test_labels.tolist() == [49, 0, 7, 1]
    assert shades(found.images) == pytest.approx([30, 31, 32, 35], abs=1)
    assert shades(found.test_images) == pytest.approx([130, 131, 132, 135], abs=1)
    assert found.num_classes == 50
    assert found.class_names[7] == "name 7"
    assert found.true is None
    assert data.load("webvision", tmp_path).images.shape[2:] == (320, 320)


def test_webvision_is_prepared_as_its_preset_says(tmp_path):
    from plremix_core.presets import preset

    found = data.prepare(preset("webvision", "none", image_size=32, crop=24), web(tmp_path), memory=0)
    assert sorted(found.given.tolist()) == [0, 1, 7, 49]
    assert len(found.images[torch.tensor([0, 1])]) == 2


@pytest.mark.parametrize("label", ["x", "-1", "1.5"])
def test_a_wrong_label_of_webvision_is_refused(tmp_path, label):
    web(tmp_path)
    (tmp_path / "info" / "val_filelist.txt").write_text(f"val0.jpg {label}\n")
    message = f"label of line 1 of .*val_filelist.txt must be one of 60 classes, got '{label}'"
    with pytest.raises(ValueError, match=message):
        data.load("webvision", tmp_path, image_size=32)


def test_layouts_are_listed_without_decoding(tmp_path, monkeypatch):
    monkeypatch.setattr(image_files, "read_image", pytest.fail)
    layout = folders.webvision(web(tmp_path))
    assert len(layout.train) == 4


# ------------------------------------------------------------------------------------------------------------ training


def stripes(root, per_class=16):
    """Two classes that differ in the direction of their stripes."""
    rng = np.random.default_rng(0)
    for kind in ("across", "along"):
        for i in range(per_class):
            pixels = rng.integers(60, size=(16, 16, 3), dtype=np.uint8)
            pixels[
                (slice(None, None, 2), slice(None)) if kind == "across" else (slice(None), slice(None, None, 2))
            ] += 150
            path = root / kind / f"{i}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels).save(path)
    return root


def test_training_from_files_and_from_memory_ends_with_the_same_bits(tmp_path, monkeypatch):
    from plremix_core import batches
    from plremix_core.trainer import Trainer

    monkeypatch.setattr(batches, "CHUNK_BYTES", 1 << 14)  # several chunks an epoch
    monkeypatch.setattr(image_files, "FEW", 0)  # read by processes
    small = dict(width=4, blocks=(1,), batch_size=4, epochs=3, warm_up=1, kappa=((0, 1),), lr_drops=(), pad=1)
    config = Config(**small, noise="none", device="cpu", steps_per_epoch=3)
    stripes(tmp_path / "train")
    stripes(tmp_path / "test", 4)
    ends, prints = [], []
    for memory in (0, 10**9):
        found = data.from_folder(tmp_path, "train", "test", image_size=16, memory=memory)
        assert isinstance(found.images, ImageFiles) == (memory == 0)
        trainer = Trainer(config, found)
        history = trainer.fit(progress=False)
        ends.append([value for net in trainer.nets for value in net.state_dict().values()])
        prints.append(history.table["test_accuracy"].tolist())
    assert all(torch.equal(a, b) for a, b in zip(*ends))
    assert prints[0] == prints[1]


def test_a_data_set_without_test_images_can_be_trained_on(tmp_path):
    from plremix_core.trainer import Trainer

    small = dict(width=4, blocks=(1,), batch_size=4, epochs=2, warm_up=1, kappa=((0, 1),), lr_drops=(), pad=1)
    config = Config(**small, noise="none", device="cpu", steps_per_epoch=2)
    found = data.from_folder(stripes(tmp_path / "train"), image_size=16)
    history = Trainer(config, found, tmp_path / "run").fit(progress=False)
    assert history.table["test_accuracy"].isna().all()
    resumed = Trainer.resume(tmp_path / "run", data=data.from_folder(tmp_path / "train", image_size=16, memory=0))
    assert resumed.epoch == 2
