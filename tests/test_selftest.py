"""The table of `make selftest`: cases of one test are one row; a failure is never hidden by what passed."""

import json
import shutil
import subprocess
import sys

import pytest

from plremix_core.engine.files import ROOT

TESTS = """
import pytest

@pytest.mark.parametrize("case", [30, 0])
def test_a_run_goes_on(case, tries):
    if case:
        tries(case)

@pytest.mark.parametrize("case", [1, 2, 3])
def test_a_run_ends(case):
    if case == 2:
        pytest.skip("no root here")

@pytest.mark.parametrize("case", [1, 2, 3])
def test_a_run_is_kept(case):
    assert case != 2, "an epoch is lost"

def test_a_run_begins():
    pytest.skip("no network here")
"""


@pytest.mark.slow
def test_cases_are_counted_in_one_row_and_one_failure_makes_it_fail(tmp_path):
    folder = tmp_path / "tests" / "reliability"
    folder.mkdir(parents=True)
    shutil.copy(ROOT / "tests" / "reliability" / "conftest.py", folder)
    (folder / "test_kill.py").write_text(TESTS)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/reliability"]
    done = subprocess.run([*command, "--record", "out/table.json"], cwd=tmp_path, capture_output=True, text=True)
    content = json.loads((tmp_path / "out" / "table.json").read_text())
    found = [(row["test"], row["tries"], row["result"], row["reason"]) for row in content["rows"]]
    assert found == [
        ("a run goes on", 31, "passed", ""),
        ("a run ends", 2, "passed", "no root here"),
        ("a run is kept", 2, "failed", "AssertionError: an epoch is lost"),
        ("a run begins", 0, "skipped", "no network here"),
    ]
    assert content["rows"][0]["theme"] == "kill" and content["complete"] and done.returncode == 1
    assert (
        content["rows"][0]["command"] == "python -m pytest tests/reliability/test_kill.py -k test_a_run_goes_on -m ''"
    )
    assert "reliability: 4 tests, 35 tries: 2 passed, 1 failed, 1 skipped" in done.stdout
    assert {"command", "commit", "date", "versions", "processor"} <= set(content["provenance"])
