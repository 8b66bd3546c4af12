"""Grids: a small YAML file of lists, expanded to cells whose settings are all checked before anything starts."""

import difflib
import hashlib
import itertools
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import yaml

from ..config import METHODS, NOISES, RATED, Config
from ..engine.checks import require
from ..lessons.render import NOTEBOOKS
from ..lessons.runner import inspect, parameters_of, read
from ..presets import TABLE, preset

LEFT_OUT = ("lesson", "exercise", "solution")  # tags of notebook cells that a grid does not run
COMMON = "notebook seed profile settings vary timeout predictions".split()
TRAINING = COMMON + "dataset noise rate method variants reference".split()
OWN_KEY = ("dataset", "noise", "rate", "seed", "profile")  # not to be hidden among the settings


@dataclass(frozen=True)
class Cell:
    """One run of a grid.

    Attributes
    ----------
    name : str
        Of its folder: readable settings and the fingerprint.
    notebook : str
        File name in notebooks/, or the path of another one.
    labels : dict
        Where it stands in tables: dataset, noise, rate, method (or the variant's name), seed.
    parameters : dict
        Injected into the notebook.
    fingerprint : str
        Of all settings.
    timeout : float
        Seconds.
    config : Config, optional
        Settings of the training; None if the notebook has settings of its own.
    """

    name: str
    notebook: str
    labels: dict
    parameters: dict
    fingerprint: str
    timeout: float
    config: Config | None = None


@dataclass(frozen=True)
class Grid:
    """A grid: its name, its cells in order, and the row that the others are compared with ("" = none)."""

    name: str
    cells: list[Cell]
    reference: str


def load(path: Path) -> Grid:
    """Read a grid and expand it.

    Parameters
    ----------
    path : Path
        YAML with lists (or single values) under `dataset`, `noise` (names, or pairs [name, rate]), `rate` (for the
        names that have none), `method`, `seed`; `variants` (name: settings) are further rows beside the methods;
        `settings` hold for every cell, `vary` (setting: list) multiplies the cells; `profile`, `notebook`, `timeout`
        (seconds a cell), `reference`. A notebook without a parameter `settings` takes `seed`, `profile`, `settings`
        and `vary` as its parameters.

    Returns
    -------
    Grid

    Raises
    ------
    ValueError
        If a key, name, type or value is refused, or two cells are the same.
    """
    try:
        plan = yaml.safe_load(path.read_text("utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError, ValueError, RecursionError) as error:  # ValueError: no such date, say
        raise ValueError(f"grid must be YAML, got {path.name}: {error}. Check quotes and colons.") from error
    require(isinstance(plan, dict), "grid", "a mapping", plan, f"See the keys of the grids beside {path.name}.")
    try:
        cells = expand(plan)
        rows = list(dict.fromkeys(cell.labels.get("method", "") for cell in cells))
        reference = plan.get("reference", "plremix" if "plremix" in rows else rows[0])
        require(reference in rows, "reference", f"one of {', '.join(rows)}", reference, "It names a row of the table.")
    except ValueError as error:
        raise ValueError(f"{path.name}: {error}") from error
    return Grid(path.stem, cells, reference)


def expand(plan: dict) -> list[Cell]:
    """All cells of a grid; see `load`."""
    number = str(plan.get("notebook", "05"))
    own = number.endswith(".ipynb") and Path(number).is_file()
    found = [Path(number).resolve()] if own else [p for p in NOTEBOOKS.glob("[0-9]*.ipynb") if p.name[:2] == number]
    names = ", ".join(path.name[:2] for path in sorted(NOTEBOOKS.glob("[0-9]*.ipynb")))
    require(len(found) == 1, "notebook", f"one of {names}, or a path", number, 'Write it in quotes: "05".')
    trains = "settings" in parameters_of(read(found[0]))
    known = TRAINING if trains else COMMON
    _refuse_unknown(plan, known, "key of a grid")
    timeout = plan.get("timeout", 10**6)
    require(type(timeout) in (int, float) and timeout > 0, "timeout", "seconds > 0", timeout, "Example: 3600.")
    cells = [
        (_training if trains else _plain)(found[0], plan, row, vary, seed, timeout, *where)
        for seed in _list(plan, "seed", [0])  # outermost: half a sweep has every method, with fewer seeds
        for row in _rows(plan, trains)
        for vary in _varied(plan)
        for where in (itertools.product(_list(plan, "dataset"), _noises(plan)) if trains else [()])
    ]
    require(len(cells) > 0, "grid", "of at least one cell", 0, "An empty list leaves nothing to run.")
    for cell in {(c.notebook, tuple(sorted(c.parameters))): c for c in cells}.values():
        inspect(found[0], cell.parameters | ({"folder": ""} if trains else {}), LEFT_OUT)
    seen: dict[str, Cell] = {}
    for cell in cells:
        twin = seen.setdefault(cell.fingerprint, cell)
        require(
            twin is cell, "cells", "all different", [twin.name, cell.name], "Give each variant settings of its own."
        )
    return cells


def _training(notebook: Path, plan: dict, row: tuple, vary: dict, seed: int, timeout: float, dataset, noise) -> Cell:
    name, own = row
    settings = _mapping(plan, "settings") | own | vary
    for key in settings:
        require(isinstance(key, str), "setting", "a field of Config", key, "Write its name.")
    for key in OWN_KEY:
        require(key not in settings, "settings", "those without a key of their own", key, f"Use the grid's key {key}.")
    method = settings.pop("method", "plremix")
    place = dict(dataset=dataset, noise=noise[0], rate=noise[1])
    for what, value, known in (("method", method, METHODS), ("dataset", dataset, TABLE), ("noise", noise[0], NOISES)):
        _refuse_unknown([value], list(known), what)
    common = place | dict(method=method, seed=seed, profile=plan.get("profile", "quick"))
    config = preset(**common, **settings)
    parameters = common | {"rate": config.rate, "settings": json.dumps(settings, sort_keys=True)}
    labels = place | dict(rate=config.rate, method=", ".join([name, *_words(vary)]), seed=seed)
    where = f"{noise[0]}-{config.rate:g}" if noise[0] in RATED else noise[0]
    words = [dataset, where, labels["method"], f"seed-{seed}", config.fingerprint()]
    return Cell(_slug(words), _place(notebook), labels, parameters, config.fingerprint(), timeout, config)


def _plain(notebook: Path, plan: dict, row: tuple, vary: dict, seed: int, timeout: float) -> Cell:
    profile = {"profile": plan["profile"]} if "profile" in plan else {}
    parameters = profile | {"seed": seed} | _mapping(plan, "settings") | vary
    print_of = hashlib.sha256(json.dumps([notebook.name, parameters], sort_keys=True).encode()).hexdigest()[:12]
    labels = dict(method=", ".join([notebook.stem, *_words(vary)]), seed=seed)
    words = [labels["method"], f"seed-{seed}", print_of]
    return Cell(_slug(words), _place(notebook), labels, parameters, print_of, timeout)


def _place(notebook: Path) -> str:
    return notebook.name if notebook.parent == NOTEBOOKS else str(notebook)


def _rows(plan: dict, trains: bool) -> list[tuple[str, dict]]:
    """Rows of the table: a name and the settings that make it."""
    if not trains:
        return [("", {})]
    variants = _mapping(plan, "variants")
    for name, settings in variants.items():
        require(isinstance(settings, dict), f"variant {name}", "a mapping of settings", settings, "Example: {lr: 0.1}.")
    methods = [] if variants and "method" not in plan else _list(plan, "method", ["plremix"])
    for name in [*methods, *variants]:
        require(isinstance(name, str), "method", "a name", name, "Write one name, or a list of names.")
    twice = [name for name in methods if name in variants]
    require(not twice, "variants", "named otherwise than the methods", twice, "Rename the variant.")
    return [(name, {"method": name}) for name in methods] + [(str(n), dict(s)) for n, s in variants.items()]


def _noises(plan: dict) -> list[tuple[str, float]]:
    """Pairs of noise and rate; a noise without a rate of its own takes each of `rate`."""
    pairs: list[tuple[str, float]] = []
    for entry in _list(plan, "noise"):
        if isinstance(entry, list):
            require(len(entry) == 2, "noise", "names or pairs [name, rate]", entry, "Example: [[sym, 0.5], worse].")
            pairs.append(tuple(entry))
        elif entry in RATED:
            rates = _list(plan, "rate", [])
            require(rates, "rate", f"given for noise {entry}", rates, "Or write the pair: [[sym, 0.5]].")
            pairs += [(entry, rate) for rate in rates]
        else:
            pairs.append((entry, 0.0))
    for noise, rate in pairs:
        require(isinstance(noise, str), "noise", "names or pairs [name, rate]", noise, "Example: [[sym, 0.5], worse].")
        require(type(rate) in (int, float), "rate", "a number", rate, "It is a fraction, not a percentage.")
    return pairs


def _varied(plan: dict) -> list[dict]:
    lists = _mapping(plan, "vary")
    for name, values in lists.items():
        require(isinstance(values, list) and values, f"vary {name}", "a list of values", values, "Example: [0.1, 0.2].")
    return [dict(zip(lists, values)) for values in itertools.product(*lists.values())]


def _words(vary: dict) -> list[str]:
    return [f"{name} {value}" for name, value in vary.items()]


def _list(plan: dict, key: str, default: list | None = None) -> list:
    require(key in plan or default is not None, key, "given", None, f"A grid needs the key {key}.")
    value = plan.get(key, default)
    return value if isinstance(value, list) else [value]


def _mapping(plan: dict, key: str) -> dict:
    value = plan.get(key, {})
    require(isinstance(value, dict), key, "a mapping", value, "Example: {epochs: 30}.")
    return value


def _refuse_unknown(given: Iterable, known: list[str], what: str) -> None:
    for name in given:
        near = difflib.get_close_matches(str(name), known, n=1)
        remedy = f"Did you mean {near[0]}?" if near else "Check the spelling."
        require(name in known, what, f"one of {', '.join(known)}", name, remedy)


def _slug(words: list[str]) -> str:
    return "_".join(re.sub(r"[^a-z0-9.]+", "-", str(word).lower()).strip("-") for word in words)
