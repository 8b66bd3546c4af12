"""Label files: what is read, what is refused by name; the human labels of CIFAR-N."""

import dataclasses
import json
import os
import re
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch

from plremix_core import data
from plremix_core.config import Config
from plremix_core.data import catalogue, label_files, noise
from plremix_core.trainer import Trainer

LABELS = [3, 0, 2, 2, 1, 3]


def written(folder, kind, labels=LABELS):
    """A label file of `kind`."""
    path = folder / f"labels{kind}"
    if kind == ".npy":
        np.save(path, np.asarray(labels))
    elif kind == ".npz":
        np.savez(path, labels=np.asarray(labels))
    elif kind == ".json":
        path.write_text(json.dumps(labels))
    else:
        path.write_text("label\n" + "".join(f"{label}\n" for label in labels))
    return path


KINDS = (".npy", ".npz", ".json", ".csv")


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_of_file_gives_the_labels_in_order(tmp_path, kind):
    found = label_files.read(written(tmp_path, kind), 6, 4)
    assert found.tolist() == LABELS
    assert found.dtype == np.int64


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.int32, np.uint64, "U1"])
def test_any_whole_type_and_text_of_digits_are_read(tmp_path, dtype):
    np.save(tmp_path / "a.npy", np.array(LABELS, dtype))
    found = label_files.read(tmp_path / "a.npy", 6, 4)
    assert found.tolist() == LABELS
    assert found.dtype == np.int64


def test_one_of_several_arrays_is_named_after_two_colons(tmp_path):
    np.savez(tmp_path / "a.npz", **{"cifar10/sym50": np.array(LABELS), "other": np.zeros(3)})
    assert label_files.read(f"{tmp_path / 'a.npz'}::cifar10/sym50", 6, 4).tolist() == LABELS


def test_an_unnamed_one_of_several_arrays_is_refused(tmp_path):
    np.savez(tmp_path / "a.npz", x=np.array(LABELS), y=np.array(LABELS))
    message = (
        r"label_file .*a.npz must be with one column, or one named label .of an .npz: path::name., got 'x, y'. Name one"
    )
    with pytest.raises(ValueError, match=message):
        label_files.read(tmp_path / "a.npz", 6, 4)
    with pytest.raises(ValueError, match=r"a.npz must be with an array 'z', got 'x, y'. Name one of them."):
        label_files.read(f"{tmp_path / 'a.npz'}::z", 6, 4)


def test_an_archive_without_arrays_is_refused(tmp_path):
    np.savez(tmp_path / "a.npz")
    with pytest.raises(ValueError, match="a.npz must be with one column, or one named label .*, got ''"):
        label_files.read(tmp_path / "a.npz", 6, 4)


def test_a_json_object_is_ordered_by_its_indices(tmp_path):
    path = tmp_path / "a.json"
    path.write_text(json.dumps({str(i): LABELS[i] for i in (5, 1, 0, 3, 2, 4)}))
    assert label_files.read(path, 6, 4).tolist() == LABELS


@pytest.mark.parametrize(
    "text",
    [
        "label\n3\n0\n2\n2\n1\n3\n",
        "3\n0\n2\n2\n1\n3",
        "given by people\r\n3\r\n0\r\n2\r\n2\r\n1\r\n3\r\n",
        "\ufefflabel\n3\n0\n2\n2\n1\n3\n\n",
        "confidence,label\n0.9,3\n0.8,0\n1.0,2\n.7,2\n0.5,1\n1e-1,3\n",
        "label,index\n1,4\n3,5\n3,0\n0,1\n2,2\n2,3\n",
    ],
)
def test_forms_of_csv_that_are_read(tmp_path, text):
    (tmp_path / "a.csv").write_text(text, encoding="utf-8", newline="")
    assert label_files.read(tmp_path / "a.csv", 6, 4).tolist() == LABELS


# ------------------------------------------------------------------------------------------------------------ refused


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (LABELS[:5], r"must be of shape \(6,\), got \(5,\). One label a training image"),
        ([*LABELS, 1], r"must be of shape \(6,\), got \(7,\)"),
        ([3, 0, 2, 2, 1, 4], r"must be one of 4 classes, got '4'. Correct it .is it of another data set"),
        ([3, 0, 2, 2, 1, -1], r"must be one of 4 classes, got '-1'"),
        ([3.0, 0.0, 2.0, 2.5, 1.0, 3.0], "must be (of whole numbers, got .*Number cl|one of 4 classes, got '3.0')"),
        ([], r"must be (of shape \(6,\)|of whole numbers|a readable)"),
    ],
)
def test_wrong_labels_are_refused_by_the_name_of_the_file(tmp_path, kind, labels, message):
    path = written(tmp_path, kind, labels)
    with pytest.raises(ValueError, match=f"^label_file {re.escape(str(path))}(, (entry|line) [0-9]+,)? {message}"):
        label_files.read(path, 6, 4)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("content", ["<!doctype html>\n<html><body>404: Not Found</body></html>\n", "", "\0\1\2"])
def test_something_else_under_the_right_name_is_refused(tmp_path, kind, content):
    path = tmp_path / f"labels{kind}"
    path.write_text(content)
    with pytest.raises(ValueError, match=f"^label_file {re.escape(str(path))}(, (entry 0|line 2),)? must"):
        label_files.read(path, 6, 4)


@pytest.mark.parametrize("kind", [".npy", ".npz", ".json"])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.95])
def test_a_cut_file_is_refused(tmp_path, kind, share):
    path = written(tmp_path, kind, LABELS * 50)
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(ValueError, match=rf"^label_file .* must be a readable {kind}, got .* cut, damaged or"):
        label_files.read(path, 300, 4)


class Trap:
    """What a hostile file would run on loading."""

    def __reduce__(self):
        return (pytest.fail, ("the pickle was executed",))


@pytest.mark.parametrize("kind", [".npy", ".npz"])
def test_a_pickled_object_is_refused_and_never_executed(tmp_path, kind):
    path = tmp_path / f"labels{kind}"
    trap = np.array([Trap()] * 6, dtype=object)
    np.save(path, trap) if kind == ".npy" else np.savez(path, labels=trap)
    with pytest.raises(ValueError, match=r"must be a readable .np., got .*Object arrays cannot be loaded"):
        label_files.read(path, 6, 4)


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.array([True, False] * 3), "of whole numbers, got dtype\\('bool'\\)"),
        (np.array([3.0, 0, 2, 2, 1, 3]), "of whole numbers, got dtype\\('float64'\\)"),
        (np.array([LABELS]), r"of shape \(6,\), got \(1, 6\)"),
        (np.array([2**63, 0, 0, 0, 0, 0], dtype=np.uint64), "one of 4 classes, got '9223372036854775808'"),
    ],
)
def test_arrays_of_another_type_or_shape_are_refused(tmp_path, array, message):
    np.save(tmp_path / "a.npy", array)
    with pytest.raises(ValueError, match=f"a.npy(, entry 0,)? must be {message}"):
        label_files.read(tmp_path / "a.npy", 6, 4)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("3", " must be a list, or an object from index to label, got 3"),
        ('"302213"', " must be a list, or an object from index to label, got '302213'"),
        ("[3, 0, true, 2, 1, 3]", ", entry 2, must be one of 4 classes, got 'True'"),
        ("[3, 0, null, 2, 1, 3]", ", entry 2, must be one of 4 classes, got ''. Only a label file with paths"),
        ("[3, 0, NaN, 2, 1, 3]", ", entry 2, must be one of 4 classes, got 'nan'"),
        ("[[3, 0, 2, 2, 1, 3]]", r" must be of shape \(6,\), got \(1,\)"),
        ("[[3, 0], [2]]", r" must be of shape \(6,\), got \(2,\)"),
        ("{}", " must be a list, or an object from index to label, got \\(\\)"),
        ('{"0": 3, "1": 0, "3": 2}', ", column 'index', must be of each index from 0 to 5 once"),
        ('{"0": 3, "1": 0, "a": 2}', ", column 'index', must be of each index from 0 to 5 once, got .*'a'"),
        (
            '{"0": 3, "1": 0, "1": 2}',
            ", column 'index', must be of each index from 0 to 5 once, got '1 .2 rows.'. .*so.$",
        ),
        ("[" * 100_000, " must be a readable .json, got RecursionError"),
    ],
)
def test_json_of_another_form_is_refused(tmp_path, text, message):
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(ValueError, match=f"a.json{message}"):
        label_files.read(tmp_path / "a.json", 6, 4)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,b\n1,2\n", " must be with one column, or one named label .*, got 'a, b'"),
        ("1,2\n1,2\n", " must be with one column, or one named label .*, got '0, 1'"),
        ("label,b\n1\n", ", line 2, must be of 2 cells, got 1. Quote cells"),
        ("label,label\n1,1\n2,2\n", r" must be of columns with a name each, got \['label'\]"),
        ("label\n1\n\ncat\n", ", line 4, must be one of 4 classes, got 'cat'"),
        ("1\ncat\n", ", line 2, must be one of 4 classes, got 'cat'"),
        ("label\n1\n1.5\n", ", line 3, must be one of 4 classes, got '1.5'"),
        ("index,label\n0,1\n0,1\n", ", column 'index', must be of each index from 0 to 1 once, got '0 .2 rows.'"),
        ("index;label\n0;1\n1;1\n", " must be with commas between its cells, got 'semicolons'. Save it with commas"),
        ("0;0,5;1\n1;0,7;1\n", " must be with commas between its cells, got 'semicolons'"),
        ("index\tlabel\n0\t1\n1\t1\n", " must be with commas between its cells, got 'tabs'"),
        ('label,"b\n1,2\n' + "x" * 200_000, " must be a readable .csv, got .*field larger"),
    ],
)
def test_csv_of_another_form_is_refused(tmp_path, text, message):
    (tmp_path / "a.csv").write_text(text)
    with pytest.raises(ValueError, match=f"a.csv{message}"):
        label_files.read(tmp_path / "a.csv", 2, 4)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("labels.pt", "label_file must be one of .npy, .npz, .json, .csv, got '.*labels.pt'"),
        ("absent.npy", "label_file must be a file that exists, got '.*absent.npy'. Check the path."),
        ("labels.npy::a", "label_file .*labels.npy must be with an array 'a', got 'label'. Name one of them."),
    ],
)
def test_a_path_that_cannot_be_read_is_refused(tmp_path, name, message):
    written(tmp_path, ".npy")
    with pytest.raises(ValueError, match=message):
        label_files.read(tmp_path / name, 6, 4)


# ---------------------------------------------------------------------------------------------- used by data.prepare


def test_prepare_gives_each_image_its_label_of_the_file(tmp_path):
    whole = data.load("fashion_mnist")
    labels = (whole.true.numpy() + np.arange(10_000) % 2) % 10  # every second label is wrong
    np.save(tmp_path / "a.npy", labels)
    config = Config(
        dataset="fashion_mnist", noise="file", label_file=str(tmp_path / "a.npy"), train_size=500, holdout=99
    )
    found = data.prepare(config)
    by_image = {image.numpy().tobytes(): label for image, label in zip(whole.images, labels)}
    assert [by_image[image.numpy().tobytes()] for image in found.images] == found.given.tolist()
    assert [by_image[image.numpy().tobytes()] for image in found.holdout_images] == found.holdout_given.tolist()
    everything = data.prepare(config.replace(train_size=0, holdout=0))
    assert everything.real_rate == 0.5


def test_labels_in_another_order_are_warned_of(tmp_path, caplog):
    whole = data.load("fashion_mnist")
    np.save(tmp_path / "a.npy", (whole.true.numpy() + 1) % 10)
    config = Config(dataset="fashion_mnist", noise="file", label_file=str(tmp_path / "a.npy"))
    Trainer(config.replace(width=4, blocks=(1,)), data.prepare(config)).warn_of_data()
    assert "the given labels are right no more often than by chance" in caplog.text


def test_a_label_file_of_another_length_is_refused_by_prepare(tmp_path):
    path = written(tmp_path, ".csv")
    with pytest.raises(ValueError, match=r"labels.csv must be of shape \(10000,\), got \(6,\)"):
        data.prepare(Config(dataset="fashion_mnist", noise="file", label_file=str(path), train_size=100))


# ------------------------------------------------------------------------------------------------------------ CIFAR-N

TRUE = np.arange(40) % 10
WORSE = np.where(np.arange(40) % 3 == 0, (TRUE + 1) % 10, TRUE)


def human_arrays(dtype=np.int64):
    return {"clean_label": TRUE.astype(dtype), "worse_label": WORSE.astype(dtype)}


@pytest.fixture
def small(monkeypatch):
    """Take WORSE for the content of the real labels."""
    import hashlib

    content = hashlib.sha256(WORSE.astype(np.uint8).tobytes()).hexdigest()[:16]
    source = dataclasses.replace(catalogue.SOURCES["cifar10"], human={"worse": ("worse_label", content)})
    monkeypatch.setitem(catalogue.SOURCES, "cifar10", source)


def renamed(path, old, new):
    """Rewrite a file of torch.save with another module name inside."""
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name).replace(old, new) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in parts.items():
            archive.writestr(name, content)


@pytest.mark.parametrize("numpy_name", [b"numpy.core.multiarray", b"numpy._core.multiarray"])
@pytest.mark.parametrize("dtype", [np.int64, np.uint8])
def test_the_original_file_is_read_whatever_numpy_wrote_it(small, tmp_path, numpy_name, dtype):
    path = tmp_path / "CIFAR-10_human.pt"
    torch.save(human_arrays(dtype), path)
    renamed(
        path, b"numpy._core.multiarray" if b"numpy._core" in path.read_bytes() else b"numpy.core.multiarray", numpy_name
    )
    assert numpy_name in path.read_bytes()
    found = noise.human("worse", "cifar10", tmp_path, TRUE)
    assert found.tolist() == WORSE.tolist()
    assert found.dtype == np.int64


def test_an_npz_of_the_same_arrays_is_read(small, tmp_path):
    np.savez(tmp_path / "cifar10n_labels.npz", **human_arrays(np.uint8))
    assert noise.human("worse", "cifar10", tmp_path, TRUE).tolist() == WORSE.tolist()


def test_a_hostile_original_file_is_refused_and_never_executed(small, tmp_path):
    torch.save(human_arrays() | {"worse_label": Trap()}, tmp_path / "CIFAR-10_human.pt")
    with pytest.raises(ValueError, match=r"CIFAR-10_human.pt must be a readable .pt, got .*write or fetch it again"):
        noise.human("worse", "cifar10", tmp_path, TRUE)


def test_something_else_saved_by_torch_is_refused(small, tmp_path):
    torch.save(torch.zeros(3), tmp_path / "CIFAR-10_human.pt")
    with pytest.raises(ValueError, match="CIFAR-10_human.pt must be a readable .pt, got"):
        noise.human("worse", "cifar10", tmp_path, TRUE)


def test_the_permission_to_read_arrays_ends_with_the_reading(small, tmp_path):
    torch.save(human_arrays(), tmp_path / "CIFAR-10_human.pt")
    noise.human("worse", "cifar10", tmp_path, TRUE)
    assert np.ndarray not in torch.serialization.get_safe_globals()


@pytest.mark.parametrize("content", [b"", b"<html>rate limit exceeded</html>"])
@pytest.mark.parametrize("name", ["CIFAR-10_human.pt", "cifar10n_labels.npz"])
def test_something_else_under_the_name_of_human_labels_is_refused(tmp_path, content, name):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=f"{name} must be a readable .*, got"):
        noise.human("worse", "cifar10", tmp_path, TRUE)


def test_other_human_labels_under_the_right_name_are_refused(tmp_path):
    np.savez(tmp_path / "cifar10n_labels.npz", **human_arrays())
    message = r"content of cifar10n_labels.npz/worse_label must be sha256 11a306ed336e3bc8..., got '\w{16}'. .*fetch it"
    with pytest.raises(ValueError, match=message):
        noise.human("worse", "cifar10", tmp_path, TRUE)


def test_human_labels_in_another_order_are_refused(small, tmp_path):
    np.savez(tmp_path / "cifar10n_labels.npz", **human_arrays())
    with pytest.raises(ValueError, match="clean labels of cifar10n_labels.npz must be those of the data set"):
        noise.human("worse", "cifar10", tmp_path, TRUE[::-1])


@pytest.mark.parametrize(("dataset", "noise_kind", "file"), [("cifar10", "aggre", "10"), ("cifar100", "fine", "100")])
def test_missing_human_labels_are_told_with_source_licence_and_place(tmp_path, dataset, noise_kind, file):
    message = f"file of human labels must be CIFAR-{file}_human.pt or cifar{file}n_labels.npz, got None. Download .*"
    message += "github.com/UCSC-REAL/cifar-10-100n .*CC BY-NC 4.0, therefore not bundled.* put it into "
    with pytest.raises(ValueError, match=message + re.escape(str(tmp_path))):
        noise.human(noise_kind, dataset, tmp_path, TRUE)


@pytest.mark.parametrize(
    ("dataset", "noise_kind", "message"),
    [
        ("cifar10", "fine", "one of aggre, random1, random2, random3, worse on cifar10, got 'fine'"),
        ("cifar100", "worse", "one of fine on cifar100, got 'worse'"),
        ("fashion_mnist", "worse", "sym, asym, file or none on fashion_mnist, got 'worse'"),
    ],
)
def test_human_noise_of_another_data_set_is_refused(tmp_path, dataset, noise_kind, message):
    with pytest.raises(ValueError, match=f"noise must be {message}. Human labels are of cifar10 and cifar100"):
        noise.human(noise_kind, dataset, tmp_path, TRUE)


RATES = {"aggre": 0.0901, "random1": 0.17234, "random2": 0.18122, "random3": 0.1764, "worse": 0.40208, "fine": 0.402}


@pytest.mark.slow
@pytest.mark.parametrize("kind", RATES)
def test_real_human_labels_have_the_published_rates(kind):
    dataset = "cifar100" if kind == "fine" else "cifar10"
    folder = Path(os.environ.get("PLREMIX_DATA", "/nowhere"))
    source = catalogue.SOURCES[dataset]
    if not (folder / source.file).is_file() or not any((folder / name).is_file() for name in source.human_files):
        pytest.skip(f"PLREMIX_DATA does not name a folder with {dataset}.npz and its human labels")
    found = data.prepare(Config(dataset=dataset, noise=kind), folder / source.file)
    assert found.real_rate == pytest.approx(RATES[kind], abs=1e-9)
    assert noise.real_rate(found.given.numpy(), found.true.numpy()) == found.real_rate
