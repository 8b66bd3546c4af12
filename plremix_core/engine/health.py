"""What happens in a training besides its figures: interruptions, warnings, collapses. Told at once and kept."""

import contextlib
import datetime
import functools
import logging
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import torch

from ..config import Config
from ..data.dataset import Dataset
from . import distributed, provenance
from .checks import require
from .files import write_atomic
from .history import History

if TYPE_CHECKING:
    from ..trainer import Trainer

COLLAPSED = 0.99  # share of predictions for one class, and length of the mean projection, that no sound network reaches
ONE_CLASS = 0.9  # share of one given label above which predicting it always is no fault
SAMPLE = 256  # images that are looked at where there is no divide pass
TOLD = 20  # warnings that a result holds; their number is told in any case
log = logging.getLogger("plremix")


class _Listener(logging.Handler):
    """Hands every warning on as a line of text."""

    def __init__(self, tell: Callable[[str], None]) -> None:
        super().__init__(logging.WARNING)
        self.tell = tell

    def emit(self, record: logging.LogRecord) -> None:
        self.tell(f"{record.levelname.lower()}: {record.getMessage()}")


@contextlib.contextmanager
def listening(tell: Callable[[str], None] | None = None) -> Iterator[list[str]]:
    """Call `tell` with every warning of the package while it lasts; without it, the list holds them."""
    heard: list[str] = []
    listener = _Listener(tell or heard.append)
    log.addHandler(listener)
    try:
        yield heard
    finally:
        log.removeHandler(listener)


def note(trainer: "Trainer", text: str) -> None:
    """Add a warning to the notes of a training and, at once, to its ``log.txt``."""
    trainer.notes.append([trainer.epoch, text])
    if trainer.folder is not None and distributed.rank() == 0:
        with contextlib.suppress(OSError), open(trainer.folder / "log.txt", "a", encoding="utf-8") as file:
            file.write(text + "\n")


def keep(trainer: "Trainer", heard: list[str]) -> None:
    """Add warnings from before a training goes on to its notes, each of them once."""
    told = {text for _, text in trainer.notes}
    trainer.notes += [[trainer.epoch, text] for text in dict.fromkeys(heard) if text not in told]


@contextlib.contextmanager
def watched(trainer: "Trainer") -> Iterator[None]:
    """Note where this stretch begins and, while it lasts, every warning.

    Parameters
    ----------
    trainer : Trainer
        Its `stretches` and `notes` grow; both go into the checkpoints.

    Raises
    ------
    ValueError
        If the trainer was interrupted within an epoch: its networks have seen a part of it.
    """
    remedy = "Go on with Trainer.resume(folder), or make a new trainer."
    where = f"one that was in epoch {trainer.epoch}"
    require(trainer.whole, "trainer", "one that was not interrupted within an epoch", where, remedy)
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    device = provenance.processor(trainer.device)
    trainer.stretches.append(dict(from_epoch=trainer.epoch, device=device, date=now))
    with listening(functools.partial(note, trainer)):
        yield


def lines(history: History, notes: list) -> list[str]:
    """The log of a training: the warnings of each epoch, then its line."""
    found = []
    for row, line in zip(history.table.to_dict("records"), history.lines()):
        found += [text for epoch, text in notes if epoch == row["epoch"]] + [line]
    return found


def write_history(trainer: "Trainer") -> None:
    """Write ``history.csv`` and ``log.txt`` into the run's folder, if it has one."""
    if trainer.folder is not None and distributed.rank() == 0:
        history = trainer.history()
        history.save(trainer.folder / "history.csv")
        text = "".join(line + "\n" for line in lines(history, trainer.notes))
        write_atomic(trainer.folder / "log.txt", text.encode())


def outcome(state: dict, history: History) -> dict[str, object]:
    """What a training came to and how it went, for ``result.json``.

    Parameters
    ----------
    state : dict
        As made by `checkpoint.state_of`.
    history : History
        Of the same training.

    Returns
    -------
    dict
        Accuracies, seconds, the sum of the data, `stretches` (those that finished an epoch: from which one, on which
        device), `resumed` (how many of them went on from a checkpoint) and the number and the first of the `warnings`.
    """
    stretches = [stretch for stretch in state.get("stretches", []) if stretch["from_epoch"] < state["epoch"]]
    notes = state.get("notes", [])
    return dict(
        last=history.last,
        best=history.best,
        chosen=history.chosen if history.chosen == history.chosen else None,
        seconds=float(history.table["seconds"].sum()),
        data=state["data"],
        stretches=stretches,
        resumed=sum(stretch["from_epoch"] > 0 for stretch in stretches),
        warned=len(notes),
        warnings=[text for _, text in notes[:TOLD]],
    )


def warn_of_data(config: Config, data: Dataset) -> None:
    """Name in the log what will not work as meant with these data."""
    missing = sorted(set(range(data.num_classes)) - set(data.given.unique().tolist()))
    if missing:
        names = ", ".join(data.class_names[c] for c in missing[:5])
        log.warning("%d classes have no given label (%s%s)", len(missing), names, ", ..." * (len(missing) > 5))
    if config.noise == "file" and data.true is not None and data.real_rate > 1 - 1 / data.num_classes:
        log.warning("%s is right no more often than by chance: another order?", config.label_file)
    idle = [k for _, k in config.kappa if 2 * k > data.num_classes]
    if idle and config.spec.repel == "plr":
        log.warning("kappa = %s with %d classes: every two candidate sets overlap", idle, data.num_classes)


def warn_of_collapse(trainer: "Trainer") -> None:
    """Name in the log a network that says one class of all images or projects them to one point.

    Parameters
    ----------
    trainer : Trainer
        At the end of an epoch; some of its training images are looked at.
    """
    given = trainer.given
    some = torch.linspace(0, len(given) - 1, min(SAMPLE, len(given)), device=given.device).long()
    usual = float(torch.bincount(given).max()) / len(given)
    for m, net in enumerate(trainer.nets):
        logits, projection = trainer.predict(net, trainer.images[some])
        counts = torch.bincount(logits.argmax(dim=1))
        share, name = float(counts.max()) / len(logits), trainer.data.class_names[int(counts.argmax())]
        if share >= COLLAPSED and usual < ONE_CLASS:
            text = "epoch %d, network %d has collapsed: it says %s of %.0f %% of the training images"
            log.warning(text, trainer.epoch, m + 1, name, 100 * share)
        length = float(projection.mean(dim=0).norm())
        if length >= COLLAPSED and trainer.config.spec.repel != "none":
            text = "epoch %d, network %d has collapsed: all projections point one way (mean length %.3f)"
            log.warning(text, trainer.epoch, m + 1, length)
