"""The house: imports run only downward, without a circle, and it stays small."""

import ast
import graphlib
from pathlib import Path

HOUSE = Path(__file__).resolve().parents[1] / "plremix_core"
FILES = {path.relative_to(HOUSE).with_suffix("").as_posix(): path for path in sorted(HOUSE.rglob("*.py"))}
TEXTS = {name: path.read_text() for name, path in FILES.items()}
TREES = {name: ast.parse(text) for name, text in TEXTS.items()}
BELOW = {  # a room and those that it may import from, beside itself
    "engine": set(),
    "plots": set(),
    "data": {"engine"},
    "top": {"data", "engine"},
    "analysis": {"top", "data", "engine", "plots"},
    "lessons": {"analysis", "top", "data", "engine", "plots"},
    "sweeps": {"lessons", "analysis", "top", "data", "engine", "plots"},
    "cli": {"sweeps", "lessons", "analysis", "top", "data", "engine", "plots"},
}
TOP = (  # each may import those further down
    {"trainer"},
    {"steps", "evaluate"},
    {"model", "batches", "presets"},
    {"backbones"},
    {"config"},
    {"losses", "methods", "gmm"},
    {"label_losses"},
)


def room(name: str) -> str:
    """The room of a file; the entry point of the command belongs to cli, the version to everybody."""
    return {"__main__": "cli", "__init__": "engine"}.get(name, name.split("/")[0] if "/" in name else "top")


def defined(name: str) -> set[str]:
    """Names that a file defines or imports itself."""
    nodes = [node for node in ast.walk(TREES[name]) if isinstance(node, (ast.Import, ast.ImportFrom))]
    return {alias.asname or alias.name for node in nodes for alias in node.names}


def imported(name: str) -> set[str]:
    """Files of the package that a file imports, in functions, too."""
    found, parents = set(), name.split("/")
    for node in [node for node in ast.walk(TREES[name]) if isinstance(node, ast.ImportFrom) and node.level]:
        base = [*parents[: len(parents) - node.level], *(node.module.split(".") if node.module else [])]
        for alias in node.names:
            package = "/".join([*base, "__init__"])
            inside = "/".join([*base, alias.name])
            if package not in FILES:
                found.add("/".join(base))
            elif alias.name not in defined(package) and (inside in FILES or f"{inside}/__init__" in FILES):
                found.add(inside if inside in FILES else f"{inside}/__init__")
            else:
                found.add(package)
    return found - {name}


IMPORTS = {name: imported(name) for name in FILES}


def test_every_import_within_the_package_is_found_and_relative():
    assert set().union(*IMPORTS.values()) <= set(FILES)
    for name, tree in TREES.items():
        names = [alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names]
        names += [node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and not node.level]
        assert not [one for one in names if one.split(".")[0] == "plremix_core"], name


def test_imports_run_only_downward_from_room_to_room():
    arrows = [(one, other) for one, others in IMPORTS.items() for other in others if room(one) != room(other)]
    upward = [(one, other) for one, other in arrows if other != "__init__" and room(other) not in BELOW[room(one)]]
    assert upward == []


def test_imports_run_only_downward_within_the_top():
    level = {name: number for number, names in enumerate(TOP) for name in names}
    assert set(level) == {name for name in FILES if room(name) == "top"}
    assert [(a, b) for a in level for b in IMPORTS[a] & set(level) if level[b] <= level[a]] == []


def test_there_is_no_circle_and_no_import_that_hides_one():
    list(graphlib.TopologicalSorter(IMPORTS).static_order())
    assert [name for name, text in TEXTS.items() if "TYPE_CHECKING" in text] == []


LINES = {name: len(text.splitlines()) for name, text in TEXTS.items()}


def test_the_top_is_read_in_one_evening():
    top = [LINES[name] for name in FILES if "/" not in name]
    assert len(top) <= 14 and sum(top) <= 1600


def test_no_file_is_long():
    assert {name: count for name, count in LINES.items() if count > 260} == {}


def place(name: str) -> str:
    """A file of the top by itself, any other by its room."""
    return room(name) if "/" in name else name


def test_the_package_is_thin():
    others = [path for kind in ("html", "css") for path in HOUSE.rglob(f"*.{kind}")]
    assert sum(LINES.values()) + sum(len(path.read_text().splitlines()) for path in others) <= 7700


def test_few_files_and_rooms_import_each_other():
    arrows = {(place(name), place(other)) for name, found in IMPORTS.items() for other in found}
    assert len([(one, other) for one, other in arrows if one != other]) <= 110
