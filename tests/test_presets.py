"""The paper's settings by name, their sources, the bugs of the release, the small profile."""

import dataclasses
import re

import pytest

from plremix_core.config import Config
from plremix_core.methods import METHODS
from plremix_core.presets import SOURCES, preset

FIELDS = [field.name for field in dataclasses.fields(Config)]

SHARED = dict(  # columns CIFAR-10 and CIFAR-100 of the paper's settings, as in the release
    width=64, blocks=(2, 2, 2, 2), stem_stride=1, epochs=400, batch_size=64, lr=0.02, weight_decay=5e-4, momentum=0.9,
    lr_drops=(200,), mixup_alpha=4.0, ramp_epochs=16, lambda_c=1.0, sharpening=0.5, threshold=0.5, contrast="flat_nce",
    warm_up_temperature=0.1, temperature=1.0, kappa=((0, 3), (40, 2), (70, 1)), proto_momentum=0.99, pad=4, flip=True,
    fill=128, train_size=0, holdout=0, steps_per_epoch=0, method="plremix", prototypes_from="own",
    supervised_view="weak", label_file="", image_size=0, backbone="preact", pretrained=False, pooled=1, projector="mlp",
    warm_up_contrast=True, naive_temperature=0.0, naive_contrast="", lr_decay="steps", short_parts="fill",
    policy="cifar10", crop=0, multi_crop=(), precision="float32", compile=False,
)  # fmt: skip
TABLE = [  # data set, noise, rate, warm-up, lambda_u, confidence penalty
    ("cifar10", "sym", 0.2, 10, 0.0, False),
    ("cifar10", "sym", 0.5, 10, 25.0, False),
    ("cifar10", "sym", 0.8, 10, 25.0, False),
    ("cifar10", "sym", 0.9, 10, 50.0, False),
    ("cifar10", "asym", 0.4, 10, 0.0, True),
    ("cifar100", "sym", 0.2, 30, 0.0, False),
    ("cifar100", "sym", 0.5, 30, 150.0, False),
    ("cifar100", "sym", 0.8, 30, 150.0, False),
    ("cifar100", "sym", 0.9, 30, 150.0, False),
    ("cifar100", "asym", 0.4, 30, 0.0, True),
    ("tiny_imagenet", "none", 0.0, 10, 0.0, False),
    ("tiny_imagenet", "sym", 0.2, 10, 30.0, False),
    ("tiny_imagenet", "sym", 0.5, 10, 200.0, False),
    ("tiny_imagenet", "sym", 0.8, 10, 300.0, False),
    ("tiny_imagenet", "asym", 0.45, 10, 0.0, True),
    ("clothing1m", "none", 0.0, 1, 0.0, True),
    ("webvision", "none", 0.0, 2, 0.0, False),
]
COLUMNS = {  # what the other columns have in place of SHARED
    "tiny_imagenet": dict(policy="imagenet", image_size=64, pooled=2),
    "clothing1m": dict(
        backbone="resnet50", pretrained=True, epochs=100, lr=0.004, weight_decay=1e-3, lr_drops=(40, 80),
        mixup_alpha=0.5, contrast="info_nce", kappa=((0, 3), (15, 2), (30, 1)), policy="imagenet", image_size=256,
        crop=224, pad=0, train_size=64000, supervised_view="strong",
    ),
    "webvision": dict(
        backbone="inception_resnet_v2", epochs=150, batch_size=48, lr=0.015, lr_drops=(60, 120), mixup_alpha=0.5,
        contrast="info_nce", kappa=((0, 3), (15, 2), (30, 1)), policy="imagenet", image_size=320, crop=299, pad=0,
        multi_crop=((2, 224, 0.14, 1.0), (6, 128, 0.05, 0.14)),
    ),
}  # fmt: skip


@pytest.mark.parametrize(("dataset", "noise", "rate", "warm_up", "lambda_u", "penalty"), TABLE)
def test_presets_are_the_table_of_the_paper(dataset, noise, rate, warm_up, lambda_u, penalty):
    config = preset(dataset, noise, rate)
    expected = SHARED | COLUMNS.get(dataset, {}) | dict(dataset=dataset, noise=noise, rate=rate)
    expected |= dict(warm_up=warm_up, lambda_u=lambda_u, confidence_penalty=penalty, seed=0, device="auto")
    assert dataclasses.asdict(config) == expected


FAULTY = dict(prototypes_from="peer", short_parts="skip")


@pytest.mark.parametrize(("dataset", "noise", "rate"), [row[:3] for row in TABLE])
def test_released_switches_the_bugs_and_nothing_else(dataset, noise, rate):
    expected = dict(FAULTY)
    expected |= {"pad": 0} if dataset == "tiny_imagenet" else {}
    assert preset(dataset, noise, rate, released=True) == preset(dataset, noise, rate).replace(**expected)


def test_every_field_the_paper_sets_has_a_source():
    named = " ".join(SOURCES).split()
    assert len(named) == len(set(named))
    ours = "seed holdout steps_per_epoch label_file device precision compile lr_decay naive_temperature naive_contrast"
    ours = ours.split()
    assert set(named) | set(ours) | set(FAULTY) == set(FIELDS)
    assert not set(named) & set(ours)
    assert all(text.startswith(("release: ", "paper ")) for text in SOURCES.values())


def test_with_other_epochs_the_whole_schedule_moves_in_proportion():
    full, short = preset("cifar10"), preset("cifar10", epochs=100)
    moved = dict(warm_up=3, ramp_epochs=4, lr_drops=(50,), kappa=((0, 3), (10, 2), (18, 1)))
    assert short == full.replace(epochs=100, **moved)
    assert short.lr_at(49) == 0.02 and short.lr_at(50) == pytest.approx(0.002)  # it does drop
    assert preset("cifar10", epochs=400) == full
    assert preset("clothing1m", "none", epochs=50).lr_drops == (20, 40)
    quick = preset("fashion_mnist", profile="quick", epochs=2)  # several starts fall together: the last one holds
    assert (quick.warm_up, quick.kappa) == (1, ((0, 3), (1, 1)))


def test_values_of_the_schedule_that_are_given_stay_with_other_epochs():
    given = dict(warm_up=7, ramp_epochs=5, lr_drops=(60, 90), kappa=((0, 2),))
    assert preset("cifar100", epochs=100, **given) == preset("cifar100").replace(epochs=100, **given)
    assert preset("cifar10", epochs=100, lr_drops=()).warm_up == 3  # the others move
    with pytest.raises(ValueError, match="epochs must be > 0, got 0"):
        preset("cifar10", epochs=0)


@pytest.mark.parametrize("noise", ["aggre", "random1", "random2", "random3"])
def test_human_noise_takes_the_weight_of_symmetric_noise_of_that_rate(noise):
    assert preset("cifar10", noise).lambda_u == preset("cifar10", "sym", 0.2).lambda_u
    assert preset("cifar10", "worse").lambda_u == preset("cifar10", "sym", 0.5).lambda_u
    assert preset("cifar100", "fine").lambda_u == preset("cifar100", "sym", 0.5).lambda_u


def test_defaults_are_the_preset_of_cifar10_at_half_symmetric_noise():
    assert Config() == preset("cifar10")
    assert preset("cifar10") == preset("cifar10", "sym", 0.5, method="plremix", profile="full")


def test_fashion_mnist_takes_the_settings_of_cifar10_but_a_black_fill():
    for noise, rate in (("sym", 0.2), ("sym", 0.9), ("asym", 0.4)):
        ours = preset("fashion_mnist", noise, rate)
        assert ours == preset("cifar10", noise, rate).replace(dataset="fashion_mnist", fill=0)


def test_changes_replace_the_settings_of_a_preset():
    config = preset("cifar10", "sym", 0.5, method="ce", seed=3, lambda_u=1.0, epochs=20, lr_drops=())
    assert (config.method, config.seed, config.lambda_u, config.epochs, config.lr_drops) == ("ce", 3, 1.0, 20, ())


@pytest.mark.parametrize("method", METHODS)
def test_quick_profile_is_smaller_in_every_way_that_costs_time(method):
    quick, full = preset("fashion_mnist", method=method, profile="quick"), preset("fashion_mnist", method=method)
    assert quick.method == method
    assert quick.epochs < full.epochs
    assert quick.width < full.width
    assert sum(quick.blocks) < sum(full.blocks)
    assert quick.stem_stride > full.stem_stride
    assert 0 < quick.train_size + quick.holdout <= 10_000
    assert quick.lr_drops[-1] < quick.epochs
    assert max(start for start, _ in quick.kappa) < quick.epochs


def test_noise_without_a_published_weight_is_refused_unless_it_is_given():
    with pytest.raises(
        ValueError, match=re.escape("noise and rate must be one of sym 0.2, sym 0.5, sym 0.8, sym 0.9,")
    ):
        preset("cifar10", "sym", 0.3)
    with pytest.raises(ValueError, match=re.escape("got ('asym', 0.2). Or pass lambda_u.")):
        preset("cifar100", "asym", 0.2)
    assert preset("cifar10", "sym", 0.3, lambda_u=10).lambda_u == 10.0


def test_clean_labels_need_no_weight():
    assert preset("cifar10", "none", 0.0).noise == "none"


@pytest.mark.parametrize("profile", ["ful", "smoke", ""])
def test_an_unknown_profile_is_refused(profile):
    with pytest.raises(ValueError, match=f"profile must be one of quick, full, got '{profile}'. Check the spelling."):
        preset("cifar10", profile=profile)


def test_unknown_method_and_noise_are_refused_by_the_preset_too():
    with pytest.raises(ValueError, match=f"method must be one of {', '.join(METHODS)}, got 'PLR'"):
        preset("cifar10", method="PLR")
    with pytest.raises(ValueError, match="^noise"):
        preset("cifar10", "symetric")
