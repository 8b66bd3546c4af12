"""From a ranking to a better folder: page, label file, check by hand, clean, predict, export; features and tables."""

import json
import re
import resource
import shutil
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from PIL import Image
from test_suspects import NAMES, write_folder

from plremix_core import data
from plremix_core.__main__ import main
from plremix_core.analysis import features, review
from plremix_core.data import folders, label_files

TINY = "--epochs 2 --warm-up 1 --steps-per-epoch 2 --width 8 --blocks [1] --batch-size 4 --image-size 12".split()
QUICK = "--set epochs 2 --set width 8 --set image_size 12 --set blocks [1]".split()


def invoke(*arguments):
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def label_file(path, root, changes):
    """Write what the page saves: a row an image of `root`, with labels changed at some places."""
    pairs = folders.own(root).train
    rows = [(i, file, given, changes.get(i, given)) for i, (file, given) in enumerate(pairs)]
    pd.DataFrame(rows, columns=["index", "file", "given", "label"]).to_csv(path, index=False)
    return path


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    return write_folder(tmp_path_factory.mktemp("review") / "photos", each=40)


@pytest.fixture(scope="module")
def run(photos, tmp_path_factory):
    out = tmp_path_factory.mktemp("trained") / "run"
    result = invoke("train", "--images", photos, "--out", out, *TINY)
    assert result.exit_code == 0, result.output
    return out


def test_one_command_ranks_a_folder_and_says_how_far_to_trust_it(photos, tmp_path):
    result = invoke("suspects", photos, "--out", tmp_path / "s.csv", *QUICK, "--show", 5)
    assert result.exit_code == 0, (result.output, result.exception)
    table = pd.read_csv(tmp_path / "s.csv")
    assert all((photos / file.lstrip("'")).is_file() for file in table["file"])
    assert {"given", "suggested", "probability", "rank", "rank_features", "rank_votes", "agree"} <= set(table)
    said = ["120 training images of 3 classes", "hold-out: 24 images", "all are ranked", "at least 0:00:0"]
    for one in (*said, "of 24 held-out images", "commonest class alone 33.3%", "--check 100"):
        assert one in result.output, result.output
    assert [path.name for path in sorted(tmp_path.iterdir())] == ["s.csv", "s.html"]
    page = (tmp_path / "s.html").read_text()
    assert page.count("<fieldset>") == 5 and "<script>/0.png" not in page
    assert not re.search(r"""(src|href)=["']?(https?:)?//""", page) and "default-src 'none'" in page


def test_the_command_goes_on_where_it_was_stopped(photos, tmp_path, monkeypatch):
    from plremix_core.trainer import Trainer

    run_epoch, begun = Trainer.run_epoch, []

    def stopped(trainer, epoch):
        begun.append(epoch)
        if len(begun) == 2:
            raise KeyboardInterrupt
        return run_epoch(trainer, epoch)

    monkeypatch.setattr(Trainer, "run_epoch", stopped)
    first, again = (invoke("suspects", photos, "--out", tmp_path / "s.csv", *QUICK) for _ in range(2))
    assert first.exit_code == 130 and "the same command goes on" in first.output and "written" not in first.output
    assert again.exit_code == 0 and begun == [0, 1, 1]


def test_a_ranking_that_means_nothing_is_refused(tmp_path):
    rng = np.random.default_rng(0)
    for c in range(3):
        (tmp_path / "noise" / str(c)).mkdir(parents=True)
        for i in range(30):
            pixels = rng.integers(0, 256, (12, 12, 3)).astype(np.uint8)
            Image.fromarray(pixels).save(tmp_path / "noise" / str(c) / f"{i}.png")
    result = invoke("suspects", tmp_path / "noise", "--out", tmp_path / "s.csv", *QUICK)
    assert "prediction must be better than the commonest class alone" in str(result.exception)
    assert not (tmp_path / "s.csv").exists()


def test_the_label_file_is_read_by_train_and_by_clean(photos, tmp_path):
    labels = label_file(tmp_path / "labels.csv", photos, {40: 0, 3: -1})
    files = [file for file, _ in folders.own(photos).train]
    found = label_files.read(labels, 120, 3, files, NAMES)
    assert (
        found[40] == 0 and found[3] == -1 and (np.delete(found, [3, 40]) == np.repeat([0, 1, 2], 40)[:118]).mean() > 0.9
    )
    small = [*TINY, "--noise", "file", "--label-file", labels]
    trained = invoke("train", "--images", photos, "--out", tmp_path / "run", *small)
    assert trained.exit_code == 0, (trained.output, trained.exception)
    assert "119 training images" in trained.output
    listed = invoke("clean", photos, labels).output
    assert f"{files[40]}: =1+1 -> <script>" in listed and f"{files[3]}: <script> -> dropped" in listed
    assert "118 kept, 1 relabelled, 1 dropped" in listed
    assert invoke("clean", photos, labels, "--copy", tmp_path / "new").exit_code == 0
    made = folders.own(tmp_path / "new")
    assert [sum(label == c for _, label in made.train) for c in range(3)] == [40, 39, 40]
    moved = tmp_path / "new" / "<script>" / "0_=1+1.png"  # 0.png is another image of that class
    assert moved.read_bytes() == (photos / files[40]).read_bytes() and len(folders.own(photos).train) == 120


def test_moving_changes_the_folder_itself_and_keeps_what_is_dropped(tmp_path):
    root = write_folder(tmp_path / "photos")
    labels = label_file(tmp_path / "labels.csv", root, {8: 0, 3: -1})
    result = invoke("clean", root, labels, "--move", tmp_path / "dropped")
    assert result.exit_code == 0 and "22 kept, 1 relabelled, 1 dropped: moved" in result.output
    assert (tmp_path / "dropped" / "<script>" / "3.png").is_file() and not (root / "<script>" / "3.png").exists()
    assert [sum(label == c for _, label in folders.own(root).train) for c in range(3)] == [8, 7, 8]
    again = invoke("clean", root, labels)
    assert "column 'file', must be the paths" in str(again.exception)
    assert "files that are not in the folder: <script>/3.png" in str(again.exception)


def test_a_relabelled_image_stays_in_its_part_of_a_split_whatever_the_class_is_called(tmp_path):
    for part in ("train", "test"):
        write_folder(tmp_path / "photos" / part, ("bus", "train"), each=4)
    labels = label_file(tmp_path / "labels.csv", tmp_path / "photos", {5: 0})
    assert invoke("clean", tmp_path / "photos", labels, "--move", tmp_path / "dropped").exit_code == 0
    assert len(list((tmp_path / "photos" / "train" / "bus").iterdir())) == 5
    assert not (tmp_path / "photos" / "train" / "train" / "1.png").exists() and not (tmp_path / "dropped").exists()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--copy", "{root}/inside"), "outside the folder of images"),
        (("--copy", "{tmp}"), "folder must be new"),
        (("--copy", "{tmp}/a", "--move", "{tmp}/b"), "one of --copy and --move"),
    ],
)
def test_clean_refuses_what_would_lose_images(photos, tmp_path, options, said):
    labels = label_file(tmp_path / "labels.csv", photos, {})
    options = [option.format(root=photos, tmp=tmp_path) for option in options]
    assert said in str(invoke("clean", photos, labels, *options).exception)


def test_a_check_by_hand_gives_the_rate_with_an_interval_and_a_budget(photos, tmp_path):
    out = tmp_path / "s.csv"
    result = invoke("suspects", photos, "--out", out, "--check", 30)
    assert result.exit_code == 0 and (tmp_path / "s_check.html").read_text().count("<fieldset>") == 30
    rng, wrong = np.random.default_rng(0), np.arange(1000) < 200
    pd.DataFrame({"index": np.arange(1000)}).to_csv(out, index=False)
    looked = rng.permutation(1000)[:100]
    seen = pd.DataFrame({"index": looked, "file": "", "given": 0, "label": wrong[looked].astype(int)})
    share, low, high = review.rate(seen)
    assert low < 0.2 < high and share == wrong[looked].mean() and 0.1 < high - low < 0.2
    expected = review.budget(seen, pd.read_csv(out))
    assert abs(expected[-1] - 200) < 80 and expected[99] > 80 and (np.diff(expected) > 0).all()
    spread = review.budget(seen.assign(label=rng.permutation(seen["label"])), pd.read_csv(out))
    assert expected[99] > 2 * spread[99]  # a ranking that finds nothing has a smaller budget


def test_the_interval_covers_the_rate_in_nineteen_of_twenty_samples():
    rng, hits = np.random.default_rng(1), []
    for _ in range(400):
        seen = pd.DataFrame({"given": 0, "label": (rng.random(100) < 0.1).astype(int)})
        _, low, high = review.rate(seen)
        hits.append(low <= 0.1 <= high)
    assert 0.91 <= np.mean(hits) <= 0.99


def test_predictions_need_the_run_alone(run, photos, tmp_path):
    result = invoke("predict", run, photos, "--out", tmp_path / "p.csv")
    assert result.exit_code == 0, (result.output, result.exception)
    table = pd.read_csv(tmp_path / "p.csv")
    assert len(table) == 120 and table["probability"].between(1 / 3, 1).all()
    one, two = (tmp_path / f"{n}.csv" for n in "12")
    assert invoke("predict", run, photos, "--network", "1", "--out", one).exit_code == 0
    assert invoke("predict", run, photos, "--network", "2", "--out", two).exit_code == 0
    assert one.read_bytes() != two.read_bytes()
    from plremix_core.trainer import Trainer

    trainer = Trainer.resume(run, data_folder=photos)
    logits = sum(trainer.per_sample(net)["logits"] for net in trainer.nets)
    by_file = dict(zip(trainer.data.files, logits.softmax(dim=1).max(dim=1).values.tolist()))
    files = table["file"].str.lstrip("'")
    assert table["probability"].tolist() == pytest.approx([by_file[file] for file in files], abs=1e-4)


@pytest.mark.slow
def test_an_export_works_without_the_package(run, photos, tmp_path):
    assert invoke("export", run, "--out", tmp_path / "export").exit_code == 0
    about = json.loads((tmp_path / "export" / "classes.json").read_text())
    assert about["class_names"] == sorted(NAMES) and about["shape"] == [3, 12, 12]
    invoke("predict", run, photos, "--out", tmp_path / "p.csv")
    row = pd.read_csv(tmp_path / "p.csv").iloc[70]
    image = photos / row["file"].lstrip("'")
    block = "import sys; sys.modules['plremix_core'] = None; sys.argv = sys.argv[1:]; exec(open(sys.argv[0]).read())"
    code = block.replace("exec(", "__file__ = sys.argv[0]; exec(")
    command = [sys.executable, "-W", "ignore", "-c", code, str(tmp_path / "export" / "load.py"), str(image)]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout.rsplit(maxsplit=1)
    assert said[0] == row["predicted"].lstrip("'") and float(said[1]) == pytest.approx(row["probability"], abs=1e-3)


def embeddings(seed=0):
    rng, labels = np.random.default_rng(seed), np.repeat([0, 1, 2], 50)
    values = rng.normal(size=(150, 6)) + 3 * np.eye(3, 6)[labels]
    given = labels.copy()
    given[::10] = (given[::10] + 1) % 3
    return values, given, given != labels


def test_features_are_ranked_without_a_network(tmp_path):
    values, given, wrong = embeddings()
    table = features.rank(data.from_features(values, np.array(["a", "b", "c"])[given]))
    for score in ("margin", "votes"):
        assert wrong[np.argsort(table[score].to_numpy(), kind="stable")[: wrong.sum()]].mean() > 0.75
    np.save(tmp_path / "x.npy", values.astype(np.float32))
    np.save(tmp_path / "y.npy", given)
    result = invoke("suspects", tmp_path / "x.npy", "--labels", tmp_path / "y.npy", "--out", tmp_path / "s.csv")
    assert result.exit_code == 0 and "150 rows, 6 features, 3 classes" in result.output
    found = pd.read_csv(tmp_path / "s.csv")
    assert wrong[found["index"][: wrong.sum()]].mean() > 0.75
    pd.DataFrame(values).assign(label=given).to_csv(tmp_path / "t.csv", index=False)
    assert invoke("suspects", tmp_path / "t.csv", "--out", tmp_path / "u.csv").exit_code == 0
    assert pd.read_csv(tmp_path / "u.csv")["index"].tolist()[:5] == found["index"].tolist()[:5]


def test_votes_leave_the_row_itself_out():
    values = np.array([[0.0, 1.0], [0.0, 1.1], [1.0, 0.0], [1.1, 0.0]] * 8)
    table = features.rank(data.from_features(values, [0, 0, 1, 1] * 8))
    assert table["votes"].iloc[0] == pytest.approx(15 / 20)  # of the others 15 are near; itself would make it 16


@pytest.mark.parametrize(
    ("values", "labels", "said"),
    [
        ([[1.0], [np.nan]], [0, 0], "nan, inf or more in row"),
        ([[1.0], [2.0]], [0, 1], "not one a row"),
        ([[1.0], [2.0], [3.0]], [0, 0], "of shape (3,)"),
        ([["a"], ["b"]], [0, 0], "numbers of shape (N, D)"),
        ([[1.0], [2.0], [3.0]], [0.5, 0.5, 1.5], "whole numbers or names"),
    ],
)
def test_features_that_cannot_be_ranked_are_refused(values, labels, said):
    with pytest.raises(ValueError, match=re.escape(said)):
        data.from_features(values, labels)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ("suspects", "{photos}", "--labels", "x.npy"),
            "options beside class folders must be those that it needs, got '--labels'",
        ),
        (("suspects", "{photos}", "--out", "{photos}/s.csv"), "outside the folder of images"),
        (("suspects", "{photos}/<script>"), "pass the folder above"),
        (("suspects", "{photos}", "--set", "epoch", "3"), "got 'epoch'. Did you mean epochs?"),
        (("suspects", "{photos}", "--set", "kappa", "[[0, 9]]"), "at most 3, the number of classes"),
        (("suspects", "{photos}", "--out", "/proc/s.csv"), "out must be in a folder that can be written to"),
        (("predict", "{photos}", "{photos}"), "run must be a folder that train --out wrote"),
        (("export", "{photos}"), "run must be a folder that train --out wrote"),
    ],
)
def test_refusals_come_before_torch(photos, arguments, said):
    arguments = [argument.format(photos=photos) for argument in arguments]
    code = "import sys; from plremix_core.__main__ import run; import atexit; "
    code += "atexit.register(lambda: print('torch' in sys.modules)); run()"
    start = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True)
    assert done.returncode != 0 and said in done.stderr and done.stdout.strip() == "False", (done.stderr, done.stdout)
    end = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert end.ru_utime - start.ru_utime + end.ru_stime - start.ru_stime < 2  # seconds of CPU


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("chromium") is None, reason="no Chromium here (Debian: apt install chromium)")
def test_the_page_saves_what_was_chosen_without_a_network_and_remembers_it(photos, tmp_path):
    from playwright.sync_api import sync_playwright

    files, given = zip(*folders.own(photos).train)
    shown = pd.DataFrame({"index": [40, 3, 90], "suggested_number": [0, 1, 2], "probability": 0.9})
    page_file, image = tmp_path / "s.html", np.zeros((3, 8, 8), dtype=np.uint8)
    review.write_page(page_file, shown, files, given, NAMES, lambda index: image, ["<b>about</b>"])
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page, errors = browser.new_context(offline=True).new_page(), []
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(page_file.as_uri())
        cards = page.locator("fieldset")
        cards.nth(0).get_by_label("relabel").check()
        cards.nth(1).get_by_label("drop").check()
        page.reload()
        assert "keep 0, relabel 1, drop 1, open 1" in page.locator("#told").inner_text() and errors == []
        with page.expect_download() as saved:
            page.locator("#save").click()
        saved.value.save_as(tmp_path / "l.csv")
        assert page.locator("b").count() == 0
    found = review.read_reviewed(tmp_path / "l.csv", files)
    changed = found[found["label"] != found["given"]]
    assert found.loc[[3, 40, 90], "label name"].tolist() == ["", NAMES[0], f"'{NAMES[2]}"]
    assert changed[["index", "label"]].to_numpy().tolist() == [[3, -1], [40, 0]] and len(found) == 120


def test_what_the_command_says_of_plremix_is_what_was_recorded():
    from plremix_core.cli import suspects as command
    from plremix_core.engine.files import ROOT

    table = pd.read_csv(ROOT / "data" / "results" / "suspects.csv")
    found = table.set_index(["measure", "noise", "method"])["value"].groupby(level=[0, 1, 2]).mean()
    cost = [
        found["CPU seconds", kind, "plremix"] / found["CPU seconds", kind, "ce"] for kind in ("sym", "asym", "worse")
    ]
    assert command.COST == pytest.approx(np.mean(cost) / 2, abs=0.05)  # the command trains two networks
    for kind, words in (("sym", "random errors"), ("asym", "similar classes"), ("worse", "labels of people")):
        values = [found["average precision", kind, method] for method in ("ce, averaged", "features", "plremix")]
        assert f"{words} {values[0]:.2f}, {values[1]:.2f} and {values[2]:.2f}" in command.RECORDED
