"""Atomic checkpoints with a sum beside them: the last two are kept, a damaged one is noticed."""

import contextlib
import dataclasses
import hashlib
import io
import logging
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from .checks import require
from .files import write_atomic

if TYPE_CHECKING:
    from ..trainer import Trainer

KEEP = 2
STATE = {"config", "data", "epoch", "rows", "nets", "optimizers", "adaptive"}
log = logging.getLogger("plremix")


def saved(folder: Path) -> list[tuple[int, Path]]:
    """Epoch and file of every checkpoint in a folder, the newest first; by number: 10000 comes after 9999."""
    numbers = [(path.stem.removeprefix("epoch-"), path) for path in folder.glob("epoch-*.pt")]
    return sorted(((int(number), path) for number, path in numbers if number.isdecimal()), reverse=True)


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
    write_atomic(path.with_suffix(".sha256"), hashlib.sha256(content).hexdigest().encode())  # first: no file without
    write_atomic(path, content)
    others = [other for _, other in saved(folder) if other != path]
    for old in others[KEEP - 1 :]:
        old.with_suffix(".sha256").unlink(missing_ok=True)  # first: the next save finds what a kill leaves here
        old.unlink(missing_ok=True)
    return path


def refuse_used(folder: Path) -> None:
    """Refuse to begin a training in a folder that holds the checkpoints of another one."""
    remedy = "Go on with Trainer.resume(folder), or choose another folder."
    require(not saved(folder), "folder", "without checkpoints of another training", str(folder), remedy)


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
        If there is no readable checkpoint; where the sums fit, the message says what else the newest holds.

    Source
    ------
    ours

    Differs
    -------
    The release cannot resume.
    """
    foreign = None
    for _, path in saved(folder):
        sum_file, content, expected = path.with_suffix(".sha256"), b"", b"missing"
        with contextlib.suppress(FileNotFoundError):  # no sum, or a running training has just dropped it
            content, expected = path.read_bytes(), sum_file.read_bytes()
        if hashlib.sha256(content).hexdigest().encode() == expected:
            try:
                return _loaded(path, content)
            except ValueError as error:
                foreign = foreign or error
                log.warning("%s Trying the one before.", error)
                continue
        log.warning(
            "checkpoint %s is damaged (its sha256 is not that of %s); trying the one before", path, sum_file.name
        )
    raise foreign or ValueError(
        f"folder must be one with a readable checkpoint, got {str(folder)!r}. Start again with Trainer(...).fit()."
    )


def _loaded(path: Path, content: bytes) -> dict:
    try:
        return torch.load(io.BytesIO(content), weights_only=True, map_location="cpu")
    except Exception as error:  # a pickle that would run code, say
        reason = str(error).splitlines()[0]
        text = f"checkpoint must hold tensors and plain Python only, got {path}: {reason}. Set it aside."
        raise ValueError(text) from error


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
        "stretches": trainer.stretches,
        "notes": trainer.notes,
    }


def require_whole(state: object, folder: Path) -> None:
    """Refuse what is no state of a training although its sum fits."""
    missing = sorted(STATE - set(state)) if isinstance(state, dict) else sorted(STATE)
    remedy = "Is it a run's folder? If so, delete its newest checkpoint to go on from the one before."
    require(not missing, f"checkpoint in {folder}", "the state of a training", f"none of {missing}", remedy)


def restore(trainer: "Trainer", state: dict) -> None:
    """Put a state into a new trainer of the same settings and data; other data are refused."""
    found = trainer.data.fingerprint()
    require(found == state["data"], "data", f"those of the run ({state['data']})", found, "Pass the run's own data.")
    for net, content in zip(trainer.nets, state["nets"]):
        net.load_state_dict(content)
    for optimizer, content in zip(trainer.optimizers, state["optimizers"]):
        kernel = {"fused": optimizer.defaults["fused"]}  # that of this device
        groups = [group | kernel for group in content["param_groups"]]
        optimizer.load_state_dict(content | {"param_groups": groups})
    trainer.adaptive = type(trainer.adaptive)(*(tensor.to(trainer.device) for tensor in state["adaptive"]))
    trainer.epoch, trainer.rows = state["epoch"], state["rows"]
    trainer.stretches, trainer.notes = state.get("stretches", []), state.get("notes", [])  # old checkpoints have none
