"""Settings: what is refused and how, the paper's table, schedules."""

import dataclasses
import hashlib
import json
import re

import pytest

from plremix_core.config import METHODS, Config, from_dict
from plremix_core.presets import preset

FIELDS = [field.name for field in dataclasses.fields(Config)]

# ------------------------------------------------------------------------------------------------ single fields

WRONG_TYPE = [  # field, value, what the message says of the rule and the value
    ("dataset", 10, "of type str, got 10"),
    ("noise", None, "of type str, got None"),
    ("rate", "0.5", "of type float, got '0.5'"),
    ("rate", float("nan"), "of type float, got nan"),
    ("method", 3, "of type str, got 3"),
    ("seed", 1.0, "of type int, got 1.0"),
    ("train_size", 4e3, "of type int, got 4000.0"),
    ("holdout", "500", "of type int, got '500'"),
    ("width", True, "of type int, got True"),
    ("blocks", 2, "a tuple, got 2. Write it with round brackets"),
    ("blocks", [2, 2], r"a tuple, got [2, 2]. Write it with round brackets"),
    ("blocks", (2, 2.0), "of type int, got 2.0"),
    ("stem_stride", None, "of type int, got None"),
    ("epochs", 10.0, "of type int, got 10.0"),
    ("warm_up", "10", "of type int, got '10'"),
    ("batch_size", 64.5, "of type int, got 64.5"),
    ("steps_per_epoch", False, "of type int, got False"),
    ("lr", "2e-2", "of type float, got '2e-2'"),
    ("lr_drops", 200, "a tuple, got 200"),
    ("lr_drops", ("200",), "of type int, got '200'"),
    ("momentum", True, "of type float, got True"),
    ("weight_decay", None, "of type float, got None"),
    ("mixup_alpha", "4", "of type float, got '4'"),
    ("lambda_u", (25.0,), "of type float, got (25.0,)"),
    ("ramp_epochs", 16.0, "of type int, got 16.0"),
    ("lambda_c", "1", "of type float, got '1'"),
    ("sharpening", None, "of type float, got None"),
    ("threshold", False, "of type float, got False"),
    ("flat", 1, "of type bool, got 1"),
    ("warm_up_temperature", "0.1", "of type float, got '0.1'"),
    ("temperature", float("nan"), "of type float, got nan"),
    ("kappa", 3, "a tuple, got 3"),
    ("kappa", (0, 3), "a tuple, got 0"),
    ("kappa", ((0, 3, 1),), "of 2 entries, got (0, 3, 1)"),
    ("kappa", ((0, 3.0),), "of type int, got 3.0"),
    ("proto_momentum", "0.99", "of type float, got '0.99'"),
    ("prototypes_from", 1, "of type str, got 1"),
    ("confidence_penalty", "yes", "of type bool, got 'yes'"),
    ("supervised_view", None, "of type str, got None"),
    ("pad", 4.0, "of type int, got 4.0"),
    ("flip", 0, "of type bool, got 0"),
    ("fill", 128.0, "of type int, got 128.0"),
    ("device", 0, "of type str, got 0"),
]
POSITIVE, COUNT = "> 0, got {}. See preset() for working values.", ">= 0, got {}. See preset() for working values."
FRACTION = "in [0, 1), got {}. It is a fraction, not a percentage."
OUT_OF_RANGE = [
    *[(name, 0, POSITIVE.format(0)) for name in ("width", "batch_size", "epochs", "stem_stride")],
    *[(name, -1, POSITIVE.format(-1)) for name in ("width", "batch_size", "epochs", "stem_stride")],
    *[(name, 0.0, POSITIVE.format(0.0)) for name in ("lr", "mixup_alpha", "sharpening")],
    *[(name, -0.5, POSITIVE.format(-0.5)) for name in ("warm_up_temperature", "temperature")],
    *[(name, -1, COUNT.format(-1)) for name in ("train_size", "holdout", "warm_up", "steps_per_epoch")],
    *[(name, -1, COUNT.format(-1)) for name in ("ramp_epochs", "pad")],
    *[(name, -0.1, COUNT.format(-0.1)) for name in ("lambda_u", "lambda_c", "weight_decay")],
    *[(name, 1.0, FRACTION.format(1.0)) for name in ("rate", "momentum", "proto_momentum")],
    *[(name, -0.1, FRACTION.format(-0.1)) for name in ("rate", "momentum", "proto_momentum")],
    ("rate", 50, FRACTION.format(50.0)),
    *[("threshold", value, f"in (0, 1), got {value}. The paper uses 0.5.") for value in (0.0, 1.0, -0.5)],
    ("method", "plr", "one of ce, dividemix, naive, plr-1d, plremix, got 'plr'. Check the spelling."),
    ("noise", "symmetric", "one of sym, asym, none, got 'symmetric'. Check the spelling."),
    ("prototypes_from", "both", "own or peer, got 'both'. Ours is own, the release's is peer."),
    ("supervised_view", "strng", "weak or strong, got 'strng'. The release trains on weak views."),
    *[("fill", value, f"in [0, 255], got {value}. 128 is mid-grey.") for value in (-1, 256)],
    ("blocks", (), "at least one positive count, got (). (2, 2, 2, 2) is ResNet-18."),
    ("blocks", (2, 0), "at least one positive count, got (2, 0)."),
    ("warm_up", 401, "at most epochs = 400, got 401. Train longer."),
    *[
        ("kappa", value, f"pairs (from epoch, k >= 1) starting at epoch 0, got {value}. Example: ((0, 3), (40, 2)).")
        for value in ((), ((1, 3),), ((0, 3), (40, 0)), ((0, 3), (70, 2), (40, 1)), ((0, 3), (0, 2)))
    ],
    ("seed", -1, ">= 0, got -1"),
]


@pytest.mark.parametrize(("name", "value", "message"), WRONG_TYPE, ids=lambda x: str(x)[:20])
def test_a_value_of_the_wrong_type_is_refused_by_name(name, value, message):
    with pytest.raises(ValueError, match="^" + re.escape(f"{name} must be {message}")):
        Config(**{name: value})


@pytest.mark.parametrize(("name", "value", "message"), OUT_OF_RANGE, ids=lambda x: str(x)[:20])
def test_a_value_outside_its_rule_is_refused_by_name(name, value, message):
    with pytest.raises(ValueError, match="^" + re.escape(f"{name} must be {message}")):
        Config(**{name: value})


def test_every_field_has_a_case_of_the_wrong_type():
    assert {name for name, *_ in WRONG_TYPE} == set(FIELDS)


def test_edges_of_the_ranges_are_accepted():
    edges = dict(rate=0.0, momentum=0.0, proto_momentum=0.0, lambda_u=0.0, weight_decay=0.0, fill=255, pad=0)
    config = Config(warm_up=400, epochs=400, threshold=0.001, ramp_epochs=0, **edges)
    assert (config.warm_up, config.fill, config.rate) == (400, 255, 0.0)


def test_whole_numbers_serve_as_floats():
    config = Config(lr=1, lambda_u=25)
    assert type(config.lr) is float
    assert config == Config(lr=1.0, lambda_u=25.0)


def test_settings_cannot_be_changed_or_given_by_position():
    with pytest.raises(dataclasses.FrozenInstanceError):
        Config().lr = 0.1
    with pytest.raises(TypeError, match="positional"):
        Config("cifar10")


# ------------------------------------------------------------------------------------------- names, copies, sums


@pytest.mark.parametrize(
    ("name", "near"),
    [("xyz", None), ("lambda_U", "lambda_u"), ("warmup", "warm_up"), ("batchsize", "batch_size"), ("kapa", "kappa")],
)
def test_an_unknown_name_is_refused_with_the_nearest_right_one(name, near):
    remedy = f"Did you mean {near}?" if near else "Known: dataset, noise, rate, method, "
    message = "^" + re.escape(f"setting must be a field of Config, got '{name}'. {remedy}")
    with pytest.raises(ValueError, match=message):
        from_dict({name: 1})
    with pytest.raises(ValueError, match=message):
        Config().replace(**{name: 1})
    with pytest.raises(ValueError, match=message):
        preset("cifar10", **{name: 1})


def test_from_dict_makes_lists_into_tuples():
    config = from_dict({"kappa": [[0, 2], [5, 1]], "lr_drops": [3], "blocks": [1, 1]})
    assert (config.kappa, config.lr_drops, config.blocks) == (((0, 2), (5, 1)), (3,), (1, 1))


def test_settings_survive_json():
    config = Config(kappa=((0, 2), (5, 1)), lr_drops=(), device="cpu")
    assert from_dict(json.loads(json.dumps(dataclasses.asdict(config)))) == config


def test_replace_returns_a_checked_copy():
    config = Config()
    assert config.replace(lr=0.1).lr == 0.1
    assert config.lr == 0.02
    with pytest.raises(ValueError, match=r"lr must be > 0, got -1.0"):
        config.replace(lr=-1)


OTHER = dict(
    dataset="cifar100", noise="none", rate=0.2, method="ce", seed=1, train_size=100, holdout=10, width=32,
    blocks=(1, 1), stem_stride=2, epochs=300, warm_up=30, batch_size=32, steps_per_epoch=5, lr=0.1, lr_drops=(100,),
    momentum=0.8, weight_decay=1e-3, mixup_alpha=0.5, lambda_u=0.0, ramp_epochs=8, lambda_c=0.5, sharpening=1.0,
    threshold=0.6, flat=False, warm_up_temperature=0.2, temperature=0.5, kappa=((0, 1),), proto_momentum=0.9,
    prototypes_from="peer", confidence_penalty=True, supervised_view="strong", pad=1, flip=False, fill=0,
    device="cuda",
)  # fmt: skip


@pytest.mark.parametrize("name", FIELDS)
def test_fingerprint_changes_with_every_field_but_the_device(name):
    changed = Config().replace(**{name: OTHER[name]})
    assert changed != Config()
    assert (changed.fingerprint() == Config().fingerprint()) == (name == "device")


def test_fingerprint_is_the_sum_of_the_sorted_settings():
    settings = dataclasses.asdict(Config())
    del settings["device"]
    expected = hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:12]
    assert Config().fingerprint() == expected
    assert re.fullmatch("[0-9a-f]{12}", expected)


def test_equal_settings_have_equal_fingerprints_however_they_are_written():
    assert Config(lr=1).fingerprint() == from_dict({"lr": 1.0, "blocks": [2, 2, 2, 2]}).fingerprint()


# ----------------------------------------------------------------------------------------------------- presets

SHARED = dict(  # columns CIFAR-10 and CIFAR-100 of the paper's settings, as in the release
    width=64, blocks=(2, 2, 2, 2), stem_stride=1, epochs=400, batch_size=64, lr=0.02, weight_decay=5e-4, momentum=0.9,
    lr_drops=(200,), mixup_alpha=4.0, ramp_epochs=16, lambda_c=1.0, sharpening=0.5, threshold=0.5, flat=True,
    warm_up_temperature=0.1, temperature=1.0, kappa=((0, 3), (40, 2), (70, 1)), proto_momentum=0.99, pad=4, flip=True,
    fill=128, train_size=0, holdout=0, steps_per_epoch=0, method="plremix", prototypes_from="own",
    supervised_view="weak",
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
]


@pytest.mark.parametrize(("dataset", "noise", "rate", "warm_up", "lambda_u", "penalty"), TABLE)
def test_presets_are_the_table_of_the_paper(dataset, noise, rate, warm_up, lambda_u, penalty):
    config = preset(dataset, noise, rate)
    expected = SHARED | dict(dataset=dataset, noise=noise, rate=rate, warm_up=warm_up, lambda_u=lambda_u)
    expected |= dict(confidence_penalty=penalty, seed=0, device="auto")
    assert dataclasses.asdict(config) == expected


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
    with pytest.raises(ValueError, match="method must be one of ce, dividemix, naive, plr-1d, plremix, got 'PLR'"):
        preset("cifar10", method="PLR")
    with pytest.raises(ValueError, match="^noise"):
        preset("cifar10", "symetric")


@pytest.mark.parametrize(
    ("method", "semi", "repel", "dims"),
    [
        ("ce", False, "none", 1), ("dividemix", True, "none", 1), ("naive", True, "all", 1),
        ("plr-1d", True, "plr", 1), ("plremix", True, "plr", 2),
    ],
)  # fmt: skip
def test_methods_switch_on_their_parts(method, semi, repel, dims):
    parts = Config(method=method).parts
    assert (parts.semi, parts.repel, parts.dims) == (semi, repel, dims)


# --------------------------------------------------------------------------------------------------- schedules


@pytest.mark.parametrize(("epoch", "k"), [(0, 3), (39, 3), (40, 2), (69, 2), (70, 1), (399, 1)])
def test_kappa_at_its_edges(epoch, k):
    assert Config().kappa_at(epoch) == k


def test_kappa_of_one_pair_holds_for_ever():
    assert {Config(kappa=((0, 2),)).kappa_at(epoch) for epoch in (0, 1, 399)} == {2}


@pytest.mark.parametrize(("epoch", "lr"), [(0, 0.02), (199, 0.02), (200, 0.002), (399, 0.002)])
def test_lr_at_its_edge(epoch, lr):
    assert Config().lr_at(epoch) == pytest.approx(lr, rel=1e-12)


@pytest.mark.parametrize(("epoch", "lr"), [(39, 0.004), (40, 0.0004), (79, 0.0004), (80, 0.00004)])
def test_lr_falls_once_more_at_each_drop(epoch, lr):
    assert Config(lr=0.004, lr_drops=(40, 80)).lr_at(epoch) == pytest.approx(lr, rel=1e-12)


def test_lr_without_drops_stays():
    assert Config(lr_drops=()).lr_at(399) == 0.02
