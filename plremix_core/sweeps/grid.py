"""Grids: a small YAML file of lists, expanded to runs whose settings are all checked before anything starts."""

import hashlib
import itertools
import json
import re
from dataclasses import dataclass
from pathlib import Path

from ..config import NOISES, RATED, Config
from ..data.catalogue import SOURCES, require_fits
from ..engine.checks import require, require_known
from ..engine.files import ROOT, read_text
from ..engine.plain_yaml import read_yaml
from ..lessons.runner import inspect, parameters_of, read
from ..methods import METHODS
from ..presets import TABLE, preset
from .results import FIGURES, name_noise

NOTEBOOKS = ROOT / "notebooks"
LEFT_OUT = ("lesson", "exercise", "solution")  # tags of notebook cells that a grid does not run
COMMON = "notebook seed profile settings vary timeout".split()
TRAINING = COMMON + "dataset noise rate method variants reference predictions".split()
OWN_KEY = ("dataset", "noise", "rate", "seed", "profile")  # not to be hidden among the settings
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

    It is a mapping with lists (or single values) under `dataset`, `noise` (names, or pairs [name, rate]), `rate` (for
    the names that have none), `method`, `seed`; `variants` (name: settings) are further rows beside the methods;
    `settings` hold for every run, `vary` (setting: list) multiplies the runs; `profile`, `notebook`, `timeout` (seconds
    a run), `reference`; `predictions` have the keys of PREDICTION. A notebook without a parameter `settings` takes
    `seed`, `profile`, `settings` and `vary` as its parameters.
    """
    try:
        plan = read_yaml(read_text(path), "grid")
        require(isinstance(plan, dict), "grid", "a mapping", plan, f"See the keys of the grids beside {path.name}.")
        runs = expand(plan)
        rows = list(dict.fromkeys(run.labels["method"] for run in runs))
        reference = plan.get("reference", "plremix" if "plremix" in rows else rows[0])
        require(reference in rows, "reference", f"one of {', '.join(rows)}", reference, "It names a row of the table.")
        noises = {name_noise(run.labels["noise"], run.labels["rate"]) for run in runs if run.config}
        predictions = [_check_prediction(entry, rows, sorted(noises)) for entry in _list(plan, "predictions", [])]
    except ValueError as error:
        raise ValueError(f"{path.name}: {error}") from error
    return Grid(path.stem, runs, reference, predictions)


def expand(plan: dict) -> list[GridRun]:
    """All runs of a grid; see `load`."""
    number = str(plan.get("notebook", "05"))
    own = number.endswith(".ipynb") and Path(number).is_file()
    known = {path.name[:2]: path for path in sorted(NOTEBOOKS.glob("[0-9]*.ipynb"))}
    remedy = 'Write it in quotes: "05".'
    require(own or number in known, "notebook", f"one of {', '.join(known)}, or a path", number, remedy)
    notebook = Path(number).resolve() if own else known[number]
    trains = "settings" in parameters_of(read(notebook))
    for key in plan:
        require_known(key, TRAINING if trains else COMMON, "key of a grid")
    timeout = plan.get("timeout", 10**6)
    require(type(timeout) in (int, float) and timeout > 0, "timeout", "seconds > 0", timeout, "Example: 3600.")
    common = notebook.name if notebook.parent == NOTEBOOKS else str(notebook), timeout
    vary = _mapping(plan, "vary")
    for name, values in vary.items():
        require(isinstance(values, list), f"vary {name}", "a list of values", values, "Example: [0.1, 0.2].")
    varied = [dict(zip(vary, values)) for values in itertools.product(*vary.values())]
    runs = [
        _training(plan, common, name, own | changes, seed, *where)
        if trains
        else _plain(plan, common, name, changes, seed)
        for seed in _list(plan, "seed", [0])  # outermost: half a sweep has every method, with fewer seeds
        for row, own in (_rows(plan) if trains else [(notebook.stem, {})])
        for changes, name in [(v, ", ".join([row, *(f"{key} {value}" for key, value in v.items())])) for v in varied]
        for where in (itertools.product(_list(plan, "dataset"), _noises(plan)) if trains else [()])
    ]
    require(len(runs) > 0, "grid", "of at least one run", 0, "An empty list leaves nothing to run.")
    for run in {str([(name, type(value)) for name, value in run.parameters.items()]): run for run in runs}.values():
        inspect(notebook, run.parameters | ({"folder": ""} if trains else {}), LEFT_OUT)
    seen: dict[str, GridRun] = {}
    for run in runs:
        twin = seen.setdefault(run.fingerprint, run)
        require(twin is run, "runs", "all different", [twin.name, run.name], "Give each variant settings of its own.")
    return runs


def _training(plan: dict, common: tuple, row: str, own: dict, seed: int, dataset: str, noise: tuple) -> GridRun:
    """A run of a notebook that trains with the settings it is given."""
    settings = _mapping(plan, "settings") | own
    for key in OWN_KEY:
        require(key not in settings, "settings", "those without a key of their own", key, f"Use the grid's key {key}.")
    method = settings.pop("method", "plremix")
    own = [dataset] * str(dataset).endswith(".npz")
    names = ("method", method, METHODS), ("dataset", dataset, [*TABLE, *own]), ("noise", noise[0], NOISES)
    for what, value, known in names:
        require_known(value, list(known), what)
    parameters = dict(dataset=dataset, noise=noise[0], rate=noise[1], method=method, seed=seed)
    parameters["profile"] = plan.get("profile", "quick")
    config = preset(**parameters, **settings)
    file = config.label_file.partition("::")[0]
    require(not file or Path(file).is_file(), "label_file", "a file that exists", file, "Check the path.")
    require_fits(config, *(SOURCES[dataset].known if dataset in SOURCES else (0, 0, 0)))
    parameters |= {"rate": config.rate, "settings": json.dumps(settings, sort_keys=True)}
    fingerprint = config.fingerprint()
    labels = dict(dataset=dataset, noise=noise[0], rate=config.rate, method=row, seed=seed)
    where = f"{noise[0]}-{config.rate:g}" if noise[0] in RATED else noise[0]
    folder = _slug([dataset, where, row, f"seed-{seed}", fingerprint])
    return GridRun(folder, *common, labels, parameters, fingerprint, config)


def _plain(plan: dict, common: tuple, row: str, changes: dict, seed: int) -> GridRun:
    """A run of a notebook with settings of its own."""
    profile = {"profile": plan["profile"]} if "profile" in plan else {}
    parameters = profile | {"seed": seed} | _mapping(plan, "settings") | changes
    content = json.dumps([Path(common[0]).name, parameters], sort_keys=True)
    fingerprint = hashlib.sha256(content.encode()).hexdigest()[:12]
    folder = _slug([row, f"seed-{seed}", fingerprint])
    return GridRun(folder, *common, dict(method=row, seed=seed), parameters, fingerprint)


def _check_prediction(entry: object, rows: list[str], noises: list[str]) -> dict[str, str]:
    """A prediction as words; refused unless it is whole and about rows and noises of the grid."""
    require(isinstance(entry, dict), "prediction", "a mapping", entry, f"Its keys: {', '.join(PREDICTION)}.")
    for key in entry:
        require_known(key, PREDICTION, "key of a prediction")
    missing = [key for key in PREDICTION[:5] if key not in entry]
    require(not missing, "prediction", f"given with {', '.join(missing)}", entry, "Write it before the first run.")
    for key, known in dict(higher=rows, lower=rows, noise=noises, measure=list(FIGURES)).items():
        if key in entry:
            require_known(entry[key], known, key)
    require(entry["higher"] != entry["lower"], "higher", "another row than lower", entry["higher"], "Name two rows.")
    return {key: str(value) for key, value in entry.items()}


def _rows(plan: dict) -> list[tuple[str, dict]]:
    """Rows of the table: a name and the settings that make it."""
    variants = _mapping(plan, "variants")
    methods = [] if variants and "method" not in plan else _list(plan, "method", ["plremix"])
    twice = [name for name in methods if name in list(variants)]
    require(not twice, "variants", "named otherwise than the methods", twice, "Rename the variant.")
    return [(str(name), {"method": name}) for name in methods] + [(name, _mapping(variants, name)) for name in variants]


def _noises(plan: dict) -> list[tuple[str, float]]:
    """Pairs of noise and rate; a noise without a rate of its own takes each of `rate`."""
    pairs, entries = [], _list(plan, "noise")
    used = "rate" not in plan or any(isinstance(entry, str) and entry in RATED for entry in entries)
    require(used, "rate", "left out beside pairs and noises without a rate", plan.get("rate"), "Nothing takes it.")
    for entry in entries:
        if entry in RATED:
            rates = _list(plan, "rate", [])
            require(rates, "rate", f"given for noise {entry}", rates, "Or write the pair: [[sym, 0.5]].")
            pairs += [(entry, rate) for rate in rates]
        else:
            pairs.append(tuple(entry) if isinstance(entry, list) else (entry, 0.0))
    for pair in pairs:
        right = len(pair) == 2 and isinstance(pair[0], str) and type(pair[1]) in (int, float)
        require(right, "noise", "names or pairs [name, rate]", list(pair), "Example: [[sym, 0.5], worse].")
    return pairs


def _list(plan: dict, key: str, default: list | None = None) -> list:
    require(key in plan or default is not None, key, "given", None, f"A grid needs the key {key}.")
    value = plan.get(key, default)
    return value if isinstance(value, list) else [value]


def _mapping(plan: dict, key: str) -> dict:
    value = plan.get(key, {})
    named = isinstance(value, dict) and all(isinstance(name, str) for name in value)
    require(named, key, "a mapping of names", value, "Example: {epochs: 30}.")
    return value


def _slug(words: list[str]) -> str:
    return "_".join(re.sub(r"[^a-z0-9.]+", "-", str(word).lower()).strip("-") for word in words)
