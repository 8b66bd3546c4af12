"""Exercises: read an answer, check it by ``notebooks/exercises/nbNN.py``, and say in one sentence what came out.

That file has a function for each exercise, ``e3_1(answer: float) -> bool | str`` for E3.1: True for a right answer, a
hint for a wrong one; the annotation (float, int, str, list or Callable) is what is wanted. ``WRONG`` gives for each
exercise the answer that follows from a misconception.
"""

import importlib.util
import inspect
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
EMPTY = "not yet. Your function returns nothing so far: write its body with its return, then run the cell again."
INSIDE = object()  # stands for what a function has not returned yet


def load(notebook: str) -> ModuleType:
    """Read the checks of a notebook, "03" for example."""
    spec = importlib.util.spec_from_file_location("checks", ROOT / "notebooks" / "exercises" / f"nb{notebook}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def judge(module: ModuleType, name: str, answer: object) -> tuple[bool | None, str]:
    """Judge an answer of any type: (None for not yet, else whether it is right; a sentence). Never raises."""
    if answer is None or answer is ...:
        return None, NOT_YET
    check = getattr(module, name.lower().replace(".", "_"))
    kind = next(iter(inspect.get_annotations(check, eval_str=True).values()))
    returned: list[object] = []
    try:
        read = _read(answer, kind, returned)
    except Exception:
        return False, f"{name} wants {WANTED[kind]}; you gave the {type(answer).__name__} {answer!r:.40}."
    try:
        verdict = check(read)
        if kind is float and verdict is not True and check(read / 100) is True:
            verdict = "Give a fraction, not a percentage."
    except Exception as error:
        stopped = f"your function stopped with {type(error).__name__}: {error}"
        verdict = stopped if returned and returned[-1] is INSIDE else "Look again at the kind and shape of your answer."
    if any(value is None or value is ... for value in returned):
        return None, EMPTY
    return (False, verdict) if isinstance(verdict, str) else (bool(verdict), "" if verdict else "Try again.")


def _read(answer: object, kind: type, returned: list[object]) -> object:
    """An answer as `kind`, a function that also notes what it `returned`; anything raised means that it is none."""
    if kind is Callable:

        def function(*arguments: object, **options: object) -> object:
            returned.append(INSIDE)
            returned[-1] = answer(*arguments, **options)
            return returned[-1]

        require(callable(answer), "answer", "a function", answer, "")
        return function
    if kind is str:
        require(isinstance(answer, str) and answer.strip() != "", "answer", "a word", answer, "")
        return answer.strip()
    array = np.asarray(answer)
    require(array.dtype.kind in "iuf" and np.isfinite(array).all(), "answer", "made of numbers", answer, "")
    values = [float(value) for value in array.ravel()]
    if kind is list:
        return values
    (value,) = values
    require(kind is float or value.is_integer(), "answer", "whole", answer, "")
    return kind(value)
