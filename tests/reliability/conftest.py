"""How often a test tried what it is named after, and a table of it: `--record FILE`, as `make selftest` gives."""

import json
import os
import time
from pathlib import Path

import pytest

HERE = Path(__file__).parent
os.environ["PYTHONPATH"] = os.pathsep.join(
    [str(HERE), str(HERE.parent), os.environ.get("PYTHONPATH", "")]
)  # processes.py, tiny.py
ROWS: dict[str, dict] = {}  # by test; the cases of a parametrised test are one row
START = time.perf_counter()


@pytest.fixture
def tries(record_property):
    """Call it once, at the end, with the number of tries."""
    return lambda number: record_property("tries", number)


def pytest_addoption(parser) -> None:
    parser.addoption("--record", help="Write a table of the tests of reliability, as JSON.")


def pytest_runtest_logreport(report) -> None:
    """Add a case to its test's row: a failure stays whatever passes, a case is one try unless it says more."""
    file, name = report.nodeid.split("[")[0].rsplit("::", 1)
    fresh = dict(
        theme=Path(file).stem.removeprefix("test_"), test=name.removeprefix("test_").replace("_", " "), tries=0
    )
    command = f"python -m pytest {file} -k {name} -m ''"
    row = ROWS.setdefault(f"{file}::{name}", fresh | dict(result="skipped", reason="", seconds=0.0, command=command))
    row["seconds"] = round(row["seconds"] + report.duration, 1)
    if report.failed:
        crash = getattr(report.longrepr, "reprcrash", None)
        row |= dict(result="failed", reason=(crash.message if crash else report.longreprtext).splitlines()[0][:200])
    elif report.skipped:
        row["reason"] = row["reason"] or str(report.longrepr[2]).removeprefix("Skipped: ")
    elif report.when == "call":
        row["result"] = "failed" if row["result"] == "failed" else "passed"
        row["tries"] += sum(value for name, value in report.user_properties if name == "tries") or 1


def pytest_terminal_summary(terminalreporter, exitstatus, config) -> None:
    """Say how many tries there were and, if asked, write the table."""
    rows = list(ROWS.values())
    if not rows:
        return
    counts = {result: sum(row["result"] == result for row in rows) for result in ("passed", "failed", "skipped")}
    told = ", ".join(f"{count} {result}" for result, count in counts.items() if count)
    terminalreporter.write_line(f"reliability: {len(rows)} tests, {sum(row['tries'] for row in rows):,} tries: {told}")
    path = config.getoption("--record", None)
    if path:
        import torch

        from plremix_core.engine import files, provenance

        facts = dict(provenance=provenance.provenance(torch.device("cpu")), complete=exitstatus in (0, 1))
        facts |= dict(seconds=round(time.perf_counter() - START, 1), rows=rows)
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        files.write_atomic(Path(path), (json.dumps(facts, indent=1) + "\n").encode())
