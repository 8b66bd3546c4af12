"""What a sweep came to, in numbers: collected from the cells' files, summed up over seeds, compared, recorded."""

import hashlib
import io
import json
from pathlib import Path

import numpy as np
import pandas as pd
import scipy.stats

from ..engine.checks import require
from ..engine.files import ROOT, read_json, write_atomic

FIGURES = {  # name in result.json: what it is
    "last": "mean of the last ten epochs",
    "chosen": "epoch chosen by the hold-out's given labels",
    "best": "best epoch, picked on the test set: no estimate of what a user would get",
}
LABELS = ["dataset", "method", "noise", "rate", "seed"]
WHERE = ["dataset", "noise", "rate"]
NEEDED = {"fingerprint", "device", "versions", "wall_seconds", "resumed"}  # of a result.json
PUBLISHED = ROOT / "data" / "published.csv"


def collect(folder: Path) -> tuple[pd.DataFrame, dict[str, pd.DataFrame]]:
    """Read the cells of a sweep's folder.

    Parameters
    ----------
    folder : Path
        With ``grid.json`` and one folder a cell, as `sweep.run` leaves it.

    Returns
    -------
    cells : DataFrame
        One row a cell of the grid: `name`, `state` (done, failed, unfinished), `reason`, its labels and, if it is
        done, all of its ``result.json``.
    histories : dict of str to DataFrame
        ``history.csv`` of the finished trainings by name.

    Raises
    ------
    ValueError
        If the folder is not that of a sweep.
    """
    rows, histories = [], {}
    for name in listing(folder)["cells"]:
        row = dict(name=name, state="unfinished", reason="")
        cell, found, failed = (read_json(folder / name / f"{part}.json") for part in ("cell", "result", "failed"))
        if NEEDED <= set(found) and found["fingerprint"] == cell.get("fingerprint"):
            try:
                histories |= {name: _history(folder / name / "history.csv", found)} if "last" in found else {}
                row |= found | {"state": "done"}
            except ValueError as error:
                row |= {"state": "failed", "reason": str(error)}
        elif "reason" in failed:
            row |= {"state": "failed", "reason": failed["reason"]}
        rows.append(row | cell.get("labels", {}))
    return pd.DataFrame(rows), histories


def recorded(name: str, results: Path = ROOT / "data" / "results") -> tuple[pd.DataFrame, dict[str, pd.DataFrame]]:
    """Read what `record` wrote: `cells` and `histories` as of `collect`, of the finished trainings, without seconds.

    Parameters
    ----------
    name : str
        Of the grid.
    results : Path
        Where ``<name>.csv`` and ``<name>.json`` are.

    Returns
    -------
    cells : DataFrame
    histories : dict of str to DataFrame

    Raises
    ------
    ValueError
        If one of the files is missing or they are not of the same trainings.
    """
    files = [results / f"{name}.csv", results / f"{name}.json"]
    missing = [file.name for file in files if not file.exists()]
    require(not missing, "study", "recorded", f"no {', '.join(missing)}", "See plremix report --record.")
    entries = json.loads(files[1].read_text())
    table = pd.read_csv(files[0], keep_default_na=False, na_values=[""])  # noise "none" is a name
    groups = {key: rows for key, rows in table.groupby(LABELS, sort=False)}
    keys = [tuple(entry[label] for label in LABELS) for entry in entries]
    require(sorted(groups, key=str) == sorted(keys, key=str), "study", "of one sweep", name, "Record it again.")
    names = [entry["fingerprint"] for entry in entries]
    own = {one: groups[key].drop(columns=LABELS) for one, key in zip(names, keys)}
    histories = {one: rows.dropna(axis=1, how="all").reset_index(drop=True) for one, rows in own.items()}
    return pd.DataFrame(entries).assign(name=names, state="done", reason=""), histories


def listing(folder: Path) -> dict:
    """Name, reference and names of the cells of a sweep; refused if they are not or would lead out of its folder."""
    path = folder / "grid.json"
    require(path.exists(), "folder", "one that `plremix sweep` made", str(folder), "It holds grid.json.")
    found = read_json(path)
    names = [found.get("grid"), *(found["cells"] if isinstance(found.get("cells"), list) else [None])]
    whole = "reference" in found and all(isinstance(n, str) and Path(n).name == n not in ("", "..") for n in names)
    remedy = "It is damaged or foreign: start the sweep again, which writes it anew."
    require(whole, "grid.json", "a sweep's list of cells", str(path), remedy)
    return found


def _history(path: Path, found: dict) -> pd.DataFrame:
    """The table of a finished training, if it is the one that its result was made of."""
    content = path.read_bytes() if path.is_file() else b""
    known = hashlib.sha256(content).hexdigest()[:12]
    remedy = "It is lost or damaged: delete result.json beside it and start the sweep again."
    require(found.get("history", known) == known and content, str(path), "as its result.json says", known, remedy)
    return pd.read_csv(io.BytesIO(content))


def summary(cells: pd.DataFrame, figure: str) -> pd.DataFrame:
    """Mean and deviation over seeds.

    Parameters
    ----------
    cells : DataFrame
        As made by `collect`.
    figure : str
        Key of FIGURES.

    Returns
    -------
    DataFrame
        One row a data set, noise and method, in the grid's order: `mean`, `std` (n - 1; NaN for one seed), `seeds`.
    """
    done = cells[cells["state"] == "done"].dropna(subset=[figure])
    groups = done.groupby([*WHERE, "method"], sort=False)[figure]
    return groups.agg(mean="mean", std="std", seeds="count").reset_index()


def differences(cells: pd.DataFrame, reference: str, figure: str = "last", resamples: int = 9999) -> pd.DataFrame:
    """Differences from the reference, paired by seed, with bootstrap intervals.

    Parameters
    ----------
    cells : DataFrame
        As made by `collect`.
    reference : str
        Row that is subtracted.
    figure : str
        Key of FIGURES.
    resamples : int
        Bootstrap samples of the seeds.

    Returns
    -------
    DataFrame
        One row a data set, noise and other method: `mean` of the differences, `low` and `high` end of the 95 %
        percentile interval (NaN below two seeds), `seeds` that both have.

    Source
    ------
    scipy.stats.bootstrap

    Differs
    -------
    nothing
    """
    done, rows = cells[cells["state"] == "done"], []
    for where, group in done.groupby(WHERE, sort=False):
        table = group.pivot(index="seed", columns="method", values=figure)
        for method in [m for m in dict.fromkeys(group["method"]) if m != reference and reference in table]:
            gaps = (table[method] - table[reference]).dropna().to_numpy(dtype=float)
            low, high = _interval(gaps, resamples)
            mean = gaps.mean() if len(gaps) else np.nan
            rows.append(dict(zip(WHERE, where)) | dict(method=method, mean=mean, low=low, high=high, seeds=len(gaps)))
    return pd.DataFrame(rows, columns=[*WHERE, "method", "mean", "low", "high", "seeds"])


def _interval(gaps: np.ndarray, resamples: int) -> tuple[float, float]:
    if len(gaps) < 2:
        return np.nan, np.nan
    rng = np.random.default_rng(0)
    found = scipy.stats.bootstrap((gaps,), np.mean, n_resamples=resamples, method="percentile", rng=rng)
    return float(found.confidence_interval.low), float(found.confidence_interval.high)


def curves(cells: pd.DataFrame, histories: dict[str, pd.DataFrame], column: str) -> dict[str, np.ndarray]:
    """Curves of one data set and noise, by method.

    Parameters
    ----------
    cells, histories : DataFrame, dict of str to DataFrame
        As made by `collect` or `recorded`; rows of one data set and noise.
    column : str
        Of the histories; "auc" is the mean over both networks. Methods without it are left out.

    Returns
    -------
    dict of str to ndarray of shape (S, E)
        One row a seed, one column an epoch; NaN where nothing was measured.
    """
    found = {}
    for method, rows in cells.groupby("method", sort=False):
        runs = [histories[name] for name in rows["name"]]
        if column == "auc":
            runs = [run.assign(auc=run[["auc_1", "auc_2"]].mean(axis=1)) for run in runs if "auc_1" in run]
        if runs:
            found[method] = np.stack([run[column].to_numpy(dtype=float) for run in runs])
    return found


def published(cells: pd.DataFrame) -> pd.DataFrame:
    """Published figures (per cent) for the data sets and noises of a sweep; `accuracy` is NaN where one is missing."""
    table = pd.read_csv(PUBLISHED)
    return table.merge(cells[WHERE].drop_duplicates(), on=WHERE) if set(WHERE) <= set(cells) else table[:0]


def record(folder: Path, results: Path = ROOT / "data" / "results") -> list[Path]:
    """Write the finished trainings as one table, one row an epoch, and their provenance beside it, for committing.

    Parameters
    ----------
    folder : Path
        Of a sweep.
    results : Path
        Where ``<grid>.csv`` and ``<grid>.json`` go.

    Returns
    -------
    list of Path
        The two files.

    Raises
    ------
    ValueError
        If nothing is finished.
    """
    cells, histories = collect(folder)
    require(len(histories) > 0, "folder", "of a sweep with finished trainings", str(folder), "Run `plremix sweep`.")
    tables, entries = [], []
    for row in cells[cells["name"].isin(list(histories))].to_dict("records"):
        labels = {label: row[label] for label in LABELS}
        table = histories[row["name"]].drop(columns="seconds")
        tables.append(table.assign(**labels)[[*labels, *table.columns]])
        entries.append(labels | read_json(folder / row["name"] / "result.json"))
    name = listing(folder)["grid"]
    results.mkdir(parents=True, exist_ok=True)
    files = [results / f"{name}.csv", results / f"{name}.json"]
    write_atomic(files[0], pd.concat(tables).to_csv(index=False, float_format="%.5g").encode())
    write_atomic(files[1], (json.dumps(entries, indent=1) + "\n").encode())
    return files
