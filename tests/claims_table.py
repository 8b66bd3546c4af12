"""One table from equation to claim: functions that compute it, tests that hold them, claims that rest on it; and the
verdicts on the paper's claims in the README.

Equations, functions and claims are linked in ``data/equations.yaml``; the rest is read off the notebooks and tests.
"""

import ast
import pkgutil

import nbformat
import pandas as pd
import yaml

from plremix_core.engine.checks import require
from plremix_core.engine.files import ROOT, write_atomic
from plremix_core.lessons.injected import DECLARED, NOTEBOOKS
from plremix_core.lessons.runner import read
from plremix_core.sweeps import verdicts

EQUATIONS, TABLE, TESTS = ROOT / "data" / "equations.yaml", ROOT / "data" / "claims.csv", ROOT / "tests"
REMEDY = "Mend data/equations.yaml, then run `make claims`."


def declared() -> dict[str, dict]:
    """Read the claims off the notebooks: by name, the notebook, the sentence and the controls that must break it.

    Raises
    ------
    ValueError
        If a claim is in the table but not in the code of its notebook, or the other way round.
    """
    found: dict[str, dict] = {}
    for path in sorted(NOTEBOOKS.glob("[0-9]*.ipynb")):
        cells = read(path).cells
        rows = [line for c in cells if c.cell_type == "markdown" for line in c.source.splitlines()]
        told = {DECLARED.match(row).group(1): row.split("|")[2].strip() for row in rows if DECLARED.match(row)}
        breaks = {name: controls for cell in cells for name, controls in checked_in(cell).items()}
        odd = sorted(set(told) ^ set(breaks))
        require(not odd, f"claims of {path.name}", "declared in its table and checked in its code", odd, "Mend it.")
        found |= {n: dict(notebook=path.stem, sentence=told[n], controls=breaks[n]) for n in told}
    return found


def checked_in(cell: nbformat.NotebookNode) -> dict[str, list[str]]:
    """Find the claims that a cell checks, each with the controls that must break it."""
    found = {}
    for node in ast.walk(ast.parse(cell.source)) if cell.cell_type == "code" else []:
        if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "claim":
            (breaks,) = [keyword.value for keyword in node.keywords if keyword.arg == "breaks"]
            found[node.args[0].value] = ast.literal_eval(breaks)
    return found


def tests_of(functions: list[str]) -> dict[str, list[str]]:
    """Find the tests that use a function, by name of the function, as ``test_losses.py::test_...``."""
    found: dict[str, list[str]] = {name: [] for name in functions}
    for path in sorted(TESTS.glob("test_*.py")):
        for test in ast.parse(path.read_text()).body:
            if isinstance(test, ast.FunctionDef) and test.name.startswith("test_"):
                used = {getattr(node, "attr", getattr(node, "id", "")) for node in ast.walk(test)}
                for name in functions:
                    if name.split(".")[-1] in used:
                        found[name].append(f"{path.name}::{test.name}")
    return found


def table() -> pd.DataFrame:
    """Make the table, one row an equation and claim, with two tests of each equation.

    Raises
    ------
    ValueError
        If a claim or function does not exist, a function has no test, a claim no equation or an equation no claim.
    """
    known, linked, rows = declared(), yaml.safe_load(EQUATIONS.read_text()), []
    missing = sorted(set(known) - {claim for link in linked for claim in link["claims"]})
    require(not missing, "claims", "each under an equation", missing, REMEDY)
    tests = tests_of(sorted({name for link in linked for name in link["functions"]}))
    for name, using in tests.items():
        require(_exists(name), "function", "one of plremix_core", name, REMEDY)
        require(using, "function", "used by a test", name, "Write one.")
    for link in linked:
        require(link["claims"], "equation", "under at least one claim", link["id"], REMEDY)
        unknown = sorted(set(link["claims"]) - set(known))
        require(not unknown, f"claims of {link['id']}", "in a notebook", unknown, REMEDY)
        closest = _closest({test for name in link["functions"] for test in tests[name]}, link["functions"])
        row = {key: link[key] for key in ("id", "what", "formula", "source")}
        row |= dict(functions=" ".join(link["functions"]), tests=" ".join(closest[:2]))
        for claim in link["claims"]:
            found = known[claim]
            rows.append(row | dict(notebook=found["notebook"], claim=claim, sentence=found["sentence"]))
            rows[-1]["controls"] = " ".join(found["controls"])
    return pd.DataFrame(rows)


def write() -> pd.DataFrame:
    """Write the table as CSV and return it."""
    found = table()
    write_atomic(TABLE, found.to_csv(index=False).encode())
    return found


def readme(text: str) -> str:
    """The text of the README with the verdicts as the records stand now."""
    marks = "<!-- verdicts: written by `make claims` -->", "<!-- end of verdicts -->"
    before, _, rest = text.partition(marks[0])
    return f"{before}{marks[0]}\n{verdicts.in_markdown()}\n{marks[1]}{rest.partition(marks[1])[2]}"


def _exists(name: str) -> bool:
    try:
        return pkgutil.resolve_name(f"plremix_core.{name}") is not None
    except (ImportError, AttributeError):
        return False


def _closest(tests: set[str], functions: list[str]) -> list[str]:
    """Sort tests: those in the functions' own files first, and of these the comparisons with an equation."""
    own = {f"test_{part}.py" for name in functions for part in name.split(".")}
    words = ("equal", "literal", "naive", "golden", "agree")
    return sorted(tests, key=lambda t: (t.split("::")[0] not in own, not any(word in t for word in words), t))


if __name__ == "__main__":
    found = write()
    write_atomic(ROOT / "README.md", readme((ROOT / "README.md").read_text("utf-8")).encode())
    print(f"{found['claim'].nunique()} claims, {found['id'].nunique()} equations and mechanisms: {TABLE}")
