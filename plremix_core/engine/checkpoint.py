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


def load_newest(folder: Path) -> dict:
    """Load the newest checkpoint whose checksum fits, warning about each one that does not.

    If none can be read, the ValueError says what else the newest holds whose checksum fits.
    """
    foreign = []
    for _, path in saved(folder):
        content, expected = b"", b"missing"
        with contextlib.suppress(FileNotFoundError):  # no checksum, or a running training has just dropped it
            content, expected = path.read_bytes(), path.with_suffix(".sha256").read_bytes()
        if hashlib.sha256(content).hexdigest().encode() != expected:
            log.warning("checkpoint %s is damaged (not as its .sha256 says); trying the one before", path)
            continue
        try:
            return torch.load(io.BytesIO(content), weights_only=True, map_location="cpu")
        except Exception as error:  # a pickle that would run code, say
            reason = str(error).splitlines()[0]
            foreign.append(f"checkpoint must hold tensors and plain Python only, got {path}: {reason}. Set it aside.")
            log.warning("%s Trying the one before.", foreign[-1])
    require(foreign, "folder", "one with a readable checkpoint", str(folder), "Start again, in another folder.")
    raise ValueError(foreign[0])
