"""Which equation is computed by which function, held by which tests, and which claims rest on it: one table.

The first and last link are written in ``data/equations.yaml``; all else is read off the notebooks and tests.
"""

import ast
import importlib
from functools import reduce
from pathlib import Path

import nbformat
import pandas as pd
import yaml

from ..engine.checks import require
from ..engine.files import ROOT, write_atomic
from .runner import DECLARED

EQUATIONS, TABLE = ROOT / "data" / "equations.yaml", ROOT / "data" / "claims.csv"
NOTEBOOKS, TESTS = ROOT / "notebooks", ROOT / "tests"
REMEDY = "Mend data/equations.yaml, then run `plremix claims`."


def equations(path: Path = EQUATIONS) -> list[dict]:
    """Read the equations, in order: id, what, formula, source, functions and claims of each."""
    return yaml.safe_load(path.read_text())


def declared(folder: Path = NOTEBOOKS) -> dict[str, dict]:
    """Read the claims off the notebooks' code and tables.

    Parameters
    ----------
    folder : path
        Where the notebooks lie.

    Returns
    -------
    dict of str to dict
        By name: notebook, sentence (of its table) and controls (that must break it).

    Raises
    ------
    ValueError
        If a claim is in a table but not in the code of its notebook, or the other way round.

    Source
    ------
    ours

    Differs
    -------
    nothing
    """
    found: dict[str, dict] = {}
    for path in sorted(folder.glob("[0-9]*.ipynb")):
        cells = nbformat.read(path, as_version=4).cells
        rows = [line for c in cells if c.cell_type == "markdown" for line in c.source.splitlines()]
        told = {DECLARED.match(row).group(1): row.split("|")[2].strip() for row in rows if DECLARED.match(row)}
        code = [c.source for c in cells if c.cell_type == "code"]
        breaks = {call.args[0].value: controls(call) for source in code for call in calls(source, "claim")}
        odd = sorted(set(told) ^ set(breaks))
        require(not odd, f"claims of {path.name}", "declared in its table and checked in its code", odd, "Mend it.")
        found |= {n: dict(notebook=path.stem, sentence=told[n], controls=breaks[n]) for n in told}
    return found


def tests_of(functions: list[str], folder: Path = TESTS) -> dict[str, list[str]]:
    """Find the tests that use a function, by name of the function, as ``test_losses.py::test_...``."""
    found: dict[str, list[str]] = {name: [] for name in functions}
    for path in sorted(folder.glob("test_*.py")):
        for test in ast.parse(path.read_text()).body:
            if isinstance(test, ast.FunctionDef) and test.name.startswith("test_"):
                used = {node.attr for node in ast.walk(test) if isinstance(node, ast.Attribute)}
                used |= {node.id for node in ast.walk(test) if isinstance(node, ast.Name)}
                for name in functions:
                    if name.split(".")[-1] in used:
                        found[name].append(f"{path.name}::{test.name}")
    return found


def table() -> pd.DataFrame:
    """One row an equation and claim: what, formula, source, functions, two tests, notebook, claim, controls.

    Raises
    ------
    ValueError
        If a claim or function does not exist, a function has no test, a claim no equation or an equation no claim.
    """
    known, linked, rows = declared(), equations(), []
    missing = sorted(set(known) - {claim for link in linked for claim in link["claims"]})
    require(not missing, "claims", "each under an equation", missing, REMEDY)
    functions = sorted({name for link in linked for name in link["functions"]})
    tests = tests_of(functions)
    for name in functions:
        require(_exists(name), "function", "one of plremix_core", name, REMEDY)
        require(tests[name], "function", "used by a test", name, "Write one.")
    for link in linked:
        require(link["claims"], "equation", "under at least one claim", link["id"], REMEDY)
        unknown = sorted(set(link["claims"]) - set(known))
        require(not unknown, f"claims of {link['id']}", "in a notebook", unknown, REMEDY)
        holding = sorted({test for name in link["functions"] for test in tests[name]}, key=_nearest(link["functions"]))
        row = {key: link[key] for key in ("id", "what", "formula", "source")}
        row |= dict(functions=" ".join(link["functions"]), tests=" ".join(holding[:2]))
        for claim in link["claims"]:
            about = known[claim]
            rows.append(row | dict(notebook=about["notebook"], claim=claim, sentence=about["sentence"]))
            rows[-1]["controls"] = " ".join(about["controls"])
    return pd.DataFrame(rows)


def calls(source: str, method: str) -> list[ast.Call]:
    """Calls of a method in the code of a cell."""
    nodes = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)]
    return [call for call in nodes if isinstance(call.func, ast.Attribute) and call.func.attr == method]


def controls(call: ast.Call) -> list[str]:
    """The controls that a call of `lab.Lesson.claim` names."""
    (breaks,) = [keyword.value for keyword in call.keywords if keyword.arg == "breaks"]
    return ast.literal_eval(breaks)


def write(path: Path = TABLE) -> pd.DataFrame:
    """Write the table as CSV and return it."""
    found = table()
    write_atomic(path, found.to_csv(index=False).encode())
    return found


def _exists(name: str) -> bool:
    module, *rest = name.split(".")
    try:
        return reduce(getattr, rest, importlib.import_module(f"plremix_core.{module}")) is not None
    except (ImportError, AttributeError):
        return False


def _nearest(functions: list[str]):
    """Sort key: tests of the functions' own files first, and of these the comparisons with an equation."""
    own = {f"test_{name.split('.')[0]}.py" for name in functions}
    words = ("equal", "literal", "naive", "golden", "agree")
    return lambda test: (test.split("::")[0] not in own, not any(word in test for word in words), test)
