"""Inside a notebook: start, show, say, claim, exercise, explore, finish.

A notebook calls `start` once and then the methods of the `Lesson` it gets; `runner` reads the records that `claim` and
`finish` leave in the outputs.
"""

import itertools
import operator
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from IPython.display import Markdown, display
from matplotlib.figure import Figure

from ..engine import provenance
from ..engine.checks import require
from ..engine.files import ROOT
from ..plots.png import show_as_png
from ..presets import PROFILES
from .controls import CONTROLS

CLAIM_MIME = "application/vnd.plremix.claim+json"
EXERCISE_MIME = "application/vnd.plremix.exercise+json"
FINISH_MIME = "application/vnd.plremix.finish+json"
RULES = {">=": operator.ge, "<=": operator.le, ">": operator.gt, "<": operator.lt, "==": operator.eq}
Check = Callable[[object], bool | str]  # of an answer: True if it is right, else False or a hint


class LessonError(AssertionError):
    """A claim fails, or holds although its mechanism was broken; or an exercise's checker judges wrongly."""


@dataclass
class Lesson:
    """One running notebook: its settings, the claims checked so far and when it started."""

    notebook: str
    profile: str
    seed: int
    control: str
    interactive: bool
    started: float = field(default_factory=time.perf_counter)
    records: list[dict] = field(default_factory=list)

    def show(self, name: str, figure: Figure, caption: str, *, cover: bool = False) -> None:
        """Display a numbered figure; its caption is also its alternative text. The index of a run shows the cover."""
        display(figure, metadata={"image/png": {"alt": caption, "cover": cover}})
        display(Markdown(f"*{name}. {caption}*"))

    def say(self, text: str) -> None:
        """Display a sentence whose numbers come from code."""
        display(Markdown(text))

    def claim(self, name: str, sentence: str, value: float | Sequence[float], rule: str, breaks: Sequence[str]) -> None:
        """Check a claim in sight of the reader.

        Parameters
        ----------
        value : float or sequence of float
            What was measured; every entry (one a seed, say) must satisfy the rule.
        rule : str
            Comparison and bound, for example "> 0.05".
        breaks : sequence of str
            Controls under which the claim must fail; a `LessonError` is raised if it holds under one, or fails without.
        """
        sign, bound = rule.split()
        require(sign in RULES, "rule", f"one of {', '.join(RULES)} and a bound", rule, 'Example: "> 0.05".')
        unknown = [control for control in breaks if control not in CONTROLS]
        require(not unknown, "breaks", f"controls out of {', '.join(CONTROLS)}", unknown, "Check the spelling.")
        require(len(breaks) > 0, "breaks", "at least one control", breaks, "A claim that cannot fail claims nothing.")
        require(name not in [r["name"] for r in self.records], "claim", "checked once", name, "Use another number.")
        values = np.atleast_1d(np.asarray(value, dtype=float))
        holds = bool(len(values) and all(RULES[sign](v, float(bound)) for v in values))
        shown = ", ".join(f"{v:.4g}" for v in values)
        expected = self.control not in breaks
        state = "holds" if holds else "FAILS"
        note = "" if expected else f" (control {self.control}: it must fail)"
        kept = [v if np.isfinite(v) else str(v) for v in values.tolist()]  # JSON has no NaN
        record = dict(name=name, sentence=sentence, values=kept, rule=rule, holds=holds, breaks=list(breaks))
        self.records.append(record)
        text = f"{name} {state}: {sentence} [{shown} {rule}]{note}"
        markdown = f"**{name} {state}** · {sentence} · measured {shown}, rule `{rule}`{note}"
        _keep(CLAIM_MIME, record, text, markdown)
        if holds != expected and not (self.control and expected):
            raise LessonError(text)

    def skip(self, name: str, reason: str) -> None:
        """Leave a claim out that the data at hand cannot decide; it counts neither as held nor as failed."""
        record = dict(name=name, sentence=reason, values=[], rule="", holds=False, skipped=True, breaks=[])
        self.records.append(record)
        _keep(CLAIM_MIME, record, f"{name} skipped: {reason}", f"**{name} skipped** · {reason}")

    def exercise(self, name: str, answer: object, check: Check) -> None:
        """Judge an answer; None is "not yet"."""
        if answer is None:
            print(f"{name}: not yet. Write your answer in place of None and run the cell again.")
            return
        right, hint = _judge(answer, check)
        print(f"{name}: right." if right else f"{name}: not right. {hint or 'Try again.'}")

    def solution(self, name: str, answer: object, check: Check, *, named: str, wrong: object) -> None:
        """Show that `check` takes the solution of an exercise and meets a misconception with a hint.

        `named` is the misconception in words, `wrong` the answer that follows from it.
        """
        (right, _), (fooled, hint) = _judge(answer, check), _judge(wrong, check)
        record = dict(name=name, right=right, misconception=named, refused=not fooled, hint=hint)
        text = f"{name}: {'right' if right else 'NOT RIGHT'}. Who thinks that {named} is told: {hint}"
        if not self.control and not (right and not fooled and hint):
            raise LessonError(text)
        _keep(EXERCISE_MIME, record, text, text)

    def explore(
        self, draw: Callable[..., Figure], panels: Sequence[dict] | None = None, **values: Sequence[float]
    ) -> None:
        """Draw fixed panels, then, if interactive, a slider for each of `values`.

        `draw` makes a figure from one value of each name. `panels` are the settings of the fixed panels: every
        combination of `values` if None, no panel if empty.
        """
        if panels is None:
            panels = [dict(zip(values, combination)) for combination in itertools.product(*values.values())]
        for panel in panels:
            setting = ", ".join(f"{name} = {value:g}" for name, value in panel.items())
            display(draw(**panel), metadata={"image/png": {"alt": f"The figure at the setting {setting}"}})
        if self.interactive:
            from ipywidgets import SelectionSlider, interact

            options = {name: [(f"{value:g}", value) for value in offered] for name, offered in values.items()}
            interact(draw, **{n: SelectionSlider(options=o, continuous_update=False) for n, o in options.items()})
        else:
            print(f"With interactive = True in the parameters cell: sliders for {', '.join(values)}.")

    def recorded(self, name: str) -> pd.DataFrame:
        """Read a recorded study ``data/results/<name>.csv``; its provenance is in the .json beside it."""
        path = ROOT / "data" / "results" / f"{name}.csv"
        remedy = "Run `plremix sweep` and `plremix report --record` to make it."
        require(path.exists(), "recorded study", "present in data/results", path.name, remedy)
        return self.swapped(pd.read_csv(path))

    def swapped(self, table: pd.DataFrame) -> pd.DataFrame:
        """Let two methods of a recorded table trade names, if the control is one that does so and both are in it."""
        if not self.control.startswith("swap_"):
            return table
        one, other = CONTROLS[self.control][3]
        if not {one, other} <= set(table["method"]):
            return table
        return table.assign(method=table["method"].replace({one: other, other: one}))

    def finish(self) -> None:
        """Print the provenance footer and leave the record that every cell was reached."""
        if self.control and not any(self.control in r["breaks"] for r in self.records):
            raise LessonError(f"control must break a claim of this notebook, got {self.control!r}. Choose another.")
        seconds = time.perf_counter() - self.started
        record = dict(notebook=self.notebook, versions=provenance.versions(), device=provenance.in_words())
        held = f"{sum(r['holds'] for r in self.records)} of {len(self.records)} claims hold"
        text = f"{held} · {seconds:.0f} s · seed {self.seed} · {provenance.in_a_line()}"
        display({FINISH_MIME: record, "text/plain": text}, raw=True)


def start(
    notebook: str, *, profile: str = "quick", seed: int = 0, control: str = "", interactive: bool = False
) -> Lesson:
    """Begin a notebook.

    Parameters
    ----------
    profile : str
        quick (two CPU cores) or full (as in the paper, needs a GPU).
    seed : int
        Every random number of the notebook follows from it.
    control : str
        Name of a mechanism to break, or "" for none; see `CONTROLS`. It stays broken until the kernel ends.
    """
    require(profile in PROFILES, "profile", f"one of {', '.join(PROFILES)}", profile, "Check the spelling.")
    require(type(seed) is int and seed >= 0, "seed", "a whole number >= 0", seed, "Use 0.")
    known = f"empty or one of {', '.join(CONTROLS)}"
    require(control in ("", *CONTROLS), "control", known, control, "Check the spelling.")
    show_as_png()
    print(f"lesson {notebook} · profile {profile} · seed {seed} · {provenance.in_a_line()}")
    if control:
        what, module, attribute, replacement = CONTROLS[control]
        print(f"CONTROL {control}: {what}. Claims that rest on it must now fail.")
        if module is not None:
            setattr(module, attribute, replacement)
    return Lesson(notebook, profile, seed, control, interactive)


def _keep(mime: str, record: dict, text: str, markdown: str) -> None:
    """Leave a record for the runner, and words for the reader, in the cell's output."""
    display({mime: record, "text/plain": text, "text/markdown": markdown}, raw=True)


def _judge(answer: object, check: Check) -> tuple[bool, str]:
    verdict = check(answer)
    return (False, verdict) if isinstance(verdict, str) else (bool(verdict), "")
