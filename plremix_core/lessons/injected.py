"""What is passed to a notebook, checked before it starts and by itself: papermill lets misspelt parameters through."""

import ast
import difflib
import json
import re
from collections.abc import Iterable
from pathlib import Path

from ..engine.checks import require
from ..engine.files import ROOT, read_text

NOTEBOOKS = ROOT / "notebooks"
TYPES = {kind.__name__: kind for kind in (int, float, str, bool)}
DECLARED = re.compile(r"^\|\s*(C\d+\.\d+)\s*\|", re.MULTILINE)
CHECKED = re.compile(r'\.claim\(\s*"(C\d+\.\d+)"')

MARK = "# Parameters"  # the first line of the cell that papermill injects
ASSIGNED = re.compile(r"^(\w+) *(?:: *\w+ *)?=(?!=)", re.MULTILINE)


def refuse_unknown(cells: list[str]) -> None:
    """Refuse an injected parameter that no cell before it declares, by the sources of the cells run so far."""
    declared: list[str] = []
    for source in cells:
        found = ASSIGNED.findall(source)
        for name in found if source.startswith(MARK) else []:
            require_parameter(name, declared, "See the cell of parameters.")
        declared += found


def require_parameter(name: str, known: list[str], remedy: str) -> None:
    """Refuse a parameter that is not `known`, with the name that it resembles."""
    near = difflib.get_close_matches(name, known, n=1)
    remedy += f" Did you mean {near[0]}?" if near else ""
    require(name in known, "parameter", f"one of {', '.join(known)}", name, remedy)


def settings_of(text: str, apart: tuple[str, ...] = ()) -> dict:
    """Read settings given as JSON; "" gives none. Names in `apart` are parameters of their own, and refused."""
    try:
        found = json.loads(text or "{}")
    except ValueError:
        found = None
    rule, example = "a mapping in JSON", 'Example: {"epochs": 30, "lr": 0.05}, with double quotes.'
    require(isinstance(found, dict), "settings", rule, text, example)
    for name in apart:
        require(name not in found, "settings", f"without {name}", text, f"Use the parameter {name}.")
    return found


def read_cells(path: Path) -> list[dict]:
    """Read the cells of a notebook, by json: nbformat takes seconds, which a refusal need not wait for."""
    notebook = json.loads(read_text(path))
    require("cells" in notebook, path.name, "a notebook of format 4", list(notebook), "Save it in JupyterLab.")
    return [cell | {"source": "".join(cell["source"])} for cell in notebook["cells"]]


def parameters_of(cells: list[dict]) -> dict[str, tuple[type, object]]:
    """Read the parameters cell among all: name to (type, default).

    Anything but typed literals is refused: a derived value would keep its default when papermill injects another.
    """
    tagged = [cell for cell in cells if "parameters" in tags_of(cell)]
    require(len(tagged) == 1, "parameters cell", "tagged once", len(tagged), "Tag one cell 'parameters'.")
    found = {}
    for statement in ast.parse(tagged[0]["source"]).body:
        literal = isinstance(statement, ast.AnnAssign) and isinstance(statement.value, ast.Constant)
        typed = literal and isinstance(statement.annotation, ast.Name) and statement.annotation.id in TYPES
        require(typed, "parameter", "a typed literal", ast.unparse(statement), "Example: seed: int = 0")
        found[statement.target.id] = (TYPES[statement.annotation.id], statement.value.value)
    return found


def tags_of(cell: dict) -> set[str]:
    """Tags of a cell."""
    return set(cell["metadata"].get("tags", []))


def as_declared(paths: list[Path], texts: dict[str, str]) -> dict[str, object]:
    """Read texts of a command line as the types that the parameters of the notebooks have."""
    declared = {name: entry for path in paths for name, entry in parameters_of(read_cells(path)).items()}
    found: dict[str, object] = {}
    for name, text in texts.items():
        kind, default = declared.get(name, (str, ""))  # `inspect` refuses other names
        try:
            found[name] = {"true": True, "false": False}[text.lower()] if kind is bool else kind(text)
        except (KeyError, ValueError):
            require(False, f"parameter {name}", f"of type {kind.__name__}", text, f"Example: -p {name} {default}.")
    return found


def inspect(path: Path, parameters: dict[str, object], drop: Iterable[str] = ()) -> list[str]:
    """Refuse what papermill would let through, before anything starts, and return the declared claims.

    Refused are unknown or mistyped parameters and notebooks without a claim. The claims are those of the notebook's
    tables, without those checked in cells that carry a tag in `drop`.
    """
    cells = read_cells(path)
    known = parameters_of(cells)
    for name, value in parameters.items():
        require_parameter(name, list(known), f"{path.name} has no other.")
        kind = known[name][0]
        right = type(value) is kind or (kind is float and type(value) is int)
        require(right, f"parameter {name}", f"of type {kind.__name__}", value, "Check quotes and decimal points.")
        if name == "settings":
            settings_of(str(value))
    declared = [name for c in cells if c["cell_type"] == "markdown" for name in DECLARED.findall(c["source"])]
    require(declared, "claims", "declared in a table of the notebook", "none", "Add rows | C3.1 | sentence |.")
    dropped = "".join(cell["source"] for cell in cells if set(drop) & tags_of(cell))
    return [name for name in declared if name not in CHECKED.findall(dropped)]


def accept(paths: list[Path], parameters: dict[str, object]) -> None:
    """Refuse parameters that one of the notebooks would refuse, before anything is started."""
    require(len(paths) > 0, "notebooks", "at least one", 0, "Check the names.")
    for path in paths:
        inspect(path, parameters)
