"""The folder of one training: its lock, its log, its checkpoints and its history."""

import contextlib
import datetime
import logging
import logging.handlers
import sys
from collections.abc import Iterator
from pathlib import Path

from tqdm.auto import tqdm

from . import checkpoint
from .files import folder_lock
from .history import History

TOLD = 20  # warnings that a result holds; their number is told in any case
log = logging.getLogger("plremix")


class _Lines(logging.Formatter):
    """Plain lines; a warning says that it is one."""

    def format(self, record: logging.LogRecord) -> str:
        text = record.getMessage()
        return f"{record.levelname.lower()}: {text}" if record.levelno >= logging.WARNING else text


class _Screen(logging.Handler):
    """The screen, beside a bar of progress."""

    def emit(self, record: logging.LogRecord) -> None:
        tqdm.write(self.format(record), file=sys.stderr)


class _File(logging.handlers.WatchedFileHandler):
    """A log that is made anew where it was removed; a full disk costs lines, and the next save says so."""

    def handleError(self, record: logging.LogRecord) -> None:
        pass


class Run:
    """A folder that a training writes into; without a folder nothing is written.

    It knows files, plain dicts and a table, and nothing of what is trained.
    """

    def __init__(self, folder: str | Path | None) -> None:
        self.folder = None if folder is None else Path(folder)

    @contextlib.contextmanager
    def hold(self) -> Iterator[None]:
        """Keep other trainings out of the folder, and log into it, while a training runs."""
        with folder_lock(self.folder), self.logged():
            yield

    @contextlib.contextmanager
    def logged(self) -> Iterator[None]:
        """Write what the package logs into ``log.txt``; warnings also reach the screen where nothing shows them."""
        handlers: list[logging.Handler] = []
        if not log.hasHandlers():
            handlers.append(_Screen())
            handlers[0].setLevel(logging.WARNING)
        if self.folder is not None and self.folder.is_dir():
            handlers.append(_File(self.folder / "log.txt", encoding="utf-8", delay=True, errors="backslashreplace"))
        level = log.level
        for handler in handlers:
            handler.setFormatter(_Lines())
            log.addHandler(handler)
        if log.level == logging.NOTSET:
            log.setLevel(logging.INFO)
        try:
            yield
        finally:
            log.setLevel(level)
            for handler in handlers:
                log.removeHandler(handler)
                handler.close()

    @staticmethod
    def stretch(epoch: int, device: str) -> dict[str, object]:
        """Where and when a stretch of training begins."""
        now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        return dict(from_epoch=epoch, device=device, date=now)

    def refuse_used(self) -> None:
        """Refuse to begin a training in a folder that holds the checkpoints of another one."""
        if self.folder is not None:
            checkpoint.refuse_used(self.folder)

    def write(self, history: History) -> None:
        """Write the history alone."""
        if self.folder is not None:
            history.save(self.folder / "history.csv")

    def load(self, parts: set[str]) -> dict:
        """Load the newest sound checkpoint; it must have the `parts` of a training's state."""
        state = checkpoint.load_newest(self.folder)
        checkpoint.require_whole(state, parts, self.folder)
        return state

    def save(self, state: dict, history: History, epoch: int) -> None:
        """Write the history and, last, a checkpoint, atomically; a folder that was removed is made anew."""
        if self.folder is not None:
            if not self.folder.is_dir():
                self.folder.mkdir(parents=True)
                log.warning("%s was removed while training; it is made anew", self.folder)
            self.write(history)
            checkpoint.save(state, self.folder, epoch)

    def warnings(self) -> list[str]:
        """Warnings of the log so far, each once."""
        path = None if self.folder is None else self.folder / "log.txt"
        text = path.read_text("utf-8", "replace") if path and path.is_file() else ""
        return list(dict.fromkeys(line for line in text.splitlines() if line.startswith(("warning: ", "error: "))))

    def outcome(self, state: dict, history: History) -> dict[str, object]:
        """What a training came to and how it went, for ``result.json``.

        Accuracies, seconds, the checksum of the data, `stretches` (those that finished an epoch: from which one, on
        which device), `resumed` (how many of them went on from a checkpoint), number and first of the `warnings`.
        """
        stretches = [stretch for stretch in state.get("stretches", []) if stretch["from_epoch"] < state["epoch"]]
        found = self.warnings()
        return dict(
            last=history.last,
            best=history.best,
            chosen=history.chosen if history.chosen == history.chosen else None,
            seconds=float(history.table["seconds"].sum()),
            data=state["data"],
            stretches=stretches,
            resumed=sum(stretch["from_epoch"] > 0 for stretch in stretches),
            warned=len(found),
            warnings=found[:TOLD],
        )
