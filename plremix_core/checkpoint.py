"""Atomic checkpoints with a sum beside them: the last two are kept, a damaged one is noticed."""

import dataclasses
import hashlib
import io
import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from .checks import require

if TYPE_CHECKING:
    from .trainer import Trainer

KEEP = 2
log = logging.getLogger("plremix")


def write_atomic(path: Path, content: bytes | memoryview) -> None:
    """Write a file so that a reader sees the old or the new content, never a part."""
    temporary = path.with_name(path.name + ".tmp")
    try:
        with open(temporary, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError:  # full disk, say: leave no stump behind
        temporary.unlink(missing_ok=True)
        raise


def save(state: dict, folder: Path, epoch: int) -> Path:
    """Save `state` as ``epoch-NNNN.pt`` with its SHA-256 beside it and drop all but the newest two.

    Parameters
    ----------
    state : dict
        Tensors and plain Python only.
    folder : Path
        Made if missing.
    epoch : int
        Epochs finished.

    Returns
    -------
    Path
        The file.

    Source
    ------
    ours

    Differs
    -------
    The release saves every epoch's loss history and no random state.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"epoch-{epoch:04d}.pt"
    buffer = io.BytesIO()
    torch.save(state, buffer)
    content = buffer.getbuffer()  # a view: the networks of the paper have 184 MB
    write_atomic(path, content)
    write_atomic(path.with_suffix(".sha256"), hashlib.sha256(content).hexdigest().encode())
    others = sorted(other for other in folder.glob("epoch-*.pt") if other != path)
    for old in others[: len(others) - KEEP + 1]:
        old.unlink(missing_ok=True)
        old.with_suffix(".sha256").unlink(missing_ok=True)
    return path


def refuse_used(folder: Path) -> None:
    """Refuse to begin a training in a folder that holds the checkpoints of another one."""
    remedy = "Go on with Trainer.resume(folder), or choose another folder."
    used = any(folder.glob("epoch-*.pt"))
    require(not used, "folder", "without checkpoints of another training", str(folder), remedy)


def load_newest(folder: Path) -> dict:
    """Load the newest checkpoint whose sum fits, warning about each one that does not.

    Parameters
    ----------
    folder : Path
        Of a run.

    Returns
    -------
    dict
        As given to `save`.

    Raises
    ------
    ValueError
        If there is no readable checkpoint.

    Source
    ------
    ours

    Differs
    -------
    The release cannot resume.
    """
    for path in sorted(folder.glob("epoch-*.pt"), reverse=True):
        content = path.read_bytes()
        sum_file = path.with_suffix(".sha256")
        expected = sum_file.read_text() if sum_file.exists() else "missing"
        if hashlib.sha256(content).hexdigest() == expected:
            return torch.load(io.BytesIO(content), weights_only=True, map_location="cpu")
        log.warning(
            "checkpoint %s is damaged (its sha256 is not that of %s); trying the one before", path, sum_file.name
        )
    raise ValueError(
        f"folder must be one with a readable checkpoint, got {str(folder)!r}. Start again with Trainer(...).fit()."
    )


def state_of(trainer: "Trainer") -> dict:
    """Everything a trainer needs to go on; random states follow from the seed and the epoch."""
    return {
        "config": dataclasses.asdict(trainer.config),
        "data": trainer.data.fingerprint(),
        "epoch": trainer.epoch,
        "rows": trainer.rows,
        "nets": [net.state_dict() for net in trainer.nets],
        "optimizers": [optimizer.state_dict() for optimizer in trainer.optimizers],
        "adaptive": list(trainer.adaptive),
    }


def restore(trainer: "Trainer", state: dict) -> None:
    """Put a state into a new trainer of the same settings and data; other data are refused."""
    found = trainer.data.fingerprint()
    require(found == state["data"], "data", f"those of the run ({state['data']})", found, "Pass the run's own data.")
    for kind in ("nets", "optimizers"):
        for target, saved in zip(getattr(trainer, kind), state[kind]):
            target.load_state_dict(saved)
    trainer.adaptive = type(trainer.adaptive)(*(tensor.to(trainer.device) for tensor in state["adaptive"]))
    trainer.epoch, trainer.rows = state["epoch"], state["rows"]
