"""Atomic checkpoints with a checksum beside them: the last two are kept, a damaged one is noticed."""

import contextlib
import hashlib
import io
import logging
from pathlib import Path

import torch

from .checks import require
from .files import write_atomic

KEEP = 2
log = logging.getLogger("plremix")


def saved(folder: Path) -> list[tuple[int, Path]]:
    """Epoch and file of every checkpoint in a folder, the newest first; by number: 10000 comes after 9999."""
    numbers = [(path.stem.removeprefix("epoch-"), path) for path in folder.glob("epoch-*.pt")]
    return sorted(((int(number), path) for number, path in numbers if number.isdecimal()), reverse=True)


def save(state: dict, folder: Path, epoch: int) -> Path:
    """Save `state` (tensors and plain Python) as ``epoch-NNNN.pt``, which is returned; the newest two are kept."""
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
    """Load the newest checkpoint whose checksum fits, warning about each one that does not.

    Raises
    ------
    ValueError
        If there is no readable checkpoint; where the checksums fit, the message says what else the newest holds.
    """
    foreign = None
    for _, path in saved(folder):
        checksum, content, expected = path.with_suffix(".sha256"), b"", b"missing"
        with contextlib.suppress(FileNotFoundError):  # no checksum, or a running training has just dropped it
            content, expected = path.read_bytes(), checksum.read_bytes()
        if hashlib.sha256(content).hexdigest().encode() == expected:
            try:
                return _read(path, content)
            except ValueError as error:
                foreign = foreign or error
                log.warning("%s Trying the one before.", error)
                continue
        text = "checkpoint %s is damaged (its sha256 is not that of %s); trying the one before"
        log.warning(text, path, checksum.name)
    raise foreign or ValueError(
        f"folder must be one with a readable checkpoint, got {str(folder)!r}. Start again with Trainer(...).fit()."
    )


def _read(path: Path, content: bytes) -> dict:
    try:
        return torch.load(io.BytesIO(content), weights_only=True, map_location="cpu")
    except Exception as error:  # a pickle that would run code, say
        reason = str(error).splitlines()[0]
        text = f"checkpoint must hold tensors and plain Python only, got {path}: {reason}. Set it aside."
        raise ValueError(text) from error


def require_whole(state: object, parts: set[str], folder: Path) -> None:
    """Refuse what lacks one of the `parts` of a training's state although its checksum fits."""
    missing = sorted(parts - set(state)) if isinstance(state, dict) else sorted(parts)
    remedy = "Is it a run's folder? If so, set its newest checkpoint aside to go on from the one before."
    require(not missing, f"checkpoint in {folder}", "the state of a training", f"none of {missing}", remedy)
