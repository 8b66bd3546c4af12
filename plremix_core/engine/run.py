"""The folder of one training: its lock, its log, its checkpoints and its history."""

import contextlib
import logging
import sys
from collections.abc import Iterator
from pathlib import Path

from tqdm.auto import tqdm

from . import checkpoint
from .checks import require
from .files import hold_lock, write_atomic
from .history import History

TOLD = 20  # warnings that a result holds; their number is told in any case
WRITTEN = ("epoch-", "history.csv.", "log.txt.", "attempts.jsonl.")  # how the names of unfinished files begin
log = logging.getLogger("plremix")


class _Log(logging.Handler):
    """Lines of ``log.txt``, and warnings for the screen, beside a bar of progress, where nothing else shows them."""

    def __init__(self, folder: Path | None, screen: bool) -> None:
        super().__init__()
        self.folder, self.screen = folder, screen

    def emit(self, record: logging.LogRecord) -> None:
        text, warns = record.getMessage(), record.levelno >= logging.WARNING
        text = f"{record.levelname.lower()}: {text}" if warns else text
        if self.screen and warns:
            tqdm.write(text, file=sys.stderr)
        if self.folder is not None:
            with contextlib.suppress(OSError):  # a full disk costs lines, and the next save says so
                with open(self.folder / "log.txt", "a", encoding="utf-8", errors="backslashreplace") as file:
                    file.write(f"{text}\n")


class Run:
    """A folder that a training writes into; without a folder nothing is written.

    It knows files, plain dicts and a table, and nothing of what is trained.
    """

    def __init__(self, folder: str | Path | None) -> None:
        self.folder = None if folder is None else Path(folder)

    @contextlib.contextmanager
    def hold(self) -> Iterator[None]:
        """Make the folder, keep other trainings out of it and log into it, while a training runs.

        What a killed one left half written is removed.
        """
        with contextlib.ExitStack() as stack:
            if self.folder is not None:
                self.folder.mkdir(parents=True, exist_ok=True)
                mine = stack.enter_context(hold_lock(self.folder / "training.lock"))
                remedy = "Another process trains there: wait for it, or choose another folder."
                require(mine, "folder", "used by one training at a time", str(self.folder), remedy)
                for stump in [stump for name in WRITTEN for stump in self.folder.glob(f"{name}*.tmp")]:
                    stump.unlink(missing_ok=True)
            stack.enter_context(self.logged())
            yield

    @contextlib.contextmanager
    def logged(self) -> Iterator[None]:
        """Write what the package logs into ``log.txt``; warnings also reach the screen where nothing shows them."""
        handler, level = _Log(self.folder, screen=not log.hasHandlers()), log.level
        log.addHandler(handler)
        log.setLevel(level or logging.INFO)
        try:
            yield
        finally:
            log.removeHandler(handler)
            log.setLevel(level)

    def load(self, parts: set[str]) -> dict:
        """Load the newest sound checkpoint; it must have the `parts` of a training's state."""
        state = checkpoint.load_newest(self.folder)
        missing = sorted(parts.difference(state if isinstance(state, dict) else ()))
        remedy = "Is it a run's folder? If so, set its newest checkpoint aside to go on from the one before."
        name = f"checkpoint in {self.folder}"
        require(not missing, name, "the state of a training", f"none of {missing}", remedy)
        return state

    def save(self, history: History, state: dict | None = None, epoch: int = 0) -> None:
        """Write the history and, last, a checkpoint, if there is one; a folder that was removed is made anew."""
        if self.folder is None:
            return
        if not self.folder.is_dir():
            self.folder.mkdir(parents=True)
            log.warning("%s was removed while training; it is made anew", self.folder)
        write_atomic(self.folder / "history.csv", history.table.to_csv(index=False).encode())
        if state is not None:
            checkpoint.save(state, self.folder, epoch)

    def warnings(self) -> list[str]:
        """Warnings of the log so far, each once."""
        path = None if self.folder is None else self.folder / "log.txt"
        lines = path.read_text("utf-8", "replace").splitlines() if path and path.is_file() else []
        return list(dict.fromkeys(line for line in lines if line.startswith(("warning: ", "error: "))))

    def outcome(self, state: dict, history: History) -> dict[str, object]:
        """What a training came to and how it went, for ``result.json``.

        Accuracies, seconds, the checksum of the data, `stretches` (those that finished an epoch: from which one, on
        which device), `resumed` (how many of them went on from a checkpoint), number and first of the `warnings`.
        """
        stretches = [stretch for stretch in state.get("stretches", []) if stretch["from_epoch"] < state["epoch"]]
        resumed, found = sum(stretch["from_epoch"] > 0 for stretch in stretches), self.warnings()
        figures = dict(last=history.last, best=history.best, chosen=history.chosen, data=state["data"])
        figures |= dict(seconds=float(history.table["seconds"].sum()), stretches=stretches, resumed=resumed)
        return figures | dict(warned=len(found), warnings=found[:TOLD])
