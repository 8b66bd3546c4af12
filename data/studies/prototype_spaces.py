"""Whose space the prototypes of the finished study lie in (notebook 09): python data/studies/prototype_spaces.py

Reads the last checkpoints of `plremix study data/studies/prototypes.yaml` and writes data/results/prototype_spaces.csv
and .json: per run and network the mean cosine between a prototype and the class mean (true labels) of the network's own
projections and of the peer's, and the share of training images named rightly by prototypes and by either kind of mean.
"""

import json

import pandas as pd
import yaml

from plremix_core import study
from plremix_core.checkpoint import write_atomic
from plremix_core.lab import ROOT
from plremix_core.model import init_prototypes
from plremix_core.trainer import Trainer


def rows(name: str, trainer: Trainer) -> list[dict[str, object]]:
    """Measure both networks of one finished run."""
    true, found = trainer.data.true, []
    projections = [trainer.per_sample(net)["projection"].cpu() for net in trainer.nets]
    means = [init_prototypes(q, true, trainer.data.num_classes) for q in projections]
    for m, q in enumerate(projections):
        spaces = dict(prototypes=trainer.nets[m].prototypes.cpu(), own=means[m], peer=means[1 - m])
        row = dict(method=name, seed=trainer.config.seed, network=m + 1, epochs=trainer.epoch)
        for space in ("own", "peer"):
            row[f"cosine_{space}"] = float((spaces["prototypes"] * spaces[space]).sum(dim=1).mean())
        for space, points in spaces.items():
            row[f"accuracy_{space}"] = float(((q @ points.T).argmax(dim=1) == true).double().mean())
        found.append(row)
    return found


def main() -> None:
    """Measure every finished run of the plan."""
    configs = study.cells(yaml.safe_load((ROOT / "data" / "studies" / "prototypes.yaml").read_text()))
    table, provenance = [], []
    for config, name in configs.items():
        folder = ROOT / "runs" / "study" / "prototypes" / config.fingerprint()
        if (folder / "result.json").exists():
            table += rows(name, Trainer.resume(folder))
            provenance.append(dict(method=name, seed=config.seed) | json.loads((folder / "result.json").read_text()))
    target = ROOT / "data" / "results" / "prototype_spaces.csv"
    write_atomic(target, pd.DataFrame(table).to_csv(index=False, float_format="%.5g").encode())
    write_atomic(target.with_suffix(".json"), json.dumps(provenance, indent=1).encode())


if __name__ == "__main__":
    main()
