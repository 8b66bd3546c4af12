"""What the runs of a sweep came to: collected from their files, summed up over seeds, compared, recorded."""

import hashlib
import io
import json
from pathlib import Path

import numpy as np
import pandas as pd

from ..engine.checks import require
from ..engine.files import ROOT, read_json, write_atomic

FIGURES = {  # name in result.json: what it is
    "last": "mean of the last ten epochs",
    "chosen": "epoch chosen by the hold-out's given labels",
    "best": "best epoch, picked on the test set: no estimate of what a user would get",
}
LABELS = ["dataset", "method", "noise", "rate", "seed"]
WHERE = ["dataset", "noise", "rate"]
COMPARED = ["mean", "low", "high", "least", "most", "seeds", "each", "decided"]
ENOUGH = 3  # seeds; fewer have no interval and decide nothing
PUBLISHED = ROOT / "data" / "published.csv"
RESULTS = ROOT / "data" / "results"


def collect(folder: Path) -> tuple[pd.DataFrame, dict[str, pd.DataFrame]]:
    """Read the runs in a sweep's folder, a row each, and the histories of its finished trainings by name.

    A row has `name`, `state` (done, failed, unfinished), `reason`, its labels and, if done, all of ``result.json``.
    """
    rows, histories = [], {}
    listing = read_listing(folder)
    for name in [*listing["cells"], *listing["earlier"]]:
        described, found, failed = (read_json(folder / name / f"{part}.json") for part in ("cell", "result", "failed"))
        row = dict(name=name, state="failed" if "reason" in failed else "unfinished", reason=failed.get("reason", ""))
        labels = dict(described.get("labels", {}))
        if name in listing["earlier"]:  # with other settings: never one row with those of the present grid
            labels["method"] = f"{labels.get('method')} (earlier, {str(described.get('fingerprint'))[:6]})"
        if found and found.get("fingerprint") == described.get("fingerprint"):
            try:
                histories |= {name: _read_history(folder / name / "history.csv", found)} if "last" in found else {}
                row |= found | {"state": "done", "reason": ""}
            except ValueError as error:
                row |= {"state": "failed", "reason": str(error)}
        rows.append(row | labels)
    return pd.DataFrame(rows), histories


def read_listing(folder: Path) -> dict:
    """Read ``grid.json``; one that is damaged, or whose names of runs would lead out of the folder, is refused."""
    path = folder / "grid.json"
    require(path.exists(), "folder", "one that `plremix sweep` made", str(folder), "It holds grid.json.")
    found = {"predictions": [], "earlier": []} | read_json(path)  # older sweeps list none
    lists = [found.get(key) if isinstance(found.get(key), list) else [None] for key in ("cells", "earlier")]
    names = [found.get("grid"), *sum(lists, [])]
    whole = "reference" in found and all(isinstance(n, str) and Path(n).name == n not in ("", "..") for n in names)
    remedy = "It is damaged or foreign: start the sweep again, which writes it anew."
    require(whole, "grid.json", "a sweep's list of runs", str(path), remedy)
    return found


def _read_history(path: Path, found: dict) -> pd.DataFrame:
    """The table of a finished training, if it is the one that its result was made of."""
    content = path.read_bytes() if path.is_file() else b""
    known = hashlib.sha256(content).hexdigest()[:12]
    remedy = "It is lost or damaged: delete result.json beside it and start the sweep again."
    require(found.get("history", known) == known and content, str(path), "as its result.json says", known, remedy)
    return pd.read_csv(io.BytesIO(content))


def record(folder: Path, results: Path = RESULTS) -> list[Path]:
    """Write the finished trainings as ``<grid>.csv``, one row an epoch, and their results as ``<grid>.json``."""
    listing, (_, histories) = read_listing(folder), collect(folder)
    tables, entries = [], []
    for name in [name for name in listing["cells"] if name in histories]:
        found = read_json(folder / name / "result.json")
        labels = {label: found[label] for label in LABELS}
        table = histories[name].drop(columns="seconds")
        tables.append(table.assign(**labels)[[*labels, *table.columns]])
        entries.append(labels | found)
    require(entries, "folder", "of a sweep with finished trainings", str(folder), "Run `plremix sweep`.")
    results.mkdir(parents=True, exist_ok=True)
    files = [results / f"{listing['grid']}.csv", results / f"{listing['grid']}.json"]
    write_atomic(files[0], pd.concat(tables).to_csv(index=False, float_format="%.5g").encode())
    write_atomic(files[1], (json.dumps(entries, indent=1) + "\n").encode())
    return files


def recorded(name: str, results: Path = RESULTS) -> tuple[pd.DataFrame, dict[str, pd.DataFrame]]:
    """Read what `record` wrote of a grid: the finished trainings in the form of `collect`, without seconds."""
    files = [results / f"{name}.csv", results / f"{name}.json"]
    missing = [file.name for file in files if not file.exists()]
    require(not missing, "study", "recorded", f"no {', '.join(missing)}", "See plremix report --record.")
    entries = json.loads(files[1].read_text())
    table = pd.read_csv(files[0], keep_default_na=False, na_values=[""])  # noise "none" is a name
    groups = dict(list(table.groupby(LABELS, sort=False)))
    names = {tuple(entry[label] for label in LABELS): entry["fingerprint"] for entry in entries}
    require(len(names) == len(entries) and set(groups) == set(names), "study", "of one sweep", name, "Record it again.")
    own = {one: groups[key].drop(columns=LABELS).dropna(axis=1, how="all") for key, one in names.items()}
    histories = {one: rows.reset_index(drop=True) for one, rows in own.items()}
    return pd.DataFrame(entries).assign(name=list(names.values()), state="done", reason=""), histories


def summary(runs: pd.DataFrame, figure: str) -> pd.DataFrame:
    """`mean`, `std` (n - 1) and number of `seeds` of a key of FIGURES, by data set, noise and method."""
    done = runs[runs["state"] == "done"].dropna(subset=[figure])
    groups = done.groupby([*WHERE, "method"], sort=False)[figure]
    return groups.agg(mean="mean", std="std", seeds="count").reset_index()


def differences(runs: pd.DataFrame, reference: str, figure: str = "last") -> pd.DataFrame:
    """Differences of the other methods from the row `reference`, paired by seed; a row a data set, noise and method.

    `mean` of the differences; `low` and `high`, ends of its 95 % t interval (NaN below three seeds); `least` and `most`
    of the differences; how many `seeds` both have; `each` difference, by seed; `decided`: at least three seeds, and the
    interval excludes 0.
    """
    done, rows = runs[runs["state"] == "done"], []
    for where, group in done.groupby(WHERE, sort=False):
        methods = group["method"].unique()
        for method in methods[methods != reference] if reference in methods else ():
            rows.append(dict(zip(WHERE, where)) | {"method": method} | _compare(group, method, reference, figure))
    return pd.DataFrame(rows, columns=[*WHERE, "method", *COMPARED])


def judge(predictions: list[dict], runs: pd.DataFrame) -> pd.DataFrame:
    """Say what came of a grid's predictions: a row for each, and for each data set and noise that it is about.

    To its own keys come the difference of `higher` from `lower`, as `differences` has it, and a `verdict`: hit or miss
    where that is decided, else open.
    """
    rows = []
    for prediction in predictions:
        for where, group in runs.groupby(WHERE, sort=False):
            if prediction.get("noise", name_noise(*where[1:])) == name_noise(*where[1:]):
                measure = prediction.get("measure", "last")
                gap = _compare(group, prediction["higher"], prediction["lower"], measure)
                verdict = "open" if not gap["decided"] else "hit" if gap["mean"] > 0 else "miss"
                rows.append(prediction | dict(zip(WHERE, where), measure=measure, verdict=verdict) | gap)
    return pd.DataFrame(rows)


def _compare(group: pd.DataFrame, one: str, other: str, figure: str) -> dict[str, object]:
    """The difference of two methods on one data set and noise; see `differences`."""
    table = group.reindex(columns=["seed", "method", figure]).pivot(index="seed", columns="method", values=figure)
    table = table.reindex(columns=[one, other]).astype(float)
    gaps = (table[one] - table[other]).dropna().to_numpy()
    if len(gaps) == 0:
        return dict.fromkeys(COMPARED, np.nan) | {"seeds": 0, "each": [], "decided": False}
    mean, half = gaps.mean(), np.nan
    if len(gaps) >= ENOUGH:
        from scipy import stats  # takes a second

        half = stats.t.ppf(0.975, len(gaps) - 1) * stats.sem(gaps)
    decided = bool(abs(mean) > half)  # never against NaN
    ends = mean - half, mean + half, gaps.min(), gaps.max()
    return dict(zip(COMPARED, (mean, *ends, len(gaps), gaps.tolist(), decided)))


def name_noise(noise: str, rate: float) -> str:
    """Noise in words: "sym 0.5", or "worse", which has no rate."""
    return f"{noise} {rate:g}" if rate else noise
