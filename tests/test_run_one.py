"""A run's files: what is there is never lost, what cannot be written or read ends one attempt, not the sweep."""

import json
import shutil

import pytest

from plremix_core.engine import checkpoint, files
from plremix_core.sweeps import run_one
from plremix_core.trainer import Trainer


def state(epoch: int) -> dict:
    return dict.fromkeys(Trainer.STATE, 0) | {"epoch": epoch}


def attempts(folder) -> list[dict]:
    return [json.loads(line) for line in (folder / "attempts.jsonl").read_text().splitlines()]


def names(folder) -> list[str]:
    return sorted(path.name for path in folder.glob("epoch-*"))


def test_a_foreign_newest_checkpoint_does_not_cost_the_sound_one_before(tmp_path):
    checkpoint.save(state(1), tmp_path, 1)
    checkpoint.save({"foreign": pytest.fail}, tmp_path, 2)
    before = names(tmp_path)
    run_one._begin(tmp_path)
    assert names(tmp_path) == before and len(before) == 4
    assert attempts(tmp_path)[-1]["from_epoch"] == 1 and "restarted" not in attempts(tmp_path)[-1]


@pytest.mark.parametrize("content", [{"foreign": pytest.fail}, {"epoch": 3}, [1, 2]], ids=["pickle", "part", "list"])
def test_what_cannot_be_resumed_is_set_aside_and_the_restart_is_noted(tmp_path, content):
    path = checkpoint.save(content, tmp_path, 2)
    whole = path.read_bytes()
    run_one._begin(tmp_path)
    assert names(tmp_path) == ["epoch-0002.pt.damaged", "epoch-0002.sha256.damaged"]
    assert (tmp_path / "epoch-0002.pt.damaged").read_bytes() == whole and run_one.epoch(tmp_path) == 0
    (attempt,) = attempts(tmp_path)
    assert attempt["from_epoch"] == 0 and attempt["restarted"] is True
    run_one._begin(tmp_path)
    assert "restarted" not in attempts(tmp_path)[-1] and len(names(tmp_path)) == 2


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
