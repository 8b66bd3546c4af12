"""What papermill passes to a notebook, checked by the notebook itself: papermill lets misspelt parameters through."""

import ast
import difflib
import json

from ..engine.checks import require

MARK = "# Parameters"  # the first line of the cell that papermill injects


def refuse_unknown(cells: list[str]) -> None:
    """Refuse an injected parameter that no cell before it declares, by the sources of the cells run so far."""
    declared: list[str] = []
    for source in cells:
        found = _assigned(source)
        for name in found if source.startswith(MARK) else []:
            near = difflib.get_close_matches(name, declared, n=1)
            remedy = f"Did you mean {near[0]}?" if near else "See the cell of parameters."
            require(name in declared, "parameter", f"one of {', '.join(declared)}", name, remedy)
        declared += found


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


def _assigned(source: str) -> list[str]:
    """Names that a cell assigns, in order; none if it holds what only IPython reads."""
    try:
        statements = ast.parse(source).body
    except SyntaxError:
        return []
    targets = [getattr(one, "targets", [getattr(one, "target", None)])[0] for one in statements]
    return [target.id for target in targets if isinstance(target, ast.Name)]
