"""Settings in a frozen dataclass whose fields know their meaning and their rule; knows no setting itself."""

import dataclasses
import json
import math
import operator
import typing
from dataclasses import dataclass

from .checks import require, require_known
from .files import checksum

COMPARE = {"gt": operator.gt, "ge": operator.ge, "lt": operator.lt, "le": operator.le}


def setting(group: str, default: object, meaning: str, **rules: object) -> typing.Any:
    """A field of Settings: its group, default and meaning, and its rules: gt, ge, lt, le, one_of, or `rule`.

    `rule` holds a test of the value, the rule in words and a remedy.
    """
    return dataclasses.field(default=default, metadata={"group": group, "meaning": meaning} | rules)


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Values that are checked when they are made: a ValueError names the field with a wrong type or a broken rule."""

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            value = _typed(field.name, field.type, _tuples(getattr(self, field.name)), field.default)
            object.__setattr__(self, field.name, value)
            _check(field.name, value, field.metadata)

    @classmethod
    def of(cls, values: dict) -> typing.Self:
        """Build from plain values (lists become tuples), refusing unknown names with the nearest right one."""
        names = [field.name for field in dataclasses.fields(cls)]
        for name in values:
            require_known(name, names, "setting", f"a field of {cls.__name__}")
        return cls(**values)

    def replace(self, **changes: object) -> typing.Self:
        """Return a checked copy with `changes`."""
        return self.of(dataclasses.asdict(self) | changes)

    def fingerprint(self) -> str:
        """First 12 hex digits of the SHA-256 of the settings off their default; the device does not count."""
        defaults = {field.name: field.default for field in dataclasses.fields(self)} | {"device": self.device}
        settings = {name: getattr(self, name) for name in defaults if getattr(self, name) != defaults[name]}
        return checksum(settings)

    def require_same(self, other: typing.Self | None, owner: str) -> None:
        """Refuse other settings than these, those of `owner`; the device does not count."""
        own, others = dataclasses.asdict(self), dataclasses.asdict(other or self)
        names = [name for name in own if own[name] != others[name] and name != "device"]
        old, new = (", ".join(f"{name}={values[name]!r}" for name in names) for values in (own, others))
        require(not names, "settings", f"those of {owner} ({old})", new, "Take another folder for other settings.")


def choices(rules: typing.Mapping) -> tuple[str, ...]:
    """What `one_of` among the rules allows; it may be a function that returns them."""
    known = rules.get("one_of", ())
    return tuple(known() if callable(known) else known)


def _check(name: str, value: object, rules: typing.Mapping) -> None:
    """Refuse a value that breaks one of the rules beside its field."""
    if "one_of" in rules:
        require_known(value, choices(rules), name)
    if "rule" in rules:
        holds, rule, remedy = rules["rule"]
        require(bool(holds(value)), name, rule, value, remedy)
    holds = all(compare(value, rules[key]) for key, compare in COMPARE.items() if key in rules)
    low, high = rules.get("ge", rules.get("gt")), rules.get("le", rules.get("lt"))
    rule = f"{'>=' if 'ge' in rules else '>'} {low}"
    if high is not None:
        rule = f"in {'[' if 'ge' in rules else '('}{low}, {high}{']' if 'le' in rules else ')'}"
    remedy = "It is a fraction, not a percentage." if high == 1 else "See data/settings.md for usual values."
    require(holds, name, rule, value, remedy)


def _typed(name: str, kind: object, value: object, default: object) -> object:
    """Return `value` if it is of `kind`, whole numbers as floats where a float is asked for; refuse the rest."""
    if typing.get_origin(kind) is tuple:
        require(isinstance(value, tuple), name, "a list", value, f"Example: {json.dumps(default)}.")
        arguments = typing.get_args(kind)
        kinds = arguments[:1] * len(value) if arguments[-1] is ... else arguments
        require(len(kinds) == len(value), name, f"of {len(kinds)} entries", value, "See the default.")
        entry = f"each entry of {name.removeprefix('each entry of ')}"
        return tuple(_typed(entry, inner, item, default) for inner, item in zip(kinds, value))
    value = float(value) if kind is float and type(value) is int and abs(value) < 1e300 else value
    right = type(value) is kind and (kind is not float or math.isfinite(value))
    require(right, name, f"of type {kind.__name__}", value, "Check quotes and decimal points.")
    return value


def _tuples(value: object) -> object:
    return tuple(_tuples(item) for item in value) if isinstance(value, (list, tuple)) else value
