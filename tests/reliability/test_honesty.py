"""A result says what happened: how often a training was resumed, from where, on which device, and what it warned of."""

import json
import shutil
import signal
import time

import processes
import pytest
from click.testing import CliRunner

from plremix_core.__main__ import main
from plremix_core.engine import checkpoint, files, provenance
from plremix_core.sweeps import report, results, run_one
from plremix_core.trainer import Trainer

SMALL = "--limit-train 60 --holdout 0 --epochs 6 --warm-up 1 --steps-per-epoch 2 --width 4 --blocks [1]".split()


def stopped_after(folder, epochs):
    """Train the folder's run on until so many epochs are done, then be interrupted."""

    def stop(trainer, row):
        if trainer.epoch == epochs:
            raise KeyboardInterrupt

    trainer = Trainer(processes.settings(), processes.images(), folder) if not checkpoint.saved(folder) else None
    trainer = trainer or Trainer.resume(folder, processes.images())
    with pytest.raises(KeyboardInterrupt):
        trainer.fit(progress=False, on_epoch=stop)


@pytest.fixture(scope="module")
def interrupted(tmp_path_factory):
    """A training that was stopped after one epoch and after three, then finished on another device; and its table."""
    folder = tmp_path_factory.mktemp("run")
    stopped_after(folder, 1)
    stopped_after(folder, 3)
    patch = pytest.MonkeyPatch()
    patch.setattr(provenance, "processor", lambda device: "another <b>processor</b>")
    trainer = Trainer.resume(folder, processes.images())
    trainer.fit(progress=False)
    patch.undo()
    return folder, trainer


def test_a_checkpoint_says_from_which_epoch_and_on_which_device_each_stretch_was_trained(interrupted):
    folder, trainer = interrupted
    stretches = checkpoint.load_newest(folder)["stretches"]
    assert [stretch["from_epoch"] for stretch in stretches] == [0, 1, 3]
    assert stretches[0]["device"] == provenance.processor(trainer.device) != stretches[2]["device"]
    dates = [stretch["date"] for stretch in stretches]
    assert dates == sorted(dates) and all(date.endswith("+00:00") for date in dates)


def test_a_stretch_that_finished_no_epoch_is_not_claimed(tmp_path, monkeypatch):
    stopped_after(tmp_path, 2)
    monkeypatch.setattr(Trainer, "train_semi", lambda *arguments: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        Trainer.resume(tmp_path, processes.images()).fit(progress=False)
    monkeypatch.undo()
    trainer = Trainer.resume(tmp_path, processes.images())
    trainer.fit(progress=False)
    assert [stretch["from_epoch"] for stretch in trainer.stretches] == [0, 2]


def test_a_fallback_to_the_checkpoint_before_the_newest_shows_in_the_stretches(tmp_path):
    stopped_after(tmp_path, 4)
    newest = tmp_path / "epoch-0004.pt"
    newest.write_bytes(newest.read_bytes()[:-1])
    trainer = Trainer.resume(tmp_path, processes.images())
    trainer.fit(progress=False)
    assert [stretch["from_epoch"] for stretch in trainer.stretches] == [0, 3]
    told = [line for line in trainer.run.warnings() if "epoch-0004.pt is damaged" in line]
    assert len(told) == 1  # said at once, and kept: in the log and the result
    assert told[0] in trainer.outcome()["warnings"]


def test_the_result_of_a_run_and_the_page_tell_resumes_devices_and_warnings(interrupted, tmp_path):
    folder, trainer = interrupted
    place, config = tmp_path / "one", trainer.config
    shutil.copytree(folder, place)
    labels = dict(dataset="fashion_mnist", noise="sym", rate=0.5, method="plremix", seed=0)
    described = dict(name="one", labels=labels, fingerprint=config.fingerprint(), epochs=5, parameters={})
    files.write_json(place / "cell.json", described)
    found = labels | dict(fingerprint=config.fingerprint(), notebook="05.ipynb", device="last", versions={"torch": "2"})
    found |= dict(wall_seconds=1.0) | run_one._figures(place, described)
    files.write_json(place / "result.json", found)
    files.write_json(tmp_path / "grid.json", dict(grid="tiny", reference="plremix", cells=["one"]))
    read = run_one.result(place, config.fingerprint())
    assert read["resumed"] == 2 and [stretch["from_epoch"] for stretch in read["stretches"]] == [0, 1, 3]
    assert read["warned"] == len(trainer.run.warnings()) and read["warnings"] == trainer.run.warnings()[:20]
    assert results.collect(tmp_path)[0]["state"].tolist() == ["done"]
    page = report.write(tmp_path).read_text()
    assert "2 (from epoch 1, 3)" in page and "then another &lt;b&gt;processor&lt;/b&gt;" in page
    assert (f"{read['warned']} warnings" in page) == bool(read["warned"])


def test_the_log_holds_every_epoch_once_and_its_warnings_before_it(interrupted):
    folder, trainer = interrupted
    lines = (folder / "log.txt").read_text().splitlines()
    epochs = [line.split()[0] for line in lines if line.startswith("epoch=")]
    assert epochs == [f"epoch={e}" for e in range(5)]
    warned = [line for line in lines if line.startswith("warning: ")]
    assert warned == trainer.run.warnings() and len(set(warned)) == len(warned)
    assert len(warned) + len(epochs) == len(lines)
    for text in [text for text in warned if text.startswith("warning: epoch ")]:
        number = text.split()[2].strip(",")
        later = next(i for i, line in enumerate(lines) if line.startswith(f"epoch={number} "))
        assert text in lines[:later]


def test_the_command_writes_a_result_that_says_how_it_went(tmp_path, monkeypatch):
    ran = CliRunner().invoke(main, ["train", *SMALL, "--out", str(tmp_path)])
    assert ran.exit_code == 0, ran.output
    found = files.read_json(tmp_path / "result.json")
    assert found["resumed"] == 0 and len(found["stretches"]) == 1 and 0 <= found["last"] <= found["best"] <= 1
    for path in tmp_path.glob("epoch-0006.*"):
        path.unlink()
    (tmp_path / "result.json").unlink()
    with pytest.raises(
        ValueError, match="options beside --resume must be --data, --images or --device, got '--epochs'"
    ):
        CliRunner().invoke(main, ["train", "--resume", str(tmp_path), "--epochs", "9"], catch_exceptions=False)
    ran = CliRunner().invoke(main, ["train", "--resume", str(tmp_path)])
    assert ran.exit_code == 0, ran.output
    again = files.read_json(tmp_path / "result.json")
    assert again["resumed"] == 1 and [stretch["from_epoch"] for stretch in again["stretches"]] == [0, 5]
    same = ("last", "best", "data", "fingerprint")
    assert {key: again[key] for key in same} == {key: found[key] for key in same}


def test_a_killed_process_leaves_an_account_of_its_stretches(tmp_path, tries):
    kills = 0
    for epoch in (1, 2, 4):
        process = processes.start(tmp_path)
        deadline = time.monotonic() + 100
        while tiny_epoch(tmp_path) < epoch and process.exitcode is None and time.monotonic() < deadline:
            time.sleep(0.002)
        if process.exitcode is None:
            processes.os.kill(process.pid, signal.SIGKILL)
            kills += 1
        process.join()
    assert processes.start(tmp_path).join() is None
    stretches = checkpoint.load_newest(tmp_path)["stretches"]
    begun = [stretch["from_epoch"] for stretch in stretches]
    assert begun == sorted(set(begun)) and begun[0] == 0 and 1 < len(begun) <= kills + 1
    assert json.loads((tmp_path / "outcome.json").read_text())
    tries(kills)


def tiny_epoch(folder):
    saved = checkpoint.saved(folder)
    return saved[0][0] if saved else 0
