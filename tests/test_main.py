"""The command `plremix`."""

import dataclasses
import json
import os
import re
import subprocess
import sys

import pandas as pd
import pytest
import settings_table
from click.testing import CliRunner
from jupyter_client.kernelspec import get_kernel_spec

from plremix_core.__main__ import main, run
from plremix_core.cli import COMMANDS, lessons
from plremix_core.config import GROUPS, Config
from plremix_core.data import sets
from plremix_core.engine.files import ROOT
from plremix_core.lessons import copies, runner

SMALL = "--epochs 2 --warm-up 1 --steps-per-epoch 2 --limit-train 100 --holdout 20 --width 4 --blocks [1,1]".split()


def invoke(*arguments):
    return CliRunner().invoke(main, arguments)


def test_help_shows_examples_and_every_command_has_its_own():
    text = invoke("--help").output
    for word in (*COMMANDS, "plremix train --resume", "plremix suspects"):
        assert word in text
    for command in COMMANDS:
        done = invoke(command, "--help")
        assert done.exit_code == 0 and f"{command} [OPTIONS]" in done.output, command
    assert invoke("trian").exit_code == 2


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="torch's threads are libgomp's on Linux only")
@pytest.mark.parametrize(("chosen", "rounds"), [({}, "10000"), ({"GOMP_SPINCOUNT": "7"}, "7")])
def test_threads_of_a_command_spin_for_a_short_time_while_they_wait(chosen, rounds):
    code = "import atexit, sys; from plremix_core.__main__ import run; "
    code += "sys.argv[1:] = ['--version']; atexit.register(__import__, 'torch'); run()"
    environment = {k: v for k, v in os.environ.items() if k != "GOMP_SPINCOUNT"} | {"OMP_DISPLAY_ENV": "VERBOSE"}
    done = subprocess.run([sys.executable, "-c", code], env=environment | chosen, capture_output=True, text=True)
    assert f"GOMP_SPINCOUNT = '{rounds}'" in done.stderr, done.stderr


@pytest.mark.parametrize("option", ["--help", "--version"])
def test_help_and_version_load_no_heavy_module(option):
    heavy = "{'torch', 'sklearn', 'pandas', 'IPython', 'distributed', 'matplotlib'}"
    code = f"import sys; from plremix_core.__main__ import main; main([{option!r}], standalone_mode=False); "
    code += f"print('loaded:', *({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.stdout.splitlines()[-1] == "loaded:" and not done.stderr


@pytest.mark.slow
def test_train_writes_a_run_that_resume_recognises_as_finished(tmp_path):
    done = invoke("train", "--out", str(tmp_path), *SMALL)
    assert done.exit_code == 0, done.output
    assert re.search(r"last 0\.\d{4} .*best 0\.\d{4}", done.output)
    assert re.search(r"chosen 0\.\d{4} \(epoch picked by the hold-out's given labels\)", done.output)
    assert "100 training images of 10 classes" in done.output and "noise: sym, nominal rate 50%" in done.output
    assert re.search(r"wrong labels: (3\d|4\d|5\d)\.\d%", done.output)
    assert len(pd.read_csv(tmp_path / "history.csv")) == 2
    assert len(re.findall("^epoch=", (tmp_path / "log.txt").read_text(), re.M)) == 2
    again = invoke("train", "--resume", str(tmp_path))
    assert again.exit_code == 0 and again.output.splitlines()[-1] == done.output.splitlines()[-1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["train", "--rate", "0.37"], "noise and rate must be one of"),
        (["train", "--blocks", "two"], "blocks must be of type int, got 'two'"),
        (["train", "--threshold", "1.5"], "threshold must be in (0, 1), got 1.5. It is a fraction, not a percentage."),
        (["train", "--dataset", "mnist"], "dataset must be one of"),
        (["lessons", "--only", "77"], "only must be one of 00, 01"),
    ],
)
def test_mistakes_are_one_line_with_a_remedy(monkeypatch, arguments, message):
    monkeypatch.setattr("sys.argv", ["plremix", *arguments])
    with pytest.raises(SystemExit, match=re.escape(message)):
        run()


def test_train_help_says_what_every_setting_means_under_the_heading_of_its_group():
    text = re.sub(r"\s", "", invoke("train", "--help").output)  # lines are broken anywhere
    _, *sections = re.split("|".join(f"Options:{group}:" for group in GROUPS), text)
    by_group = dict(zip(GROUPS, sections, strict=True))
    for field in dataclasses.fields(Config):
        section, meaning = by_group[field.metadata["group"]], field.metadata["meaning"].replace(" ", "")
        assert "--" + field.name.replace("_", "-") in section and meaning in section, field.name
        assert f"[paper:{json.dumps(field.default).replace(' ', '')}]" in section, field.name
    assert invoke("train", "--epochz", "3").exit_code == 2


def test_the_committed_table_of_settings_is_that_of_the_fields():
    text = settings_table.PAGE.read_text()
    assert text == settings_table.tabulate()
    assert all(f"| `{field.name}` |" in text for field in dataclasses.fields(Config))


def test_what_is_no_yaml_is_refused():
    done = invoke("train", "--blocks", "[1, 2")
    assert (
        done.exit_code == 2 and "Invalid value for '--blocks'" in done.output and "expected ',' or ']'" in done.output
    )


def test_options_that_your_own_images_make_void_are_refused(tmp_path):
    done = invoke("train", "--images", str(tmp_path), "--noise", "sym", "--rate", "0.2")
    assert "options beside --images must be none of" in str(done.exception)
    assert "got '--noise, --rate'. Your labels stay as they are; leave them out." in str(done.exception)


def test_options_reach_the_settings_lists_and_switches_among_them(monkeypatch):
    seen = []
    monkeypatch.setattr(sets, "open_set", lambda config, folder: seen.append(config) or sys.exit(7))
    arguments = "--rate 0.2 --method elr --kappa [[0,2],[3,1]] --no-flip --limit-train 70 --lr 0.5 --epochs 9"
    assert invoke("train", *arguments.split()).exit_code == 7
    (config,) = seen
    assert (config.dataset, config.noise, config.rate, config.method) == ("fashion_mnist", "sym", 0.2, "elr")
    assert (config.kappa, config.flip, config.train_size, config.lr) == (((0, 2), (3, 1)), False, 70, 0.5)


@pytest.fixture
def started(monkeypatch, tmp_path):
    """The command lines with which `plremix lab` would start JupyterLab."""
    seen = []
    monkeypatch.setattr(lessons.os, "execv", lambda _, command: seen.append(command))
    monkeypatch.setattr(lessons.subprocess, "call", lambda command: 0)
    monkeypatch.setattr(copies, "update", lambda: ["02 has a newer version"])
    monkeypatch.setattr(copies, "MINE", tmp_path)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setenv("JUPYTER_PATH", "")  # restored after the command has set it
    return seen


def test_lab_binds_to_localhost_leaves_the_token_on_and_refuses_unknown_options(started):
    done = invoke("lab", "--no-browser", "--port=9999")
    (command,) = started
    assert done.exit_code == 0 and "my_notebooks/00_start_here.ipynb" in done.output
    assert "02 has a newer version" in done.output
    assert "--ServerApp.ip=127.0.0.1" in command and command[-2:] == ["--port=9999", "--no-browser"]
    assert "--LabApp.default_url=/lab/tree/my_notebooks/00_start_here.ipynb" in command
    assert not any("token" in word or "password" in word for word in command)
    assert invoke("lab", "--prot=9999").exit_code == 2 and len(started) == 1


def test_lab_starts_the_kernel_of_this_interpreter_whatever_jupyter_path_names(started, monkeypatch, tmp_path):
    foreign = tmp_path / "foreign" / "kernels" / "python3"
    foreign.mkdir(parents=True)
    (foreign / "kernel.json").write_text('{"argv": ["false"], "display_name": "x", "language": "python"}')
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "foreign"))
    for _ in range(2):  # the second start finds what the first one wrote
        assert invoke("lab").exit_code == 0
        assert get_kernel_spec("python3").argv[0] == sys.executable


def test_lessons_passes_parameters_on_and_names_the_index_of_the_run(monkeypatch, tmp_path):
    result = runner.Result("00_start_here", "t", "ok", "", 1.0, 1, 1, [])
    seen = []
    monkeypatch.setattr(
        runner, "run_lessons", lambda paths, out, values, timeout, jobs: seen.append(values) or [result]
    )
    done = invoke("lessons", "--only", "05", "-p", "seed", "3", "-p", "rate", "0.5", "--out", str(tmp_path))
    assert done.exit_code == 0 and seen == [{"seed": 3, "rate": 0.5}] and f"{tmp_path / 'index.html'}" in done.output
    assert "1 of 1 claims hold, 0 notebooks failed" in done.output
