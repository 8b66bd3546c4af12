"""Grids: a small YAML file of lists, expanded to runs whose settings are all checked before anything starts."""

import fnmatch
import itertools
import json
import re
from dataclasses import dataclass
from pathlib import Path

from ..config import NOISES, RATED, Config
from ..data.catalogue import SOURCES, require_fits
from ..engine.checks import require, require_known
from ..engine.files import checksum, read_text
from ..engine.plain_yaml import read_yaml
from ..lessons.injected import NOTEBOOKS, inspect, parameters_of, read_cells
from ..presets import preset
from .results import FIGURES, name_noise

LEFT_OUT = ("lesson", "exercise", "solution")  # tags of notebook cells that a grid does not run
COMMON = "notebook seed profile settings vary timeout".split()
TRAINING = COMMON + "dataset noise rate method variants reference predictions".split()
LISTS = "dataset noise rate method seed predictions".split()  # or single values
MAPPINGS = "settings vary variants".split()
PREDICTION = "claim higher lower reason date noise measure".split()  # the last two may be left out


@dataclass(frozen=True)
class GridRun:
    """One run of a grid."""

    name: str  # of its folder: readable settings and the fingerprint
    notebook: str  # file name in notebooks/, or the path of another one
    timeout: float  # seconds
    labels: dict  # its place in tables: dataset, noise, rate, method (or the variant's name), seed
    parameters: dict  # injected into the notebook
    fingerprint: str  # of all settings
    config: Config | None = None  # settings of the training; None if the notebook has settings of its own


@dataclass(frozen=True)
class Grid:
    """A grid: its runs in order, the row that the others are compared with, and what is predicted of it."""

    name: str
    runs: list[GridRun]
    reference: str
    predictions: list[dict]


def load(path: Path) -> Grid:
    """Read a grid and expand it; ValueError if a key, name, type or value is refused or two runs are the same.

    The keys are told in notebooks/docs/sweeps.md. A notebook without a parameter `settings` takes `seed`, `profile`,
    `settings` and `vary` as its parameters.
    """
    try:
        plan = read_yaml(read_text(path), "grid")
        require(isinstance(plan, dict), "grid", "a mapping", plan, f"See the keys of the grids beside {path.name}.")
        plan = {"seed": 0} | plan
        plan |= {key: _as_list(plan[key]) for key in LISTS if key in plan}
        plan |= {key: _mapping(key, plan[key]) for key in MAPPINGS if key in plan}
        runs = expand(plan)
        rows = list(dict.fromkeys(run.labels["method"] for run in runs))
        reference = plan.get("reference", "plremix" if "plremix" in rows else rows[0])
        require_known(reference, rows, "reference")
        noises = {name_noise(run.labels["noise"], run.labels["rate"]) for run in runs if run.config}
        known = dict(higher=rows, lower=rows, noise=sorted(noises), measure=list(FIGURES))
        predictions = [_check_prediction(entry, known) for entry in plan.get("predictions", [])]
    except ValueError as error:
        raise ValueError(f"{path.name}: {error}") from error
    return Grid(path.stem, runs, reference, predictions)


def choose(grid: Grid, only: tuple[str, ...]) -> list[GridRun]:
    """Runs whose name fits one of the patterns; all if there are none."""
    fits = {one.name: [pattern for pattern in only if fnmatch.fnmatch(one.name, f"*{pattern}*")] for one in grid.runs}
    idle = sorted({*only}.difference(*fits.values()))
    require(not idle, "only", "a pattern of at least one run's name", idle, "See them with --dry-run.")
    return [one for one in grid.runs if fits[one.name] or not only]


def expand(plan: dict) -> list[GridRun]:
    """All runs of a grid; see `load`. Seeds are outermost: half a sweep has every method, with fewer seeds."""
    notebook = _notebook(str(plan.get("notebook", "05")))
    trains = "settings" in parameters_of(read_cells(notebook))
    for key in plan:
        require_known(key, TRAINING if trains else COMMON, "key of a grid")
    timeout = plan.get("timeout", 10**6)
    require(type(timeout) in (int, float) and timeout > 0, "timeout", "seconds > 0", timeout, "Example: 3600.")
    vary = {name: _as_list(values) for name, values in plan.get("vary", {}).items()}
    varied = [dict(zip(vary, values)) for values in itertools.product(*vary.values())]
    profile = {"profile": plan["profile"]} if "profile" in plan else {}
    rows = _rows(plan) if trains else [(notebook.stem, {})]
    places = _places(plan) if trains else [{}]
    runs: dict[str, GridRun] = {}
    for seed, (row, settings), changes, place in itertools.product(plan["seed"], rows, varied, places):
        row = ", ".join([row, *(f"{name} {value}" for name, value in changes.items())])
        parameters = profile | place | {"seed": seed}
        settings = plan.get("settings", {}) | settings | changes
        if trains:
            parameters, config = _training(parameters, settings)
            fingerprint = config.fingerprint()
        else:
            parameters, config = parameters | settings, None
            fingerprint = checksum([notebook.name, parameters])
        if not (trains and runs):  # trainings take parameters of the same names and types
            inspect(notebook, parameters | ({"folder": ""} if trains else {}), LEFT_OUT)
        labels = {key: parameters[key] for key in place} | {"method": row, "seed": seed}
        where = [labels["dataset"], name_noise(labels["noise"], labels["rate"])] if trains else []
        name = _slug([*where, row, f"seed-{seed}", fingerprint])
        twice = [runs[fingerprint].name, name] if fingerprint in runs else []
        require(not twice, "runs", "all different", twice, "Give each variant settings of its own.")
        file = notebook.name if notebook.parent == NOTEBOOKS else str(notebook)
        runs[fingerprint] = GridRun(name, file, timeout, labels, parameters, fingerprint, config)
    require(len(runs) > 0, "grid", "of at least one run", 0, "An empty list leaves nothing to run.")
    return list(runs.values())


def _notebook(number: str) -> Path:
    """The notebook of this number, or at this path."""
    own = number.endswith(".ipynb") and Path(number).is_file()
    known = {path.name[:2]: path for path in sorted(NOTEBOOKS.glob("[0-9]*.ipynb"))}
    remedy = 'Write it in quotes: "05".'
    require(own or number in known, "notebook", f"one of {', '.join(known)}, or a path", number, remedy)
    return Path(number).resolve() if own else known[number]


def _training(parameters: dict, settings: dict) -> tuple[dict, Config]:
    """Parameters for a notebook that trains with the settings it is given, and the settings of its training."""
    for key in settings:
        hidden = key != "method" and key in TRAINING
        require(not hidden, "settings", "those without a key of their own", key, f"Use the grid's key {key}.")
    settings = {"method": "plremix"} | settings
    parameters = {"profile": "quick", "method": settings.pop("method")} | parameters
    require_known(parameters["noise"], NOISES, "noise")
    config = preset(**parameters, **settings)
    file = config.label_file.partition("::")[0]
    require(not file or Path(file).is_file(), "label_file", "a file that exists", file, "Check the path.")
    require_fits(config, *(SOURCES[config.dataset].known if config.dataset in SOURCES else (0, 0, 0)))
    return parameters | {"rate": config.rate, "settings": json.dumps(settings, sort_keys=True)}, config


def _check_prediction(entry: object, known: dict[str, list[str]]) -> dict[str, str]:
    """A prediction as words; refused unless it is whole and about rows and noises of the grid."""
    require(isinstance(entry, dict), "prediction", "a mapping", entry, f"Its keys: {', '.join(PREDICTION)}.")
    for key in [*PREDICTION[:5], *entry]:
        require_known(key, PREDICTION, "key of a prediction")
        require(key in entry, "prediction", f"given with {key}", entry, "Write it before the first run.")
        if key in known:
            require_known(entry[key], known[key], key)
    return {key: str(value) for key, value in entry.items()}


def _rows(plan: dict) -> list[tuple[str, dict]]:
    """Rows of the table: a name and the settings that make it."""
    variants = {name: _mapping(name, settings) for name, settings in plan.get("variants", {}).items()}
    methods = plan.get("method", [] if variants else ["plremix"])
    twice = [name for name in methods if name in list(variants)]
    require(not twice, "variants", "named otherwise than the methods", twice, "Rename the variant.")
    return [(str(name), {"method": name}) for name in methods] + list(variants.items())


def _places(plan: dict) -> list[dict]:
    """Data sets and noises; a noise without a rate of its own takes each of `rate`."""
    for key in ("dataset", "noise"):
        require(key in plan, key, "given", None, f"A grid needs the key {key}.")
    rates, pairs = plan.get("rate", []), []
    for entry in plan["noise"]:
        if entry in RATED:
            require(rates, "rate", f"given for noise {entry}", rates, "Or write the pair: [[sym, 0.5]].")
            pairs += [[entry, rate] for rate in rates]
        else:
            pairs.append(entry if isinstance(entry, list) else [entry, 0.0])
    used = not rates or any(entry in RATED for entry in plan["noise"])
    require(used, "rate", "left out beside pairs and noises without a rate", rates, "Nothing takes it.")
    for pair in pairs:
        right = len(pair) == 2 and isinstance(pair[0], str) and type(pair[1]) in (int, float)
        require(right, "noise", "names or pairs [name, rate]", pair, "Example: [[sym, 0.5], worse].")
    return [dict(dataset=name, noise=noise, rate=rate) for name in plan["dataset"] for noise, rate in pairs]


def _as_list(value: object) -> list:
    return value if isinstance(value, list) else [value]


def _mapping(name: str, value: object) -> dict:
    named = isinstance(value, dict) and all(isinstance(key, str) for key in value)
    require(named, name, "a mapping of names", value, "Example: {epochs: 30}.")
    return value


def _slug(words: list[str]) -> str:
    return "_".join(re.sub(r"[^a-z0-9.]+", "-", str(word).lower()).strip("-") for word in words)
