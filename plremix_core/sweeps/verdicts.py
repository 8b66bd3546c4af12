"""What the recorded studies say of the claims of the paper's abstract, which data/claims_of_paper.yaml lists."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import yaml

from ..engine.files import ROOT
from ..engine.history import LAST
from .results import ENOUGH, RESULTS, WHERE, judge, name_noise, recorded

CLAIMS = ROOT / "data" / "claims_of_paper.yaml"
RULE = (
    "A comparison supports or contradicts a claim if at least three seeds have both methods and the 95 % t interval of "
    "their paired differences excludes 0; fewer seeds decide nothing. A claim is supported if more than half of its "
    "comparisons with three or more seeds support it and none contradicts it. It is contradicted if more than half of "
    "them contradict it and none supports it. Otherwise it is undecided."
)
MEASURES = {  # those after `last` are read from the epochs
    "last": "Test accuracy in points, last ten epochs",
    "first_auc": "AUC of the first split",
    "auc": "AUC of the split, last ten epochs",
    "within_between": "Distance within classes over that between them, projections of test images",
    "silhouette": "Silhouette of the projections of test images",
    "knn": "Share of test images that their ten nearest projections classify correctly",
    "features_within_between": "Distance within classes over that between them, features of test images",
}
VERDICTS = {"hit": "supported", "miss": "contradicted", "open": "undecided"}
KEYS = "claim notebook study noise measure higher lower counts verdict mean low high seeds each detectable peak"
Change = Callable[[pd.DataFrame], pd.DataFrame]


def verdicts(results: Path = RESULTS, change: Change = pd.DataFrame.copy, claims: Path = CLAIMS) -> pd.DataFrame:
    """Decide the comparisons of all claims, a row a claim, study, noise and measure; `change` alters a study's runs.

    Paired differences of `higher` from `lower`: `mean`, ends `low` and `high` of its t interval, how many `seeds`, and
    `each` by seed; `detectable`, the least mean that this spread and so many seeds could have told from 0; `peak`, the
    mean at the best epochs; `counts`, if the claim's verdict rests on the row; `verdict`: supported, contradicted,
    undecided, not run (no seed has both methods), not recorded (no such study).
    """
    studies, rows = {}, []
    for claim in yaml.safe_load(claims.read_text("utf-8")):
        about = {key: claim[key] for key in ("claim", "notebook", "measure")}
        for one, counts in [(c, True) for c in claim["comparisons"]] + [(c, False) for c in claim.get("beside", [])]:
            study, one = one["study"], about | one | {"counts": counts}
            if study not in studies:
                studies[study] = change(_read(study, results)) if (results / f"{study}.json").exists() else None
            missing = one | {"lower": str(one["lower"]), "noise": "", "seeds": 0, "each": [], "verdict": "not recorded"}
            rows += [missing] if studies[study] is None else _decide(one, studies[study])
    return pd.DataFrame(rows, columns=KEYS.split())


def verdict_table(results: Path = RESULTS, change: Change = pd.DataFrame.copy, claims: Path = CLAIMS) -> pd.DataFrame:
    """Sum up `verdicts` by `RULE`, a row a claim.

    `claim`, `evidence` in words, `verdict`, `notebook` (its number), `votes`: support / contradict / undecided.
    """
    rows = []
    for claim, found in verdicts(results, change, claims).groupby("claim", sort=False):
        counted, beside = found[found["counts"]], found[~found["counts"] & (found["seeds"] > 0)]
        votes = counted.query("seeds >= @ENOUGH")["verdict"].value_counts().reindex(VERDICTS.values(), fill_value=0)
        decided = 2 * votes[:2].max() > votes.sum() and votes[:2].min() == 0
        verdict = votes.idxmax() if decided else "undecided at this size"
        others = beside[beside["measure"] != found["measure"].iloc[0]].groupby("measure", sort=False)
        evidence = "\n\nBeside it: ".join([_tell(counted), *(_tell(part) for _, part in others)])
        about = dict(claim=claim, evidence=evidence, verdict=verdict, notebook=found["notebook"].iloc[0])
        rows.append(about | {"votes": " / ".join(map(str, votes))})
    return pd.DataFrame(rows)


def in_markdown(results: Path = RESULTS, change: Change = pd.DataFrame.copy) -> str:
    """The verdicts as a short table in Markdown: claim, how many comparisons say what, verdict, lesson."""
    head = ["| claim | comparisons: support / contradict / undecided | verdict | lesson |", "|---|---|---|---|"]
    rows = verdict_table(results, change).to_dict("records")
    return "\n".join([*head, *("| {claim} | {votes} | **{verdict}** | {notebook} |".format(**row) for row in rows)])


def _read(study: str, results: Path) -> pd.DataFrame:
    """Runs of a study with every measure; in `plugin` (12 epochs, one noise) the hosts stand in the place of noises."""
    if study == "plugin":
        groups = pd.read_csv(results / "plugin.csv").groupby(["host", "method", "seed"])["test_accuracy"]
        runs = pd.DataFrame(dict(last=groups.apply(lambda x: x.tail(3).mean()), best=groups.max()))
        return runs.reset_index().rename(columns={"host": "noise"}).assign(dataset=study, rate=0.0, state="done")
    runs, histories = recorded(study, results)
    return runs.assign(**{key: [_measure(histories[n], key) for n in runs["name"]] for key in [*MEASURES][1:]})


def _measure(history: pd.DataFrame, measure: str) -> float:
    """A measure at the end of a training (`first_auc`: at its first split); NaN if the training has none."""
    columns = history.columns.intersection(["auc_1", "auc_2"] if "auc" in measure else [measure])
    if columns.empty:
        return np.nan
    values = history[columns].mean(axis=1).dropna()
    return (values.head(1) if measure == "first_auc" else values.tail(LAST if measure == "auc" else 1)).mean()


def _decide(comparison: dict, runs: pd.DataFrame) -> list[dict]:
    """One row a noise: the comparison with the best of the methods `lower` that were run."""
    found = []
    for lower in np.atleast_1d(comparison["lower"]):
        one = comparison | {"lower": str(lower)}
        peaks = judge([one | {"measure": "best"}], runs)["mean"]
        found.append(judge([one], runs).assign(peak=peaks if one["measure"] == "last" else np.nan))
    rows = pd.concat(found).sort_values("mean", kind="stable").drop_duplicates(WHERE).sort_index()
    noises = [name_noise(noise, rate) for noise, rate in rows[["noise", "rate"]].to_numpy()]
    verdict = rows["verdict"].map(VERDICTS).where(rows["seeds"] > 0, "not run")
    return rows.assign(noise=noises, detectable=(rows["high"] - rows["low"]) / 2, verdict=verdict).to_dict("records")


def _tell(rows: pd.DataFrame) -> str:
    """The differences in words, by what they say of the claim: mean ± half of its interval."""
    points, parts = rows["measure"].iloc[0] == "last", []
    show = (lambda x: f"{100 * x:+.1f}") if points else (lambda x: f"{x:+.3f}")
    for verdict in ("supported", "contradicted", "undecided", "not run", "not recorded"):
        told = []
        for row in rows[rows["verdict"] == verdict].to_dict("records"):
            size = f" {show(row['mean'])} ± {show(row['detectable'])[1:]}" if row["seeds"] >= ENOUGH else ""
            ends = dict.fromkeys(show(end(row["each"])) for end in (min, max) if row["seeds"])  # one of one seed
            spread = "" if size else f": {' to '.join(ends)}"
            words = f"n = {row['seeds']}{spread}" + (f", peak {show(row['peak'])}" if points else "")
            told.append(f"{row['study']} {row['noise']}".strip() + size + (f" ({words})" if row["seeds"] else ""))
        head = {"not recorded": "Studies not recorded yet", "not run": "Not run"}.get(verdict, verdict.capitalize())
        parts += [f"{head}: {', '.join(told)}."] if told else []
    short = " (plugin: the last three of twelve)" if (rows["study"] == "plugin").any() else ""
    return "\n* ".join([f"{MEASURES[rows['measure'].iloc[0]]}{short}.\n", *parts])
