"""The split into clean and noisy samples."""

from pathlib import Path

import numpy as np
import pytest
import threadpoolctl
import torch
from sklearn.mixture import GaussianMixture

from plremix_core.gmm import Split, scale, split_clean

GOLDEN = np.load(Path(__file__).parent / "golden" / "golden_public.npz", allow_pickle=False)


def two_groups(clean=60, noisy=40, seed=0):
    """Losses of well separated clean (small) and noisy (large) samples, clean ones first."""
    rng = np.random.default_rng(seed)
    group = [rng.normal(0.2, 0.05, clean), rng.normal(2.0, 0.2, noisy)]
    return np.concatenate(group), np.arange(clean + noisy) < clean


def hand_posterior(split):
    """Bayes' rule written out for the parameters of the mixture; also the density."""
    mixture, terms = split.mixture, []
    for weight, mean, covariance in zip(mixture.weights_, mixture.means_, mixture.covariances_):
        away = split.points - mean
        distance = np.einsum("ni,ij,nj->n", away, np.linalg.inv(covariance), away)
        terms.append(weight * np.exp(-distance / 2) / np.sqrt(np.linalg.det(2 * np.pi * covariance)))
    clean = int(np.argmin([(mean**2).sum() for mean in mixture.means_]))
    return terms[clean] / sum(terms), sum(terms)


@pytest.mark.parametrize("dims", [1, 2])
def test_separable_losses_are_split_without_a_mistake(dims):
    loss, clean = two_groups()
    losses = [loss, two_groups(seed=1)[0]][:dims]
    split = split_clean(*losses, seed=0)
    assert split.points.shape == (100, dims)
    assert (split.is_clean == clean).all()
    assert split.p_clean[clean].min() > 0.99
    assert split.p_clean[~clean].max() < 0.01


def test_two_losses_separate_what_one_cannot():
    rng = np.random.default_rng(0)
    clean = np.arange(400) < 200
    loss_cls = np.where(clean, rng.normal(1.0, 0.4, 400), rng.normal(1.5, 0.4, 400))
    loss_proto = np.where(clean, rng.normal(1.0, 0.1, 400), rng.normal(3.0, 0.1, 400))
    one = (split_clean(loss_cls, seed=0).is_clean == clean).mean()
    two = (split_clean(loss_cls, loss_proto, seed=0).is_clean == clean).mean()
    assert one < 0.85
    assert two == 1.0


@pytest.mark.parametrize("dims", [1, 2])
def test_posterior_is_bayes_rule_for_the_component_nearer_to_zero(dims):
    rng = np.random.default_rng(2)
    losses = [np.concatenate([rng.normal(0.5, 0.3, 150), rng.normal(1.5, 0.5, 100)]) for _ in range(dims)]
    split = split_clean(*losses, seed=0)
    posterior, _ = hand_posterior(split)
    np.testing.assert_allclose(split.p_clean, posterior, rtol=1e-7, atol=1e-10)
    assert (np.abs(posterior - 0.5) < 0.4).any()  # not only sure cases


def test_mixture_has_the_settings_of_the_release():
    mixture = split_clean(two_groups()[0], seed=0).mixture.get_params()
    assert (mixture["n_components"], mixture["covariance_type"], mixture["init_params"]) == (2, "full", "kmeans")
    assert (mixture["max_iter"], mixture["tol"], mixture["reg_covar"]) == (10, 1e-2, 5e-4)


def test_points_are_scaled_to_the_unit_square():
    split = split_clean(np.array([1.0, 2.0, 5.0]), np.array([-4.0, 4.0, 0.0]), seed=0)
    np.testing.assert_allclose(split.points, [[0, 0], [0.25, 1], [1, 0.5]])


def test_scale_of_equal_losses_is_zero():
    assert scale(np.full(3, 7.0)).tolist() == [0, 0, 0]
    assert scale(np.array([2.0, 4.0, 3.0])).tolist() == [0, 1, 0.5]


def test_scale_and_offset_of_the_losses_change_nothing():
    loss, _ = two_groups()
    a, b = split_clean(loss, seed=0), split_clean(8 * loss + 16, seed=0)
    np.testing.assert_allclose(a.p_clean, b.p_clean, atol=1e-9)


@pytest.mark.parametrize("dims", [1, 2])
def test_equal_losses_are_all_clean_and_fit_nothing(dims):
    split = split_clean(*[np.full(5, 0.7)] * dims, seed=0)
    assert split.mixture is None
    assert split.p_clean.tolist() == [1.0] * 5
    assert split.is_clean.all()
    with pytest.raises(ValueError, match="mixture must be fitted, got None. All losses agreed; train longer."):
        split.on_grid()


@pytest.mark.parametrize("losses", [([0.0, 1.0],), ([0.0, 0.0, 0.0, 1.0],), ([0.3] * 6, [0, 0, 0, 1, 1, 1])])
def test_few_distinct_points_give_finite_posteriors(losses):
    split = split_clean(*(np.array(x, dtype=float) for x in losses), seed=0)
    assert np.isfinite(split.p_clean).all()
    assert split.is_clean[0]
    assert not split.is_clean[-1]


def test_which_component_comes_first_does_not_matter():
    loss, clean = two_groups()
    splits = [split_clean(loss, seed=seed) for seed in range(12)]
    assert {split.clean for split in splits} == {0, 1}
    for split in splits:
        assert (split.is_clean == clean).all()


def test_posterior_falls_with_the_loss_between_the_two_means():
    split = split_clean(two_groups()[0], seed=0)
    axis, _, posterior = split.on_grid(200)
    low, high = sorted(split.mixture.means_[:, 0])
    between = posterior[(axis > low) & (axis < high)]
    assert len(between) > 50
    assert (np.diff(between) <= 1e-12).all()
    assert between[0] > 0.99 > 0.01 > between[-1]


def test_same_seed_gives_equal_bits_whatever_is_drawn_in_between():
    loss = np.random.default_rng(3).gamma(1.0, size=200)
    first = split_clean(loss, seed=7).p_clean
    np.random.random(5)  # noqa: NPY002
    assert (split_clean(loss, seed=7).p_clean == first).all()


def test_a_mixture_is_fitted_by_one_thread_and_torch_keeps_its_own(monkeypatch):
    seen, fit, before = [], GaussianMixture.fit, torch.get_num_threads()

    def watched(mixture, points):
        seen.extend(pool["num_threads"] for pool in threadpoolctl.threadpool_info())
        return fit(mixture, points)

    monkeypatch.setattr(GaussianMixture, "fit", watched)
    torch.set_num_threads(2)
    try:
        split_clean(two_groups()[0], seed=0)
        assert set(seen) == {1} and torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_inputs_and_the_global_random_state_are_left_alone():
    loss, _ = two_groups()
    copy, state = loss.copy(), np.random.get_state()[1].copy()  # noqa: NPY002
    split_clean(loss, loss, seed=0)
    assert (loss == copy).all()
    assert (np.random.get_state()[1] == state).all()  # noqa: NPY002


def test_threshold_moves_the_decision_and_not_the_posterior():
    loss = np.random.default_rng(4).gamma(1.0, size=300)
    low, high = split_clean(loss, threshold=0.2, seed=0), split_clean(loss, threshold=0.9, seed=0)
    assert (low.p_clean == high.p_clean).all()
    assert (low.is_clean == (low.p_clean > 0.2)).all()
    assert high.is_clean.sum() < low.is_clean.sum()


# ----------------------------------------------------------------------------------------------------- indices


def given(*p_clean):
    p = np.array(p_clean)
    return Split(p, p > 0.5, p[:, None], None, 0, 0.5)


def test_indices_are_the_two_sides_of_the_decision():
    clean, noisy = given(0.9, 0.1, 0.6, 0.5, 0.0).indices(2)
    assert clean.tolist() == [0, 2]
    assert noisy.tolist() == [1, 3, 4]


def test_a_small_clean_part_is_filled_up_with_the_next_likely_samples():
    clean, noisy = given(0.1, 0.9, 0.3, 0.4, 0.0).indices(3)
    assert sorted(clean.tolist()) == [1, 2, 3]
    assert noisy.tolist() == [0, 2, 3, 4]


def test_an_empty_noisy_part_is_filled_up_with_the_least_likely_clean_samples():
    clean, noisy = given(0.9, 0.8, 1.0, 0.7).indices(2)
    assert clean.tolist() == [0, 1, 2, 3]
    assert sorted(noisy.tolist()) == [1, 3]


def test_parts_of_fewer_samples_than_asked_for_are_the_whole_set():
    clean, noisy = given(0.9, 0.1, 0.2).indices(64)
    assert sorted(clean.tolist()) == [0, 1, 2]
    assert sorted(noisy.tolist()) == [0, 1, 2]


def test_metrics_count_against_the_labels_that_are_right():
    split = given(0.9, 0.8, 0.7, 0.1, 0.6, 0.2, 0.3, 0.05)
    right = np.arange(8) < 4
    # of 4 x 4 pairs 13 are in order: 0.9, 0.8 and 0.7 above all four wrong ones, 0.1 above 0.05 only
    assert split.metrics(right) == pytest.approx(
        {"clean": 4, "noisy": 4, "auc": 13 / 16, "precision": 3 / 4, "recall": 3 / 4}
    )


def test_metrics_without_wrong_or_without_known_labels():
    split = given(0.9, 0.1)
    found = split.metrics(np.array([True, True]))
    assert np.isnan(found["auc"])  # nothing to tell apart
    assert (found["precision"], found["recall"]) == (1.0, 0.5)
    assert split.metrics(None) == {"clean": 1, "noisy": 1}
    assert given(0.1, 0.2).metrics(np.array([True, False]))["precision"] == 0.0


# -------------------------------------------------------------------------------------------------------- grid


@pytest.mark.parametrize("dims", [1, 2])
def test_grid_at_the_points_equals_their_posterior(dims):
    rng = np.random.default_rng(5)
    steps = [np.concatenate([[0, 10], rng.integers(0, 5, 30), rng.integers(5, 11, 30)]) for _ in range(dims)]
    split = split_clean(*(step / 10 for step in steps), seed=0)
    axis, density, posterior = split.on_grid(11)
    np.testing.assert_allclose(axis, np.arange(11) / 10)
    assert density.shape == posterior.shape == (11,) * dims
    expected_posterior, expected_density = hand_posterior(split)
    place = tuple(reversed(steps))  # first index: prototype loss, second: classifier loss
    np.testing.assert_allclose(posterior[place], split.p_clean, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(posterior[place], expected_posterior, rtol=1e-7, atol=1e-10)
    np.testing.assert_allclose(density[place], expected_density, rtol=1e-7)


@pytest.mark.parametrize(("dims", "shape"), [(1, (100,)), (2, (100, 100))])
def test_grid_has_100_points_an_axis_by_default(dims, shape):
    axis, density, posterior = split_clean(*[two_groups()[0]] * dims, seed=0).on_grid()
    assert axis.shape == (100,)
    assert density.shape == posterior.shape == shape
    assert (density > 0).any()
    assert ((0 <= posterior) & (posterior <= 1)).all()


# ------------------------------------------------------------------------------------------------------ errors

FINE = np.array([0.0, 1.0, 2.0])


@pytest.mark.parametrize(
    ("losses", "message"),
    [
        ((np.array([0.0, np.nan, 1.0]),), "loss_cls must be finite, got '1 values that are not'. The network"),
        ((np.array([np.inf, np.nan, 1.0]),), "loss_cls must be finite, got '2 values"),
        ((FINE, np.array([0.0, -np.inf, 1.0])), "loss_proto must be finite, got '1 values"),
        ((FINE, FINE[:2]), r"loss_proto must be of shape \(N,\) with N >= 2, got \(2,\). Pass one loss a sample"),
        ((FINE[:1],), r"loss_cls must be of shape \(N,\) with N >= 2, got \(1,\)"),
        ((FINE[:0],), r"loss_cls must be of shape \(N,\) with N >= 2, got \(0,\)"),
        ((FINE[:, None],), r"loss_cls must be of shape \(N,\) with N >= 2, got \(3, 1\)"),
    ],
)  # fmt: skip
def test_losses_that_are_not_finite_or_of_another_shape_are_refused(losses, message):
    with pytest.raises(ValueError, match=message):
        split_clean(*losses, seed=0)


@pytest.mark.parametrize("threshold", [0, 1, -0.5, 50])
def test_threshold_outside_zero_and_one_is_refused(threshold):
    with pytest.raises(ValueError, match=rf"threshold must be in \(0, 1\), got {threshold}. The paper uses 0.5."):
        split_clean(FINE, threshold=threshold, seed=0)


# ------------------------------------------------------------------------------------------------------ golden


def test_split_agrees_with_five_golden_runs():
    runs = GOLDEN["gmm_0/posterior_runs"]
    split = split_clean(GOLDEN["gmm_0/loss_cls"], GOLDEN["gmm_0/loss_proto"], seed=0)
    for run in runs:
        assert np.corrcoef(split.p_clean, run)[0, 1] >= 0.999
        assert (split.is_clean == (run > 0.5)).mean() >= 0.995
