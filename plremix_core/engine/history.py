"""What a training was like, epoch by epoch."""

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from ..config import Config
from .files import write_atomic

LAST = 10  # epochs whose mean is reported as "last"


@dataclass(frozen=True)
class History:
    """Table of a training, one row an epoch.

    Attributes
    ----------
    config : Config
        Settings of the run.
    table : pandas.DataFrame
        Columns ending in _1 and _2 belong to the two networks: losses (`x`, `u`, `penalty`; `contrast` is the mean
        log-repulsion in nats), `negatives` (mean images repelling an anchor), `lr`, and of the network's own division
        `clean` and `noisy` (samples), `auc`, `precision`, `recall`; `proto_accuracy` is the share of training images
        whose nearest prototype is that of the true class. `test_accuracy` and `holdout_accuracy`
        (given labels) are those of the ensemble, in [0, 1].
    """

    config: Config
    table: pd.DataFrame

    @classmethod
    def from_rows(cls, config: Config, rows: list[dict[str, float]]) -> "History":
        """Build from rows; warm-up rows lack the columns of the division (NaN)."""
        return cls(config, pd.DataFrame(rows))

    @property
    def last(self) -> float:
        """Mean test accuracy of the last ten epochs (or all, if fewer), in [0, 1]."""
        return float(self.table["test_accuracy"].tail(LAST).mean())

    @property
    def best(self) -> float:
        """Highest test accuracy, in [0, 1]. It is picked on the test set: no estimate of what a user would get."""
        return float(self.table["test_accuracy"].max())

    @property
    def chosen(self) -> float:
        """Test accuracy in the epoch of the best accuracy on the hold-out's given labels; NaN without a hold-out."""
        if "holdout_accuracy" not in self.table:
            return float("nan")
        return float(self.table["test_accuracy"][self.table["holdout_accuracy"].idxmax()])

    def save(self, path: Path) -> None:
        """Write the table as CSV, atomically."""
        write_atomic(path, self.table.to_csv(index=False).encode())

    def lines(self) -> list[str]:
        """One line an epoch, for the log."""
        rows = self.table.to_dict("records")
        return [" ".join(f"{key}={value:.4g}" for key, value in row.items() if value == value) for row in rows]
