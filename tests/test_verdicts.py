"""The verdict on a claim of the paper, by hand for made-up records and for what is recorded here."""

import json

import numpy as np
import pandas as pd
import pytest
import yaml

from plremix_core.sweeps import verdicts as module
from plremix_core.sweeps.results import LABELS, RESULTS, recorded
from plremix_core.sweeps.verdicts import CLAIMS, MEASURES, verdict_table, verdicts

UP, DOWN, OPEN = (0.02, 0.03, 0.025), (-0.02, -0.03, -0.025), (0.02, -0.03, 0.01)
UNDECIDED = "undecided at this size"


def write(folder, study, gaps, lower="a", **columns):
    """Record a study in which `b` is above `lower` by `gaps`, a list of one value a seed for each noise."""
    entries, tables = [], []
    for noise, differences in gaps.items():
        for seed, gap in enumerate(differences, 1):
            for method in (lower, "b"):
                labels = dict(zip(LABELS, ("d", method, noise, 0.0, seed)))
                last = 0.5 + gap * (method == "b")
                name = f"{study}-{noise}-{method}-{seed}"
                entries.append(labels | dict(fingerprint=name, last=last, best=last + 0.1 * (method == "b")))
                tables.append(pd.DataFrame(labels | dict(epoch=[0, 1], test_accuracy=last) | columns))
    (folder / f"{study}.json").write_text(json.dumps(entries))
    pd.concat(tables).to_csv(folder / f"{study}.csv", index=False)


def claims(folder, *studies, measure="last", higher="b", lower="a", beside=()):
    kinds = dict(comparisons=studies, beside=beside)
    listed = {k: [dict(study=study, higher=higher, lower=lower) for study in names] for k, names in kinds.items()}
    path = folder / "claims.yaml"
    path.write_text(yaml.safe_dump([dict(claim="c", notebook="02", measure=measure, **listed)]))
    return dict(results=folder, claims=path)


def judged(folder, *studies, **options):
    (row,) = verdict_table(**claims(folder, *studies, **options)).to_dict("records")
    assert list(row) == ["claim", "evidence", "verdict", "notebook", "votes"] and row["notebook"] == "02"
    return row["verdict"], row["evidence"]


@pytest.mark.parametrize(
    ("gaps", "verdict"),
    [
        ([UP], "supported"),
        ([DOWN], "contradicted"),
        ([OPEN], UNDECIDED),
        ([UP, UP, OPEN], "supported"),  # more than half support it, none contradicts it
        ([UP, OPEN], UNDECIDED),  # half is not enough
        ([DOWN, DOWN, OPEN], "contradicted"),
        ([DOWN, OPEN], UNDECIDED),
        ([UP, UP, UP, DOWN], UNDECIDED),  # mixed
        ([DOWN, DOWN, UP], UNDECIDED),
        ([UP[:1]], UNDECIDED),  # one seed
        ([UP[:2]], UNDECIDED),  # two, however near to each other
        ([DOWN[:2]], UNDECIDED),
        ([UP, DOWN[:2], DOWN[:1]], "supported"),  # two seeds and one count neither way
    ],
)
def test_a_claim_is_summed_up_by_the_rule(tmp_path, gaps, verdict):
    write(tmp_path, "s", {f"n{number}": differences for number, differences in enumerate(gaps)})
    assert judged(tmp_path, "s")[0] == verdict


def test_a_row_by_hand(tmp_path):
    write(tmp_path, "s", {"worse": UP})
    (row,) = verdicts(**claims(tmp_path, "s")).to_dict("records")
    half = 4.302653 * np.std(UP, ddof=1) / 3**0.5  # 0.975 quantile of t with 2 degrees of freedom
    assert row["mean"] == pytest.approx(0.025) and row["detectable"] == pytest.approx(half, rel=1e-5)
    assert (row["low"], row["high"]) == pytest.approx((0.025 - half, 0.025 + half), rel=1e-5)
    assert row["each"] == pytest.approx(list(UP)) and row["seeds"] == 3
    assert row["peak"] == pytest.approx(0.125) and (row["study"], row["noise"]) == ("s", "worse")
    assert (row["verdict"], row["counts"]) == ("supported", True)
    words = "Supported: s worse +2.5 ± 1.2 (n = 3, peak +12.5)."
    assert judged(tmp_path, "s")[1] == f"{MEASURES['last']}.\n\n* {words}"


def test_two_seeds_have_a_range_and_no_interval(tmp_path):
    write(tmp_path, "s", {"worse": UP[:2]})
    (row,) = verdicts(**claims(tmp_path, "s")).to_dict("records")
    assert np.isnan([row["low"], row["high"], row["detectable"]]).all() and row["verdict"] == "undecided"
    assert "Undecided: s worse (n = 2: +2.0 to +3.0, peak +12.5)." in judged(tmp_path, "s")[1]
    write(tmp_path, "t", {"worse": UP[:1]})
    assert "Undecided: t worse (n = 1: +2.0, peak +12.0)." in judged(tmp_path, "t")[1]


def test_missing_runs_leave_their_seeds_out(tmp_path):
    write(tmp_path, "s", {"worse": UP, "clean": UP})
    path = tmp_path / "s.json"
    kept = [e for e in json.loads(path.read_text()) if not (e["noise"] == "worse" and e["method"] == "b")]
    path.write_text(json.dumps(kept[:-1]))
    table = pd.read_csv(tmp_path / "s.csv")
    lost = (table["method"] == "b") & ((table["noise"] == "worse") | (table["seed"] == 3))
    table[~lost].to_csv(tmp_path / "s.csv", index=False)
    found = verdicts(**claims(tmp_path, "s"))
    assert found[["noise", "seeds", "verdict"]].to_numpy().tolist() == [
        ["worse", 0, "not run"],
        ["clean", 2, "undecided"],
    ]
    verdict, words = judged(tmp_path, "s")
    assert verdict == UNDECIDED and "Not run: s worse." in words and "s clean (n = 2: " in words


def test_a_missing_study_decides_nothing_and_is_named(tmp_path):
    write(tmp_path, "s", {"worse": UP})
    verdict, evidence = judged(tmp_path, "s", "t")
    assert verdict == "supported" and "Studies not recorded yet: t." in evidence
    assert judged(tmp_path, "t")[0] == UNDECIDED


def test_what_stands_beside_does_not_count(tmp_path):
    write(tmp_path, "s", {"worse": UP})
    write(tmp_path, "t", {"worse": DOWN})
    assert judged(tmp_path, "s", beside=["t"])[0] == "supported"
    found = verdicts(**claims(tmp_path, "s", beside=["t"]))
    assert found[["verdict", "counts"]].to_numpy().tolist() == [["supported", True], ["contradicted", False]]
    assert "Beside it" not in judged(tmp_path, "s", beside=["t"])[1]


def test_other_measures_are_told_beside_the_one_that_decides(tmp_path):
    write(tmp_path, "s", {"worse": UP}, knn=[0.4, 0.5])
    options = claims(tmp_path, "s", beside=["s", "t"])
    listed = yaml.safe_load(options["claims"].read_text())
    for one in listed[0]["beside"]:
        one["measure"] = "knn"
    options["claims"].write_text(yaml.safe_dump(listed))
    (row,) = verdict_table(**options).to_dict("records")
    told = f"Beside it: {MEASURES['knn']}.\n\n* Undecided: s worse +0.000 ± 0.000 (n = 3)."
    assert row["verdict"] == "supported" and row["evidence"].endswith(told)


def test_of_several_baselines_the_one_that_comes_out_best_is_taken(tmp_path):
    write(tmp_path, "s", {"worse": UP})
    entries = json.loads((tmp_path / "s.json").read_text())
    table = pd.read_csv(tmp_path / "s.csv")
    better = [e | dict(method="z", last=0.6, fingerprint=e["fingerprint"] + "z") for e in entries if e["method"] == "a"]
    (tmp_path / "s.json").write_text(json.dumps(entries + better))
    pd.concat([table, table[table["method"] == "a"].assign(method="z")]).to_csv(tmp_path / "s.csv", index=False)
    for baselines in (["a", "z"], ["z", "a", "never run"]):
        (row,) = verdicts(**claims(tmp_path, "s", lower=baselines)).to_dict("records")
        assert row["lower"] == "z" and row["verdict"] == "contradicted" and row["mean"] == pytest.approx(-0.075)


def test_measures_are_read_from_the_epochs(tmp_path):
    history = pd.DataFrame(dict(auc_1=[np.nan, 0.5, *[0.6] * 9, 0.8], auc_2=[np.nan, 0.7, *[0.6] * 9, 0.8]))
    history["knn"] = [0.1, *[np.nan] * 10, 0.9]
    found = {measure: module._measure(history, measure) for measure in MEASURES}
    assert found["first_auc"] == pytest.approx(0.6) and found["auc"] == pytest.approx((9 * 0.6 + 0.8) / 10)
    assert found["knn"] == 0.9 and np.isnan(found["silhouette"])
    write(tmp_path, "s", {"worse": (0.0, 0.0, 0.0)}, knn=[0.4, 0.5])
    (row,) = verdicts(**claims(tmp_path, "s", measure="knn")).to_dict("records")
    assert row["mean"] == 0 and row["seeds"] == 3 and np.isnan(row["peak"])


def test_a_change_of_the_runs_reaches_the_verdict(tmp_path):
    write(tmp_path, "s", {"worse": UP})
    swap = {"a": "b", "b": "a"}
    (row,) = verdicts(change=lambda runs: runs.replace({"method": swap}), **claims(tmp_path, "s")).to_dict("records")
    assert row["verdict"] == "contradicted" and row["mean"] == pytest.approx(-0.025)


LISTED = yaml.safe_load(CLAIMS.read_text())


def test_every_claim_names_recorded_or_planned_studies_their_methods_and_a_notebook():
    assert len({claim["claim"] for claim in LISTED}) == len(LISTED) >= 6
    for claim in LISTED:
        assert {"claim", "notebook", "measure", "comparisons"} <= set(claim) <= {"beside", *claim, "comparisons"}
        assert claim["measure"] in MEASURES and list(module.ROOT.glob(f"notebooks/{claim['notebook']}_*.ipynb"))
        for one in claim["comparisons"] + claim.get("beside", []):
            grid = module.ROOT / "data" / "grids" / f"{one['study']}.yaml"
            plan = yaml.safe_load(grid.read_text()) if grid.exists() else {"method": ["none", "naive", "plr"]}
            rows = {*plan.get("method", []), *plan.get("variants", {})}
            assert {one["higher"], *np.atleast_1d(one["lower"])} <= rows, one
            assert one.get("measure", "last") in MEASURES


@pytest.mark.slow
def test_the_table_agrees_with_the_records():
    found, table = verdicts(), verdict_table()
    assert table["claim"].tolist() == [claim["claim"] for claim in LISTED]
    assert set(table["verdict"]) <= {"supported", "contradicted", UNDECIDED}
    row = found[(found["study"] == "bundled") & (found["noise"] == "sym 0.5") & found["counts"]].iloc[0]
    runs, _ = recorded("bundled", RESULTS)
    last = runs[(runs["noise"] == "sym") & (runs["rate"] == 0.5)].pivot(index="seed", columns="method", values="last")
    assert row["mean"] == pytest.approx((last[row["higher"]] - last[row["lower"]]).mean())
    assert f"bundled sym 0.5 {100 * row['mean']:+.1f}" in table["evidence"][0]
    few = found[found["seeds"] < 3]
    assert set(few["verdict"]) <= {"undecided", "not run", "not recorded"}


def test_the_short_table_counts_comparisons_with_three_seeds_only(tmp_path):
    write(tmp_path, "bundled", {"sym": UP, "asym": DOWN[:2]})
    named = {"method": {"a": "naive", "b": "dividemix"}}
    first = module.in_markdown(tmp_path, lambda runs: runs.replace(named)).splitlines()[2]
    assert "| 1 / 0 / 0 | **supported** |" in first
