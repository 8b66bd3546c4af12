"""Tables of a sweep agree with the JSON files of its runs; the page is safe to open; records keep their format."""

import json
import re

import numpy as np
import pandas as pd
import pytest
import scipy.stats

from plremix_core.lessons.lesson import ROOT
from plremix_core.sweeps import report, results

METHODS, SEEDS, NOISES = ("ce", "plremix", "<b>odd</b>"), (1, 2, 3), (("sym", 0.5), ("worse", 0.0))


def make(folder, dataset="cifar10", left_out=()):
    """A sweep's folder with results drawn at random, as `run_all.run` would leave it."""
    rng, names = np.random.default_rng(3), []
    for method in METHODS:
        for noise, rate in NOISES:
            for seed in SEEDS:
                name = f"{noise}_{re.sub('[^a-z]', '', method)}_{seed}"
                names.append(name)
                place = folder / name
                place.mkdir(parents=True)
                labels = dict(dataset=dataset, noise=noise, rate=rate, method=method, seed=seed)
                (place / "cell.json").write_text(json.dumps(dict(name=name, labels=labels, fingerprint=name)))
                if name in left_out:
                    continue
                table = pd.DataFrame(dict(epoch=range(4), test_accuracy=rng.random(4), seconds=1.0))
                if method != "ce":
                    table = table.assign(auc_1=[np.nan, 0.6, 0.7, 0.8], auc_2=[np.nan, 0.8, 0.7, 0.6])
                table.to_csv(place / "history.csv", index=False)
                last, best = table["test_accuracy"].mean(), table["test_accuracy"].max()
                found = labels | dict(fingerprint=name, last=last, best=best, chosen=None, seconds=4.0, resumed=0)
                found |= dict(versions={"torch": "2"}, device="CPU", notebook="05.ipynb", wall_seconds=9.0)
                (place / "result.json").write_text(json.dumps(found))
    (folder / "grid.json").write_text(json.dumps(dict(grid="made", reference="plremix", cells=names)))
    return folder


def finished(folder):
    return [json.loads(path.read_text()) for path in folder.glob("*/result.json")]


def test_summary_agrees_with_the_json_files(tmp_path):
    runs, _ = results.collect(make(tmp_path))
    for figure in ("last", "best"):
        table = results.summary(runs, figure)
        assert len(table) == len(METHODS) * len(NOISES)
        for row in table.to_dict("records"):
            same = ("method", "noise", "rate", "dataset")
            values = [entry[figure] for entry in finished(tmp_path) if all(entry[k] == row[k] for k in same)]
            assert row["seeds"] == 3
            assert row["mean"] == pytest.approx(sum(values) / 3)
            assert row["std"] == pytest.approx((sum((v - row["mean"]) ** 2 for v in values) / 2) ** 0.5)
    assert len(results.summary(runs, "chosen")) == 0


def test_every_figure_of_the_page_is_that_of_the_json_files(tmp_path):
    page = report.write(make(tmp_path)).read_text()
    for method in METHODS:
        for noise, _ in NOISES:
            for figure in ("last", "best"):
                values = [e[figure] for e in finished(tmp_path) if e["method"] == method and e["noise"] == noise]
                assert f"{100 * np.mean(values):.2f} ± {100 * np.std(values, ddof=1):.2f}" in page
    assert "picked on the test set" in page and "18 of 18 runs are done" in page
    assert "<b>odd</b>" not in page and "&lt;b&gt;odd&lt;/b&gt;" in page
    for name in re.findall(r'href="(curves[^"]+)"', page):
        assert (tmp_path / name).read_bytes().startswith(b"\x89PNG")
    assert len(re.findall(r'<img src="data:image/png[^>]*alt="[^"]{40,}"', page)) == len(NOISES)


def test_differences_are_paired_by_seed_with_the_t_interval_of_their_mean(tmp_path):
    folder = make(tmp_path, left_out=("sym_ce_2", "worse_ce_1", "worse_ce_2"))
    runs, _ = results.collect(folder)
    last = {(e["method"], e["noise"], e["seed"]): e["last"] for e in finished(folder)}
    table = results.differences(runs, "plremix")
    assert {(r["method"], r["noise"]): r["seeds"] for r in table.to_dict("records")} == {
        ("ce", "sym"): 2, ("<b>odd</b>", "sym"): 3, ("ce", "worse"): 1, ("<b>odd</b>", "worse"): 3
    }  # fmt: skip
    for row in table.to_dict("records"):
        own = [(last.get((row["method"], row["noise"], s)), last["plremix", row["noise"], s]) for s in SEEDS]
        pairs = np.array([pair for pair in own if pair[0] is not None])
        gaps = pairs[:, 0] - pairs[:, 1]
        assert row["mean"] == pytest.approx(np.mean(gaps))
        assert (row["least"], row["most"]) == pytest.approx((min(gaps), max(gaps)))
        if row["seeds"] < 3:
            assert np.isnan([row["low"], row["high"]]).all() and not row["decided"]
        else:
            interval = scipy.stats.ttest_rel(*pairs.T).confidence_interval(0.95)
            assert (row["low"], row["high"]) == pytest.approx((interval.low, interval.high))


def compared(*gaps):
    """Runs in which `b` is above `a` by these gaps, a seed each."""
    rows = [dict(method=m, seed=s, last=0.5 + g * (m == "b")) for s, g in enumerate(gaps) for m in ("a", "b")]
    return pd.DataFrame(rows).assign(state="done", dataset="d", noise="sym", rate=0.5)


PREDICTIONS = [dict(claim="c", higher="b", lower="a", reason="r", date="2026-11-30")]


@pytest.mark.parametrize(
    ("gaps", "verdict"),
    [
        ((0.02, 0.03, 0.025), "hit"),
        ((-0.02, -0.03, -0.025), "miss"),
        ((0.02, -0.03, 0.025), "open"),
        ((0.02, 0.0201), "open"),  # two seeds decide nothing, however near to each other
        ((0.02,), "open"),
        ((0.0, 0.0, 0.0), "open"),
    ],
)
def test_a_prediction_is_a_hit_or_a_miss_only_where_three_seeds_decide_it(gaps, verdict):
    (row,) = results.judge(PREDICTIONS, compared(*gaps)).to_dict("records")
    assert row["verdict"] == verdict and row["seeds"] == len(gaps)
    (gap,) = results.differences(compared(*gaps), "a").to_dict("records")
    assert gap["decided"] == (verdict != "open") and row["mean"] == gap["mean"] == pytest.approx(np.mean(gaps))


def test_a_prediction_is_about_its_own_noise_and_stays_while_nothing_is_finished():
    runs = pd.concat([compared(0.02, 0.03, 0.025), compared(-0.02, -0.03, -0.025).assign(rate=0.8)])
    assert results.judge(PREDICTIONS, runs)["verdict"].tolist() == ["hit", "miss"]
    assert results.judge([PREDICTIONS[0] | {"noise": "sym 0.8"}], runs)["verdict"].tolist() == ["miss"]
    waiting = runs.drop(columns="last").assign(state="unfinished")
    assert results.judge(PREDICTIONS, waiting)[["verdict", "seeds"]].to_numpy().tolist() == [["open", 0]] * 2


def test_the_page_shows_predictions_with_their_verdict(tmp_path):
    folder = make(tmp_path, left_out=("sym_ce_2", "worse_ce_1", "worse_ce_2"))
    listing = json.loads((folder / "grid.json").read_text())
    about = dict(claim="<i>joining</i> hurts", higher="ce", lower="plremix", reason="why", date="2026-11-30")
    (folder / "grid.json").write_text(json.dumps(listing | {"predictions": [about]}))
    page = report.write(folder).read_text()
    (two,) = [g for g in results.judge([about], results.collect(folder)[0]).to_dict("records") if g["seeds"] == 2]
    assert f'<td class="n">{100 * two["mean"]:+.2f}</td>' in page  # two seeds: a range, no interval
    assert f"n = 2, {100 * two['least']:+.2f} to {100 * two['most']:+.2f}" in page
    assert "&lt;i&gt;joining&lt;/i&gt; hurts" in page and "<i>joining" not in page
    assert "why" in page and "2026-11-30" in page and page.count("<td>open</td>") >= 2 and "n = 2, " in page


def test_unfinished_and_failed_runs_are_told_and_left_out(tmp_path):
    folder = make(tmp_path, left_out=("sym_ce_1", "sym_ce_2"))
    (folder / "sym_ce_1" / "failed.json").write_text(json.dumps(dict(reason="the kernel <died>", log=[])))
    (folder / "sym_ce_3" / "result.json").write_text('{"fingerprint": "of other settings"}')
    runs, histories = results.collect(folder)
    assert runs["state"].value_counts().to_dict() == {"done": 15, "unfinished": 2, "failed": 1}
    assert len(histories) == 15
    page = report.write(folder).read_text()
    assert "15 of 18 runs are done" in page and "1 failed" in page and "the kernel &lt;died&gt;" in page


def test_a_page_can_be_written_before_anything_is_finished(tmp_path):
    folder = make(
        tmp_path, left_out=[f"{n}_{m}_{s}" for n in ("sym", "worse") for m in ("ce", "plremix", "boddb") for s in SEEDS]
    )
    assert "0 of 18 runs are done" in report.write(folder).read_text()


def test_another_folder_is_refused(tmp_path):
    for function in (results.collect, results.record, report.write):
        with pytest.raises(ValueError, match="folder must be one that `plremix sweep` made"):
            function(tmp_path)


def test_records_have_a_row_an_epoch_and_the_provenance_of_every_run(tmp_path):
    folder = make(tmp_path / "runs", left_out=("sym_ce_1",))
    csv, provenance = results.record(folder, tmp_path / "results")
    table, entries = pd.read_csv(csv), json.loads(provenance.read_text())
    assert (csv.name, provenance.name) == ("made.csv", "made.json") and len(entries) == 17
    assert "seconds" not in table and list(table.columns[:5]) == ["dataset", "method", "noise", "rate", "seed"]
    for entry in entries:
        rows = table[(table["method"] == entry["method"]) & (table["seed"] == entry["seed"])]
        rows = rows[rows["noise"] == entry["noise"]]
        assert len(rows) == 4 and rows["test_accuracy"].mean() == pytest.approx(entry["last"], abs=1e-4)


def test_what_was_recorded_reads_like_the_sweep_that_it_was(tmp_path):
    folder = make(tmp_path / "runs", left_out=("sym_ce_1",))
    results.record(folder, tmp_path)
    runs, histories = results.collect(folder)
    read, own = results.recorded("made", tmp_path)
    done = runs[runs["state"] == "done"]
    assert list(read["name"]) == list(done["name"]) == list(own) and set(read["state"]) == {"done"}
    for name, table in own.items():
        pd.testing.assert_frame_equal(table, histories[name].drop(columns="seconds"), rtol=1e-4, check_dtype=False)
    pd.testing.assert_frame_equal(results.differences(read, "plremix"), results.differences(done, "plremix"))
    assert list(report.pictures(read, own, "plremix")) == list(report.pictures(runs, histories, "plremix"))


def test_a_record_that_is_missing_or_of_two_sweeps_is_refused(tmp_path):
    csv, facts = results.record(make(tmp_path / "runs"), tmp_path)
    facts.write_text(json.dumps(json.loads(facts.read_text())[1:]))
    with pytest.raises(ValueError, match="study must be of one sweep, got 'made'"):
        results.recorded("made", tmp_path)
    csv.unlink()
    with pytest.raises(ValueError, match="study must be recorded, got 'no made.csv'"):
        results.recorded("made", tmp_path)


def test_published_figures_have_sources_and_the_papers_own_are_empty():
    table = pd.read_csv(results.PUBLISHED)
    assert table["source"].str.len().min() > 10 and table["accuracy"].dropna().between(5, 100).all()
    assert not table.duplicated(["dataset", "noise", "rate", "method", "which", "source"]).any()
    own = table["method"].str.startswith("PLReMix")
    assert own.any() and table["accuracy"].isna().equals(own)


def recorded_trainings():
    """Tables of data/results with a row an epoch; other measurements have other columns."""
    paths = sorted((ROOT / "data" / "results").glob("*.csv"))
    return [
        path.with_suffix(".json") for path in paths if {"noise", "epoch", "test_accuracy"} <= set(pd.read_csv(path))
    ]


def test_there_are_recorded_trainings():
    assert {"lesson", "prototypes"} <= {path.stem for path in recorded_trainings()}


@pytest.mark.parametrize("path", recorded_trainings(), ids=lambda path: path.stem)
def test_recorded_tables_agree_with_their_provenance(path):
    table = pd.read_csv(path.with_suffix(".csv"))
    for entry in json.loads(path.read_text()):
        own = (table["method"] == entry["method"]) & (table["seed"] == entry["seed"])
        rows = table[own & (table["noise"] == entry["noise"]) & (table["rate"] == entry["rate"])]
        assert rows["test_accuracy"].tail(10).mean() == pytest.approx(entry["last"], abs=1e-4)
        assert {"device", "versions", "date", "data", "seconds", "best"} <= set(entry)


def test_the_figures_of_the_readme_are_those_of_the_recorded_study():
    table = pd.read_csv(ROOT / "data" / "results" / "lesson.csv")
    curves = table.groupby(["method", "seed"])["test_accuracy"]
    last, best = curves.apply(lambda column: column.tail(10).mean()).unstack(), curves.max().unstack()
    text = " ".join((ROOT / "README.md").read_text("utf-8").split())
    shown = re.search(
        r"reaches (\d+) % test .* falls to (\d+) % \((\d+) % if .*; PLReMix ends at (\d+) %", text
    ).groups()
    measured = best.loc["ce"].mean(), *last.mean(axis=1).loc[["ce", "ce on strong views", "plremix"]]
    assert [float(value) for value in shown] == [round(100 * value) for value in measured]


def test_the_study_that_names_no_data_set_is_of_the_bundled_one():
    runs, histories = results.recorded("lesson")
    assert set(runs["dataset"]) == {"fashion_mnist"} and list(histories) == runs["name"].tolist() and len(runs) > 5
    assert len(results.differences(runs, "plremix"))
