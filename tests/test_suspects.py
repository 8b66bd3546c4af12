"""Suspects: the ranking against a literal one, the CSV, names that are text from outside, a folder of one's own."""

import csv
import dataclasses
import re

import numpy as np
import pandas as pd
import pytest
import torch
from click.testing import CliRunner
from PIL import Image

from plremix_core import data
from plremix_core.__main__ import main
from plremix_core.analysis import review, suspects
from plremix_core.presets import for_folder
from plremix_core.trainer import Trainer

SMALL = dict(epochs=2, warm_up=1, steps_per_epoch=2, width=4, blocks=(1,), batch_size=4, image_size=12)
NAMES = ("<script>", "=1+1", "@cat, grey")


def write_folder(root, names=NAMES, each=8):
    """Class folders of PNG files with one colour a class; the first file of the second class shows the first one."""
    rng = np.random.default_rng(0)
    for c, name in enumerate(names):
        (root / name).mkdir(parents=True)
        for i in range(each):
            pixels = rng.integers(0, 40, (12, 14, 3)).astype(np.uint8)
            pixels[..., 0 if c == 1 and i == 0 else c % 3] += 200
            Image.fromarray(pixels).save(root / name / f"{i}.png")
    return root


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    root = write_folder(tmp_path_factory.mktemp("images"))
    config = for_folder(3, **SMALL)
    trainer = Trainer(config, data.prepare(config, root))
    trainer.fit(progress=False)
    return trainer


def with_truth(trainer):
    true = trainer.data.given.clone()
    true[8] = 0
    known = Trainer(trainer.config, dataclasses.replace(trainer.data, true=true))
    known.nets, known.epoch = trainer.nets, trainer.epoch
    return known


def test_the_ranking_is_that_of_a_loop_over_both_networks(trained):
    table = suspects.rank(with_truth(trained))
    expected = []
    outputs = [trained.per_sample(net) for net in trained.nets]
    splits = [trained.split(out, trained.epoch, which) for which, out in enumerate(outputs)]
    for i, given in enumerate(trained.data.given.tolist()):
        logits = outputs[0]["logits"][i] + outputs[1]["logits"][i]
        odds = torch.exp(logits - logits.max())
        best = int(logits.argmax())
        loss = sum(-float(torch.log_softmax(out["logits"][i], 0)[given]) for out in outputs) / 2
        p_clean = (splits[0].p_clean[i] + splits[1].p_clean[i]) / 2
        names = trained.data.class_names
        confidence = float(odds[best] / odds.sum())
        expected.append((-loss, p_clean, i, trained.data.files[i], names[given], names[best], confidence, i == 8))
    for row, (minus, p_clean, i, file, given, suggested, confidence, wrong) in zip(
        table.to_dict("records"), sorted(expected)
    ):
        assert (row["index"], row["file"], row["given"], row["suggested"]) == (i, file, given, suggested)
        assert row["wrong"] is wrong
        assert (row["p_clean"], row["confidence"], row["loss"]) == pytest.approx(
            (p_clean, confidence, -minus), rel=1e-4
        )
    assert len(table) == len(trained.data.given) == 24


def test_the_largest_loss_comes_first_whatever_the_mixture_says(trained, monkeypatch):
    def the_other_way_round(outputs, epoch, which):
        loss = outputs["loss_cls"].double().numpy()
        return dataclasses.replace(Trainer.split(trained, outputs, epoch, which), p_clean=loss / loss.max())

    monkeypatch.setattr(trained, "split", the_other_way_round)
    table = suspects.rank(trained)
    assert table["loss"].is_monotonic_decreasing and table["loss"].nunique() > 1
    assert table["p_clean"].iloc[0] > table["p_clean"].iloc[-1]


def test_without_truth_or_files_the_columns_are_left_out(trained):
    assert "wrong" not in suspects.rank(trained)
    arrays = Trainer(trained.config, dataclasses.replace(trained.data, files=()))
    arrays.epoch = 2
    columns = ["index", "given", "suggested", "suggested_number", "p_clean", "confidence", "loss"]
    assert list(suspects.rank(arrays)) == columns


def test_ranking_draws_nothing_and_leaves_the_networks_alone(trained):
    before = [value.clone() for value in trained.nets[0].state_dict().values()]
    state = torch.get_rng_state()
    pd.testing.assert_frame_equal(suspects.rank(trained), suspects.rank(trained))
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(a, b) for a, b in zip(before, trained.nets[0].state_dict().values()))


@pytest.mark.parametrize("epoch", [0, 1])
def test_a_training_that_has_not_warmed_up_is_refused(trained, epoch):
    young = Trainer(trained.config.replace(warm_up=2), trained.data)
    young.epoch = epoch
    with pytest.raises(ValueError, match=f"training must be past its warm-up, epoch 2, got {epoch}. Train longer."):
        suspects.rank(young)


def test_plain_cross_entropy_has_a_ranking_too(trained):
    plain = Trainer(trained.config.replace(method="ce", warm_up=2), trained.data)
    plain.epoch = 1
    assert len(suspects.rank(plain)) == 24


def test_margins_are_averaged_over_both_networks_and_all_epochs(trained, monkeypatch):
    config = suspects.settings_for(trained.data, epochs=2, width=8, blocks=(1,), batch_size=4, image_size=12)
    table, facts = suspects.find(trained.data, config)
    given, run_epoch, seen = trained.data.given, Trainer.run_epoch, []

    def look(trainer, epoch):
        row = run_epoch(trainer, epoch)
        for net in trainer.nets:
            logits = trainer.predict(net, trained.data.images)[0]
            own = logits.gather(1, given[:, None])[:, 0]
            seen.append(own - logits.scatter(1, given[:, None], -torch.inf).max(dim=1).values)
        return row

    monkeypatch.setattr(Trainer, "run_epoch", look)
    again = suspects.find(trained.data, config)[0]
    pd.testing.assert_frame_equal(table, again)
    expected = torch.stack(seen).mean(dim=0).numpy()
    assert table.sort_values("index")["margin"].to_numpy() == pytest.approx(expected, abs=1e-4)
    assert len(seen) == 4 and facts["held"] == 4 and facts["chance"] == pytest.approx(1 / 3)


@pytest.mark.parametrize("method", ["ce", "plremix"])
def test_a_ranking_that_was_interrupted_goes_on_to_the_same_table(trained, monkeypatch, tmp_path, method):
    small = dict(epochs=3, warm_up=1, steps_per_epoch=2, width=8, blocks=(1,), batch_size=4, image_size=12)
    config = suspects.settings_for(trained.data, method, **small)
    straight, facts = suspects.find(trained.data, config)
    run_epoch, begun = Trainer.run_epoch, []

    def stopped(trainer, epoch):
        begun.append(epoch)
        if begun == [0, 1, 2]:
            raise KeyboardInterrupt
        return run_epoch(trainer, epoch)

    monkeypatch.setattr(Trainer, "run_epoch", stopped)
    with pytest.raises(KeyboardInterrupt):
        suspects.find(trained.data, config, folder=tmp_path / "run")
    table, after = suspects.find(trained.data, config, folder=tmp_path / "run")
    assert begun == [0, 1, 2, 2] and after["accuracy"] == facts["accuracy"]
    pd.testing.assert_frame_equal(table, straight)


def test_a_hold_out_of_ones_own_is_used_and_others_are_drawn_and_told(trained):
    part, held = suspects.hold_out(trained.data, 0)
    assert (len(part.given), len(part.holdout_given), held.sum()) == (20, 4, 4)
    assert torch.equal(part.holdout_images, trained.data.images[torch.from_numpy(held)])
    assert "hold-out: 4 images" in data.describe(part) and "all are ranked" in data.describe(part)
    assert suspects.hold_out(part, 0)[0] is part and not suspects.hold_out(part, 0)[1].any()


def test_held_out_images_are_compared_with_each_other(trained):
    config = suspects.settings_for(trained.data, epochs=1, width=8, blocks=(1,), batch_size=4, image_size=12)
    table, facts = suspects.find(trained.data, config)
    held = np.random.default_rng([config.seed, 0x68656C64]).permutation(24)[: facts["held"]]
    for part in (table[table["index"].isin(held)], table[~table["index"].isin(held)]):
        assert part["margin"].is_monotonic_increasing
    assert sorted(table["index"]) == list(range(24))


def test_steps_follow_the_number_of_images(trained):
    small, large = (dataclasses.replace(trained.data, given=torch.arange(n) % 3) for n in (300, 50_000))
    assert [suspects.settings_for(one).steps_per_epoch for one in (small, large)] == [20, 50_000 // 64]
    assert suspects.settings_for(small).method == "ce" and suspects.settings_for(small, "plremix").spec.semi


def test_features_are_joined_to_the_ranking_by_image_and_find_the_wrong_label(tmp_path):
    images = data.load("folder", write_folder(tmp_path, each=40), image_size=12)
    order = np.random.default_rng(0).permutation(120)
    favourites = np.where(order == 40, 0, images.given.numpy()[order])  # a network that is right
    made = pd.DataFrame({"index": order, "suggested_number": favourites})
    table, accuracy = suspects.cross_check(made, images)
    wrong = table[table["index"] == 40].iloc[0]
    assert (wrong["rank_features"], wrong["rank_votes"], wrong["agree"]) == (1, 1, 3)
    assert accuracy > 0.95 and table["index"].tolist() == order.tolist()
    assert (table["rank"] == np.arange(1, 121)).all() and (table["agree"] == 3).sum() == 1


def test_gradient_histograms_see_directions_and_colours():
    images = torch.zeros(3, 3, 32, 32, dtype=torch.uint8)
    images[0, :, :, 16:] = 200  # an edge from left to right
    images[1, :, 16:, :] = 200  # from top to bottom
    images[2, 0] = 255
    found = suspects.image_features(images)
    cells, colours = found[:, :512].reshape(3, 8, 8, 8), found[:, 512:].reshape(3, 3, 8, 8)
    assert cells[0].sum(axis=(1, 2)).argmax() == 0 and cells[1].sum(axis=(1, 2)).argmax() == 4
    assert cells[2].sum() < 0.05 * cells[0].sum() and colours[2].mean(axis=(1, 2)).tolist() == [1, 0, 0]


def test_dropping_takes_the_first_of_the_ranking_and_keeps_the_rest_in_order(trained):
    table = suspects.rank(with_truth(trained))
    whole = with_truth(trained).data
    part = suspects.cleaned(whole, table, 5)
    kept = [i for i in range(24) if i not in set(table["index"][:5])]
    assert part.files == tuple(whole.files[i] for i in kept)
    for name in ("images", "given", "true"):
        assert torch.equal(getattr(part, name), getattr(whole, name)[kept])
    assert torch.equal(suspects.cleaned(whole, table, 0).images, whole.images)


def test_relabelling_changes_the_given_labels_of_the_first_and_nothing_else(trained):
    table, whole = suspects.rank(trained), trained.data
    before = whole.given.clone()
    part = suspects.cleaned(whole, table, 7, how="relabel")
    for place, row in table.iterrows():
        expected = row["suggested"] if place < 7 else row["given"]
        assert part.class_names[part.given[row["index"]]] == expected
    assert part.images is whole.images and torch.equal(whole.given, before)


def test_images_that_stay_in_their_files_can_be_dropped_too(trained, tmp_path):
    files = data.from_folder(write_folder(tmp_path), image_size=12, memory=0)
    table = pd.DataFrame({"index": [3, 0], "suggested_number": 0})
    part = suspects.cleaned(files, table, 2)
    assert list(part.files) == part.images.paths == [f for i, f in enumerate(files.files) if i not in (0, 3)]


@pytest.mark.parametrize(("count", "how", "name"), [(-1, "drop", "count"), (24, "drop", "count"), (1, "mend", "how")])
def test_cleaning_refuses_what_it_cannot_do(trained, count, how, name):
    with pytest.raises(ValueError, match=f"^{name} must be"):
        suspects.cleaned(trained.data, suspects.rank(trained), count, how)


@pytest.mark.parametrize("wrong", [[], [True], [False, True, True], np.arange(50) % 3 == 0])
def test_precision_at_k_is_the_share_among_the_first_k(wrong):
    found = review.precision_at(np.array(wrong, dtype=bool))
    assert found == pytest.approx([sum(wrong[: k + 1]) / (k + 1) for k in range(len(wrong))])


def test_the_csv_can_be_read_back_and_no_cell_is_a_formula(trained, tmp_path):
    table = suspects.rank(trained)
    review.write_csv(table, tmp_path / "s.csv")
    rows = list(csv.DictReader(open(tmp_path / "s.csv", newline="", encoding="utf-8")))
    assert [int(row["index"]) for row in rows] == table["index"].tolist()
    assert {row["given"] for row in rows} == {"<script>", "'=1+1", "'@cat, grey"}
    assert {row["file"].split("/")[0].lstrip("'") for row in rows} >= {"=1+1", "@cat, grey"}
    assert not any(value.startswith(review.FORMULA) for row in rows for value in row.values())
    assert set(table["given"]) == set(NAMES)  # the table keeps the names
    assert not (tmp_path / "s.csv.tmp").exists()


@pytest.mark.parametrize(
    ("name", "cell"),
    [
        ("=cmd|' /C calc'!A0", "'=cmd|' /C calc'!A0"),
        ("+1", "'+1"),
        ("-1", "'-1"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("\t=1", "'\t=1"),
        ("\r=1", "'\r=1"),
        ("\n=1", "'\n=1"),
        ('say "cat", please\nnow', 'say "cat", please\nnow'),
        ("straße 猫", "straße 猫"),
        ("a=1", "a=1"),
        ("'=1", "'=1"),
        ("\udcff.png", "\\udcff.png"),
        ("", ""),
    ],
)
def test_names_from_outside_stay_text(tmp_path, name, cell):
    table = pd.DataFrame({"index": [0], "given": pd.Series([name], dtype=object), "p_clean": [-1e-9]})
    review.write_csv(table, tmp_path / "s.csv")
    (row,) = csv.DictReader(open(tmp_path / "s.csv", newline="", encoding="utf-8"))
    assert row["given"] == cell
    assert float(row["p_clean"]) == -1e-9
    assert table["given"][0] == name


def test_a_csv_that_cannot_be_written_leaves_the_old_one(trained, tmp_path, monkeypatch):
    (tmp_path / "s.csv").write_text("old")

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("plremix_core.engine.files.os.replace", full)
    with pytest.raises(OSError, match="No space"):
        review.write_csv(suspects.rank(trained), tmp_path / "s.csv")
    assert [path.name for path in tmp_path.iterdir()] == ["s.csv"] and (tmp_path / "s.csv").read_text() == "old"


def invoke(*arguments):
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def test_from_a_folder_to_a_csv_in_two_commands(tmp_path):
    images = write_folder(tmp_path / "images")
    small = "--epochs 2 --warm-up 1 --steps-per-epoch 2 --width 4 --blocks [1] --batch-size 4 --image-size 12".split()
    trained = invoke("train", "--images", images, "--out", tmp_path / "run", *small)
    assert trained.exit_code == 0, trained.output
    assert "lambda_u = 0" in trained.output and "24 training images of 3 classes" in trained.output
    done = invoke("suspects", tmp_path / "run", "--images", images)
    assert done.exit_code == 0, done.output
    assert re.search(r"\d+ of 24 labels are suspect \(p_clean < 0\.5\)", done.output)
    assert "script" not in done.output
    table = pd.read_csv(tmp_path / "run" / "suspects.csv")
    assert sorted(table["index"]) == list(range(24)) and table["loss"].is_monotonic_decreasing
    assert invoke("suspects", tmp_path / "run", "--images", images, "--out", tmp_path / "my.csv").exit_code == 0
    assert (tmp_path / "my.csv").read_bytes() == (tmp_path / "run" / "suspects.csv").read_bytes()


def test_an_unfinished_run_says_so_and_known_noise_is_in_the_table(tmp_path):
    small = "--epochs 2 --warm-up 1 --steps-per-epoch 1 --limit-train 120 --holdout 0 --width 4 --blocks [1]".split()
    assert invoke("train", "--out", tmp_path, *small).exit_code == 0
    (tmp_path / "epoch-0002.pt").unlink()
    output = invoke("suspects", tmp_path).output
    assert "not finished: epoch 1 of 2" in output
    table = pd.read_csv(tmp_path / "suspects.csv")
    assert 0.2 < table["wrong"].mean() < 0.6


def test_other_images_than_those_of_the_run_are_refused(tmp_path):
    images = write_folder(tmp_path / "images")
    small = "--epochs 1 --warm-up 1 --steps-per-epoch 1 --width 4 --blocks [1] --batch-size 4 --image-size 12".split()
    assert invoke("train", "--images", images, "--out", tmp_path / "run", *small).exit_code == 0
    (images / NAMES[0] / "0.png").unlink()
    result = invoke("suspects", tmp_path / "run", "--images", images)
    assert isinstance(result.exception, ValueError) and "data must be those of the run" in str(result.exception)
    assert not (tmp_path / "run" / "suspects.csv").exists()


def test_own_folders_may_be_split_into_train_and_test(tmp_path):
    for part in ("train", "test"):
        write_folder(tmp_path / part)
    split = data.load("folder", tmp_path, image_size=12)
    assert len(split.images) == len(split.test_images) == 24 and split.true is None
    assert split.files[0].endswith("/0.png") and len(split.files) == 24
    plain = data.load("folder", tmp_path / "train", image_size=12)
    assert len(plain.test_images) == 0 and torch.equal(plain.images, split.images)


def test_train_may_be_a_class(tmp_path):
    write_folder(tmp_path, ("bus", "tram", "train"))
    assert data.load("folder", tmp_path, image_size=12).class_names == ("bus", "train", "tram")


@pytest.mark.parametrize("folder", ["missing", "empty"])
def test_a_folder_without_images_is_refused_by_name(tmp_path, folder):
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match=f"folder must be one .*{folder}"):
        data.load("folder", tmp_path / folder)


def test_files_follow_the_part_that_prepare_takes(tmp_path):
    config = for_folder(3, **SMALL, train_size=9)
    part = data.prepare(config, write_folder(tmp_path))
    whole = data.load("folder", tmp_path, image_size=12)
    for image, file in zip(part.images, part.files, strict=True):
        assert torch.equal(image, whole.images[whole.files.index(file)])


@pytest.mark.parametrize(
    ("classes", "kappa"),
    [(1, (1, 1, 1)), (2, (1, 1, 1)), (5, (2, 2, 1)), (6, (3, 2, 1)), (100, (3, 2, 1))],
)
def test_settings_for_a_folder_fit_its_number_of_classes(classes, kappa):
    config = for_folder(classes)
    assert tuple(k for _, k in config.kappa) == kappa
    assert (config.noise, config.lambda_u, config.holdout, config.train_size) == ("none", 0.0, 0, 0)
    assert (config.image_size, config.flip, config.pad, config.policy) == (64, True, 4, "imagenet")


def test_settings_for_a_folder_can_be_changed():
    config = for_folder(2, kappa=((0, 2),), lambda_u=25, flip=False)
    assert (config.kappa, config.lambda_u, config.flip) == (((0, 2),), 25.0, False)
    full = for_folder(10, "full")
    assert (full.epochs, full.width, full.pooled, full.stem_stride, full.flip, full.pad) == (400, 64, 2, 1, True, 4)
