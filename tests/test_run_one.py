"""A run's files: what is there is never lost, what cannot be written or read ends one attempt, not the sweep."""

import json
import shutil

import pytest

from plremix_core.engine import files
from plremix_core.sweeps import run_one


def test_a_cut_line_counts_as_an_attempt_and_the_next_one_has_its_own_line(tmp_path):
    for _ in range(2):
        run_one._begin(tmp_path)
    path = tmp_path / "attempts.jsonl"
    path.write_bytes(path.read_bytes()[:-30])
    run_one._begin(tmp_path)
    first, cut, last = path.read_text().splitlines()
    assert json.loads(first)["from_epoch"] == json.loads(last)["from_epoch"] == 0
    with pytest.raises(ValueError, match="Unterminated|Expecting"):
        json.loads(cut)


def test_a_run_that_failed_counts_as_failed_whatever_checkpoints_it_left(tmp_path):
    assert run_one.state(tmp_path, "x") == "waiting"
    (tmp_path / "epoch-3.pt").touch()
    assert run_one.state(tmp_path, "x") == "stopped"
    run_one.fail(tmp_path, "why")
    assert run_one.state(tmp_path, "x") == "failed"


# ------------------------------------------------------------------------------------------- full disks, lost folders


def test_a_run_whose_folder_is_lost_fails_and_says_why(tmp_path):
    found = run_one.run(str(tmp_path / "lost"), "", [], 0)
    assert found["status"] == "failed" and "FileNotFoundError" in found["reason"]
    assert "not noted in its folder" in found["reason"] and not (tmp_path / "lost").exists()


def test_a_run_on_a_full_disk_fails_and_says_why(tmp_path, monkeypatch):
    def full(path, content):
        raise OSError(28, "No space left on device", str(path))

    described = dict(name="one", notebook="05.ipynb", parameters={}, fingerprint="x", timeout=9, epochs=0)
    (tmp_path / "cell.json").write_text(json.dumps(described))
    monkeypatch.setattr(files, "write_atomic", full)
    found = run_one.run(str(tmp_path), "", [], 0)
    assert found["status"] == "failed" and found["reason"].count("No space left on device") == 2
    shutil.rmtree(tmp_path)
    assert run_one.fail(tmp_path, "why")["reason"].startswith("why (not noted in its folder: ")
