"""Recorded studies: every cell of a small plan, run once and kept as CSV with its provenance."""

import datetime
import json
import os
import platform
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

import pandas as pd
import sklearn
import torch
import yaml
from tqdm.auto import tqdm

from . import data
from .checkpoint import write_atomic
from .config import Config, from_dict
from .lab import ROOT
from .presets import preset
from .trainer import Trainer


def cells(plan: dict) -> dict[Config, str]:
    """Settings of every run and seed of a plan, with the run's name, in the plan's order."""
    fixed = plan["preset"]
    return {preset(**(fixed | run), seed=seed): name for name, run in plan["runs"].items() for seed in plan["seeds"]}


def run_cell(config: Config, folder: Path) -> None:
    """Train one cell, or go on with it, and write ``result.json`` last."""
    resumable = any(folder.glob("epoch-*.pt"))
    trainer = Trainer.resume(folder) if resumable else Trainer(config, data.prepare(config), folder)
    history = trainer.fit(progress=False)
    result = dict(
        fingerprint=config.fingerprint(),
        data=trainer.data.fingerprint(),
        last=history.last,
        best=history.best,
        seconds=float(history.table["seconds"].sum()),
        date=datetime.date.today().isoformat(),
        versions=dict(python=platform.python_version(), torch=torch.__version__, sklearn=sklearn.__version__),
        device=f"{trainer.device} {platform.processor() or platform.machine()}, {torch.get_num_threads()} thread",
    )
    write_atomic(folder / "result.json", json.dumps(result, indent=1).encode())


def run(plan_path: Path, jobs: int) -> int:
    """Run the unfinished cells of a plan, `jobs` at once in processes of one thread, and record all finished ones.

    Parameters
    ----------
    plan_path : Path
        YAML with `preset` (arguments of `config.preset`), `seeds`, and `runs` (name: further arguments).
    jobs : int
        Processes at once.

    Returns
    -------
    int
        Number of cells that failed. The finished ones are recorded after each cell in
        ``data/results/<plan>.csv`` (one row an epoch) and ``.json`` (one entry a cell).

    Raises
    ------
    ValueError
        If a setting of the plan is refused; nothing has been started then.
    """
    configs = cells(yaml.safe_load(plan_path.read_text()))
    folders = {c: ROOT / "runs" / "study" / plan_path.stem / c.fingerprint() for c in configs}
    todo = [c for c in configs if not (folders[c] / "result.json").exists()]
    failed = 0
    with ThreadPoolExecutor(jobs) as pool, tqdm(total=len(configs), initial=len(configs) - len(todo)) as bar:
        futures = [pool.submit(_in_process, config, folders[config]) for config in todo]
        for future in as_completed(futures):
            failed += future.result() != 0
            bar.update()
            record(plan_path.stem, configs, folders)
    record(plan_path.stem, configs, folders)
    return failed


def _in_process(config: Config, folder: Path) -> int:
    folder.mkdir(parents=True, exist_ok=True)
    settings = json.dumps({name: getattr(config, name) for name in config.__dataclass_fields__})
    write_atomic(folder / "config.json", settings.encode())
    with open(folder / "output.txt", "a") as stream:
        command = [sys.executable, "-m", "plremix_core.study", str(folder)]
        return subprocess.call(command, stdout=stream, stderr=stream, env={**os.environ, "OMP_NUM_THREADS": "1"})


def record(study: str, configs: dict[Config, str], folders: dict[Config, Path]) -> None:
    """Write the finished cells as one table and their provenance beside it."""
    tables, provenance = [], []
    for config, name in configs.items():
        if not (folders[config] / "result.json").exists():
            continue
        table = pd.read_csv(folders[config] / "history.csv").drop(columns="seconds")
        settings = dict(method=name, noise=config.noise, rate=config.rate, seed=config.seed)
        tables.append(table.assign(**settings)[[*settings, *table.columns]])
        provenance.append(settings | json.loads((folders[config] / "result.json").read_text()))
    if not tables:
        return
    results = ROOT / "data" / "results"
    results.mkdir(exist_ok=True)
    write_atomic(results / f"{study}.csv", pd.concat(tables).to_csv(index=False, float_format="%.5g").encode())
    write_atomic(results / f"{study}.json", json.dumps(provenance, indent=1).encode())


if __name__ == "__main__":
    target = Path(sys.argv[1])
    run_cell(from_dict(json.loads((target / "config.json").read_text())), target)
