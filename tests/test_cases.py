"""Inputs as people have them: what they mean is told, or they are refused with the remedy; nothing is guessed."""

import json
import logging
import os
import re
import subprocess
import sys

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from PIL import Image, ImageDraw
from test_grid import PLAN
from test_runner import write as write_notebook

from plremix_core import data
from plremix_core.__main__ import main
from plremix_core.analysis import suspects
from plremix_core.config import Config
from plremix_core.data import folders, label_files
from plremix_core.data.dataset import describe
from plremix_core.data.features import read_features
from plremix_core.engine import files
from plremix_core.engine.files import ROOT
from plremix_core.engine.plain_yaml import read_yaml
from plremix_core.lessons import injected, process, runner
from plremix_core.presets import for_folder
from plremix_core.sweeps import grid, results, run_all, run_one
from plremix_core.trainer import Trainer

SMALL = "--epochs 2 --warm-up 1 --width 8 --steps-per-epoch 2 --batch-size 8 --image-size 16".split()


def pictures(root, classes, size=(16, 16)):
    """Small coloured images: {class: number}."""
    rng = np.random.default_rng(0)
    for c, (name, count) in enumerate(classes.items()):
        (root / name).mkdir(parents=True, exist_ok=True)
        for i in range(count):
            pixels = rng.integers(60, size=(size[1], size[0], 3), dtype=np.uint8)
            pixels[..., c % 3] += 90
            Image.fromarray(pixels).save(root / name / f"{i:03d}.png")
    return root


def plremix(*arguments):
    """Output of a command in this process, with the line of its refusal if it is refused."""
    done = CliRunner().invoke(main, list(map(str, arguments)))
    return done.output + (f"plremix: {done.exception}" if isinstance(done.exception, ValueError) else "")


def refusal(call, *arguments, **options):
    with pytest.raises(ValueError) as caught:
        call(*arguments, **options)
    return str(caught.value)


# ------------------------------------------------------------------------------------------ 01: names and numbers


def listed(root, words, names=None):
    pictures(root, dict.fromkeys("abcd", 2))
    lines = [f"{kind}/{i:03d}.png {word}\n" for kind, word in zip("abcd", words) for i in range(2)]
    (root / "list.txt").write_text("".join(lines))
    found = data.from_folder(root, "list.txt", class_names=names)
    return [found.class_names[c] for c in found.given.tolist()[::2]]


@pytest.mark.parametrize(
    ("words", "names"),
    [
        (["0", "1", "2", "3"], None),
        (["1", "2", "3", "4"], ("1", "2", "3", "4")),  # a label that is a class's name means that class
        (["10", "2", "1", "0"], tuple(sorted(str(c) for c in range(11)))),
        (["dog", "cat", "eel", "cat"], None),
    ],
)
def test_01_a_label_that_is_the_name_of_a_class_means_this_class(tmp_path, words, names):
    assert listed(tmp_path, words, names) == words


@pytest.mark.parametrize(
    ("words", "names", "line"),
    [
        (["-1", "0", "1", "2"], None, 1),
        (["cat", "dog", "1", "2"], None, 5),
        (["cat", "dog", "0.5", "cat"], None, 5),
        (["0", "1", "2", "3"], ("1", "2", "3", "4"), 3),  # "1" could be both
        (["cat", "1", "cat", "dog"], ("cat", "dog", "eel", "fox"), 1),
        (["0", "1", "2", "x"], ("a", "b", "c", "d"), 7),
        (["crane", "dog", "crane", "dog"], ("crane", "dog", "crane"), 1),
    ],
)
def test_01_names_among_numbers_and_what_could_be_both_are_refused_by_line(tmp_path, words, names, line):
    assert f"label of line {line} of" in refusal(listed, tmp_path, words, names)


def test_01_one_image_with_two_labels_is_refused(tmp_path):
    pictures(tmp_path, {"a": 2})
    (tmp_path / "list.txt").write_text("a/000.png 0\na/001.png 1\n\na/000.png 1\n")
    assert "label of line 4 of" in refusal(data.from_folder, tmp_path, "list.txt")


def test_01_label_files_take_names_and_numbers_but_not_both(tmp_path):
    (tmp_path / "l.csv").write_text("label\n2\n10\n2\n")
    names = tuple(sorted(str(c) for c in range(11)))
    assert [names[c] for c in label_files.read(tmp_path / "l.csv", 3, 11, names=names)] == ["2", "10", "2"]
    (tmp_path / "l.csv").write_text("label\ncat\n1\ndog\n")
    assert "line 2," in refusal(label_files.read, tmp_path / "l.csv", 3, 2, names=("cat", "dog"))


# ------------------------------------------------------------------------------------------------- 02, 12: splits


def test_02_parts_of_a_split_are_no_classes(tmp_path):
    for place in ("train", "test"):
        pictures(tmp_path / "a" / place, {"cat": 4, "dog": 4})
    pictures(tmp_path / "a", {"unlabelled": 4})
    text = plremix("train", "--images", tmp_path / "a", *SMALL)
    assert "without parts of a split, got ['test', 'train', 'unlabelled']" in text
    assert f"Pass {tmp_path / 'a' / 'train'} (in Python" in text and "move unlabelled out of" in text
    pictures(tmp_path / "b", {"cat": 4, "dog": 4, "Test": 4})
    assert "parts of a split" in refusal(folders.own, tmp_path / "b")
    pictures(tmp_path / "c", {"bus": 4, "train": 4})  # a class of trains
    assert folders.own(tmp_path / "c").names == ("bus", "train")
    assert data.from_folder(tmp_path / "b", class_names=("Test", "cat", "dog")).num_classes == 3  # if you say so


@pytest.mark.parametrize("names", [("training", "testing"), ("train_images", "test-images"), ("Train", "TEST")])
def test_02_a_split_is_found_under_the_usual_names_and_told(tmp_path, names):
    pictures(tmp_path / names[0], {"cat": 4, "dog": 4})
    pictures(tmp_path / names[1], {"cat": 2, "dog": 2})
    layout = folders.own(tmp_path)
    assert (layout.names, len(layout.train), len(layout.test)) == (("cat", "dog"), 8, 4)
    assert layout.notes == (f"split: {names[0]} is trained on, {names[1]} is the test set",)


def test_02_one_level_too_high_names_the_command_that_would_be_right(tmp_path):
    pictures(tmp_path / "c" / "pets", {"cat": 4, "dog": 4})
    text = plremix("train", "--images", tmp_path / "c", *SMALL)
    assert f"pets holds cat, dog: pass {tmp_path / 'c' / 'pets'}" in text
    for place in ("v1/train", "v1/test", "v2/train", "v2/test"):
        pictures(tmp_path / "d" / place, {"cat": 3, "dog": 3})
    assert f"pass {tmp_path / 'd' / 'v1'}" in refusal(folders.own, tmp_path / "d")
    text = refusal(folders.own, tmp_path / "c" / "pets" / "cat")
    assert f"pass the folder above: {tmp_path / 'c' / 'pets'}" in text
    pictures(tmp_path / "e", {"cat": 4})
    assert "at least two classes, got ['cat']" in refusal(folders.own, tmp_path / "e")
    pictures(tmp_path / "f", dict.fromkeys("abcd", 1))
    assert "at least two images each on average, got '4 in 4'" in refusal(folders.own, tmp_path / "f")


@pytest.mark.parametrize("name", ["val", "valid", "validation"])
def test_12_validation_images_are_the_hold_out(tmp_path, name):
    pictures(tmp_path / "train", {"cat": 4, "dog": 4})
    pictures(tmp_path / name, {"cat": 1, "dog": 2})
    found = data.prepare(for_folder(2, image_size=8), tmp_path)
    assert found.holdout_given.tolist() == [0, 1, 1] and len(found.holdout_images) == 3
    text = describe(found)
    assert f"split: train is trained on, {name} is the hold-out" in text and "hold-out: 3 images" in text
    drawn = data.prepare(for_folder(2, image_size=8, holdout=2), tmp_path)
    assert "not used: 3 validation images" in describe(drawn) and len(drawn.holdout_images) == 2


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Output of a training on images without a test set, and its folders; an odd name is among the files."""
    root = tmp_path_factory.mktemp("own")
    pictures(root / "a" / "train", {"cat": 8, "dog": 8})
    pictures(root / "a" / "val", {"cat": 2, "dog": 2})
    (root / "a" / "train" / "cat" / "000.png").rename(
        os.fsdecode(os.fsencode(root / "a/train/cat") + b"/\xe9t\xe9.png")
    )
    (root / "a" / "train" / ".DS_Store").write_bytes(b"")
    return plremix("train", "--images", root / "a", *SMALL, "--out", root / "run"), root


def test_12_without_a_test_set_nothing_is_picked_on_it_and_json_is_json(trained):
    text, root = trained
    assert "test set: none" in text and "nan" not in text and "picked on the test set" not in text
    assert "on the hold-out's given labels; there is no test set" in text
    found = json.loads((root / "run" / "result.json").read_text(), parse_constant=pytest.fail)
    assert found["last"] is None and found["best"] is None
    files.write_json(root / "x.json", dict(a=[float("nan"), {"b": (np.inf, 1.5)}]))
    assert json.loads((root / "x.json").read_text(), parse_constant=pytest.fail)["a"] == [None, {"b": [None, 1.5]}]
    assert files.read_json(root / "x.json") == {"a": [None, {"b": [None, 1.5]}]}


def test_what_was_understood_is_printed_before_the_work_and_an_epoch_is_one_short_line(trained):
    lines = trained[0].splitlines()
    assert lines[0] == "16 training images of 2 classes, 16 x 16 pixels, RGB" and lines[1] == "  classes: cat 8, dog 8"
    epochs = re.findall(r"epoch \d of 2 .* s(?= |$)", trained[0], re.MULTILINE)
    assert len(epochs) == 2 and all(len(line) < 80 and line.endswith(" s") for line in epochs)
    told = re.findall(r"at least 0:00:\d\d left, measured on the first 4 steps( of warm-up)?", trained[0])
    assert told == [" of warm-up", ""]
    assert "loss" in epochs[1] and "clean" in epochs[1] and "hold-out" in epochs[1]
    assert (trained[1] / "run" / "log.txt").read_text().count("epoch=") == 2  # the rest of the columns


def test_the_run_knows_where_its_images_lie_and_the_second_start_says_how_to_go_on(trained):
    _, root = trained
    text = plremix("train", "--images", root / "a", *SMALL, "--out", root / "run")
    assert f"plremix train --resume {root / 'run'} goes on with it" in text
    assert "on the hold-out's given labels" in plremix("train", "--resume", root / "run")
    (root / "a").rename(root / "b")
    try:
        assert "--images FOLDER" in plremix("train", "--resume", root / "run")
        assert "on the hold-out" in plremix("train", "--resume", root / "run", "--images", root / "b")
    finally:
        (root / "b").rename(root / "a")
    assert "holds no epoch-NNNN.pt" in plremix("train", "--resume", root)


def test_runs_from_python_are_read_on_the_command_line(tmp_path):
    pictures(tmp_path / "x" / "learn", {"cat": 8, "dog": 8})
    config = for_folder(2, image_size=8, epochs=1, warm_up=1, width=8, steps_per_epoch=1, batch_size=8)
    Trainer(config, data.from_folder(tmp_path / "x", "learn", image_size=8), tmp_path / "a").fit(progress=False)
    assert "16 training images" in plremix("train", "--resume", tmp_path / "a")
    pixels, labels = np.random.default_rng(0).integers(255, size=(16, 8, 8)).astype(np.uint8), np.arange(16) % 2
    Trainer(config, data.from_arrays(pixels, labels, class_names=["cat", "dog"]), tmp_path / "b").fit(progress=False)
    assert "Pass --data FILE.npz" in plremix("train", "--resume", tmp_path / "b")
    np.savez(tmp_path / "b.npz", train_images=pixels, train_labels=labels, class_names=["cat", "dog"])
    assert "cat 8, dog 8" in plremix("train", "--resume", tmp_path / "b", "--data", tmp_path / "b.npz")


# ----------------------------------------------------------------------------------------------------- 04: options


def test_04_options_without_effect_are_refused_by_name_and_label_files_work(tmp_path):
    root = pictures(tmp_path / "a", {"cat": 8, "dog": 8})
    text = plremix("train", "--images", root, "--rate", "1.5", "--dataset", "cifar10", "--data", "/nonexistent")
    assert "got '--dataset, --rate, --data'" in text
    assert "got '--noise, --rate'" in plremix("train", "--images", root, "--noise", "sym", "--rate", "0.4")
    assert "Your own images: --images FOLDER" in plremix("train", "--dataset", "folder", "--data", root)
    assert "got '--rate'" in plremix("train", "--dataset", "cifar10", "--noise", "worse", "--rate", "0.2")
    assert "image_size must be 0 on images of one size" in plremix("train", "--image-size", "64")
    assert "dataset file must be one that exists" in plremix("train", "--data", tmp_path / "absent")
    np.save(tmp_path / "l.npy", np.array([1, 0] * 8))
    text = plremix(
        "train", "--images", root, *SMALL, "--label-file", tmp_path / "l.npy", "--method", "ce", "--kappa", "3,2"
    )
    assert "kappa must be" in text
    text = plremix(
        "train", "--images", root, *SMALL, "--label-file", tmp_path / "l.npy", "--method", "ce", "--lambda-u", "3"
    )
    assert "classes: cat 8, dog 8" in text and "no accuracy" in text
    assert "without effect on method ce and backbone preact: --lambda-u" in text and "try 25" not in text
    assert "l.npy: 8 of 16 labels differ from the folders' names" in text
    np.save(tmp_path / "l.npy", np.array([1, 0] * 7))
    text = plremix("train", "--images", root, "--label-file", tmp_path / "l.npy")
    assert "must be of shape (16,), got (14,)" in text and "classes:" not in text


def test_an_npz_of_your_own_is_a_data_set(tmp_path):
    rng = np.random.default_rng(0)
    arrays = dict(train_images=rng.integers(255, size=(40, 8, 8, 3)).astype(np.uint8), train_labels=np.arange(40) % 4)
    np.savez(tmp_path / "own.npz", **arrays)
    small = [word for word in SMALL if word not in ("--image-size", "16")]
    text = plremix("train", "--dataset", tmp_path / "own.npz", *small)
    assert "40 training images of 4 classes, 8 x 8 pixels" in text and "wrong labels: an unknown share" in text
    found = data.prepare(for_folder(4, dataset=str(tmp_path / "own.npz"), noise="sym", rate=0.5))
    assert 0.2 < found.real_rate < 0.5
    np.savez(tmp_path / "own.npz", train_images=arrays["train_images"])
    assert "none of ['train_labels']" in plremix("train", "--dataset", tmp_path / "own.npz")
    assert "one that exists" in plremix("train", "--dataset", tmp_path / "absent.npz")


# ----------------------------------------------------------------------------------------------- 05: keys of labels

TRUE = [0, 1, 2, 0, 1, 2]
FILES = [f"a/{i}.png" for i in range(6)]


@pytest.mark.parametrize("key", ["", "Index", "id", "file", "row number"])
def test_05_a_key_under_any_name_orders_the_rows(tmp_path, key):
    (tmp_path / "l.csv").write_text(f"{key},label\n" + "".join(f"{i},{TRUE[i]}\n" for i in (3, 5, 0, 1, 4, 2)))
    assert label_files.read(tmp_path / "l.csv", 6, 3).tolist() == TRUE


def test_05_files_find_their_images_and_empty_labels_drop_theirs(tmp_path):
    rows = [f"{FILES[i]},{TRUE[i]},9\r\n" for i in (3, 5, 0, 1, 4)] + ["a/2.png,,9\r\n"]
    (tmp_path / "l.csv").write_text("file,label,given\r\n" + "".join(rows))
    assert label_files.read(tmp_path / "l.csv", 6, 3, FILES).tolist() == [0, 1, -1, 0, 1, 2]
    np.savez(tmp_path / "l.npz", label=[0, -1, 2, 0, 1, 2], key=range(6))
    assert label_files.read(tmp_path / "l.npz", 6, 3).tolist() == [0, -1, 2, 0, 1, 2]
    (tmp_path / "l.json").write_text(json.dumps({FILES[i]: TRUE[i] for i in (3, 5, 0, 1, 4, 2)}))
    assert label_files.read(tmp_path / "l.json", 6, 3, FILES).tolist() == TRUE
    (tmp_path / "l.csv").write_text("file,label\n" + "".join(rows[:3]).replace(",9", ""))
    text = refusal(label_files.read, tmp_path / "l.csv", 6, 3, FILES)
    assert "the paths of all images and no others, got 'no row for 3 of 6 images: a/1.png, a/2.png, a/4.png'." in text


def test_05_paths_of_windows_are_taken_and_every_fault_of_paths_is_told_apart(tmp_path):
    def read(text, files=FILES):
        (tmp_path / "l.csv").write_text("file,label\n" + text)
        return label_files.read(tmp_path / "l.csv", 6, 3, files)

    rows = [f"a\\{i}.png,{label}\n" for i, label in enumerate(TRUE)]
    assert read("".join(rows)).tolist() == TRUE
    kept = [name.replace("/", "\\") if i == 2 else name for i, name in enumerate(FILES)]  # a name may hold one
    assert read("".join(f"{name},{label}\n" for name, label in zip(kept, TRUE)), kept).tolist() == TRUE
    text = refusal(read, "".join(rows[:4]) + rows[0] + "a/9.png,1\n")
    assert (
        "'no row for 2 of 6 images: a/4.png, a/5.png; several rows for one image: a/0.png (2 rows); 1 rows for" in text
    )
    assert "files that are not in the folder: a/9.png'. Correct the paths" in text
    rows = [f"photos/{name},1\n" for name in FILES]
    assert "or of the images' paths, like a/0.png, got ['photos/a/0.png'" in refusal(read, "".join(rows))
    assert "or drop it if the rows are in the order" in refusal(read, "".join(rows))
    assert refusal(read, "".join(rows[:4])).endswith("It could be a key. Write it so.")  # dropped, it would not fit


@pytest.mark.parametrize(
    "text",
    [
        "id,label\n101,0\n102,1\n103,2\n104,0\n105,1\n106,2\n",
        "file,label\na,0\nb,1\nc,2\nd,0\ne,1\nf,2\n",
        "n,label\n1,0\n2,1\n3,2\n4,0\n5,1\n6,2\n",
        "index,label\n0,0\n0,1\n1,2\n2,0\n3,1\n4,2\n",
        "index,other,label\n0,5,0\n1,4,1\n2,3,2\n3,2,0\n4,1,1\n5,0,2\n",
    ],
)
def test_05_what_could_be_a_key_is_not_passed_over(tmp_path, text):
    (tmp_path / "l.csv").write_text(text)
    assert "l.csv" in refusal(label_files.read, tmp_path / "l.csv", 6, 3)


def test_05_a_reviewed_file_drops_images_from_the_training(tmp_path):
    root = pictures(tmp_path / "a", {"cat": 4, "dog": 4})
    names = [path for path, _ in folders.own(root).train]
    rows = [f"{i},{name},0,{-1 if i == 2 else 1}" for i, name in enumerate(names)]
    (tmp_path / "l.csv").write_text("\n".join(["index,file,given,label", *rows]))
    config = for_folder(2, noise="file", label_file=str(tmp_path / "l.csv"), image_size=8)
    found = data.prepare(config, root)
    assert len(found.given) == 7 and set(found.given.tolist()) == {1} and names[2] not in found.files
    assert "left out: 1 images without a label" in describe(found)


# ------------------------------------------------------------------------------------------------------- 07: pixels


@pytest.mark.parametrize("mode", ["RGBA", "LA", "PA", "P", "L", "RGB"])
def test_07_transparent_is_white_in_every_mode(tmp_path, mode):
    picture = Image.new("RGBA", (8, 8), (0, 0, 0, 0))
    ImageDraw.Draw(picture).rectangle((2, 2, 5, 5), fill=(0, 0, 0, 255))
    options = {}
    if mode in ("P", "L", "RGB"):
        picture = Image.fromarray(np.where(np.array(picture)[..., 3] == 255, 0, 7).astype(np.uint8)).convert(mode)
        options = {"transparency": (7, 7, 7) if mode == "RGB" else picture.getpixel((0, 0))}
    else:
        picture = picture.convert("RGBA" if mode == "PA" else mode)
    if mode == "PA":
        picture = picture.quantize(4)
    picture.save(tmp_path / "x.png", **options)
    image = data.image_files.read_image(tmp_path / "x.png", 0)
    assert image[:, 0, 0].tolist() == [255] * 3 and image[:, 3, 3].tolist() == [0] * 3


def test_07_the_orientation_that_a_camera_noted_is_applied(tmp_path):
    picture, exif = Image.new("RGB", (12, 8)), Image.Exif()
    exif[0x0112] = 6  # turned by 90 degrees
    picture.save(tmp_path / "x.jpg", exif=exif)
    assert data.image_files.read_image(tmp_path / "x.jpg", 0).shape == (3, 12, 8)


def test_broken_images_are_all_named_before_the_start(tmp_path):
    root = pictures(tmp_path / "a", {"cat": 8, "dog": 8})
    for name in ("cat/001.png", "dog/003.png"):
        content = (root / name).read_bytes()
        (root / name).write_bytes(content[: len(content) // 2])
    for memory in (0, None):
        text = refusal(data.prepare, for_folder(2, image_size=8), root, memory=memory)
        assert text.startswith("2 images must be readable pictures") and "cat/001.png" in text and "dog/003.png" in text


# -------------------------------------------------------------------------------------------------- 08, 09: names


def test_08_equal_names_of_classes_are_told_apart():
    found = data.from_arrays(np.zeros((6, 4, 4), np.uint8), TRUE, class_names=("crane", "dog", "crane"))
    assert found.class_names == ("crane (class 0)", "dog", "crane (class 2)")
    assert "crane (class 0) 2, dog 2, crane (class 2) 2" in describe(found)


def test_08_suspects_of_classes_with_equal_names_are_relabelled_by_number():
    given = np.array([0, 1, 2] * 4)
    pixels = np.random.default_rng(0).integers(255, size=(12, 8, 8), dtype=np.uint8)
    found = data.from_arrays(pixels, given, class_names=("crane", "dog", "crane"))
    config = for_folder(
        3, dataset="own.npz", method="ce", epochs=1, steps_per_epoch=1, batch_size=4, width=8, warm_up=0
    )
    trainer = Trainer(config, found)
    trainer.fit(progress=False)
    table = suspects.rank(trainer)
    predicted = sum(trainer.per_sample(net)["logits"] for net in trainer.nets).argmax(dim=1)
    assert table["suggested_number"].tolist() == predicted[table["index"].tolist()].tolist()
    for column, label in (("given", given[table["index"]]), ("suggested", table["suggested_number"])):
        assert table[column].tolist() == [found.class_names[c] for c in label]
    to_the_last = table.assign(suggested_number=2)
    changed = suspects.cleaned(found, to_the_last, 6, "relabel").given[table["index"].tolist()].tolist()
    assert changed == [2] * 6 + given[table["index"][6:]].tolist()


def test_09_names_that_are_no_unicode_work_and_are_shown_as_escapes(trained, tmp_path):
    assert "16 training images" in trained[0]
    pictures(tmp_path, {os.fsdecode(b"caf\xe9"): 3, "dog": 3})
    found = data.from_folder(tmp_path)
    assert found.class_names == ("caf\\xe9", "dog") and len(found.fingerprint()) == 12
    describe(found).encode()


# ------------------------------------------------------------------------------------------------- 10: grids, YAML


def load_grid(folder, text):
    (folder / "g.yaml").write_text(text)
    return grid.load(folder / "g.yaml")


BASE = "dataset: fashion_mnist\nnoise: [[sym, 0.5]]\nmethod: [ce]\nseed: [1]\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            BASE + "settings: {epochs: 2}\nsettings: {lr: 0.1}\n",
            "'settings' stands twice in one mapping, in lines 5 and 6",
        ),
        (BASE + "settings: {epochs: 2, warm_up: 1, epochs: 9}\n", "'epochs' stands twice"),
        (BASE.replace("[1]", "[010]"), "seed must be of type int, got '010'"),
        (BASE.replace("[1]", "[1:30]"), "seed must be of type int, got '1:30'"),
        (BASE + "rate: 0.2\n", "rate must be left out beside pairs"),
        (BASE + "settings: {train_size: 100000}\n", "train_size must be at most 10000 with holdout"),
        (BASE + "settings: {kappa: [[0, 30]]}\n", "kappa must be at most 10, the number of classes, got 30"),
        (BASE + "settings: {crop: 99}\n", "crop must be at most 30, with padding, got 99"),
        (BASE + "settings: {lr_drops: [-5]}\n", "lr_drops must be epochs >= 0"),
        (BASE + "settings: {lr_drops: 5}\n", r"lr_drops must be a list, got 5. Example: \[200\]"),
        (
            BASE.replace("[[sym, 0.5]]", "file") + "settings: {label_file: x.npy, lambda_u: 0}\n",
            "label_file must be a file",
        ),
    ],
)
def test_10_grids_are_refused_for_everything_that_can_be_known(tmp_path, text, message):
    with pytest.raises(ValueError, match=message):
        load_grid(tmp_path, text)


def test_10_plain_words_of_yaml_mean_what_they_look_like():
    texts = ("1e-1", "on", "no", "2024-01-01", "010", "1:30", "0x1F", "1_000", "true", "null", "-3", ".5")
    wanted = (0.1, "on", "no", "2024-01-01", "010", "1:30", "0x1F", "1_000", True, None, -3, 0.5)
    assert tuple(map(read_yaml, texts)) == wanted


def test_a_changed_grid_keeps_earlier_runs_in_the_report_apart(tmp_path):
    old, new = (load_grid(tmp_path, BASE + f"settings: {{lr: {lr}}}\n") for lr in (0.1, 0.2))
    for one, shown in ((old, []), (new, [old.runs[0].name])):
        for run in one.runs:
            run_one.prepare(tmp_path / "out" / run.name, run)
        listing = dict(grid="g", reference="ce", cells=[run.name for run in one.runs])
        listing["earlier"] = run_all.earlier(one, tmp_path / "out")
        files.write_json(tmp_path / "out" / "grid.json", listing)
        assert listing["earlier"] == shown
        (tmp_path / "out" / one.runs[0].name / "result.json").write_text("{}")
    table, _ = results.collect(tmp_path / "out")
    assert table["method"].tolist() == ["ce", f"ce (earlier, {old.runs[0].fingerprint[:6]})"]


# ---------------------------------------------------------------------- 11, 15: what systems and editors leave behind


@pytest.mark.parametrize(
    "left", ["cat/._000.png", "__MACOSX/cat/._0.png", ".DS_Store", "cat/Thumbs.db", "cat/@eaDir/0.png", ".git/0.png"]
)
@pytest.mark.parametrize("place", ["", "train"])
def test_11_what_systems_leave_behind_is_counted_and_passed_over(tmp_path, left, place):
    pictures(tmp_path / place, {"cat": 4, "dog": 4})
    path = tmp_path / place / left
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"\0\5\x16\7")
    layout = folders.own(tmp_path)
    assert layout.names == ("cat", "dog") and len(layout.train) == 8
    assert sum("left out: 1 left behind by a system or a program" in note for note in layout.notes) == 1
    (tmp_path / "list.txt").write_text(f"{left} 0\n" * left.endswith("._000.png") + "cat/000.png 0\ndog/000.png 1\n")
    assert len(folders.list_file(tmp_path, "list.txt")[0]) == 2


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_15_a_byte_order_mark_is_read_in_every_text(tmp_path, encoding):
    pictures(tmp_path, {"a": 3, "b": 3})
    (tmp_path / "l.txt").write_text("".join(f"a/{i:03d}.png {i % 2}\n" for i in range(3)), encoding)
    assert data.from_folder(tmp_path, "l.txt").given.tolist() == [0, 1, 0]
    (tmp_path / "l.json").write_text("[0, 1]", encoding)
    (tmp_path / "l.csv").write_text("label\n0\n1\n", encoding)
    for name in ("l.json", "l.csv"):
        assert label_files.read(tmp_path / name, 2, 2).tolist() == [0, 1]
    (tmp_path / "g.yaml").write_text(BASE, encoding)
    assert len(grid.load(tmp_path / "g.yaml").runs) == 1


# ------------------------------------------------------------------------------------------------- 13, 14: the start


@pytest.mark.parametrize("command", ["predict", "clean", "suspects"])
def test_11_every_command_counts_what_it_passes_over(trained, tmp_path, command):
    root = pictures(tmp_path / "a", {"cat": 4, "dog": 4, "__MACOSX": 1})
    (root / "cat" / "._000.png").write_bytes(b"")
    (tmp_path / "l.csv").write_text("label\n" + "0\n" * 4 + "1\n" * 4)
    arguments = dict(
        predict=(trained[1] / "run", root, "--out", tmp_path / "p.csv"),
        clean=(root, tmp_path / "l.csv"),
        suspects=(root, "--check", 3, "--out", tmp_path / "s.csv"),
    )
    text = plremix(command, *arguments[command])
    assert "left out: 2 left behind by a system or a program: __MACOSX, cat/._000.png" in text


def test_clean_shows_the_form_of_the_paths_that_it_wants(tmp_path):
    for part in ("train", "test"):
        pictures(tmp_path / "a" / part, {"cat": 4, "dog": 4})
    (tmp_path / "l.csv").write_text("file,label\n" + "".join(f"cat/00{i}.png,cat\n" for i in range(8)))
    assert "the images' paths, like train/cat/000.png, got ['cat/000.png'" in plremix(
        "clean", tmp_path / "a", tmp_path / "l.csv"
    )


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without a GPU")
def test_13_a_device_that_is_not_there_is_refused_and_a_run_from_elsewhere_goes_on(trained):
    assert "device must be one of auto, cpu on this machine, got 'cuda'" in plremix("train", "--device", "cuda")
    state = Trainer.resume(trained[1] / "run").state_dict()
    state["config"]["device"] = "mps"
    trainer = Trainer.resume(trained[1] / "run")
    folder = trained[1] / "mac"
    folder.mkdir()
    from plremix_core.engine import checkpoint

    checkpoint.save(state, folder, 2)
    assert Trainer.resume(folder).epoch == trainer.epoch == 2


def test_14_a_run_among_the_images_is_refused(tmp_path):
    pictures(tmp_path / "a", {"cat": 4, "dog": 4})
    for out in ("a/run", "a", "a/cat/../run"):
        text = plremix("train", "--images", tmp_path / "a", *SMALL, "--out", tmp_path / out)
        assert "out must be outside the folder of images" in text
    assert not (tmp_path / "a" / "run").exists()


TRAINS = ["--images absent", "--lr -1", "--kappa 99", "--out /proc/x/run", "--method plremixx", "--contrast x"]
TRAINS += ["--naive-contrast x", "--noise symm", "--policy x", "--backbone resnet"]
GRIDS = ["method: [plremixx]", "mehtod: [ce]", "settings: {epochs: x}", "method: [ce, ce]"]


@pytest.mark.slow
@pytest.mark.parametrize(
    "arguments",
    [f"train {options}" for options in TRAINS]
    + ["lessons --only 99", "lessons --only 03 -p rat 0.5", "lessons --only 03 -p seed x", "report data/grids"]
    + [f"sweep {number}.yaml" for number in range(len(GRIDS))],
)
def test_a_refusal_does_not_wait_for_torch(arguments, tmp_path):
    for number, line in enumerate(GRIDS):
        (tmp_path / f"{number}.yaml").write_text(f"dataset: fashion_mnist\nnoise: [[sym, 0.5]]\n{line}\n")
    code = "import sys, runpy; sys.argv[0] = 'plremix'\ntry: runpy.run_module('plremix_core', run_name='__main__')\n"
    code += "finally: print('torch' in sys.modules)"
    arguments = [str(tmp_path / word) if word.endswith(".yaml") else word for word in arguments.split()]
    start = os.times().children_user
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 1 and done.stderr.startswith("plremix: ") and done.stdout.strip() == "False"
    assert os.times().children_user - start < 2


# ------------------------------------------------------------------------------------------- 18, 23, 24: from Python


PIXELS, LABELS = np.arange(6 * 64, dtype=np.uint8).reshape(6, 8, 8), np.array([0, 1] * 3)


@pytest.mark.parametrize(
    "arguments",
    [
        (torch.tensor(PIXELS), torch.tensor(LABELS), torch.tensor(PIXELS), torch.tensor(LABELS), "ab"),
        (PIXELS.tolist(), LABELS.tolist(), PIXELS, LABELS, ["a", "b"]),
        (PIXELS[..., None], LABELS, PIXELS[..., None], LABELS, np.array(["a", "b"])),
        (PIXELS, LABELS),
        (PIXELS, LABELS, PIXELS, LABELS, 2),
    ],
)
def test_18_arrays_are_taken_as_people_have_them(arguments):
    found = data.from_arrays(*arguments)
    assert torch.equal(found.images, torch.from_numpy(PIXELS)[:, None]) and found.given.tolist() == LABELS.tolist()
    assert found.num_classes == 2 and len(found.test_images) in (0, 6)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (dict(images=PIXELS / 255), "uint8, got dtype('float64'). Scale to 0..255 and convert: (255 * images)"),
        (dict(images=torch.zeros(6, 3, 8, 8, dtype=torch.uint8)), "Move the channels last: images.permute(0, 2, 3, 1)"),
        (dict(images=[[1, 2], [3]]), "images must be of one shape"),
        (dict(test_images=PIXELS), "test_labels must be given with the other one, got None. Pass both, or neither"),
        (dict(class_names=None, given=["cat", "dog"] * 3), "given must be integers"),
        (dict(class_names=3.5), "class_names must be a list of names, got 3.5. Example: ['cat', 'dog']."),
    ],
)
def test_18_messages_name_what_was_passed_and_a_form_that_is_taken(changes, message):
    assert message in refusal(data.from_arrays, **(dict(images=PIXELS, given=LABELS, class_names=["a", "b"]) | changes))


def test_23_from_python_every_warning_reaches_the_screen_once(tmp_path, monkeypatch, capsys):
    log = logging.getLogger("plremix")
    monkeypatch.setattr(log, "propagate", False)  # the tests' own handlers would show it
    pixels = np.random.default_rng(0).integers(255, size=(30, 8, 8), dtype=np.uint8)
    found = data.from_arrays(pixels, np.arange(30) % 2, class_names=("a", "b", "c"))  # nothing has the label c
    changes = dict(epochs=3, warm_up=1, steps_per_epoch=2, batch_size=8, width=8, kappa=((0, 1),))
    trainer = Trainer(for_folder(3, dataset="own.npz", **changes), found, tmp_path)
    trainer.fit(progress=False)
    shown = [line for line in capsys.readouterr().err.splitlines() if line.startswith("warning: ")]
    assert shown[0] == "warning: 1 classes have no given label (c)" and len(shown) == len(set(shown)) > 1
    assert trainer.run.warnings() == shown and log.handlers == []


@pytest.mark.parametrize("text", ["2,2", "(2, 2)", "[2, 2]", "[2,2]"])
def test_24_lists_are_read_in_every_form_and_the_remedy_is_one_of_them(text, monkeypatch):
    from plremix_core.data import sets

    seen = []
    monkeypatch.setattr(sets, "open_set", lambda config, folder: seen.append(config) or sys.exit(7))
    plremix("train", "--blocks", text)
    assert seen[0].blocks == (2, 2)
    assert Config(blocks=[2, 2]).blocks == (2, 2)
    assert refusal(Config, blocks=2).endswith("a list, got 2. Example: [2, 2, 2, 2].")


# ------------------------------------------------------------------------------------------------- 20, 21: lessons


def test_20_notebooks_run_in_the_interpreter_of_the_command(tmp_path, monkeypatch):
    other = tmp_path / "j" / "kernels" / "python3"
    other.mkdir(parents=True)
    (other / "kernel.json").write_text(json.dumps(dict(argv=["false"], display_name="x", language="python")))
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "j"))
    first, _, rest = process.own_kernel(str(tmp_path / "k")).partition(os.pathsep)
    assert rest == str(tmp_path / "j")
    monkeypatch.setenv("JUPYTER_PATH", os.pathsep.join([first, rest]))
    from jupyter_client.kernelspec import get_kernel_spec

    assert get_kernel_spec("python3").argv[0] == sys.executable


def test_21_values_are_read_by_the_declared_type_of_their_parameter(tmp_path):
    lines = 'n: int = 0\nsettings: str = ""\nfolder: str = ""\nrate: float = 0.5\non: bool = False'
    path = write_notebook(tmp_path, "1", parameters=lines)
    texts = dict(settings='{"lr": 0.05}', rate="1e-1", n="3", on="true")
    found = injected.as_declared([path], texts)
    assert found == dict(settings='{"lr": 0.05}', rate=0.1, n=3, on=True)
    runner.inspect(path, found)
    for name in ("2024", "on", "~", "[2023] trip", "a: b"):
        assert injected.as_declared([path], {"folder": name}) == {"folder": name}
    assert refusal(injected.as_declared, [path], {"n": "three"}) == (
        "parameter n must be of type int, got 'three'. Example: -p n 0."
    )
    assert "in JSON" in refusal(runner.inspect, path, {"settings": "{lr: 1"})


def test_grids_still_expand_with_the_plan_of_the_tests(tmp_path):
    import yaml

    assert len(load_grid(tmp_path, yaml.safe_dump(PLAN)).runs) == 4


GOOD = dict(train_images=np.zeros((4, 8, 8, 3), np.uint8), train_labels=np.arange(4) % 2)


@pytest.mark.parametrize(
    "changes, message",
    [
        (dict(train_labels=np.zeros(4, int)), "train_labels must be whole numbers of at least two classes, got '1 cl"),
        (dict(train_labels=np.full(4, 0.5)), "train_labels must be whole numbers of at least two classes, got '0 cl"),
        (dict(train_images=np.uint8(3)), r"d.npz must be an .npz of arrays, got \"one value as \['train_images'\]"),
        (dict(class_names=np.array("cat")), r"d.npz must be an .npz of arrays, got \"one value as \['class_names'\]"),
    ],
)
def test_an_npz_of_wrong_arrays_is_refused_by_what_is_wrong(tmp_path, changes, message):
    np.savez(tmp_path / "d.npz", **(GOOD | changes))
    with pytest.raises(ValueError, match=message):
        main(["train", "--dataset", str(tmp_path / "d.npz")], standalone_mode=False)


@pytest.mark.parametrize(
    "text, message",
    [
        ("", r"saved.csv must be a file with rows of index, file, given and label, got \[\]"),
        ("index,file,given,label\n", "saved.csv must be a file with rows of index, file, given and label"),
        (
            "index,file,given,label\n0,cat/000.png,0,zebra\n",
            r"of whole numbers, an image once, got \[\['0', 'cat/000.png'",
        ),
        ("index,file,given,label\n" + 2 * "0,cat/000.png,0,1\n", "saved.csv must be of whole numbers, an image once"),
        ("index,file,given,label\n0,cat/000.png,0,1\n", "suspects.csv must be the ranking of these images, got .'a'"),
        (None, "check must be a number of images, or a file that exists, got"),
        (0, "check must be a number of images from 1, or a file, got '0'"),
    ],
)
def test_what_is_no_check_is_refused(tmp_path, text, message):
    pictures(tmp_path / "own", dict(cat=2, dog=2))
    saved, out = tmp_path / "saved.csv", tmp_path / "suspects.csv"
    out.write_text("a,b\n1,2\n")
    if isinstance(text, str):
        saved.write_text(text)
    check = "0" if text == 0 else str(saved)
    with pytest.raises(ValueError, match=message):
        main(["suspects", str(tmp_path / "own"), "--out", str(out), "--check", check], standalone_mode=False)


def test_suspects_refuses_settings_without_effect_and_a_class_too_small_for_folds(tmp_path):
    pictures(tmp_path, dict(cat=5, dog=1))
    with pytest.raises(ValueError, match="set must be no setting of what is ranked, as all images are, got 'noise'"):
        main(["suspects", str(tmp_path), "--set", "noise", "sym"], standalone_mode=False)
    with pytest.raises(ValueError, match="got 'method'. Leave it out; --method is an option of its own."):
        main(["suspects", str(tmp_path), "--set", "method", "ce"], standalone_mode=False)
    with pytest.raises(ValueError, match="labels must be of two classes with at least two samples each, got 'one with"):
        main(["suspects", str(tmp_path)], standalone_mode=False)


@pytest.mark.parametrize(
    "text, message",
    [
        ("a,label\n1,c\n2,\n3,d\n", r"labels must be given in all rows, got 'none in row \[1\]'"),
        ("a,label\n1e200,c\n2,c\n3,d\n4,d\n", r"features must be below 1e100, got 'nan, inf or more in row \[0\]'"),
        ("a,label\n1,c\n2,c\n3,d\n", "labels must be of two classes with at least two samples each, got 'one with 1'"),
        ("a;b;label\n1;2;c\n2;2;c\n", "f.csv must be with commas between its cells, got 'semicolons'. Save it with"),
        ("1,5;2,5;c\n2,5;2,5;d\n", "f.csv must be with commas between its cells, got 'semicolons'. Save it with"),
        ("a,b,label\n1,5,2,5,c\n", "f.csv, line 2, must be of 3 cells, got 5. Quote cells with commas; write numbers"),
        ('a,label\n"1,5",c\n"2,5",d\n', "must be numbers, got .'a'.. Drop them or encode them; decimal commas become"),
    ],
)
def test_features_that_cannot_be_ranked_are_refused(tmp_path, text, message):
    (tmp_path / "f.csv").write_text(text)
    with pytest.raises(ValueError, match=message):
        main(["suspects", str(tmp_path / "f.csv"), "--out", str(tmp_path / "out.csv")], standalone_mode=False)


def test_a_first_line_of_numbers_is_a_row_of_features_and_no_heading(tmp_path):
    rows = "".join(f"{i}.5,{i % 2}\n" for i in range(20))
    (tmp_path / "f.csv").write_text(rows)
    (tmp_path / "l.csv").write_text("\n".join("ab" * 10).replace("a\n", "cat\n").replace("b", "dog"))
    assert "labels must be of shape (20,), got (19,)" in refusal(
        read_features, tmp_path / "f.csv", tmp_path / "l.csv"
    )  # the first word stands where a heading would
    (tmp_path / "l.csv").write_text("label\n" + "cat\ndog\n" * 10)
    assert read_features(tmp_path / "f.csv", tmp_path / "l.csv").values[0].tolist() == [0.5, 0.0]
    (tmp_path / "f.csv").write_text("0,1\n" + rows)  # a heading, as pandas writes it
    assert len(read_features(tmp_path / "f.csv", tmp_path / "l.csv").values) == 20


# ------------------------------------------------------------------------------- of the same kinds, found by a new user


def saved(path, root, label):
    """A label file as a page of suspects saves it; `label` gives the number of a file's class, -1 drops the image."""
    names, pairs, *_ = folders.own(root)
    rows = [f'{i},"{file}",{old},{label(old)},"{names[old]}",""' for i, (file, old) in enumerate(pairs)]
    path.write_text("index,file,given,label,given name,label name\r\n" + "\r\n".join(rows))
    return path


@pytest.mark.parametrize("names", [[str(c) for c in range(12)], ["1", "2", "3"], ["-1", "0", "1"]])
def test_01_numbers_that_a_page_saves_mean_classes_by_number_whatever_the_classes_are_called(tmp_path, names):
    root = pictures(tmp_path / "a", dict.fromkeys(names, 2))
    text = plremix("clean", root, saved(tmp_path / "l.csv", root, lambda old: old))
    assert f"{2 * len(names)} kept, 0 relabelled, 0 dropped" in text
    text = plremix("clean", root, saved(tmp_path / "l.csv", root, lambda old: -1 if old else 0))
    assert f"2 kept, 0 relabelled, {2 * len(names) - 2} dropped" in text


def test_01_a_class_called_minus_1_is_not_dropped(tmp_path):
    root = pictures(tmp_path / "a", {"-1": 2, "0": 2, "1": 2})
    files = [file for file, _ in folders.own(root).train]
    (tmp_path / "l.csv").write_text("file,label\n" + "".join(f"{file},{file.split('/')[0]}\n" for file in files))
    assert "6 kept, 0 relabelled, 0 dropped" in plremix("clean", root, tmp_path / "l.csv")


def test_05_null_drops_an_image_and_an_array_of_an_archive_cleans(tmp_path):
    root = pictures(tmp_path / "a", {"cat": 2, "dog": 2})
    files = [file for file, _ in folders.own(root).train]
    (tmp_path / "l.json").write_text(json.dumps(dict(zip(files, ["cat", None, "dog", "dog"]))))
    assert "3 kept, 0 relabelled, 1 dropped" in plremix("clean", root, tmp_path / "l.json")
    np.savez(tmp_path / "l.npz", a=[0, 0, 1, 1], b=[1, 0, 1, 1])
    assert "3 kept, 1 relabelled, 0 dropped" in plremix("clean", root, f"{tmp_path / 'l.npz'}::b")
    (tmp_path / "file").touch()
    text = plremix("clean", root, tmp_path / "l.json", "--copy", tmp_path / "file" / "x")
    assert "folder must be in a folder that can be written to" in text


def test_18_text_of_another_encoding_and_pickled_names_have_a_remedy_that_helps(tmp_path):
    (tmp_path / "l.csv").write_bytes("label\ncaf\xe9\n".encode("latin-1"))
    text = refusal(label_files.read, tmp_path / "l.csv", 1, 2)
    assert text.startswith(str(tmp_path / "l.csv")) and text.endswith("Save it again as UTF-8.")
    np.save(tmp_path / "l.npy", np.array(["a", "b"], dtype=object), allow_pickle=True)
    assert refusal(label_files.read, tmp_path / "l.npy", 2, 2).endswith("Save names as text: array.astype(str).")
    assert refusal(read_features, tmp_path / "l.npy", None).endswith("Save names as text: array.astype(str).")


@pytest.mark.parametrize(
    ("features", "labels", "message"),
    [
        (
            "a\n1\n2\n3\n4\n",
            "index,label\n3,x\n2,y\n1,x\n0,y\n",
            "no keys, as rows are taken in their order, got .'index'",
        ),
        ("a\n1\n2\n3\n4\n", "row,label\n3,x\n2,y\n1,x\n0,y\n", "no keys, .* got .'row'"),
        (",a,label\n0,1,x\n1,2,x\n2,3,y\n3,4,y\n", "", "no keys, .* got .''"),
        ("id,a,label\n0,1,x\n1,2,x\n2,3,y\n3,4,y\n", "", "no keys, .* got .'id'"),
        ("a,label\n1,0\n2,0\n3,1\n4,1\n", "label\nx\nx\ny\ny\n", "labels must be given once"),
    ],
)
def test_05_a_key_beside_features_is_no_feature_and_labels_are_given_once(tmp_path, features, labels, message):
    (tmp_path / "f.csv").write_text(features)
    (tmp_path / "l.csv").write_text(labels)
    with pytest.raises(ValueError, match=message):
        read_features(tmp_path / "f.csv", tmp_path / "l.csv" if labels else None)


@pytest.mark.parametrize(
    ("values", "labels", "message"),
    [
        (np.ones((4, 2)), ["a", None, "b", "a"], r"labels must be given in all rows, got 'none in row \[1\]'"),
        (np.ones((4, 2)), ["a", "", "b", "a"], "labels must be given in all rows"),
        (np.ones((4, 2)) * 1j, [0, 0, 1, 1], "features must be numbers"),
        ([[1, 2], [3]], [0, 1], "features must be of one shape and type, got .* Make all entries alike."),
        (np.empty((0, 3)), [], "features must be numbers of shape"),
    ],
)
def test_18_features_from_python_are_refused_in_words(values, labels, message):
    with pytest.raises(ValueError, match=message):
        data.from_features(values, labels)


def test_15_features_with_a_byte_order_mark_in_any_encoding(tmp_path):
    for encoding in ("utf-8-sig", "utf-16"):
        (tmp_path / "f.CSV").write_bytes("a,label\r\n1,x\r\n2,x\r\n3,y\r\n".encode(encoding))
        assert read_features(tmp_path / "f.CSV", None).values[:, 0].tolist() == [1, 2, 3]
    values = torch.ones(3, 2, requires_grad=True)
    assert data.from_features(values, torch.tensor([0, 0, 1])).values.shape == (3, 2)


def test_04_options_without_effect_are_refused_and_names_given_once(tmp_path):
    root = pictures(tmp_path / "a", {"cat": 4, "dog": 4})
    text = plremix("suspects", root, "--check", "3", "--method", "plremix", "--show", "3")
    assert "options beside --check must be those that it needs, got '--method, --show'" in text
    twice = ["--set", "epochs", "3", "--set", "epochs", "4"]
    assert "set must be given once for each name" in plremix("suspects", root, *twice)
    assert "p must be given once for each name" in plremix("lessons", "-p", "seed", "1", "-p", "seed", "2")
    np.savez(tmp_path / "a.npz", train_images=np.zeros((6, 8, 8), np.uint8), train_labels=[0, 1] * 3)
    for options, message in (
        ("--rate 0.5", "options beside --noise none must be without a rate"),
        ("--image-size 4", "image_size must be 0 on images of one size"),
        ("--noise worse --lambda-u 1", "noise must be sym or none unless the data set is one of cifar10, got 'worse'"),
    ):
        assert message in plremix("train", "--dataset", tmp_path / "a.npz", *options.split())


@pytest.mark.parametrize("command", ["predict", "suspects"])
def test_14_a_file_that_could_not_be_written_is_refused_before_the_work(tmp_path, command):
    root = pictures(tmp_path / "a", {"cat": 4, "dog": 4})
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "epoch-0001.pt").touch()
    (tmp_path / "is.csv").mkdir()
    for out in (tmp_path / "is.csv", tmp_path / "absent" / "p.csv"):
        text = plremix(command, *[tmp_path / "run"] * (command == "predict"), root, "--out", out)
        assert "out must be a file in a folder that exists" in text


def test_11_the_kinds_of_images_that_are_read_are_told(tmp_path):
    pictures(tmp_path, {"cat": 2, "dog": 2})
    for path in (tmp_path / "cat").iterdir():
        path.rename(path.with_suffix(".gif"))
    assert "read are .jpg, .jpeg, .png" in refusal(folders.own, tmp_path)


def test_05_images_that_a_list_has_twice_are_told(tmp_path):
    pictures(tmp_path, {"a": 2})
    (tmp_path / "l.txt").write_text("a/000.png 0\na/001.png 1\na/000.png 0\n")
    assert folders.own(tmp_path, "l.txt").notes == ("listed more than once: 1 images: a/000.png",)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("lessons --only 05 --only 77", "only must be one of 00, 01"),
        ("lessons --only 05 -p rte 1", "Did you mean rate?"),
        ("sweep x.yaml", "x.yaml: key of a grid must be one of"),
        ("sweep y.yaml --only ce --only nope", "only must be a pattern of at least one run's name, got ['nope']"),
        ("report .", "folder must be one that `plremix sweep` made"),
        ("suspects a", "labels must be of two classes with at least two samples each"),
        ("train --resume run --images absent", "must be a place that exists"),
    ],
)
def test_other_commands_do_not_wait_for_torch_either(arguments, message, tmp_path):
    (tmp_path / "x.yaml").write_text("datset: cifar10\n")
    (tmp_path / "y.yaml").write_text("dataset: fashion_mnist\nnoise: [[sym, 0.5]]\nmethod: ce\n")
    pictures(tmp_path / "a", {"cat": 5, "dog": 1, "eel": 1})
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "epoch-0001.pt").touch()
    code = "import sys, runpy; sys.argv[0] = 'plremix'\ntry: runpy.run_module('plremix_core', run_name='__main__')\n"
    code += "finally: print({'torch', 'distributed', 'nbformat'} & set(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments.split()],
        capture_output=True, text=True, cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert done.returncode == 1 and message in done.stderr and done.stdout.strip() == "set()"
