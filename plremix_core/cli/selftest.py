"""The command ``plremix selftest``: run the tests of reliability by pytest, print a table of them, keep it as JSON."""

import json
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ElementTree
from dataclasses import asdict, dataclass
from pathlib import Path

import click
import torch

from ..engine import provenance
from ..engine.checks import require
from ..engine.files import ROOT, write_atomic

TESTS = Path("tests", "reliability")
THEMES = ("damage", "stress", "input", "honesty", "kill", "closed", "load")  # what takes longest comes last
ENGINE = ("augment", "trainer", "whole_step", "distributed")  # same bits, literal steps, Pillow, several processes
RECORD = ROOT / "data" / "results" / "reliability.json"


@dataclass
class Row:
    """One test: its theme, how many things it tried, passed | failed | skipped (with a reason), the command for it."""

    theme: str
    test: str
    tries: int
    result: str
    reason: str
    seconds: float
    command: str


def read(path: Path) -> list[Row]:
    """Rows of a JUnit file of pytest; the cases of a parametrised test are one row.

    Parameters
    ----------
    path : Path
        Written by ``pytest --junit-xml``.

    Returns
    -------
    list of Row
        In the order they ran. A case counts as the tries it recorded, or as one.
    """
    rows: dict[str, Row] = {}
    for case in ElementTree.parse(path).iter("testcase"):
        *place, module = case.get("classname", "").split(".")
        name = case.get("name", "").partition("[")[0]
        file = Path(*place, f"{module}.py").as_posix()
        fresh = Row(module.removeprefix("test_"), name.removeprefix("test_").replace("_", " "), 0, "passed", "", 0.0,
                    f"python -m pytest {file} -k {name} -m ''")  # fmt: skip
        row = rows.setdefault(f"{file}::{name}", fresh)
        tries = [int(found.get("value", 1)) for found in case.iter("property") if found.get("name") == "tries"]
        row.seconds = round(row.seconds + float(case.get("time", 0)), 1)
        bad = next((case.find(kind) for kind in ("failure", "error") if case.find(kind) is not None), None)
        skipped = case.find("skipped")
        if bad is not None:
            row.result, row.reason = "failed", (bad.get("message") or "failed").splitlines()[0][:200]
        elif skipped is not None:
            row.reason = row.reason or skipped.get("message") or ""
            row.result = "skipped" if not row.tries and row.result == "passed" else row.result
        else:
            row.result = "passed" if row.result == "skipped" else row.result
            row.tries += sum(tries) or 1
    return list(rows.values())


def table(rows: list[Row]) -> str:
    """The rows for the terminal, with what failed or was skipped explained."""
    width = max(len(row.test) for row in rows)
    lines = [f"{'theme':11} {'test':{width}} {'tries':>6} {'result':7} seconds"]
    for row in rows:
        lines.append(f"{row.theme:11} {row.test:{width}} {row.tries:6d} {row.result:7} {row.seconds:7.1f}")
        lines += [f"{'':11}   {row.reason}"] if row.reason else []
    counts = {result: sum(row.result == result for row in rows) for result in ("passed", "failed", "skipped")}
    told = ", ".join(f"{count} {result}" for result, count in counts.items() if count)
    return "\n".join([*lines, f"{len(rows)} tests, {sum(row.tries for row in rows):,} tries: {told}"])


def run(everything: bool, only: str) -> tuple[list[Row], bool]:
    """Run the tests in a process of their own and read what came out: rows, and whether they were run to the end."""
    require((ROOT / TESTS).is_dir(), "tests", "in the repository", str(ROOT / TESTS), "Work in a clone of it.")
    marks = "" if everything else "not long"
    files = [str(TESTS / f"test_{theme}.py") for theme in THEMES]
    files += [f"tests/test_{module}.py" for module in ENGINE if everything]
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder, "junit.xml")
        command = [sys.executable, "-m", "pytest", "-q", "--durations=0", "--durations-min=60", *files, "-m", marks]
        status = subprocess.call([*command, f"--junit-xml={report}", *(["-k", only] if only else [])], cwd=ROOT)
        require(report.is_file(), "pytest", "installed and able to start", "no report", "pip install -e '.[test]'")
        rows = read(report)
    require(len(rows) > 0, "only", "part of the name of a test", only, "See the names without --only.")
    return rows, status in (0, 1)


@click.command("selftest")
@click.option("--all", "everything", is_flag=True, help="Also the tests that take minutes.")
@click.option("--only", default="", help="Expression of names, as for pytest -k.")
@click.option("--out", type=click.Path(path_type=Path), help="The JSON file.  [default: runs/selftest.json]")
@click.option("--record", "keep", is_flag=True, help="Write data/results/reliability.json, for committing.")
def command(everything, only, out, keep) -> None:
    """Try to lose, damage, break and break into a training, and say what came of it.

    \b
    plremix selftest                      the part that continuous integration runs
    plremix selftest --all --record       all of it, kept in the repository
    plremix selftest --only kill
    """
    require(not keep or (everything and not only), "record", "of all tests", "a part", "Give --all and no --only.")
    start = time.perf_counter()
    rows, complete = run(everything, only)
    seconds = round(time.perf_counter() - start, 1)
    out = out or (RECORD if keep else ROOT / "runs" / "selftest.json")
    facts = provenance.provenance(torch.device("cpu"))
    content = dict(provenance=facts, everything=everything, complete=complete, seconds=seconds)
    content["rows"] = [asdict(row) for row in rows]
    out.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(out, (json.dumps(content, indent=1) + "\n").encode())
    click.echo(f"{table(rows)}\nin {seconds:.0f} s; a row alone: the command in {out}")
    click.echo("stopped before the end" if not complete else "", nl=not complete)
    sys.exit(not complete or any(row.result == "failed" for row in rows))
