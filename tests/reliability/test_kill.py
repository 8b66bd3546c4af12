"""A training that is killed, at any moment, goes on from its newest checkpoint and ends with the same bits."""

import builtins
import datetime
import functools
import json
import os
import pickle
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import processes
import pytest
import torch

from plremix_core import trainer
from plremix_core.__main__ import run
from plremix_core.engine import checkpoint, files

SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)


@pytest.fixture(scope="module")
def straight(tmp_path_factory):
    """Sums of the training without an interruption, and the number of its steps."""
    folder = tmp_path_factory.mktemp("straight")
    process = processes.start(folder)
    assert ended(process) == 0
    return json.loads((folder / "outcome.json").read_text()), process.steps.value


@pytest.fixture
def at_load_8():
    """As many busy processes as are missing to a load of eight."""
    missing = max(0, round(8 - os.getloadavg()[0]))
    busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(missing)]
    yield
    for process in busy:
        process.kill()
        process.wait()


def ended(process):
    process.join(processes.PATIENCE)
    assert process.exitcode is not None, "the training hangs"
    return process.exitcode


def kill_often(straight, tmp_path, wanted, tries):
    """Kill `wanted` processes, each at the moment when it is seen to have done a drawn number of steps."""
    (expected, steps), rng, kills, runs, resumed = straight, random.Random(wanted), 0, 0, 0
    while kills < wanted:
        folder = tmp_path / str(runs)
        folder.mkdir(exist_ok=True)
        resumed += any(folder.glob("epoch-*.pt"))
        process, moment = processes.start(folder), rng.randrange(steps * 2 // 3)
        processes.wait_for(lambda: process.steps.value >= moment or process.exitcode is not None, f"step {moment}")  # noqa: B023
        if process.exitcode is None:
            os.kill(process.pid, SIGNALS[kills % 3])
            assert ended(process) != 0 or (folder / "outcome.json").exists()
            kills += 1
        processes.sound(folder)  # never an unreadable newest checkpoint
        if process.exitcode == 0:
            assert json.loads((folder / "outcome.json").read_text()) == expected
            runs += 1
    assert ended(processes.start(tmp_path / str(runs))) == 0
    assert json.loads((tmp_path / str(runs) / "outcome.json").read_text()) == expected
    assert resumed >= wanted // 4  # the moments were not all before the first checkpoint
    tries(kills)


def test_a_training_killed_at_random_moments_ends_with_the_bits_of_an_undisturbed_one(straight, tmp_path, tries):
    kill_often(straight, tmp_path, 9, tries)


@pytest.mark.long
@pytest.mark.timeout(3000)
def test_twenty_kills_on_a_busy_machine_lose_nothing(straight, tmp_path, at_load_8, tries):
    kill_often(straight, tmp_path, 20, tries)


def test_a_resumed_training_leaves_every_generator_in_the_same_state_byte_by_byte(tmp_path, monkeypatch, tries):
    """Every generator that an epoch makes, as it stands when the epoch has ended; the global ones are left alone."""
    made, kept, numpys = {}, [], []
    generator, default_rng = trainer.generator, np.random.default_rng

    def torchs(*keys):
        kept.append((keys, generator(*keys)))
        return kept[-1][1]

    def numpys_own(*arguments):
        numpys.append((arguments, default_rng(*arguments)))
        return numpys[-1][1]

    def note(one, row):
        states = [(keys, draws.get_state().numpy().tobytes()) for keys, draws in kept]
        states += [(str(keys), pickle.dumps(draws.bit_generator.state)) for keys, draws in numpys]
        made.setdefault(one.epoch, []).append(states)
        kept.clear(), numpys.clear()
        if one.epoch in stops:
            stops.remove(one.epoch)
            raise KeyboardInterrupt

    def global_states():
        return torch.get_rng_state().numpy().tobytes(), str(np.random.get_state()), random.getstate()  # noqa: NPY002

    before, stops = global_states(), []
    monkeypatch.setattr(trainer, "generator", torchs)
    monkeypatch.setattr(trainer.np.random, "default_rng", numpys_own)
    one = processes.Trainer(processes.settings(), processes.images())
    kept.clear(), numpys.clear()
    one.fit(progress=False, on_epoch=note)
    stops = [1, 3, 4]
    one = processes.Trainer(processes.settings(), processes.images(), tmp_path)
    while one.epoch < 5:
        kept.clear(), numpys.clear()
        try:
            one.fit(progress=False, on_epoch=note)
        except KeyboardInterrupt:
            one = processes.Trainer.resume(tmp_path, processes.images())
    assert [len(states) for states in made.values()] == [2] * 5
    for epoch, (straight, *others) in made.items():
        assert len(straight) == (2 if epoch <= 2 else 4) and all(states == straight for states in others), epoch
    assert global_states() == before
    tries(len(made))


def test_an_atomic_write_syncs_the_file_before_the_rename_and_the_folder_after_it(tmp_path, monkeypatch):
    fsync, replace, done = os.fsync, os.replace, []
    monkeypatch.setattr(os, "fsync", lambda d: (done.append(os.readlink(f"/proc/self/fd/{d}")), fsync(d)))
    monkeypatch.setattr(os, "replace", lambda *names: (done.append("rename"), replace(*names)))
    files.write_atomic(tmp_path / "x.json", b"{}")
    assert [Path(name).name.split(".")[0] for name in done] == ["x", "rename", tmp_path.name]


@pytest.mark.long
def test_a_training_killed_at_every_step_of_writing_its_files_ends_with_the_same_bits(tmp_path, tries):
    """Before each call that changes the disk: in the first save, and in the one that drops an old checkpoint."""
    short = dict(epochs=3, warm_up=1, steps_per_epoch=1)
    assert ended(processes.start(tmp_path, **short)) == 0
    expected, step, killed = json.loads((tmp_path / "outcome.json").read_text()), 0, True
    while killed:
        step += 1
        folder = tmp_path / str(step)
        folder.mkdir()
        killed = ended(processes.start(folder, die_at=step, **short)) == -signal.SIGKILL
        processes.sound(folder)
        assert not killed or ended(processes.start(folder, **short)) == 0
        assert json.loads((folder / "outcome.json").read_text()) == expected
        assert not list(folder.glob("*.tmp"))
        assert len(list(folder.glob("epoch-*"))) <= 2 * (checkpoint.KEEP + 1)
    assert step > 20
    tries(step - 1)


# ------------------------------------------------------------------------------- power failure, full and locked disks


def test_after_a_power_failure_at_any_moment_a_whole_checkpoint_is_left(tmp_path, monkeypatch, tries):
    """The model of a journalling file system: names are in order, but a file that was not synced may be empty."""
    folder, disk, synced, count = tmp_path / "run", {}, set(), 0
    fsync, replace, unlink = os.fsync, os.replace, os.unlink

    def power_fails():
        nonlocal count
        left = tmp_path / f"after {len(list(tmp_path.iterdir()))}"
        left.mkdir()
        for name, content in disk.items():
            (left / name).write_bytes(content)
        if any(name.endswith(".pt") for name in disk):
            processes.sound(left)
            count += 1

    def syncing(descriptor):
        fsync(descriptor)
        synced.add(os.path.basename(os.readlink(f"/proc/self/fd/{descriptor}")))

    def replacing(source, target):
        source, target = os.path.basename(source), os.path.basename(target)
        disk[target] = (folder / source).read_bytes() if source in synced else b""
        synced.discard(source)
        replace(folder / source, folder / target)
        power_fails()

    def unlinking(path, *arguments, **options):
        unlink(path, *arguments, **options)
        if disk.pop(os.path.basename(path), None) is not None:
            power_fails()

    monkeypatch.setattr(os, "fsync", syncing)
    monkeypatch.setattr(os, "replace", replacing)
    monkeypatch.setattr(os, "unlink", unlinking)
    for epoch in range(1, 6):
        checkpoint.save({"epoch": epoch}, folder, epoch)
    assert sorted(disk) == sorted(path.name for path in folder.iterdir())
    assert count >= 14
    tries(count)


DISK = """
import logging, subprocess, sys
from pathlib import Path
import processes
from plremix_core.engine import checkpoint
logging.basicConfig(level="WARNING")
folder = Path(sys.argv[1])
trainer = processes.Trainer(processes.settings(epochs=40, warm_up=1, steps_per_epoch=1), processes.images(48), folder)
def mount(*arguments):
    subprocess.run(["mount", *map(str, arguments)], check=True)
def spoil(trainer, row):
    if trainer.epoch == 3:  # before it is saved
        %s
try:
    trainer.fit(progress=False, on_epoch=spoil)
except OSError as error:
    print(error)
print("stumps", len(list(folder.glob("*.tmp"))), "sound", checkpoint.load_newest(folder)["epoch"])
"""
SPOIL = {
    "full": '(folder / "ballast").write_bytes(b"0" * 10**9)',
    "read-only": "for way in (['--bind', folder], ['-o', 'remount,ro,bind']): mount(*way, folder)",
}


def on_a_small_disk(folder, script, size="3m"):
    """Run a script on a disk of its own, in a mount namespace of its own; None where the system does not allow it."""
    user = [] if os.geteuid() == 0 else ["--map-root-user"]
    inside = f'mount -t tmpfs -o size={size} none "{folder}" && exec "{sys.executable}" -c "$0" "{folder}"'
    command = ["unshare", *user, "--mount", "sh", "-c", inside, script]
    if shutil.which("unshare") is None or subprocess.run(["unshare", *user, "--mount", "true"]).returncode:
        return None
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    return None if "mount" in done.stderr and "permi" in done.stderr.lower() else done


@pytest.mark.parametrize(
    ("way", "word"),
    [
        ("full", "No space left on device"),
        pytest.param("read-only", "Read-only file system", marks=pytest.mark.long),
    ],
)
def test_a_full_or_read_only_disk_stops_with_a_clear_error_and_the_last_state_whole(tmp_path, way, word):
    spoil = (
        SPOIL[way] if way == "read-only" else f"\n        try:\n            {SPOIL[way]}\n        except OSError: pass"
    )
    done = on_a_small_disk(tmp_path, DISK % spoil)
    if done is None:
        pytest.skip("no disk may be mounted here (unshare, tmpfs)")
    assert done.returncode == 0, done.stderr
    assert word in done.stdout and str(tmp_path) in done.stdout and "what was there before is whole" in done.stdout
    assert "stumps 0 sound 2" in done.stdout


@pytest.mark.parametrize("call", ["open", "fsync", "replace"])
def test_a_disk_that_fills_at_any_step_leaves_the_last_state_whole(tmp_path, monkeypatch, call, tries):
    """The same everywhere, with the error put in by hand at each call of a save."""
    place, count, failed = tmp_path / "run", 0, True
    processes.train(place, epochs=2, warm_up=1, steps_per_epoch=1)
    owner = builtins if call == "open" else os
    right = getattr(owner, call)
    while failed:
        left = [count]

        def full(*arguments, left=left, **options):
            left[0] -= 1
            writes = call != "open" or "wb" in arguments
            if writes and left[0] < 0:
                raise OSError(28, "No space left on device")
            return right(*arguments, **options)

        state = checkpoint.load_newest(place)
        monkeypatch.setattr(owner, call, full)
        try:
            checkpoint.save(state | {"epoch": 3}, place, 3)
            failed = False
        except OSError as error:
            assert "No space left on device; what was there before is whole" in str(error) and str(place) in str(error)
            count += 1
        finally:
            monkeypatch.setattr(owner, call, right)
        assert checkpoint.load_newest(place)["epoch"] == (2 if failed else 3)
        assert not list(place.glob("*.tmp"))
    assert count >= 2
    tries(count)


def test_a_folder_that_cannot_be_made_or_written_is_one_clear_line(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    small = "--limit-train 40 --holdout 0 --epochs 1 --warm-up 1 --steps-per-epoch 1 --width 4 --blocks [1]".split()
    monkeypatch.setattr("sys.argv", ["plremix", "train", *small, "--out", str(tmp_path / "file" / "run")])
    with pytest.raises(SystemExit, match=f"plremix: .*{tmp_path}/file"):
        run()


FILL = """
import subprocess, sys
from pathlib import Path
folder = Path(sys.argv[1])
with open(folder / "ballast", "wb", 0) as file:
    try:
        while True:
            file.write(bytes(4096))
    except OSError:
        pass
"""
LOCK = """
import subprocess, sys
from pathlib import Path
folder = Path(sys.argv[1])
subprocess.run(["mount", "-o", "remount,ro", folder], check=True)
"""


@pytest.mark.parametrize(
    ("spoil", "word"),
    [(FILL, "No space left on device"), pytest.param(LOCK, "Read-only file system", marks=pytest.mark.long)],
)
def test_the_command_ends_with_status_1_and_one_line_on_a_full_or_read_only_disk(tmp_path, spoil, word):
    small = "--limit-train 40 --holdout 0 --epochs 9 --warm-up 1 --steps-per-epoch 1 --width 4 --blocks [1]".split()
    command = [sys.executable, "-m", "plremix_core", "train", *small, "--out"]
    done = on_a_small_disk(tmp_path, f"{spoil}sys.exit(subprocess.run({command} + [folder / 'run']).returncode)")
    if done is None:
        pytest.skip("no disk may be mounted here (unshare, tmpfs)")
    assert done.returncode == 1 and word in done.stderr.splitlines()[-1] and "Traceback" not in done.stderr


def test_a_folder_removed_in_mid_run_is_made_anew_with_a_warning_and_nothing_is_lost(tmp_path, caplog):
    folder, short = tmp_path / "run", dict(epochs=4, warm_up=1, steps_per_epoch=1)

    def remove(trainer, row):
        if trainer.epoch in (1, 3):
            shutil.rmtree(folder)

    trainer = processes.Trainer(processes.settings(**short), processes.images(48), folder)
    trainer.fit(progress=False, on_epoch=remove)
    assert f"{folder} was removed while training; it is made anew" in caplog.text
    resumed = processes.Trainer.resume(folder, processes.images(48))
    assert processes.outcome(resumed) == processes.outcome(trainer) and resumed.epoch == 4
    assert len((folder / "history.csv").read_text().splitlines()) == 5


def test_a_clock_that_jumps_changes_nothing(straight, tmp_path, monkeypatch):
    """Years back and forth, in the clock and in the dates of the files."""
    years, expected = [0], straight[0]

    class Clock(datetime.datetime):
        @classmethod
        def now(cls, zone=None):
            return datetime.datetime(2030 + years[0], 1, 1, tzinfo=zone)

    monkeypatch.setattr(time, "time", lambda: 1e9 + 3e7 * years[0])
    monkeypatch.setattr(datetime, "datetime", Clock)

    def jump(trainer, row):
        years[0] += (-30, 50, -10)[trainer.epoch % 3]
        for path in tmp_path.glob("epoch-*"):
            os.utime(path, (1e9 - 1e8 * trainer.epoch,) * 2)
        if trainer.epoch == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        processes.Trainer(processes.settings(), processes.images(), tmp_path).fit(progress=False, on_epoch=jump)
    os.utime(tmp_path / "epoch-0002.pt", (4e9, 4e9))
    trainer = processes.Trainer.resume(tmp_path, processes.images())
    assert trainer.epoch == 3
    trainer.fit(progress=False)
    assert processes.outcome(trainer) == expected
    assert (trainer.history().table["seconds"] >= 0).all()
    dates = [stretch["date"][:4] for stretch in trainer.stretches]
    assert [stretch["from_epoch"] for stretch in trainer.stretches] == [0, 3] and dates[0] != dates[1]


def test_a_second_training_is_kept_out_of_the_folder_while_the_first_lives(tmp_path):
    first = processes.start(tmp_path, epochs=400)
    processes.wait_for(lambda: checkpoint.saved(tmp_path), "a checkpoint")
    second = processes.Trainer.resume(tmp_path, processes.images())
    with pytest.raises(
        ValueError, match="folder must be used by one training at a time, got .* Another process trains"
    ):
        second.fit(progress=False)
    first.kill()
    first.join()
    trainer = processes.Trainer.resume(tmp_path, processes.images())
    with pytest.raises(KeyboardInterrupt):
        trainer.fit(progress=False, on_epoch=interrupt)  # the lock went with its holder


def interrupt(trainer, row):
    raise KeyboardInterrupt


def test_what_a_lost_history_held_is_written_again_by_going_on(straight, tmp_path):
    trainer = processes.train(tmp_path)
    table = (tmp_path / "history.csv").read_bytes()
    (tmp_path / "history.csv").write_bytes(table[: len(table) // 2])
    assert processes.outcome(processes.train(tmp_path)) == processes.outcome(trainer) == straight[0]
    assert (tmp_path / "history.csv").read_bytes() == table


@pytest.mark.long
@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, -signal.SIGTERM)])
def test_the_command_ends_with_the_signals_status_and_says_how_to_go_on(tmp_path, number, status):
    small = "--limit-train 200 --holdout 0 --epochs 500 --warm-up 1 --steps-per-epoch 1 --width 4 --blocks [1]".split()
    command = [sys.executable, "-m", "plremix_core", "train", *small, "--out", str(tmp_path / "run")]
    heard = functools.partial(
        signal.signal, signal.SIGINT, signal.SIG_DFL
    )  # ignored by what a shell put into background
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, preexec_fn=heard)
    try:
        processes.wait_for(lambda: checkpoint.saved(tmp_path / "run"), "a checkpoint")
        process.send_signal(number)
        told = process.communicate(timeout=300)[1]
    finally:
        process.kill()
    assert process.returncode == status, told[-2000:]
    assert processes.sound(tmp_path / "run") >= 1
    assert number != signal.SIGINT or f"plremix train --resume {tmp_path / 'run'}" in told
