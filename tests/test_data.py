"""Data sets: the bundled part, files that are refused, arrays of the user's own, parts with noise and hold-out."""

import dataclasses
import hashlib
import re
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch

from plremix_core import data
from plremix_core.config import Config
from plremix_core.data import catalogue

BUNDLED = Path(__file__).resolve().parent.parent / "data" / "fashion_mnist_part.npz"
PARTS = ("train_images", "train_labels", "test_images", "test_labels")
FASHION_SUMS = {  # of the uint8 bytes
    "images": "4f7cf6dd3e34367c9ed92753516da51a1d653b115084655b20de55920977f235",
    "true": "9581eb77d351b7c3d51fc043c885045ec63a2a1ec8f1314bd3903a00d313dde8",
    "test_images": "faeb535a68fb9b140ed87e35a330bbe7f03aa4fa8cf67cbc33d737361e9b1a40",
    "test_labels": "650fde680f85edac5fb6f6dcf1012f6781c1b9ad429feaf6373ca2f8c1f93519",
}


@pytest.fixture(scope="module")
def fashion():
    return data.load("fashion_mnist")


# ------------------------------------------------------------------------------------------------- bundled part


def test_bundled_part_has_ten_balanced_classes(fashion):
    assert fashion.images.shape == (10_000, 1, 28, 28)
    assert fashion.test_images.shape == (2_000, 1, 28, 28)
    assert fashion.images.dtype == fashion.test_images.dtype == torch.uint8
    assert fashion.true.dtype == fashion.given.dtype == fashion.test_labels.dtype == torch.int64
    assert torch.bincount(fashion.true).tolist() == [1000] * 10
    assert torch.bincount(fashion.test_labels).tolist() == [200] * 10


@pytest.mark.parametrize("part", FASHION_SUMS)
def test_bundled_part_has_the_recorded_sums(fashion, part):
    content = getattr(fashion, part).to(torch.uint8).numpy().tobytes()
    assert hashlib.sha256(content).hexdigest() == FASHION_SUMS[part]


def test_bundled_part_is_described(fashion):
    assert fashion.name == "fashion_mnist"
    assert fashion.num_classes == len(fashion.class_names) == 10
    assert fashion.class_names[0] == "T-shirt"
    assert "boot" in fashion.class_names[9]
    assert (fashion.mean, fashion.std) == ((0.2860,), (0.3530,))
    assert (fashion.given == fashion.true).all()
    assert len(fashion.holdout_images) == len(fashion.holdout_given) == 0


def test_no_test_image_is_among_the_training_images(fashion):
    train = {image.numpy().tobytes() for image in fashion.images}
    assert len(train) == 10_000
    assert not any(image.numpy().tobytes() in train for image in fashion.test_images)


# ------------------------------------------------------------------------------------------------ refused files


def arrays_of(path):
    with np.load(path) as archive:
        return dict(archive)


def test_a_missing_file_is_refused_with_the_way_to_restore_it(monkeypatch, tmp_path):
    message = "dataset file must be one that exists, got '.*fashion_mnist_part.npz'. Check the path; a bundled file"
    monkeypatch.setattr(catalogue, "FOLDER", tmp_path)
    with pytest.raises(ValueError, match=message):
        data.load("fashion_mnist")


def test_a_folder_of_other_sets_need_not_hold_the_bundled_one(tmp_path):
    assert data.load("fashion_mnist", tmp_path).fingerprint() == data.load("fashion_mnist").fingerprint()


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.999])
def test_a_cut_file_is_refused_by_name(tmp_path, share):
    content = BUNDLED.read_bytes()
    path = tmp_path / BUNDLED.name
    path.write_bytes(content[: int(share * len(content))])
    message = re.escape(f"dataset file {path} must be a readable .npz, got") + ".* fetch it again."
    with pytest.raises(ValueError, match=message):
        data.load("fashion_mnist", tmp_path)


def test_a_flipped_bit_is_refused_by_name(tmp_path):
    content = bytearray(BUNDLED.read_bytes())
    content[len(content) // 2] ^= 1
    (tmp_path / BUNDLED.name).write_bytes(content)
    with pytest.raises(ValueError, match=re.escape(str(tmp_path / BUNDLED.name)) + " (is|must be a readable)"):
        data.load("fashion_mnist", tmp_path)


@pytest.mark.parametrize("part", PARTS)
def test_one_wrong_value_in_a_sound_archive_is_refused_by_part(tmp_path, part):
    arrays = arrays_of(BUNDLED)
    arrays[part].flat[5] ^= 1
    np.savez(tmp_path / BUNDLED.name, **arrays)
    message = rf"content of fashion_mnist/{part} must be sha256 [0-9a-f]{{16}}..., got '[0-9a-f]{{16}}'. .*"
    with pytest.raises(ValueError, match=message + "is damaged or another data set; fetch it again"):
        data.load("fashion_mnist", tmp_path)


def test_another_data_set_under_the_right_name_is_refused(tmp_path):
    shutil.copy(BUNDLED, tmp_path / "cifar10.npz")
    with pytest.raises(ValueError, match=r"content of cifar10/train_images must be sha256 .*cifar10.npz is damaged or"):
        data.load("cifar10", tmp_path)


def test_an_html_page_saved_as_npz_is_refused(tmp_path):
    (tmp_path / BUNDLED.name).write_text("<!doctype html><html><body>404 Not Found</body></html>")
    with pytest.raises(ValueError, match=r"dataset file .*part.npz must be a readable .npz, got .* fetch it"):
        data.load("fashion_mnist", tmp_path)


def test_a_plain_npy_file_is_refused(tmp_path):
    with open(tmp_path / BUNDLED.name, "wb") as file:
        np.save(file, np.zeros(3))
    with pytest.raises(ValueError, match=r"dataset file .*part.npz must be a readable .npz, got .* fetch it"):
        data.load("fashion_mnist", tmp_path)


class Trap:
    """What a hostile archive would run on loading."""

    def __reduce__(self):
        return (pytest.fail, ("the pickle was executed",))


def test_a_pickled_object_is_refused_and_never_executed(tmp_path):
    arrays = arrays_of(BUNDLED) | {"train_labels": np.array([Trap()], dtype=object)}
    np.savez(tmp_path / BUNDLED.name, **arrays)
    with pytest.raises(ValueError, match=r"dataset file .* must be a readable .npz, got .*Object arrays cannot"):
        data.load("fashion_mnist", tmp_path)


def test_an_archive_without_a_part_is_refused_by_that_part(tmp_path):
    arrays = arrays_of(BUNDLED)
    del arrays["test_labels"]
    np.savez(tmp_path / BUNDLED.name, **arrays)
    with pytest.raises(ValueError, match=r"dataset file .* must be an .npz with train_images, .*\['test_labels'\]"):
        data.load("fashion_mnist", tmp_path)


def test_a_zip_of_other_files_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / BUNDLED.name, "w") as archive:
        archive.writestr("readme.txt", "hello")
    with pytest.raises(ValueError, match=r"dataset file .* must be an .npz with train_images"):
        data.load("fashion_mnist", tmp_path)


def test_an_unknown_name_is_refused():
    message = "dataset must be one of fashion_mnist, cifar10, .*folder, got 'mnist'. For your own use a path that ends"
    with pytest.raises(ValueError, match=message):
        data.load("mnist")


# ------------------------------------------------------------------------------------------------------- CIFAR


def colour_arrays(classes, seed=0):
    rng = np.random.default_rng(seed)
    return {
        "train_images": rng.integers(256, size=(40, 32, 32, 3), dtype=np.uint8),
        "train_labels": (np.arange(40) % classes).astype(np.int64),
        "test_images": rng.integers(256, size=(20, 32, 32, 3), dtype=np.uint8),
        "test_labels": (np.arange(20) % classes).astype(np.int64),
    }


def pretend(monkeypatch, name, arrays):
    """Take small arrays for the content of a data set that is not here."""
    sums = [hashlib.sha256(arrays[part].astype(np.uint8).tobytes()).hexdigest()[:16] for part in PARTS]
    source = dataclasses.replace(catalogue.SOURCES[name], checksums=tuple(sums))
    monkeypatch.setitem(catalogue.SOURCES, name, source)


class FakeTorchvision:
    """Stands for torchvision.datasets.CIFAR10: images as an array, targets as a list."""

    arrays = colour_arrays(10)
    base_folder = "cifar-10-batches-py"

    def __init__(self, root, train, download):
        part = "train" if train else "test"
        self.data, self.targets = self.arrays[f"{part}_images"], self.arrays[f"{part}_labels"].tolist()


@pytest.mark.parametrize(("name", "classes", "first"), [("cifar10", 10, "airplane"), ("cifar100", 100, "apple")])
def test_cifar_from_an_npz_keeps_colours_and_order(monkeypatch, tmp_path, name, classes, first):
    arrays = colour_arrays(classes)
    pretend(monkeypatch, name, arrays)
    np.savez(tmp_path / f"{name}.npz", **arrays)
    found = data.load(name, tmp_path)
    assert found.images.shape == (40, 3, 32, 32)
    assert found.images[3, 2, 5, 7] == arrays["train_images"][3, 5, 7, 2]
    assert found.test_images[1, 0, 30, 2] == arrays["test_images"][1, 30, 2, 0]
    assert found.true.tolist() == arrays["train_labels"].tolist()
    assert (found.num_classes, found.class_names[0]) == (classes, first)


def test_cifar_is_read_from_the_path_of_the_file_whatever_its_name(monkeypatch, tmp_path):
    arrays = colour_arrays(10)
    pretend(monkeypatch, "cifar10", arrays)
    np.savez(tmp_path / "mine.npz", **arrays)
    assert data.load("cifar10", tmp_path / "mine.npz").true.tolist() == arrays["train_labels"].tolist()
    assert len(data.prepare(Config(train_size=20), str(tmp_path / "mine.npz")).images) == 20


def test_a_path_to_no_file_is_refused_and_nothing_is_downloaded(monkeypatch, tmp_path):
    monkeypatch.setattr("torchvision.datasets.CIFAR10", pytest.fail)
    with pytest.raises(ValueError, match="dataset file must be one that exists, got '.*absent.npz'. Check the path"):
        data.load("cifar10", tmp_path / "absent.npz")


def test_a_path_to_another_data_set_is_refused_by_name():
    with pytest.raises(
        ValueError, match=r"content of cifar10/train_images must be .*fashion_mnist_part.npz is damaged or"
    ):
        data.load("cifar10", BUNDLED)


def test_content_is_summed_once_until_the_file_changes(monkeypatch, tmp_path):
    arrays, sums = colour_arrays(10), []
    pretend(monkeypatch, "cifar10", arrays)
    np.savez(tmp_path / "cifar10.npz", **arrays)
    true_sum = hashlib.sha256
    monkeypatch.setattr(catalogue.hashlib, "sha256", lambda content: (sums.append(len(content)), true_sum(content))[1])
    first = data.load("cifar10", tmp_path)
    assert len(sums) == 4
    second = data.load("cifar10", tmp_path)
    assert len(sums) == 4
    assert torch.equal(first.images, second.images)
    np.savez(tmp_path / "cifar10.npz", **(arrays | {"train_labels": arrays["train_labels"][::-1]}))
    with pytest.raises(ValueError, match="content of cifar10/train_labels"):
        data.load("cifar10", tmp_path)


def test_a_loaded_data_set_can_be_changed_without_changing_the_next_one():
    first = data.load("fashion_mnist")
    before = first.images[0].clone()
    first.images.zero_()
    first.given.zero_()
    assert torch.equal(data.load("fashion_mnist").images[0], before)
    assert data.load("fashion_mnist").given.any()


@pytest.mark.parametrize(("there", "root"), [("cifar-10-batches-py", "."), ("cache/cifar-10-batches-py", "cache")])
def test_torchvision_s_files_are_taken_from_the_folder_or_its_cache(monkeypatch, tmp_path, there, root):
    roots = []

    class Recorded(FakeTorchvision):
        def __init__(self, root, train, download):
            roots.append(Path(root))
            super().__init__(root, train, download)

    (tmp_path / there).mkdir(parents=True)
    pretend(monkeypatch, "cifar10", FakeTorchvision.arrays)
    monkeypatch.setattr("torchvision.datasets.CIFAR10", Recorded)
    data.load("cifar10", tmp_path)
    assert roots == [tmp_path / root] * 2
    data.load("cifar10", tmp_path)
    assert len(roots) == 2  # torchvision sums its files each time, we do not ask again


def test_cifar100_has_its_real_class_names_in_order():
    names = catalogue.SOURCES["cifar100"].class_names
    assert list(names) == sorted(set(names))
    assert len(names) == 100
    assert (names[0], names[23], names[83], names[99]) == ("apple", "cloud", "sweet_pepper", "worm")


def test_cifar_statistics_are_those_of_the_release():
    assert catalogue.SOURCES["cifar10"].statistics == ((0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010))
    assert catalogue.SOURCES["cifar100"].statistics == ((0.5071, 0.4865, 0.4409), (0.2673, 0.2564, 0.2762))


def test_both_routes_to_cifar_give_the_same_data(monkeypatch, tmp_path):
    pretend(monkeypatch, "cifar10", FakeTorchvision.arrays)
    monkeypatch.setattr("torchvision.datasets.CIFAR10", FakeTorchvision)
    by_download = data.load("cifar10", tmp_path)
    np.savez(tmp_path / "cifar10.npz", **FakeTorchvision.arrays)
    assert data.load("cifar10", tmp_path).fingerprint() == by_download.fingerprint()


def test_a_download_with_other_content_is_refused(monkeypatch, tmp_path):
    monkeypatch.setattr("torchvision.datasets.CIFAR10", FakeTorchvision)
    with pytest.raises(ValueError, match="content of cifar10/train_images must be sha256"):
        data.load("cifar10", tmp_path)


def test_no_network_is_told_with_the_remedy(monkeypatch, tmp_path):
    def offline(*args, **kwargs):
        raise OSError("no route to host")

    monkeypatch.setattr("torchvision.datasets.CIFAR100.__init__", offline)
    message = r"cifar100 must be downloadable or present, got OSError\('no route to host'\). Without a network put"
    with pytest.raises(ValueError, match=message):
        data.load("cifar100", tmp_path)


# ------------------------------------------------------------------------------------------------------ arrays


def grey(n=6, size=4, seed=0):
    return np.random.default_rng(seed).integers(256, size=(n, size, size), dtype=np.uint8)


def test_grey_arrays_become_one_channel():
    images, tests = grey(), grey(3, seed=1)
    found = data.from_arrays(images, [0, 1, 0, 1, 0, 1], tests, np.array([0, 1, 1]), ("cat", "dog"), name="pets")
    assert found.images.shape == (6, 1, 4, 4)
    assert (found.images[:, 0].numpy() == images).all()
    assert found.given.tolist() == [0, 1, 0, 1, 0, 1]
    assert found.true is None
    assert (found.name, found.num_classes, found.class_names) == ("pets", 2, ("cat", "dog"))
    assert found.holdout_images.shape == (0, 1, 4, 4)


def test_colour_arrays_become_channels_first_and_statistics_are_measured():
    images = np.random.default_rng(0).integers(256, size=(5, 6, 7, 3), dtype=np.uint8)
    found = data.from_arrays(images, np.zeros(5, int), images[:2], np.zeros(2, int), ("a",), true=np.zeros(5, int))
    assert found.images.shape == (5, 3, 6, 7)
    assert found.images[4, 1, 2, 3] == images[4, 2, 3, 1]
    assert found.mean == pytest.approx(tuple(images[..., c].mean() / 255 for c in range(3)))
    assert found.std == pytest.approx(tuple(images[..., c].std() / 255 for c in range(3)), rel=5e-3)
    assert found.true.tolist() == [0] * 5


def test_black_images_still_have_a_deviation_to_divide_by():
    black = np.zeros((3, 4, 4), np.uint8)
    assert data.from_arrays(black, [0, 0, 0], black, [0, 0, 0], ("a",)).std[0] > 0


def test_given_statistics_are_kept():
    images = grey()
    found = data.from_arrays(images, [0] * 6, images, [0] * 6, ("a",), statistics=((0.5,), (0.25,)))
    assert (found.mean, found.std) == ((0.5,), (0.25,))


def test_arrays_are_not_changed():
    images, labels = grey(), np.array([0, 1, 0, 1, 0, 1])
    copies = images.copy(), labels.copy()
    data.from_arrays(images, labels, images, labels, ("a", "b"))
    assert (images == copies[0]).all()
    assert (labels == copies[1]).all()


GOOD = dict(images=grey(), given=[0, 1, 0, 1, 0, 1], test_images=grey(3), test_labels=[0, 1, 1], class_names=("a", "b"))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (dict(images=grey() / 255), r"images must be uint8, got dtype\('float64'\). Scale to 0..255 and convert."),
        (dict(test_images=grey(3).astype(int)), r"test_images must be uint8, got dtype\('int64'\)"),
        (dict(images=grey()[0]), r"images must be of shape \(N, H, W\), \(N, H, W, 1\) or .*, got \(4, 4\). Move the"),
        (dict(images=np.zeros((6, 3, 4, 4), np.uint8)), r"images must be of shape \(N, H, W\), .*got \(6, 3, 4, 4\)"),
        (dict(test_images=grey(3, size=5)), r"test_images must be of .* = \(1, 4, 4\), got \(1, 5, 5\). Resize."),
        (dict(given=[0, 1, 0, 1, 0]), r"must be of shape \(6,\), got \(5,\)"),
        (dict(given=[0, 1, 0, 1, 0, 2]), r"must be in \[0, 2\), got 2"),
        (dict(given=[0, 1, 0, 1, 0, -1]), r"must be in \[0, 2\), got -1"),
        (dict(given=[0.0, 1.0, 0.0, 1.0, 0.5, 1.0]), r"must be int"),
        (dict(given=[0.0, 1.0, 0.0, 1.0, float("nan"), 1.0]), r"must be "),
        (dict(test_labels=[0, 1]), r"must be of shape \(3,\), got \(2,\)"),
        (dict(test_labels=[0, 1, 9]), r"must be in \[0, 2\), got 9"),
        (dict(true=[0, 1, 0, 1, 0]), r"must be of shape \(6,\), got \(5,\)"),
        (dict(true=[0, 1, 0, 1, 0, 5]), r"must be in \[0, 2\), got 5"),
    ],
)  # fmt: skip
def test_wrong_arrays_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        data.from_arrays(**(GOOD | changes))


@pytest.mark.parametrize(
    ("name", "labels"), [("given", [0, 1, 0, 1, 0, 2]), ("test_labels", [0, 1, 2]), ("true", [0, 1, 0, 1, 0, 2])]
)
def test_the_message_names_the_labels_that_are_wrong(name, labels):
    with pytest.raises(ValueError, match=f"^{name} must be in"):
        data.from_arrays(**(GOOD | {name: labels}))


def test_fingerprint_follows_images_and_given_labels():
    base = data.from_arrays(**GOOD).fingerprint()
    images = grey()
    images[0, 0, 0] ^= 1
    assert re.fullmatch("[0-9a-f]{12}", base)
    assert data.from_arrays(**GOOD).fingerprint() == base
    assert data.from_arrays(**(GOOD | {"images": images})).fingerprint() != base
    assert data.from_arrays(**(GOOD | {"given": [1, 1, 0, 1, 0, 1]})).fingerprint() != base
    assert data.from_arrays(**(GOOD | {"test_labels": [1, 1, 1]})).fingerprint() != base


# ----------------------------------------------------------------------------------------------------- prepare


def prepared(**changes):
    settings = dict(dataset="fashion_mnist", noise="sym", rate=0.5, train_size=600, holdout=200, seed=0)
    return data.prepare(Config(**(settings | changes)))


def rows(images):
    return [image.numpy().tobytes() for image in images]


def test_same_seed_gives_the_same_part_and_noise():
    a, b = prepared(seed=3), prepared(seed=3)
    assert a.fingerprint() == b.fingerprint()
    assert (a.given == b.given).all()
    assert (a.true == b.true).all()
    assert rows(a.holdout_images) == rows(b.holdout_images)


def test_another_seed_gives_another_part():
    a, b = prepared(seed=3), prepared(seed=4)
    assert rows(a.images) != rows(b.images)
    assert a.fingerprint() != b.fingerprint()


def test_method_and_schedule_do_not_change_the_data():
    assert prepared().fingerprint() == prepared(method="ce", epochs=10, batch_size=8, lr=0.1).fingerprint()


def test_the_noise_does_not_change_which_images_are_taken():
    assert rows(prepared(rate=0.2).images) == rows(prepared(rate=0.9).images)


def test_part_and_hold_out_are_disjoint_and_balanced(fashion):
    found = prepared()
    truth = dict(zip(rows(fashion.images), fashion.true.tolist()))
    train, held = rows(found.images), rows(found.holdout_images)
    assert len(set(train)) == len(train) == 600
    assert len(set(held)) == len(held) == 200
    assert not set(train) & set(held)
    assert np.bincount([truth[row] for row in train]).tolist() == [60] * 10
    assert np.bincount([truth[row] for row in held]).tolist() == [20] * 10
    assert [truth[row] for row in train] == found.true.tolist()


def test_part_and_hold_out_have_the_same_share_of_wrong_labels(fashion):
    found = prepared(train_size=6000, holdout=3000)
    truth = dict(zip(rows(fashion.images), fashion.true.tolist()))
    held = torch.tensor([truth[row] for row in rows(found.holdout_images)])
    assert float((found.given != found.true).double().mean()) == pytest.approx(0.45, abs=0.03)
    assert float((found.holdout_given != held).double().mean()) == pytest.approx(0.45, abs=0.04)


def test_test_set_stays_whole_and_right(fashion):
    found = prepared()
    assert (found.test_images == fashion.test_images).all()
    assert (found.test_labels == fashion.test_labels).all()


def test_train_size_zero_takes_all_but_the_hold_out():
    found = prepared(train_size=0, holdout=1000)
    assert (len(found.images), len(found.holdout_images)) == (9000, 1000)
    assert len(prepared(train_size=0, holdout=0).images) == 10_000


def test_an_uneven_part_differs_by_one_sample_a_class_at_most():
    counts = torch.bincount(prepared(train_size=123, holdout=0).true)
    assert int(counts.max() - counts.min()) == 1


def test_no_noise_leaves_the_true_labels():
    found = prepared(noise="none")
    assert (found.given == found.true).all()


def test_asymmetric_noise_changes_its_pairs_only():
    found = prepared(noise="asym", rate=0.4, train_size=5000)
    wrong = found.given != found.true
    changes = set(zip(found.true[wrong].tolist(), found.given[wrong].tolist()))
    assert changes == {(6, 0), (2, 4), (4, 2), (5, 7), (9, 7)}


@pytest.mark.parametrize("sizes", [(10_001, 0), (9_000, 1_001)])
def test_more_samples_than_there_are_is_refused(sizes):
    message = f"train_size must be at most 10000 with holdout, got {sum(sizes)}. Lower it."
    with pytest.raises(ValueError, match=message):
        prepared(train_size=sizes[0], holdout=sizes[1])


@pytest.mark.parametrize("holdout", [10_000, 20_000])
def test_a_hold_out_that_leaves_nothing_to_train_on_is_refused(holdout):
    with pytest.raises(ValueError, match="holdout|train_size"):
        prepared(train_size=0, holdout=holdout)


def test_prepare_leaves_the_global_random_states_alone():
    states = np.random.get_state()[1].copy(), torch.get_rng_state()  # noqa: NPY002
    prepared()
    assert (np.random.get_state()[1] == states[0]).all()  # noqa: NPY002
    assert (torch.get_rng_state() == states[1]).all()


def test_prepare_works_for_colour_images(monkeypatch, tmp_path):
    arrays = colour_arrays(10)
    pretend(monkeypatch, "cifar10", arrays)
    np.savez(tmp_path / "cifar10.npz", **arrays)
    found = data.prepare(Config(train_size=20, holdout=10), tmp_path)
    assert found.images.shape == (20, 3, 32, 32)
    assert found.holdout_images.shape == (10, 3, 32, 32)
    assert torch.bincount(found.true, minlength=10).tolist() == [2] * 10
    originals = {image.transpose(2, 0, 1).tobytes() for image in arrays["train_images"]}
    assert set(rows(found.images)) <= originals


def test_bundled_file_needs_no_pickle():
    with np.load(BUNDLED, allow_pickle=False) as archive:
        assert {archive[part].dtype for part in PARTS} == {np.dtype(np.uint8)}


def test_the_real_rate_is_at_hand_and_unknown_without_true_labels():
    found = prepared()
    assert found.real_rate == float((found.given != found.true).double().mean())
    assert prepared(noise="none").real_rate == 0
    assert data.from_arrays(**GOOD).real_rate is None
