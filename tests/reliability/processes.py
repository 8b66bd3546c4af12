"""A training of a second that is started, stopped, damaged and compared by the tests beside this file."""

import faulthandler
import hashlib
import json
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

import tiny
import torch
from tqdm import tqdm

from plremix_core.config import Config
from plremix_core.data import Dataset
from plremix_core.engine import checkpoint
from plremix_core.trainer import Trainer

SETTINGS = dict(
    width=8, blocks=(1, 1), batch_size=16, epochs=5, warm_up=2, steps_per_epoch=4, ramp_epochs=2, lr_drops=(4,)
)
PATIENCE = 600  # seconds after which a test calls it a hang, at any load


def settings(**changes: object) -> Config:
    """A small plremix training on the CPU."""
    return tiny.settings(**(SETTINGS | changes))


def images(n: int = 200, wrong: float = 0.4, seed: int = 0, size: int = 8) -> Dataset:
    """The images of bars that the tests beside this file train on."""
    return tiny.bars(n, wrong, seed, size)


def outcome(trainer: Trainer) -> dict[str, str]:
    """Sums of everything that a training leaves: weights, momentum, selection; its history; the split they make."""
    table = trainer.history().table.drop(columns="seconds")
    splits = [trainer.split(trainer.per_sample(net), trainer.epoch, m) for m, net in enumerate(trainer.nets)]
    split = b"".join(found.p_clean.tobytes() for found in splits)
    sums = dict(history=table.to_csv(index=False).encode(), split=split)
    return {"weights": tiny.checksum(trainer)} | {name: hashlib.sha256(x).hexdigest() for name, x in sums.items()}


def train(folder: Path, **changes: object) -> Trainer:
    """Begin the training of a folder, or go on with it, to its end."""
    fresh = not any(folder.glob("epoch-*.pt"))
    trainer = Trainer(settings(**changes), images(), folder) if fresh else Trainer.resume(folder, images())
    trainer.fit(progress=False)
    return trainer


def plain(value: object) -> object:
    """A state without what differs between equal trainings: times and stretches."""
    if isinstance(value, torch.Tensor):
        return value.tolist()
    if isinstance(value, dict):
        return {key: plain(v) for key, v in value.items() if key not in ("seconds", "stretches")}
    return [plain(v) for v in value] if isinstance(value, (list, tuple)) else value


# ------------------------------------------------------------------------------------------ processes to be killed


def attempt(folder: str, settings_json: str, die_at: int, steps: object) -> None:
    """What a process does: train to the end and leave the sums; if told so, die at the n-th step of writing files.

    `steps` counts the steps of SGD, for whoever waits for one of them.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    torch.set_num_threads(1)
    tqdm.set_lock(
        threading.RLock()
    )  # its own is shared by all forks: one killed while it holds it would block the rest
    faulthandler.dump_traceback_later(PATIENCE, exit=True)  # a hang is told, not waited for
    place = Path(folder)
    descend = Trainer.descend

    def counted(self, *arguments):
        descend(self, *arguments)
        steps.value += 1

    Trainer.descend = counted
    if die_at:
        _die_at(die_at, place)
    try:
        trainer = train(place, **json.loads(settings_json))
    except KeyboardInterrupt:
        os._exit(130)
    (place / "outcome.json").write_text(json.dumps(outcome(trainer)))
    os._exit(0)


def _die_at(step: int, folder: Path) -> None:
    """SIGKILL this process before its n-th call that changes the disk, those of the save of epoch 2 not counted."""
    left = [step]

    def dying(call):
        def wrapped(*arguments, **options):
            left[0] -= len(list(folder.glob("epoch-*.pt"))) != 1
            if not left[0]:
                os.kill(os.getpid(), signal.SIGKILL)
            return call(*arguments, **options)

        return wrapped

    for name in ("fsync", "replace", "unlink"):
        setattr(os, name, dying(getattr(os, name)))


def start(folder: Path, die_at: int = 0, **changes: object) -> multiprocessing.Process:
    """A process that trains in `folder`; torch is loaded once, in the server that processes are forked from."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["processes", "sklearn.mixture", "pandas"])
    steps = context.Value("i", 0, lock=False)
    process = context.Process(target=attempt, args=(str(folder), json.dumps(changes), die_at, steps), daemon=True)
    process.steps = steps
    process.start()
    return process


def wait_for(happened: Callable[[], bool], what: str) -> None:
    """Wait until something has happened, however slow the machine; only a hang ends it."""
    deadline = time.monotonic() + PATIENCE
    while not happened():
        assert time.monotonic() < deadline, f"waited {PATIENCE} s for {what}"
        time.sleep(0.002)


def sound(folder: Path) -> int:
    """Epoch of the newest checkpoint; 0 if there is none; raises if there are some and none can be read."""
    numbers = checkpoint.saved(folder)
    return checkpoint.load_newest(folder)["epoch"] if numbers else 0
