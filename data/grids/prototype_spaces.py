"""Whose space the prototypes end in (notebook 09): python data/grids/prototype_spaces.py runs/prototypes

Reads the last checkpoints of the finished cells of data/grids/prototypes.yaml, writes data/results/prototype_spaces.csv
and .json: per run and network the mean cosine between a prototype and the class mean (true labels) of the network's own
projections and of the peer's, and the share of training images that prototypes and either kind of mean name rightly.
"""

import json
import sys
from pathlib import Path

import pandas as pd

from plremix_core.engine.files import write_atomic
from plremix_core.lessons.lesson import ROOT
from plremix_core.model import init_prototypes
from plremix_core.trainer import Trainer


def rows(labels: dict, trainer: Trainer) -> list[dict[str, object]]:
    """Measure both networks of one finished run."""
    true, found = trainer.data.true, []
    projections = [trainer.per_sample(net)["projection"].cpu() for net in trainer.nets]
    means = [init_prototypes(q, true, trainer.data.num_classes) for q in projections]
    for m, q in enumerate(projections):
        spaces = dict(prototypes=trainer.nets[m].prototypes.cpu(), own=means[m], peer=means[1 - m])
        row = labels | dict(network=m + 1)
        for space in ("own", "peer"):
            row[f"cosine_{space}"] = float((spaces["prototypes"] * spaces[space]).sum(dim=1).mean())
        for space, points in spaces.items():
            row[f"accuracy_{space}"] = float(((q @ points.T).argmax(dim=1) == true).double().mean())
        found.append(row)
    return found


def main(folder: Path) -> None:
    """Measure every finished run of the sweep's folder."""
    table, provenance = [], []
    for result in sorted(folder.glob("*/result.json")):
        labels = json.loads((result.parent / "cell.json").read_text())["labels"]
        table += rows(labels, Trainer.resume(result.parent))
        provenance.append(labels | json.loads(result.read_text()))
    target = ROOT / "data" / "results" / "prototype_spaces.csv"
    write_atomic(target, pd.DataFrame(table).to_csv(index=False, float_format="%.5g").encode())
    write_atomic(target.with_suffix(".json"), (json.dumps(provenance, indent=1) + "\n").encode())


if __name__ == "__main__":
    main(Path(sys.argv[1]))
