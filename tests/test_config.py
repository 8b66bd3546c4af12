"""Settings: what is refused and how, the paper's table, schedules."""

import dataclasses
import hashlib
import json
import re

import pytest

from plremix_core.config import GROUPS, Config, from_dict
from plremix_core.data.noise import HUMAN, NOISES, RATED
from plremix_core.losses import CONTRASTS
from plremix_core.methods import METHODS
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
    ("blocks", 2, "a list, got 2. Example: [2, 2, 2, 2]"),
    ("blocks", (2, 2.0), "of type int, got 2.0"),
    ("stem_stride", None, "of type int, got None"),
    ("epochs", 10.0, "of type int, got 10.0"),
    ("warm_up", "10", "of type int, got '10'"),
    ("batch_size", 64.5, "of type int, got 64.5"),
    ("steps_per_epoch", False, "of type int, got False"),
    ("lr", "2e-2", "of type float, got '2e-2'"),
    ("lr_drops", 200, "a list, got 200"),
    ("lr_drops", ("200",), "of type int, got '200'"),
    ("momentum", True, "of type float, got True"),
    ("weight_decay", None, "of type float, got None"),
    ("mixup_alpha", "4", "of type float, got '4'"),
    ("lambda_u", (25.0,), "of type float, got (25.0,)"),
    ("ramp_epochs", 16.0, "of type int, got 16.0"),
    ("lambda_c", "1", "of type float, got '1'"),
    ("sharpening", None, "of type float, got None"),
    ("threshold", False, "of type float, got False"),
    ("contrast", True, "of type str, got True"),
    ("naive_contrast", None, "of type str, got None"),
    ("naive_temperature", "0.1", "of type float, got '0.1'"),
    ("projector", 128, "of type str, got 128"),
    ("warm_up_temperature", "0.1", "of type float, got '0.1'"),
    ("temperature", float("nan"), "of type float, got nan"),
    ("kappa", 3, "a list, got 3"),
    ("kappa", (0, 3), "a list, got 0"),
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
    ("label_file", None, "of type str, got None"),
    ("image_size", 64.0, "of type int, got 64.0"),
    ("backbone", 50, "of type str, got 50"),
    ("pretrained", "yes", "of type bool, got 'yes'"),
    ("pooled", 1.0, "of type int, got 1.0"),
    ("warm_up_contrast", 0, "of type bool, got 0"),
    ("lr_decay", None, "of type str, got None"),
    ("short_parts", True, "of type str, got True"),
    ("policy", None, "of type str, got None"),
    ("crop", "224", "of type int, got '224'"),
    ("multi_crop", 2, "a list, got 2"),
    ("multi_crop", ((2, 224),), "of 4 entries, got (2, 224)"),
    ("multi_crop", ((2, 224, 0.1, "1"),), "of type float, got '1'"),
    ("precision", 16, "of type str, got 16"),
    ("compile", 1, "of type bool, got 1"),
]
POSITIVE, COUNT = (
    "> 0, got {}. See data/settings.md for usual values.",
    ">= 0, got {}. See data/settings.md for usual values.",
)
FRACTION = "in [0, 1), got {}. It is a fraction, not a percentage."
OUT_OF_RANGE = [
    *[(name, 0, POSITIVE.format(0)) for name in ("width", "epochs", "stem_stride")],
    ("batch_size", 1, ">= 2, got 1"),
    *[(name, -1, POSITIVE.format(-1)) for name in ("width", "epochs", "stem_stride")],
    *[(name, 0.0, POSITIVE.format(0.0)) for name in ("lr", "mixup_alpha", "sharpening")],
    *[(name, -0.5, POSITIVE.format(-0.5)) for name in ("warm_up_temperature", "temperature")],
    *[(name, -1, COUNT.format(-1)) for name in ("train_size", "holdout", "warm_up", "steps_per_epoch")],
    *[(name, -1, COUNT.format(-1)) for name in ("ramp_epochs", "pad")],
    *[(name, -0.1, COUNT.format(-0.1)) for name in ("lambda_u", "lambda_c", "weight_decay", "naive_temperature")],
    *[(name, 1.0, FRACTION.format(1.0)) for name in ("rate", "momentum", "proto_momentum")],
    *[(name, -0.1, FRACTION.format(-0.1)) for name in ("rate", "momentum", "proto_momentum")],
    ("rate", 50, FRACTION.format(50.0)),
    *[
        ("threshold", value, f"in (0, 1), got {value}. It is a fraction, not a percentage.")
        for value in (0.0, 1.0, -0.5)
    ],
    ("contrast", "flat", f"one of {', '.join(CONTRASTS)}, got 'flat'. Did you mean flat_nce?"),
    ("naive_contrast", "flat", "empty or a key of losses.CONTRASTS, got 'flat'. Check the spelling."),
    ("projector", "linear", "one of mlp, none, got 'linear'. Check the spelling."),
    ("method", "plr", f"one of {', '.join(METHODS)}, got 'plr'. Did you mean plr-1d?"),
    ("noise", "symmetric", f"one of {', '.join(NOISES)}, got 'symmetric'. Check the spelling."),
    ("prototypes_from", "both", "one of own, peer, got 'both'. Check the spelling."),
    ("supervised_view", "strng", "one of weak, strong, got 'strng'. Did you mean strong?"),
    ("backbone", "resnet18", "one of preact, resnet50, inception_resnet_v2, got 'resnet18'."),
    ("policy", "svhn", "one of cifar10, imagenet, got 'svhn'."),
    ("lr_decay", "cosine", "one of steps, linear, got 'cosine'."),
    ("precision", "fp16", "one of float32, bf16, got 'fp16'."),
    ("short_parts", "stop", "one of fill, skip, got 'stop'."),
    ("label_file", "labels.npy", "given if and only if noise is file, got 'labels.npy'. Set both or none."),
    *[(name, -1, COUNT.format(-1)) for name in ("image_size", "crop")],
    ("pooled", 0, POSITIVE.format(0)),
    *[
        ("multi_crop", value, "() or one or two kinds (number, side, least, most area), two views of the first")
        for value in (((3, 224, 0.1, 1.0),), ((2, 224, 0.5, 0.1),), ((2, 0, 0.1, 1.0),), ((2, 9, 0.1, 1.0),) * 3)
    ],
    *[("fill", value, f"in [0, 255], got {value}.") for value in (-1, 256)],
    ("blocks", (), "at least one positive count, got (). (2, 2, 2, 2) is ResNet-18."),
    ("blocks", (2, 0), "at least one positive count, got (2, 0)."),
    ("warm_up", 401, "at most epochs = 400, got 401. Train longer."),
    *[
        ("kappa", value, f"pairs (from epoch, k >= 1) starting at epoch 0, got {value}. Example: ((0, 3), (40, 2)).")
        for value in ((), ((1, 3),), ((0, 3), (40, 0)), ((0, 3), (70, 2), (40, 1)), ((0, 3), (0, 2)))
    ],
    ("seed", -1, ">= 0, got -1"),
]


@pytest.mark.parametrize("table", [WRONG_TYPE, OUT_OF_RANGE], ids=["wrong type", "out of range"])
def test_a_value_against_its_rule_is_refused_by_name(table):
    for name, value, message in table:
        try:
            Config(**{name: value})
        except ValueError as error:
            assert str(error).removeprefix("each entry of ").startswith(f"{name} must be {message}"), (name, value)
        else:
            pytest.fail(f"{name} = {value!r} was taken")


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
    remedy = f"Did you mean {near}?" if near else "Known: dataset, train_size, "
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
    threshold=0.6, contrast="info_nce", naive_temperature=0.3, naive_contrast="flat_nce", projector="none",
    warm_up_temperature=0.2, temperature=0.5, kappa=((0, 1),), proto_momentum=0.9,
    prototypes_from="peer", confidence_penalty=True, supervised_view="strong", pad=1, flip=False, fill=0,
    device="cuda", label_file="labels.npy", image_size=64, backbone="resnet50", pretrained=True, pooled=2,
    warm_up_contrast=False, lr_decay="linear", short_parts="skip",
    policy="imagenet", crop=24, multi_crop=((2, 24, 0.5, 1.0),), precision="bf16", compile=True,
)  # fmt: skip


def test_fingerprint_changes_with_every_field_but_the_device():
    for name in FIELDS:
        before = Config(noise="file", label_file="other.npy") if name == "label_file" else Config()
        changed = before.replace(**{name: OTHER[name]})
        assert changed != before
        assert (changed.fingerprint() == before.fingerprint()) == (name == "device"), name


def test_fingerprint_is_the_sum_of_the_settings_off_their_default():
    expected = hashlib.sha256(b'{"blocks": [1, 1], "lr": 0.1}').hexdigest()[:12]
    assert Config(lr=0.1, blocks=(1, 1), width=64, device="cuda").fingerprint() == expected
    assert re.fullmatch("[0-9a-f]{12}", expected)


@pytest.mark.parametrize("noise", [*HUMAN, "none"])
def test_noise_without_a_rate_has_none(noise):
    assert Config(noise=noise, rate=0.5).rate == 0.0
    assert Config(noise=noise, rate=0.5) == Config(noise=noise, rate=0.2)


@pytest.mark.parametrize("noise", RATED)
def test_noise_drawn_at_a_rate_keeps_it(noise):
    assert Config(noise=noise, rate=0.3).rate == 0.3


def test_equal_settings_have_equal_fingerprints_however_they_are_written():
    assert Config(lr=1).fingerprint() == from_dict({"lr": 1.0, "blocks": [2, 2, 2, 2]}).fingerprint()


@pytest.mark.parametrize(("flat", "contrast"), [(True, "flat_nce"), (False, "info_nce")])
def test_settings_of_old_records_are_read(flat, contrast):
    old = {"flat": flat, "extra_epochs": 0, "mask_rows": "sample", "kappa": [[0, 2]], "lr": 0.1}
    assert from_dict(old) == Config(contrast=contrast, kappa=((0, 2),), lr=0.1)
    assert old["flat"] == flat  # read, not changed


@pytest.mark.parametrize(("name", "value"), [("extra_epochs", 1), ("mask_rows", "position")])
def test_a_setting_of_an_old_record_that_is_gone_is_refused(name, value):
    kept = {"extra_epochs": 0, "mask_rows": "sample"}[name]
    message = f"{name} must be {kept!r}, as the setting is gone, got {value!r}. Use the commit of the record."
    with pytest.raises(ValueError, match="^" + re.escape(message)):
        from_dict({name: value})


def test_every_field_has_its_meaning_in_one_line_and_a_group():
    for field in dataclasses.fields(Config):
        meaning = field.metadata["meaning"]
        assert 5 < len(meaning) < 90 and "\n" not in meaning and field.metadata["group"] in GROUPS, field.name


@pytest.mark.parametrize(
    ("method", "semi", "negatives", "dims"),
    [
        ("ce", False, "none", 1), ("elr", False, "none", 1), ("dividemix", True, "none", 1),
        ("dividemix-2d", True, "none", 2), ("naive", True, "all", 1), ("naive-2d", True, "all", 2),
        ("plr-1d", True, "relaxed", 1), ("plremix", True, "relaxed", 2),
    ],
)  # fmt: skip
def test_methods_switch_on_their_parts(method, semi, negatives, dims):
    spec = Config(method=method).spec
    assert (spec.semi, spec.negatives, spec.dims) == (semi, negatives, dims)
    assert spec.label_loss == ("EarlyLearning" if method == "elr" else "CrossEntropy")


def test_ordinary_contrast_after_warm_up_has_a_temperature_and_a_form_of_its_own():
    shared = dict(temperature=1.0, warm_up_temperature=0.2)
    assert Config(method="plremix", **shared).joint_contrast == (1.0, "flat_nce")
    assert Config(method="naive", **shared).joint_contrast == (0.2, "flat_nce")
    own = dict(naive_temperature=0.5, naive_contrast="info_nce")
    assert Config(method="naive-2d", **shared, **own).joint_contrast == (0.5, "info_nce")
    assert Config(method="plremix", **shared, **own).joint_contrast == (1.0, "flat_nce")


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


@pytest.mark.parametrize(("epoch", "lr"), [(0, 0.02), (50, 0.01), (99, 0.0002), (100, 0.0)])
def test_linear_decay_reaches_zero_at_the_end(epoch, lr):
    assert Config(epochs=100, lr_decay="linear").lr_at(epoch) == pytest.approx(lr, rel=1e-9, abs=1e-15)


@pytest.mark.parametrize(("name", "value"), [("blocks", (2, 2.0)), ("kappa", ((0, "3"),))])
def test_a_wrong_entry_of_a_list_is_told_as_an_entry_however_deep(name, value):
    with pytest.raises(ValueError, match=f"^each entry of {name} must be of type int"):
        Config(**{name: value})
