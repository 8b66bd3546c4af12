"""Wrong labels on purpose: rates, pairs, seeds."""

import math
import os
from pathlib import Path

import numpy as np
import pytest

from plremix_core.data import catalogue, noise

LABELS = np.arange(50_000) % 10
AIRPLANE, AUTOMOBILE, BIRD, CAT, DEER, DOG, FROG, HORSE, SHIP, TRUCK = range(10)
PAIRS = {BIRD: AIRPLANE, DEER: HORSE, CAT: DOG, DOG: CAT, TRUCK: AUTOMOBILE}


@pytest.mark.parametrize(("rate", "real"), [(0.2, 0.18), (0.5, 0.45), (0.8, 0.72), (0.9, 0.81)])
def test_the_real_rate_of_symmetric_noise_equals_that_of_uniform_draws_over_all_classes(rate, real):
    given = noise.corrupt(LABELS, "sym", rate, 10, "anything", seed=0)
    assert given.dtype == np.int64
    assert noise.real_rate(given, LABELS) == pytest.approx(real, abs=0.01)


def test_symmetric_noise_draws_no_more_labels_than_its_nominal_rate():
    labels = np.zeros(1000, dtype=np.int64)
    given = noise.corrupt(labels, "sym", 0.35, 1_000_000, "anything", seed=0)  # hardly any draw stays right
    assert 345 <= (given != labels).sum() <= 350


def test_symmetric_labels_are_uniform_whatever_the_true_class():
    given = noise.corrupt(LABELS, "sym", 0.5, 10, "anything", seed=0)
    for c in range(10):
        counts = np.bincount(given[(LABELS == c) & (given != LABELS)], minlength=10)
        assert counts[c] == 0
        assert np.delete(counts, c) == pytest.approx(250, abs=80)  # 5000 * 0.5 / 10


def test_asymmetric_noise_on_cifar10_changes_a_fifth_of_all_labels():
    given = noise.corrupt(LABELS, "asym", 0.4, 10, "cifar10", seed=0)
    assert noise.real_rate(given, LABELS) == pytest.approx(0.2, abs=0.01)


def test_asymmetric_noise_on_cifar10_follows_its_pairs_and_leaves_other_classes():
    given = noise.corrupt(LABELS, "asym", 0.4, 10, "cifar10", seed=0)
    for c in range(10):
        found = given[LABELS == c]
        wrong = found != c
        if c in PAIRS:
            assert set(found[wrong]) == {PAIRS[c]}
            assert wrong.mean() == pytest.approx(0.4, abs=0.03)
        else:
            assert not wrong.any()


def test_asymmetric_noise_on_fashion_mnist_stays_among_shoes_and_among_tops():
    given = noise.corrupt(LABELS, "asym", 0.4, 10, "fashion_mnist", seed=0)
    changes = {(int(a), int(b)) for a, b in zip(LABELS, given) if a != b}
    assert changes == {(6, 0), (2, 4), (4, 2), (5, 7), (9, 7)}
    assert noise.real_rate(given, LABELS) == pytest.approx(0.2, abs=0.01)


def test_asymmetric_takes_any_pairs(monkeypatch):
    mine = catalogue.Source(asymmetric={"asym": {3: 8}})
    monkeypatch.setitem(catalogue.SOURCES, "mine", mine)
    given = noise.corrupt(LABELS, "asym", 0.5, 10, "mine", seed=0)
    changed = given != LABELS
    assert set(LABELS[changed]) == {3}
    assert set(given[changed]) == {8}
    assert changed.sum() == pytest.approx(2500, abs=150)


@pytest.mark.parametrize("kind", ["sym", "asym"])
@pytest.mark.parametrize("rate", [0.0, 0.4])
def test_noise_is_seeded_and_leaves_its_input_alone(kind, rate):
    labels = LABELS[:2000].copy()
    first = noise.corrupt(labels, kind, rate, 10, "cifar10", seed=1)
    np.random.random(3)  # noqa: NPY002
    assert (noise.corrupt(labels, kind, rate, 10, "cifar10", seed=1) == first).all()
    assert (noise.corrupt(labels, kind, rate, 10, "cifar10", seed=2) == first).all() == (rate == 0)
    assert (labels == LABELS[:2000]).all()
    assert first is not labels


def test_noise_leaves_the_global_random_state_alone():
    state = np.random.get_state()[1].copy()  # noqa: NPY002
    noise.corrupt(LABELS, "sym", 0.5, 10, "cifar10", seed=1)
    assert (np.random.get_state()[1] == state).all()  # noqa: NPY002


def test_no_noise_is_a_copy_of_the_true_labels():
    given = noise.corrupt(LABELS, "none", 0.5, 10, "anything", seed=0)
    assert (given == LABELS).all()
    assert given is not LABELS


def test_real_rate_counts_wrong_labels():
    assert noise.real_rate(np.array([0, 1, 2, 0]), np.array([0, 1, 1, 1])) == 0.5


@pytest.mark.parametrize(
    ("noise_kind", "rate"), [("sym", 0.2), ("sym", 0.5), ("sym", 0.8), ("sym", 0.9), ("asym", 0.4)]
)
@pytest.mark.parametrize(("dataset", "classes"), [("cifar10", 10), ("cifar100", 100), ("fashion_mnist", 10)])
def test_the_noise_of_every_preset_can_be_drawn(dataset, classes, noise_kind, rate):
    labels = np.arange(20_000) % classes
    given = noise.corrupt(labels, noise_kind, rate, classes, dataset, seed=0)
    assert 0 < noise.real_rate(given, labels) <= rate


@pytest.mark.parametrize("rate", [-0.1, 1.0, 1.5, 50])
def test_a_rate_outside_zero_and_one_is_refused(rate):
    message = rf"rate must be in \[0, 1\), got {rate}. It is a fraction, not a percentage."
    for kind in noise.RATED:
        with pytest.raises(ValueError, match=message):
            noise.corrupt(LABELS, kind, rate, 10, "cifar10", 0)


def test_unknown_noise_is_refused():
    with pytest.raises(ValueError, match="noise must be one of sym, asym, asym-consecutive, none, got 'pairflip'"):
        noise.corrupt(LABELS, "pairflip", 0.2, 10, "cifar10", seed=0)


def test_asymmetric_noise_of_a_data_set_without_pairs_is_refused():
    with pytest.raises(
        ValueError, match="noise must be sym or none unless the data set is one of fashion_mnist, cifar10.*got 'asym'"
    ):
        noise.corrupt(LABELS, "asym", 0.4, 10, "arrays", seed=0)


# ---------------------------------------------------------------------------------- CIFAR-100 and its super-classes


def super_classes():
    """The lowest class of the super-class of each class, along the pairs of the catalogue."""
    pairs, lowest = catalogue.SOURCES["cifar100"].asymmetric["asym"], np.arange(100)
    for _ in range(5):
        lowest = np.minimum(lowest, lowest[[pairs[c] for c in range(100)]])
    return lowest


def test_twenty_super_classes_of_five_have_the_known_members():
    names, numbers = np.array(catalogue.SOURCES["cifar100"].class_names), super_classes()
    groups = [set(names[numbers == group]) for group in np.unique(numbers)]
    assert [len(group) for group in groups] == [5] * 20
    assert {"maple_tree", "oak_tree", "palm_tree", "pine_tree", "willow_tree"} in groups
    assert {"baby", "boy", "girl", "man", "woman"} in groups
    assert {"beaver", "dolphin", "otter", "seal", "whale"} in groups


def test_records_give_pairs_by_name_or_groups_in_which_each_class_becomes_the_next():
    record = dict(class_names=["a b c", "d e"], asymmetric=dict(x={"a": "e"}, y=["a c", "b d e"]))
    source = catalogue._read_record(record)
    assert source.class_names == tuple("abcde")
    assert source.asymmetric == {"x": {0: 4}, "y": {0: 2, 2: 0, 1: 3, 3: 4, 4: 1}}


def test_asymmetric_noise_on_cifar100_stays_inside_the_super_class():
    labels = np.arange(50_000) % 100
    given = noise.corrupt(labels, "asym", 0.4, 100, "cifar100", seed=0)
    wrong = given != labels
    groups = super_classes()
    assert wrong.mean() == pytest.approx(0.4, abs=1e-3)  # every class has a partner
    assert (groups[given] == groups[labels]).all()
    for c in range(100):
        later = [d for d in range(c + 1, 100) if groups[d] == groups[c]] + [
            d for d in range(100) if groups[d] == groups[c]
        ]
        assert set(given[wrong & (labels == c)]) == {later[0]}


def test_consecutive_noise_is_the_released_file_s_and_mostly_leaves_the_super_class():
    labels = np.arange(50_000) % 100
    given = noise.corrupt(labels, "asym-consecutive", 0.4, 100, "cifar100", seed=0)
    wrong = given != labels
    assert (given[wrong] == labels[wrong] // 5 * 5 + (labels[wrong] + 1) % 5).all()
    groups = super_classes()
    assert (groups[given] == groups[labels])[wrong].mean() == pytest.approx(0.06, abs=0.01)


def test_consecutive_noise_is_cifar100_s_only():
    with pytest.raises(ValueError, match="unless the data set is one of cifar100, got 'asym-consecutive'. Use sym."):
        noise.corrupt(LABELS, "asym-consecutive", 0.4, 10, "cifar10", seed=0)


# ------------------------------------------------------------------------------------------- the released label files

RELEASED = {  # real rates that were measured on the released label files
    "cifar10": {"sym20": 0.17944, "sym50": 0.44968, "sym80": 0.72072, "sym90": 0.80786, "asym40": 0.2002},
    "cifar100": {"sym20": 0.1978, "sym50": 0.49502, "sym80": 0.79222, "sym90": 0.89078, "asym40": 0.40288},
}
CASES = [(name, kind) for name, rates in RELEASED.items() for kind in rates]


@pytest.mark.parametrize(("name", "kind"), CASES)
def test_the_rate_of_drawn_noise_agrees_with_the_released_label_file(name, kind):
    classes = 10 if name == "cifar10" else 100
    labels = np.arange(50_000) % classes
    given = noise.corrupt(labels, kind[:-2], int(kind[-2:]) / 100, classes, name, seed=0)
    assert noise.real_rate(given, labels) == pytest.approx(RELEASED[name][kind], abs=4 * math.sqrt(0.25 / 50_000))


@pytest.mark.parametrize(("name", "kind"), CASES)
@pytest.mark.slow
def test_the_released_label_file_loads_with_its_real_rate(name, kind):
    from plremix_core import data
    from plremix_core.config import Config

    folder = Path(os.environ.get("PLREMIX_DATA", "/nowhere"))
    if not (folder / f"{name}.npz").is_file() or not (folder / "released_noise.npz").is_file():
        pytest.skip(f"PLREMIX_DATA does not name a folder with {name}.npz and released_noise.npz")
    config = Config(dataset=name, noise="file", label_file=f"{folder}/released_noise.npz::{name}/{kind}")
    found = data.prepare(config, folder)
    assert found.real_rate == pytest.approx(RELEASED[name][kind], abs=1e-9)
    if (name, kind) == ("cifar100", "asym40"):
        true, given = (tensor[found.given != found.true] for tensor in (found.true, found.given))
        assert (given == true // 5 * 5 + (true + 1) % 5).all()
