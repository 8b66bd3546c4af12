"""What papermill passes to a notebook, checked by the notebook itself: papermill lets misspelt parameters through."""

import difflib
import json
import re

from ..engine.checks import require

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
