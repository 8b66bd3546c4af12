"""Wrong labels on purpose: rates, pairs, seeds."""

import numpy as np
import pytest

from plremix_core import noise

LABELS = np.arange(50_000) % 10
AIRPLANE, AUTOMOBILE, BIRD, CAT, DEER, DOG, FROG, HORSE, SHIP, TRUCK = range(10)
PAIRS = {BIRD: AIRPLANE, DEER: HORSE, CAT: DOG, DOG: CAT, TRUCK: AUTOMOBILE}


def rng(seed=0):
    return np.random.default_rng(seed)


@pytest.mark.parametrize(("rate", "real"), [(0.2, 0.18), (0.5, 0.45), (0.8, 0.72), (0.9, 0.81)])
def test_symmetric_noise_has_the_real_rate_of_uniform_draws_over_all_classes(rate, real):
    given = noise.symmetric(LABELS, rate, 10, rng())
    assert given.dtype == np.int64
    assert noise.real_rate(given, LABELS) == pytest.approx(real, abs=0.01)


def test_symmetric_noise_draws_no_more_labels_than_its_nominal_rate():
    labels = np.zeros(1000, dtype=np.int64)
    given = noise.symmetric(labels, 0.35, 1_000_000, rng())  # hardly any draw stays right
    assert 345 <= (given != labels).sum() <= 350


def test_symmetric_labels_are_uniform_whatever_the_true_class():
    given = noise.symmetric(LABELS, 0.5, 10, rng())
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


def test_asymmetric_takes_any_pairs():
    given = noise.asymmetric(LABELS, 0.5, {3: 8}, rng())
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
    with pytest.raises(ValueError, match=message):
        noise.symmetric(LABELS, rate, 10, rng())
    with pytest.raises(ValueError, match=message):
        noise.asymmetric(LABELS, rate, {0: 1}, rng())


def test_unknown_noise_is_refused():
    with pytest.raises(ValueError, match="noise must be one of sym, asym, none, got 'pairflip'. Check the spelling."):
        noise.corrupt(LABELS, "pairflip", 0.2, 10, "cifar10", seed=0)


def test_asymmetric_noise_of_a_data_set_without_pairs_is_refused():
    with pytest.raises(ValueError, match="noise must be sym or none unless the data set is one of cifar10.*got 'asym'"):
        noise.corrupt(LABELS, "asym", 0.4, 10, "arrays", seed=0)
