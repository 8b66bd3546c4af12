"""What is recorded of a measurement, and where it comes from."""

import json

import pandas as pd
import pytest

from plremix_core.engine import provenance


def test_recording_a_seed_again_replaces_its_rows_and_no_others(tmp_path):
    path = tmp_path / "study.csv"
    for seed, value in ((2, 0.5), (1, 0.25), (2, 0.75)):
        provenance.record(path, pd.DataFrame({"measure": ["a", "b"], "value": [value, 1.0]}), seed, "abc")
    found = pd.read_csv(path)
    assert found.to_dict("list") == {
        "measure": ["a", "b"] * 2,
        "value": [0.25, 1.0, 0.75, 1.0],
        "seed": [1, 1, 2, 2],
    }
    facts = json.loads(path.with_suffix(".json").read_text())
    assert set(facts) == {"1", "2"}
    assert facts["1"]["settings"] == "abc" and {"processor", "versions", "date", "threads"} <= set(facts["1"])


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["/usr/bin/plremix", "bench", "--data", "/home/me/cifar"], "plremix bench --data cifar"),
        (["/x/plremix_core/__main__.py", "bench"], "plremix bench"),
        (["data/grids/study.py", "runs/study", "/home/me/cifar"], "python data/grids/study.py runs/study cifar"),
        (["/home/me/study.py"], "python study.py"),
    ],
)
def test_the_recorded_command_can_be_typed_again_and_names_no_home(arguments, expected):
    assert provenance.command(arguments) == expected
