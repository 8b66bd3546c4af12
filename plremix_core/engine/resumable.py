"""A training that can be resumed: epoch by epoch, in a folder of its own."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Self

import pandas as pd
import torch
from tqdm.auto import tqdm

from . import checkpoint, provenance
from .checks import require
from .history import History
from .run import Run

log = logging.getLogger("plremix")


class Resumable:
    """A training of `config.epochs` epochs; a subclass says what an epoch is and what state goes on from it.

    It has `run_epoch(epoch)`, which returns a row of the history, `state_dict`, `load_state_dict`, `from_stored`,
    `warn_of_data` and, in `STATE`, the keys of its checkpoints.
    """

    def __init__(self, config: object, folder: str | Path | None, device: torch.device) -> None:
        self.config, self.run, self.device = config, Run(folder), device
        self.epoch, self.rows, self.stretches, self.within_epoch = 0, [], [], False

    @classmethod
    def resume(
        cls,
        folder: str | Path,
        data: object = None,
        data_folder: str | Path | None = None,
        config: object = None,
        device: str | None = None,
    ) -> Self:
        """Continue the run in `folder` from its newest sound checkpoint; `fit` then goes on to the same weights.

        Unless `data` is given it is made again as it was for the run, from `data_folder` or where it lay then; `device`
        replaces the run's. Refused: no sound checkpoint, other data, other settings than `config`.
        """
        with Run(folder).logged():
            state = Run(folder).load(cls.STATE)
            before = state["config"]["device"]
            if device is None and before not in provenance.devices():
                log.warning("the run was on %s, which is not here: it goes on with device auto", before)
                device = "auto"
            state["config"]["device"] = device or before
            trainer = cls.from_stored(state, folder, data, data_folder, config)
            trainer.load_state_dict(state)
        return trainer

    def fit(self, progress: bool = True, on_epoch: Callable[["Resumable", dict], None] | None = None) -> History:
        """Train until the last epoch, from wherever this trainer stands.

        `on_epoch` is called with the trainer and the finished epoch's row before both are saved; columns that it adds
        to the row are saved, too. A loss or weight that is not finite is a FloatingPointError, and the last checkpoint
        stays as it was. Refused: a folder that another training uses or has left its checkpoints in, and a trainer that
        was interrupted within an epoch.
        """
        where, remedy = f"one in epoch {self.epoch}", "Go on with Trainer.resume(folder), or make a new trainer."
        require(not self.within_epoch, "trainer", "one that was not interrupted within an epoch", where, remedy)
        with self.run.hold():
            if self.epoch == 0:
                remedy = "Go on with Trainer.resume(folder), or choose another folder."
                used = self.run.folder is not None and checkpoint.saved(self.run.folder)
                require(not used, "folder", "without checkpoints of another training", str(self.run.folder), remedy)
                self.warn_of_data()
            device = provenance.processor(self.device)
            self.stretches.append(dict(from_epoch=self.epoch, device=device, date=provenance.now()))
            with tqdm(total=self.config.epochs, initial=self.epoch, disable=not progress, unit="epoch") as bar:
                while self.epoch < self.config.epochs:
                    self.within_epoch = True
                    row = self.run_epoch(self.epoch)
                    self.rows.append(row)
                    self.epoch, self.within_epoch = self.epoch + 1, False
                    try:
                        if on_epoch is not None:
                            on_epoch(self, row)
                    finally:
                        self.save()
                    bar.update()
                    if row["test_accuracy"] == row["test_accuracy"]:  # there is a test set
                        bar.set_postfix(test=f"{row['test_accuracy']:.3f}")
            self.run.save(self.history())  # if there was nothing left to do: perhaps it was lost
        return self.history()

    def history(self) -> History:
        """The table so far."""
        return History(pd.DataFrame(self.rows))

    def save(self) -> None:
        """Write the history and, last, a checkpoint into the run's folder, atomically."""
        self.run.save(self.history(), self.state_dict(), self.epoch)
        log.info(" ".join(f"{name}={value:.4g}" for name, value in self.rows[-1].items() if value == value))

    def outcome(self) -> dict[str, object]:
        """What this training came to and how it went; see `Run.outcome`."""
        return self.run.outcome(self.state_dict(), self.history())
