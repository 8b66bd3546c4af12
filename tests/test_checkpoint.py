"""Checkpoints: atomic, two kept, damage noticed."""

import errno
import fcntl
import hashlib
import os
import re
import subprocess
import sys
import warnings

import pytest
import torch

from plremix_core.engine import checkpoint, files
from plremix_core.engine.run import Run


def state(epoch):
    return {"epoch": epoch, "weight": torch.arange(1000.0) + epoch, "rows": [{"lr": 0.1, "clean": 3}]}


@pytest.fixture
def folder(tmp_path):
    """A run with checkpoints of epochs 1 and 2."""
    for epoch in (1, 2):
        checkpoint.save(state(epoch), tmp_path, epoch)
    return tmp_path


def epochs(folder):
    return sorted(path.name for path in folder.iterdir())


def assert_is(found, epoch):
    assert found["epoch"] == epoch
    assert (found["weight"] == state(epoch)["weight"]).all()
    assert found["rows"] == state(epoch)["rows"]


def test_what_was_saved_comes_back(folder):
    assert_is(checkpoint.load_newest(folder), 2)


def test_the_folder_is_made_and_the_path_returned(tmp_path):
    path = checkpoint.save(state(7), tmp_path / "a" / "b", 7)
    assert path == tmp_path / "a" / "b" / "epoch-0007.pt"
    assert path.exists()


def test_the_sum_beside_a_checkpoint_is_its_sha256(folder):
    content = (folder / "epoch-0002.pt").read_bytes()
    assert (folder / "epoch-0002.sha256").read_text() == hashlib.sha256(content).hexdigest()


def test_the_newest_two_are_kept(folder):
    for epoch in range(3, 13):
        checkpoint.save(state(epoch), folder, epoch)
    assert epochs(folder) == ["epoch-0011.pt", "epoch-0011.sha256", "epoch-0012.pt", "epoch-0012.sha256"]
    assert_is(checkpoint.load_newest(folder), 12)


def test_what_was_just_saved_is_never_the_one_that_is_dropped(folder):
    for epoch in (40, 41, 1):
        path = checkpoint.save(state(epoch), folder, epoch)
    assert path.exists()


def cut(share):
    return lambda content: content[: int(share * len(content))]


def flipped(content):
    content = bytearray(content)
    content[len(content) // 2] ^= 1
    return bytes(content)


DAMAGE = {"empty": cut(0), "a tenth": cut(0.1), "half": cut(0.5), "almost whole": cut(0.999), "one bit": flipped}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_newest_checkpoint_falls_back_to_the_one_before_with_a_warning(folder, damage, caplog):
    path = folder / "epoch-0002.pt"
    path.write_bytes(damage(path.read_bytes()))
    assert_is(checkpoint.load_newest(folder), 1)
    (record,) = caplog.records
    assert record.levelname == "WARNING"
    assert "epoch-0002.pt is damaged" in record.getMessage()
    assert "trying the one before" in record.getMessage()


def test_a_missing_sum_counts_as_damage(folder, caplog):
    (folder / "epoch-0002.sha256").unlink()
    assert_is(checkpoint.load_newest(folder), 1)
    assert "epoch-0002.pt is damaged" in caplog.text


def test_a_sound_newest_checkpoint_gives_no_warning(folder, caplog):
    checkpoint.load_newest(folder)
    assert not caplog.records


def test_all_damaged_is_an_error_that_names_the_folder(folder, caplog):
    for path in folder.glob("*.pt"):
        path.write_bytes(flipped(path.read_bytes()))
    message = "folder must be one with a readable checkpoint, got " + re.escape(repr(str(folder))) + ". Start again"
    with pytest.raises(ValueError, match=message):
        checkpoint.load_newest(folder)
    assert len(caplog.records) == 2


@pytest.mark.parametrize("name", ["", "missing"])
def test_a_folder_without_checkpoints_is_refused(tmp_path, name):
    with pytest.raises(ValueError, match="folder must be one with a readable checkpoint, got '.*'. Start again, in"):
        checkpoint.load_newest(tmp_path / name)


class Trap:
    """What a hostile checkpoint would run on loading."""

    def __reduce__(self):
        return (pytest.fail, ("the pickle was executed",))


def test_pickled_code_is_never_executed(tmp_path):
    checkpoint.save({"trap": Trap()}, tmp_path, 1)
    with pytest.raises(Exception, match=r"(?i)weights.only|checkpoint"):
        checkpoint.load_newest(tmp_path)


def test_a_newest_checkpoint_that_holds_a_pickle_falls_back_to_the_one_before_with_a_warning(folder, caplog):
    path = checkpoint.save({"epoch": 3, "trap": Trap()}, folder, 3)
    assert_is(checkpoint.load_newest(folder), 2)
    assert f"tensors and plain Python only, got {path}" in caplog.text and "Trying the one before" in caplog.text


# ------------------------------------------------------------------------------------------------------ one at a time

HOLD = "import sys; from plremix_core.engine.run import Run\n"
HOLD += "with Run(sys.argv[1]).hold(): print('held', flush=True); sys.stdin.read()"


@pytest.mark.slow
def test_a_second_training_is_refused_until_the_process_of_the_first_has_ended(tmp_path):
    command = [sys.executable, "-c", HOLD, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(ValueError, match="Another process trains there: wait for it"), Run(tmp_path).hold():
            pass
        holder.stdin.close()
    with Run(tmp_path).hold():
        pass


@pytest.mark.parametrize("number", [errno.ENOSYS, errno.EOPNOTSUPP])
def test_a_file_system_without_locks_is_used_with_a_warning(tmp_path, monkeypatch, caplog, number):
    def refuse(*_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", refuse)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        with files.hold_lock(tmp_path / "lock") as mine:
            assert mine
        with Run(tmp_path / "run").hold():
            assert (tmp_path / "run").exists()
    soft = any("flock not supported" in str(warning.message) for warning in told)  # what newer versions of filelock do
    assert soft or "knows no locks" in caplog.text


def test_an_error_of_a_lock_that_is_not_about_locks_is_not_hidden(tmp_path, monkeypatch):
    def fail(*_):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(fcntl, "flock", fail)
    with pytest.raises(OSError, match="Input/output error"), files.hold_lock(tmp_path / "lock"):
        pass


# --------------------------------------------------------------------------------------------- interrupted writes


def full_disk(*args):
    raise OSError(28, "No space left on device")


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_write_that_fails_leaves_the_old_content(tmp_path, monkeypatch, call):
    path = tmp_path / "history.csv"
    files.write_atomic(path, b"old")
    monkeypatch.setattr(os, call, full_disk)
    with pytest.raises(OSError, match="No space left"):
        files.write_atomic(path, b"new, and longer")
    assert path.read_bytes() == b"old"


def test_a_write_that_fails_leaves_no_stump(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "fsync", full_disk)
    with pytest.raises(OSError, match="No space left"):
        files.write_atomic(tmp_path / "history.csv", b"new")
    assert epochs(tmp_path) == []


@pytest.mark.parametrize("calls", [1, 2], ids=["sum not written", "checkpoint not written"])
def test_a_save_that_fails_leaves_the_checkpoint_before_it_loadable(folder, monkeypatch, calls):
    replace, count = os.replace, []

    def breaks(*args):
        count.append(args)
        return full_disk() if len(count) == calls else replace(*args)

    monkeypatch.setattr(os, "replace", breaks)
    with pytest.raises(OSError, match="No space left"):
        checkpoint.save(state(3), folder, 3)
    assert_is(checkpoint.load_newest(folder), 2)


def test_a_reader_never_sees_a_part(tmp_path, monkeypatch):
    path = tmp_path / "x"
    files.write_atomic(path, b"old")
    seen, replace = [], os.replace

    def watched(source, target):
        seen.append(path.read_bytes())
        replace(source, target)
        seen.append(path.read_bytes())

    monkeypatch.setattr(os, "replace", watched)
    files.write_atomic(path, b"new")
    assert seen == [b"old", b"new"]
    assert epochs(tmp_path) == ["x"]
