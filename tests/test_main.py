"""The command `plremix`."""

import dataclasses
import re
import webbrowser

import pandas as pd
import pytest
from click.testing import CliRunner

from plremix_core.__main__ import main, run
from plremix_core.config import Config
from plremix_core.lessons import claims, control_runs, runner

SMALL = "--epochs 2 --warm-up 1 --steps-per-epoch 2 --limit-train 100 --holdout 20 --width 4 --blocks [1,1]".split()


def invoke(*arguments):
    return CliRunner().invoke(main, arguments)


def test_help_shows_examples_and_every_command():
    text = invoke("--help").output
    for word in ("lessons", "train", "sweep", "report", "lab", "plremix train --resume", "--control all_negatives"):
        assert word in text
    for command in ("lessons", "train", "sweep", "report", "lab"):
        assert invoke(command, "--help").exit_code == 0


@pytest.mark.slow
def test_train_writes_a_run_that_resume_recognises_as_finished(tmp_path):
    done = invoke("train", "--out", str(tmp_path), *SMALL)
    assert done.exit_code == 0, done.output
    assert re.search(r"last 0\.\d{4} .*best 0\.\d{4}", done.output)
    assert re.search(r"chosen 0\.\d{4} \(epoch picked by the hold-out's given labels\)", done.output)
    assert re.search(
        r"100 images of 10 classes, sym: (3\d|4\d|5\d)\.\d% of the labels wrong \(nominal rate 50%\)", done.output
    )
    assert len(pd.read_csv(tmp_path / "history.csv")) == 2
    assert len(re.findall("^epoch=", (tmp_path / "log.txt").read_text(), re.M)) == 2
    again = invoke("train", "--resume", str(tmp_path))
    assert again.exit_code == 0 and again.output.splitlines()[-1] == done.output.splitlines()[-1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["train", "--rate", "0.37"], "noise and rate must be one of"),
        (["train", "--blocks", "two"], "blocks must be a tuple, got 'two'"),
        (["train", "--threshold", "1.5"], "threshold must be in (0, 1), got 1.5. The paper uses 0.5."),
        (["train", "--dataset", "mnist"], "dataset must be one of"),
        (["lessons", "--only", "77"], "notebooks must be at least one"),
    ],
)
def test_mistakes_are_one_line_with_a_remedy(monkeypatch, arguments, message):
    monkeypatch.setattr("sys.argv", ["plremix", *arguments])
    with pytest.raises(SystemExit, match=re.escape(message)):
        run()


def test_every_field_of_the_settings_is_an_option():
    text = re.sub(r"\s+", " ", invoke("train", "--help").output)
    for field in dataclasses.fields(Config):
        assert "--" + field.name.replace("_", "-") in text
    assert invoke("train", "--epochz", "3").exit_code == 2


def test_lab_binds_to_localhost_and_leaves_the_token_on(monkeypatch):
    seen = []
    monkeypatch.setattr("plremix_core.__main__.subprocess.call", lambda command: seen.append(command) or 0)
    assert invoke("lab", "--", "--port=9999").exit_code == 0
    (command,) = seen
    assert "--ServerApp.ip=127.0.0.1" in command and command[-1] == "--port=9999"
    assert not any("token" in word or "password" in word for word in command)


def test_lessons_open_shows_the_index_of_the_run(monkeypatch, tmp_path):
    result = runner.Result("00_start_here", "t", "ok", "", 1.0, 1, 1, [])
    seen = []
    monkeypatch.setattr(runner, "run_lessons", lambda paths, out, values, timeout, jobs: [result])
    monkeypatch.setattr(webbrowser, "open", seen.append)
    done = invoke("lessons", "--only", "00", "--out", str(tmp_path), "--open")
    assert done.exit_code == 0 and seen == [(tmp_path / "index.html").resolve().as_uri()]
    assert "1 of 1 claims hold, 0 notebooks failed" in done.output


@pytest.mark.parametrize(("wrong", "code"), [([], 0), (["03 under all_negatives: still hold: C3.1"], 1)])
def test_lessons_controls_fails_if_a_claim_holds_although_it_was_broken(monkeypatch, tmp_path, wrong, code):
    monkeypatch.setattr(control_runs, "run_all", lambda paths, out, timeout, jobs: wrong)
    done = invoke("lessons", "--only", "03", "--controls", "--out", str(tmp_path))
    assert done.exit_code == code
    assert (wrong[0] if wrong else "every claim fails under each of its controls") in done.output


def test_claims_writes_the_table(monkeypatch, tmp_path):
    monkeypatch.setattr(claims.write, "__defaults__", (tmp_path / "claims.csv",))
    assert re.search(r"\d+ claims, \d+ equations", invoke("claims").output)
    assert (tmp_path / "claims.csv").read_text() == claims.TABLE.read_text()
