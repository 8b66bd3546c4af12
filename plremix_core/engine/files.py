"""Files that are whole or not there: atomic writing, JSON with a checksum of itself, locks."""

import contextlib
import errno
import hashlib
import json
import logging
import os
from collections.abc import Iterator
from pathlib import Path

import filelock

ROOT = Path(__file__).resolve().parents[2]  # of the repository
NO_LOCKS = (errno.ENOSYS, errno.EOPNOTSUPP)  # what a file system without locks answers
log = logging.getLogger("plremix")


def write_atomic(path: Path, content: bytes | memoryview) -> None:
    """Write a file so that a reader sees the old or the new content, never a part.

    If it cannot be written (a full disk, say) the old content stays, no stump is left, and the OSError names the file.
    """
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")  # another process may be writing the same file
    try:
        with open(temporary, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
        with contextlib.suppress(OSError):  # the rename outlives a power cut, where the system can
            folder = os.open(path.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
    except OSError as error:
        raise OSError(error.errno, f"{error.strerror}; what was there before is whole", str(path)) from error
    finally:  # also on Ctrl-C
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def read_text(path: Path) -> str:
    """Read a text that people wrote: UTF-8, or what its byte-order mark says; anything else is refused by name."""
    content = path.read_bytes()
    encoding = "utf-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        return content.decode(encoding).replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} must be text in UTF-8, got {error}. Save it again as UTF-8.") from error


def write_json(path: Path, content: dict[str, object]) -> None:
    """Write a mapping as JSON, atomically, with a checksum; numbers that JSON lacks (NaN, infinity) become null."""
    content = json.loads(json.dumps(content), parse_constant=lambda name: None)
    write_atomic(path, json.dumps(content | {"sum": checksum(content)}, indent=1).encode())


def read_json(path: Path) -> dict[str, object]:
    """Read a mapping; one that is missing, cut, of another form or does not fit its checksum, if any, is empty."""
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    expected = content.pop("sum", None) if isinstance(content, dict) else "of a mapping"
    return content if expected in (None, checksum(content)) else {}


def checksum(content: object) -> str:
    """First 12 hex digits of the SHA-256 of what JSON can hold."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:12]


@contextlib.contextmanager
def hold_lock(path: Path, patience: float = 0.0) -> Iterator[bool]:
    """Hold a lock while the block runs; yields False if another process has it after `patience` seconds.

    The lock is the system's own and goes with its process, however that ends.
    """
    lock, mine = filelock.FileLock(path, timeout=patience), True
    try:
        lock.acquire()
    except filelock.Timeout:
        mine = False
    except (NotImplementedError, OSError) as error:  # some network file systems
        if getattr(error, "errno", errno.ENOSYS) not in NO_LOCKS:
            raise
        log.warning("%s knows no locks: take care that no other training uses it", path.parent)
    try:
        yield mine
    finally:
        lock.release()
