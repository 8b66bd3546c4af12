"""Whatever is asked for is done as defined, or refused as ``<name> must be <rule>, got <value>. <remedy>``."""

import dataclasses
import re

import numpy as np
import processes
import pytest
import torch
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from plremix_core import data, gmm, losses, model
from plremix_core.config import Config, from_dict
from plremix_core.data import augment, label_files, noise
from plremix_core.presets import for_folder, preset
from plremix_core.sweeps import grid
from plremix_core.trainer import Trainer

WORDED = re.compile(r"\S.* must .+, got .+\. \S.*", re.DOTALL)
FIELDS = [field.name for field in dataclasses.fields(Config)]
numbers = st.one_of(st.integers(-(10**6), 10**6), st.floats(-1e9, 1e9), st.sampled_from([np.nan, np.inf, -np.inf]))
plain = st.one_of(st.none(), st.booleans(), numbers, st.text(max_size=8))
anything = st.recursive(
    plain, lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(plain, inner, max_size=2)), max_leaves=5
)


def many(examples):
    """So many examples, the same ones every time."""
    quiet = list(HealthCheck)
    return settings(max_examples=examples, derandomize=True, database=None, deadline=None, suppress_health_check=quiet)


def refusal(call, *arguments, **options) -> str:
    """The refusal in its right words, "" if there is none; any other exception is a fault and goes through."""
    try:
        call(*arguments, **options)
    except ValueError as error:
        assert WORDED.fullmatch(str(error)), str(error)
        return str(error)
    return ""


def refused_values(name: str) -> set[str]:
    """Values of one field that are refused, among some of any kind."""
    refused = set()

    @many(14)
    @given(anything)
    def check(value):
        for call in (lambda: Config(**{name: value}), lambda: from_dict({name: value})):
            text = refusal(call)
            assert not text or name in text or {"rate", "label_file"} & {name, text.split()[0]}, text
            if text:
                refused.add(repr(value))

    check()
    return refused


def test_settings_of_any_value_are_taken_or_refused_by_name(tries):
    refused = {name: refused_values(name) for name in FIELDS}
    assert all(refused.values())
    number = sum(map(len, refused.values()))
    assert number >= 300
    tries(number)


def test_names_and_presets_of_any_value_are_taken_or_refused(tries):
    refused = set()

    @many(300)
    @given(st.sampled_from(["dataset", "noise", "rate", "method", "profile", "schedule", *FIELDS]), anything, plain)
    def check(name, value, key):
        arguments = {"dataset": "cifar10", "noise": "sym", "rate": 0.5} | {name: value}
        for call in (lambda: preset(**arguments), lambda: for_folder(value), lambda: from_dict({key: 1})):
            refused.add(refusal(call))

    check()
    assert len(refused) >= 200
    tries(len(refused - {""}))


GRID = dict(dataset="fashion_mnist", noise=[["sym", 0.5]], method=["ce"], seed=1, vary={"lr": [0.1]}, timeout=60)


def test_grids_with_any_value_are_taken_or_refused_with_the_name_of_the_file(tmp_path, tries):
    refused, path = set(), tmp_path / "any.yaml"
    keys = [*GRID, "rate", "variants", "settings", "profile", "notebook", "reference", "other"]

    @many(300)
    @given(st.sampled_from(keys), anything, st.sampled_from(["", "settings", "vary", "variants"]))
    def check(key, value, inside):
        path.write_text(yaml.safe_dump(GRID | ({inside: {key: value}} if inside else {key: value})))
        text = refusal(grid.load, path)
        assert not text or "any.yaml" in text
        refused.add(text)

    check()
    assert len(refused) >= 100
    tries(len(refused - {""}))


shapes = st.lists(st.integers(0, 5), min_size=0, max_size=4).map(tuple)


def test_masks_losses_and_prototypes_refuse_what_does_not_fit(tries):
    refused = set()

    @many(300)
    @given(shapes, st.integers(-2, 6), st.lists(st.integers(-2, 6), max_size=5), shapes, numbers, st.booleans())
    def check(shape, k, labels, other, number, whole):
        generator = torch.Generator().manual_seed(k + 2)
        some = torch.randn(shape, generator=generator)
        given_labels = torch.tensor(labels, dtype=torch.int64 if whole else torch.float32)
        mask = torch.zeros(other, dtype=torch.int8)
        refused.add(refusal(losses.plr_mask, some, given_labels, k))
        refused.add(refusal(losses.plr_loss, some, mask, number))
        refused.add(refusal(model.init_prototypes, some, given_labels, max(k, 1)))
        refused.add(refusal(losses.sharpen, torch.rand(2, 3), number))
        refused.add(refusal(model.update_prototypes, torch.eye(3), torch.eye(3), torch.arange(3), number))

    check()
    assert len(refused) >= 200
    tries(len(refused - {""}))


def test_the_mixture_refuses_what_is_no_loss_and_divides_the_rest(tries):
    refused, special = set(), [np.nan, np.inf, -np.inf, 0.0]
    values = st.lists(st.one_of(st.floats(0, 1e6), st.sampled_from(special)), max_size=8)

    @many(200)
    @given(values, st.one_of(st.none(), values), numbers)
    def check(first, second, threshold):
        arrays = [np.array(x) for x in (first, second) if x is not None]
        text = refusal(gmm.split_clean, *arrays, threshold=threshold, seed=0)
        refused.add((repr(first), repr(second), threshold) if text else "")
        if not text:
            division = gmm.split_clean(*arrays, threshold=threshold, seed=0)
            assert np.isfinite(division.p_clean).all() and ((0 <= division.p_clean) & (division.p_clean <= 1)).all()

    check()
    assert len(refused) >= 50
    tries(len(refused) - 1)


def test_noise_of_any_rate_and_name_is_drawn_or_refused(tries):
    refused, labels = set(), np.arange(40) % 4

    @many(200)
    @given(st.one_of(st.sampled_from(["sym", "asym", "asym-consecutive", "none", "worse"]), st.text()), numbers)
    def check(kind, rate):
        text = refusal(noise.corrupt, labels, kind, rate, 4, "bars", 0)
        refused.add((kind, rate) if text else "")
        if not text:
            assert kind == "none" or 0 <= rate < 1

    check()
    assert len(refused) >= 60
    tries(len(refused) - 1)


kinds = st.sampled_from([np.uint8, np.int64, np.float32, np.float64, bool])
arrays = st.tuples(shapes, kinds, st.integers(-2, 300))


def test_arrays_of_any_shape_and_type_are_taken_or_refused(tries):
    """NaN pixels among them: images are whole numbers of eight bits or nothing."""
    refused = set()

    def array(shape, kind, value):
        return np.full(shape, np.nan if kind in (np.float32, np.float64) and value % 2 else value).astype(kind)

    @many(400)
    @given(st.sampled_from(["images", "given", "test_images", "test_labels", "true"]), arrays)
    def check(name, made):
        fine = dict(images=np.zeros((4, 3, 3), np.uint8), given=np.arange(4) % 2, class_names=("a", "b"))
        fine |= dict(test_images=np.zeros((2, 3, 3), np.uint8), test_labels=np.arange(2))
        with np.errstate(invalid="ignore"):
            text = refusal(data.from_arrays, **(fine | {name: array(*made)}))
        refused.add((name, str(made)) if text else "")

    check()
    assert len(refused) >= 200
    tries(len(refused) - 1)


def test_label_and_list_files_of_any_text_are_read_or_refused_by_name(tmp_path, tries):
    refused = set()
    texts = st.one_of(st.text(max_size=60), st.lists(st.integers(-3, 6), max_size=6).map(str), st.binary(max_size=40))

    @many(300)
    @given(texts, st.sampled_from([".json", ".csv", ".npy", ".npz"]))
    def check(content, kind):
        content = content if isinstance(content, bytes) else content.encode()
        file, listing = tmp_path / f"labels{kind}", tmp_path / "list.txt"
        file.write_bytes(content)
        listing.write_bytes(content)
        for call in (
            lambda: label_files.read(file, 4, 4),
            lambda: data.from_folder(tmp_path, "list.txt", image_size=8),
        ):
            text = refusal(call)
            assert not text or str(tmp_path) in text or "path of an image" in text or "image" in text
            refused.add((content, kind) if text else "")

    check()
    assert len(refused) >= 200
    tries(len(refused) - 1)


# ----------------------------------------------------------------------------------------------- valid extremes


def made(n=48, classes=4, shape=(8, 8), labels=None, value=None, names=None):
    """A data set of random images, or of one image."""
    rng = np.random.default_rng(0)
    pictures = (
        rng.integers(256, size=(n, *shape), dtype=np.uint8) if value is None else np.full((n, *shape), value, np.uint8)
    )
    labels = np.arange(n) % classes if labels is None else labels
    names = names or tuple(f"c{c}" for c in range(classes))
    return data.from_arrays(pictures, labels, pictures[:8], labels[:8], names, true=np.arange(n) % classes)


EXTREMES = {
    "one sample more than a batch": made(17),
    "one sample more than a batch of warm-up": made(33),
    "two samples": made(2, 2),
    "two classes": made(classes=2),
    "one class": made(classes=1),
    "a thousand classes": made(classes=1000),
    "a thousand classes, two of them with samples": made(classes=1000, labels=np.arange(48) % 2),
    "one-pixel images": made(shape=(1, 1)),
    "one row of pixels": made(shape=(1, 40)),
    "images of an odd shape": made(shape=(7, 13)),
    "colour of one pixel": made(shape=(1, 1, 3)),
    "all labels equal": made(labels=np.zeros(48, int)),
    "every label wrong": made(labels=(np.arange(48) + 1) % 4),
    "one image again and again": made(value=77),
    "black": made(value=0),
    "white": made(value=255),
    "names that are no names": made(names=("", "\n", "<b>", "$x^")),
}


@pytest.mark.parametrize("name", EXTREMES)
@pytest.mark.parametrize("method", [pytest.param("ce", marks=pytest.mark.long), "plremix"])
def test_valid_extremes_train_to_finite_weights_and_figures(name, method):
    images = EXTREMES[name]
    trainer = Trainer(processes.settings(epochs=3, warm_up=1, steps_per_epoch=2, method=method), images)
    table = trainer.fit(progress=False).table
    assert all(tensor.isfinite().all() for net in trainer.nets for tensor in net.state_dict().values())
    undefined = {"auc_1", "auc_2"} if images.real_rate in (0, 1) else set()
    figures = table.drop(columns=[c for c in table if c in undefined])
    assert np.isfinite(figures.iloc[1:].to_numpy(dtype=float)).all(), figures.iloc[1:].isna().any()
    assert ((0 <= table["test_accuracy"]) & (table["test_accuracy"] <= 1)).all()


@pytest.mark.parametrize("shape", [(1, 1), (1, 40), (7, 13)])
def test_every_operation_of_the_views_keeps_shape_and_type_of_the_smallest_images(shape, tries):
    pictures = torch.randint(256, (6, 3, *shape), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    names = sorted({name for kind in augment.POLICIES.values() for policy in kind for name, *_ in policy})
    for name in names:
        for level in (0, 9):
            out = augment.apply(pictures, name, level, name in augment.SIGNED, 128)
            assert out.shape == pictures.shape and out.dtype == torch.uint8
    tries(2 * len(names))
