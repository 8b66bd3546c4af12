"""Exercises: any answer of any type gets a sentence; every solution passes; every misconception meets a hint."""

import types
from collections.abc import Callable

import numpy as np
import pytest
import torch

from plremix_core.lessons import exercises
from plremix_core.lessons.injected import NOTEBOOKS, tags_of
from plremix_core.lessons.runner import read

FILES = sorted((NOTEBOOKS / "exercises").glob("nb*.py"))
ODD = [None, ..., "x", "", "0.5", "b", 0, 1, -1, 0.5, 85, 10**400, float("nan"), float("inf"), True, [], [0.5], (1, 2)]
ODD += [{}, set(), {"a": 1}, b"x", np.nan, np.zeros(3), torch.zeros(()), torch.zeros(2, 2), object(), int, print, len]
ODD += [lambda: 1, lambda *a, **k: None, lambda *a, **k: a[0], lambda *a, **k: 1 / 0, lambda *a, **k: "x", 1j, range(3)]


def module(**checks):
    return types.SimpleNamespace(**checks)


def number(answer: float) -> bool | str:
    return "That is a half." if answer == 0.5 else answer == 0.25


def whole(answer: int) -> bool | str:
    return answer == 3


def word(answer: str) -> bool | str:
    return answer == "b"


def several(answer: list) -> bool | str:
    return answer == [0.5, 2.0]


def function(answer: Callable) -> bool | str:
    return answer(2) == 4


def judged(check, answer):
    return exercises.judge(module(e9_1=check), "E9.1", answer)


@pytest.mark.parametrize("answer", [None, ...])
def test_nothing_written_is_not_yet(answer):
    assert judged(number, answer)[0] is None


def test_a_right_answer_a_misconception_and_a_wrong_one_are_told_apart():
    assert judged(number, 0.25) == (True, "")
    assert judged(number, 0.5) == (False, "That is a half.")
    assert judged(number, 0.7)[0] is False
    assert judged(number, np.float32(0.25))[0] and judged(number, torch.tensor(0.25))[0] and judged(whole, 3.0)[0]
    assert judged(word, " b ")[0] and judged(several, (0.5, 2))[0] and judged(several, np.array([0.5, 2]))[0]


@pytest.mark.parametrize(
    ("check", "answer", "told"),
    [
        (number, "0.25", "E9.1 wants a number, e.g. 0.5; you gave the str '0.25'."),
        (number, [0.1, 0.2], "you gave the list"),
        (number, float("nan"), "you gave the float nan"),
        (number, 10**400, "E9.1 wants a number"),
        (whole, 2.5, "E9.1 wants a whole number"),
        (word, 3, "E9.1 wants a word or letter in quotes"),
        (several, "x", "E9.1 wants a list of numbers"),
        (function, 4, "E9.1 wants a function, made with def; you gave the int 4."),
    ],
)
def test_an_answer_of_another_type_is_told_what_is_wanted_and_what_was_given(check, answer, told):
    right, text = judged(check, answer)
    assert right is False and told in text


def test_a_function_that_returns_nothing_is_not_yet_and_one_that_stops_says_why():
    assert judged(function, lambda x: None)[0] is None
    right, text = judged(function, lambda x: 1 / 0)
    assert right is False and "your function stopped with ZeroDivisionError" in text
    assert judged(function, lambda x: x**2) == (True, "")


def test_what_a_function_returns_in_a_wrong_kind_is_not_told_as_its_own_error_and_percent_for_a_fraction_is():
    def half(answer: Callable) -> bool | str:
        return answer(2) / 2 == 2

    right, text = judged(half, lambda x: "text")
    assert right is False and "stopped" not in text and "kind and shape" in text
    assert judged(number, 25) == (False, "Give a fraction, not a percentage.")
    assert judged(number, 26) == (False, "Try again.")


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_exercise_has_a_check_a_kind_and_a_misconception_that_meets_a_hint(path):
    checks = exercises.load(path.stem[2:])
    notebook = read(next(NOTEBOOKS.glob(f"{path.stem[2:]}_*.ipynb")))
    sources = "\n".join(cell.source for cell in notebook.cells if "exercise" in tags_of(cell))
    assert checks.WRONG and all(f'lesson.exercise("{name}"' in sources for name in checks.WRONG)
    assert sources.count("lesson.exercise(") == len(checks.WRONG)
    for name, wrong in checks.WRONG.items():
        right, hint = exercises.judge(checks, name, wrong)
        assert right is False and len(hint) > 15 and "stopped with" not in hint, (name, hint)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_odd_answers_get_a_sentence_and_are_never_right_by_accident(path):
    checks = exercises.load(path.stem[2:])
    for name in checks.WRONG:
        for odd in [value for value in ODD if not isinstance(value, int | float | str) or value in ("x", "", 10**400)]:
            right, text = exercises.judge(checks, name, odd)
            assert not right and text, (name, odd)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_half_of_the_exercises_of_a_notebook_write_a_function(path):
    checks = exercises.load(path.stem[2:])
    kinds = [next(iter(getattr(checks, n.lower().replace(".", "_")).__annotations__.values())) for n in checks.WRONG]
    assert 2 * sum(kind is Callable or kind == "Callable" for kind in kinds) >= len(kinds)
