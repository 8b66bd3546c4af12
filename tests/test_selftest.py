"""The table of `plremix selftest`: cases of one test are one row; a failure is never hidden by what passed."""

import json

import pytest
from click.testing import CliRunner

from plremix_core.__main__ import main
from plremix_core.cli import selftest
from plremix_core.lessons.lesson import ROOT

CASE = '<testcase classname="tests.reliability.test_kill" name="test_a_run_{name}" time="1.5">{inside}</testcase>'
TRIES = '<properties><property name="tries" value="{}"/></properties>'
FAILED, SKIPPED = '<failure message="assert 1&#10;more"/>', '<skipped message="no root here"/>'


def read(tmp_path, *cases):
    inside = "".join(CASE.format(name=name, inside=content) for name, content in cases)
    (tmp_path / "x.xml").write_text(f"<testsuites><testsuite>{inside}</testsuite></testsuites>")
    return selftest.read(tmp_path / "x.xml")


def test_tries_and_seconds_of_the_cases_add_up_and_a_case_is_one_try_unless_it_says_more(tmp_path):
    (row,) = read(tmp_path, ("goes_on[a]", TRIES.format(30)), ("goes_on[b]", ""))
    assert (row.theme, row.test, row.tries, row.result, row.seconds) == ("kill", "a run goes on", 31, "passed", 3.0)
    assert row.command == "python -m pytest tests/reliability/test_kill.py -k test_a_run_goes_on -m ''"


@pytest.mark.parametrize("order", [1, -1])
def test_one_failed_case_makes_the_row_fail(tmp_path, order):
    (row,) = read(tmp_path, *[("ends[a]", ""), ("ends[b]", FAILED), ("ends[c]", SKIPPED)][::order])
    assert row.result == "failed" and "assert 1" in row.reason and row.tries == 1


def test_what_was_skipped_is_told_with_its_reason_and_has_no_tries(tmp_path):
    whole, part = read(tmp_path, ("ends[a]", SKIPPED), ("begins[a]", SKIPPED), ("begins[b]", ""))
    assert (whole.result, whole.reason, whole.tries) == ("skipped", "no root here", 0)
    assert (part.result, part.reason, part.tries) == ("passed", "no root here", 1)
    text = selftest.table([whole, part])
    assert "2 tests, 1 tries: 1 passed, 1 skipped" in text and text.count("no root here") == 2


@pytest.mark.parametrize(("cases", "status"), [([("ends", "")], 0), ([("ends", FAILED)], 1)])
def test_the_command_writes_where_it_ran_and_fails_with_a_test(tmp_path, monkeypatch, cases, status):
    monkeypatch.setattr(selftest, "run", lambda everything, only: (read(tmp_path, *cases), True))
    ran = CliRunner().invoke(main, ["selftest", "--out", str(tmp_path / "x.json")])
    assert ran.exit_code == status and "a run ends" in ran.output.replace("test", "")
    written = json.loads((tmp_path / "x.json").read_text())
    assert written["rows"][0]["result"] == ("failed" if status else "passed")
    assert {"command", "commit", "date", "versions", "processor"} <= set(written["provenance"])


def test_a_run_that_was_stopped_says_so_and_fails(tmp_path, monkeypatch):
    monkeypatch.setattr(selftest, "run", lambda everything, only: (read(tmp_path, ("ends", "")), False))
    ran = CliRunner().invoke(main, ["selftest", "--out", str(tmp_path / "x.json")])
    assert ran.exit_code == 1 and "stopped before the end" in ran.output
    assert json.loads((tmp_path / "x.json").read_text())["complete"] is False


def test_every_file_of_tests_is_a_theme():
    files = {path.stem.removeprefix("test_") for path in (ROOT / selftest.TESTS).glob("test_*.py")}
    assert files == set(selftest.THEMES)
