"""Exercises: read an answer, check it by ``notebooks/exercises/nbNN.py``, and say in one sentence what came out.

That file has a function for each exercise, ``e3_1(answer: float) -> bool | str`` for E3.1: True for a right answer, a
hint for a wrong one; the annotation (float, int, str, list or Callable) is what is wanted. ``WRONG`` gives for each
exercise the answer that follows from a misconception.
"""

import functools
import importlib.util
import inspect
import math
from collections.abc import Callable
from types import ModuleType

import numpy as np

from ..engine.checks import require
from ..engine.files import ROOT

WANTED = {
    float: "a number, e.g. 0.5",
    int: "a whole number, e.g. 3",
    str: 'a word or letter in quotes, e.g. "b"',
    list: "a list of numbers, e.g. [0.5, 2]",
    Callable: "a function, made with def",
}
NOT_YET = "not yet. Write your answer in place of the three dots and run the cell again."


class _NotYet(Exception):
    """A function of the reader still returns nothing."""


def load(notebook: str) -> ModuleType:
    """Read the checks of a notebook, "03" for example."""
    path = ROOT / "notebooks" / "exercises" / f"nb{notebook}.py"
    require(path.exists(), "exercises", "in notebooks/exercises", path.name, "Run from the repository.")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def judge(module: ModuleType, name: str, answer: object) -> tuple[bool | None, str]:
    """Judge an answer of any type: (None for not yet, else whether it is right; a sentence). Never raises."""
    if answer is None or answer is ...:
        return None, NOT_YET
    check = getattr(module, name.lower().replace(".", "_"))
    kind = next(iter(inspect.get_annotations(check, eval_str=True).values()))
    try:
        read = _read(answer, kind)
    except Exception:
        given = repr(answer)
        given = given if len(given) <= 40 else given[:37] + "..."
        return False, f"{name} wants {WANTED[kind]}; you gave the {type(answer).__name__} {given}."
    try:
        verdict = check(read)
    except _NotYet:
        return None, "not yet. Your function returns nothing so far: write its body, then run the cell again."
    except Exception as error:
        return False, f"your function stopped with {type(error).__name__}: {error}" if callable(read) else "look again."
    return (False, verdict) if isinstance(verdict, str) else (bool(verdict), "" if verdict else "Try again.")


def _read(answer: object, kind: type) -> object:
    """An answer as `kind`; anything that is raised means that it is none."""
    if kind is Callable:
        require(callable(answer), "answer", "a function", answer, "")
        return _watched(answer)
    if kind is str:
        require(isinstance(answer, str) and answer.strip() != "", "answer", "a word", answer, "")
        return answer.strip()
    array = np.asarray(answer)
    require(array.dtype.kind in "iuf" and np.isfinite(array).all(), "answer", "made of numbers", answer, "")
    if kind is list:
        return [float(value) for value in array.ravel()] if array.ndim else [float(array)]
    value = float(array.item())
    require(kind is float or math.floor(value) == value, "answer", "whole", answer, "")
    return kind(value)


def _watched(function: Callable) -> Callable:
    """The reader's function; a call that returns nothing says that it is not written yet."""

    @functools.wraps(function, updated=())
    def call(*arguments: object, **options: object) -> object:
        found = function(*arguments, **options)
        if found is None or found is ...:
            raise _NotYet
        return found

    return call
