"""Inside a notebook: start, show, say, claim, exercise, explore, finish.

A notebook calls `start` once and then the methods of the `Lesson` it gets. The runner (`batch.py`) reads the records
that `claim` and `finish` leave in the outputs.
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
from .controls import CONTROLS, SWAPS

CLAIM_MIME = "application/vnd.plremix.claim+json"
EXERCISE_MIME = "application/vnd.plremix.exercise+json"
FINISH_MIME = "application/vnd.plremix.finish+json"
PROFILES = ("quick", "full")
RULES = {">=": operator.ge, "<=": operator.le, ">": operator.gt, "<": operator.lt, "==": operator.eq}
Check = Callable[[object], bool | str]  # True: right; False or a hint: not


class ClaimError(AssertionError):
    """A claim does not hold, or holds although its mechanism was broken."""


class ExerciseError(AssertionError):
    """A checker refuses the solution, or accepts the misconception that it must refuse."""


@dataclass
class Lesson:
    """One running notebook: its settings, the claims checked so far and the time it started."""

    notebook: str
    profile: str
    seed: int
    control: str
    interactive: bool
    started: float = field(default_factory=time.perf_counter)
    records: list[dict] = field(default_factory=list)

    def show(self, name: str, figure: Figure, caption: str, *, cover: bool = False) -> None:
        """Display a figure with its number and a caption, also its alternative text; the index shows the cover."""
        display(figure, metadata={"image/png": {"alt": caption, "cover": cover}})
        display(Markdown(f"*{name}. {caption}*"))

    def say(self, text: str) -> None:
        """Display a sentence whose numbers come from code."""
        display(Markdown(text))

    def claim(self, name: str, sentence: str, value: float | Sequence[float], rule: str, breaks: Sequence[str]) -> None:
        """Check a claim in sight of the reader.

        Parameters
        ----------
        name : str
            As in the notebook's table of claims, for example C3.1.
        sentence : str
            What is claimed.
        value : float or sequence of float
            What was measured; every entry (one a seed, say) must satisfy the rule.
        rule : str
            Comparison and bound, for example "> 0.05".
        breaks : sequence of str
            Controls under which the claim must fail, at least one of `CONTROLS`.

        Raises
        ------
        ClaimError
            If the claim does not hold; under one of its controls, if it holds.
        """
        sign, bound = rule.split()
        require(sign in RULES, "rule", f"one of {', '.join(RULES)} and a bound", rule, 'Example: "> 0.05".')
        for control in breaks:
            require(
                control in CONTROLS, "breaks", f"controls out of {', '.join(CONTROLS)}", control, "Check the spelling."
            )
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
            raise ClaimError(text)

    def skip(self, name: str, reason: str) -> None:
        """Leave a claim out that the data at hand cannot decide; it counts neither as held nor as failed."""
        record = dict(name=name, sentence=reason, values=[], rule="", holds=False, skipped=True, breaks=[])
        self.records.append(record)
        text = f"{name} skipped: {reason}"
        _keep(CLAIM_MIME, record, text, f"**{name} skipped** · {reason}")

    def exercise(self, name: str, answer: object, check: Check) -> None:
        """Judge an answer: None is "not yet"; `check` returns True, or False or a hint."""
        if answer is None:
            print(f"{name}: not yet. Write your answer in place of None and run the cell again.")
            return
        right, hint = _judge(answer, check)
        print(f"{name}: right." if right else f"{name}: not right. {hint or 'Try again.'}")

    def solution(self, name: str, answer: object, check: Check, *, named: str, wrong: object) -> None:
        """Show that the checker of an exercise takes the solution and meets a misconception with a hint.

        Parameters
        ----------
        name, answer, check : str, object, callable
            As for `exercise`.
        named, wrong : str, object
            A misconception in words, and the answer that follows from it.

        Raises
        ------
        ExerciseError
            If `check` refuses the answer, or has no hint for the misconception (unless a control is switched on).
        """
        (right, _), (fooled, hint) = _judge(answer, check), _judge(wrong, check)
        record = dict(name=name, right=right, misconception=named, refused=not fooled, hint=hint)
        text = f"{name}: {'right' if right else 'NOT RIGHT'}. Who thinks that {named} is told: {hint}"
        if not self.control and not (right and not fooled and hint):
            raise ExerciseError(text)
        _keep(EXERCISE_MIME, record, text, text)

    def explore(
        self, draw: Callable[..., Figure], panels: Sequence[dict] | None = None, **values: Sequence[float]
    ) -> None:
        """Draw fixed panels, then, if interactive, a slider for each of `values`.

        Parameters
        ----------
        draw : callable
            From one value of each name to a figure.
        panels : sequence of dict, optional
            Settings of the fixed panels; every combination of `values` if None; none if empty, where the figure
            above shows them.
        **values : sequence of float
            By name, what the slider offers.
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
        require(
            path.exists(),
            "recorded study",
            "present in data/results",
            path.name,
            "Run `plremix sweep` and `plremix report --record` to make it.",
        )
        return self.swapped(pd.read_csv(path))

    def swapped(self, table: pd.DataFrame) -> pd.DataFrame:
        """Let two methods of a recorded table trade names, if the control is one that does so and both are in it."""
        ours, other = SWAPS.get(self.control, ("", ""))
        if not ours or not {ours, other} <= set(table["method"]):
            return table
        return table.assign(method=table["method"].replace({ours: other, other: ours}))

    def finish(self) -> None:
        """Print the provenance footer and leave the record that every cell was reached."""
        seconds = time.perf_counter() - self.started
        broken = [r["name"] for r in self.records if not r["holds"] and not r.get("skipped")]
        if self.control and not any(self.control in r["breaks"] for r in self.records):
            raise ClaimError(f"control must break a claim of this notebook, got {self.control!r}. Choose another.")
        record = dict(notebook=self.notebook, seconds=seconds, claims=[r["name"] for r in self.records], broken=broken)
        record |= dict(versions=provenance.versions(), device=provenance.in_words())
        held = sum(r["holds"] for r in self.records)
        text = (
            f"{held} of {len(self.records)} claims hold · {seconds:.0f} s · seed {self.seed} · {provenance.in_a_line()}"
        )
        display({FINISH_MIME: record, "text/plain": text}, raw=True)


def start(
    notebook: str, *, profile: str = "quick", seed: int = 0, control: str = "", interactive: bool = False
) -> Lesson:
    """Begin a notebook.

    Parameters
    ----------
    notebook : str
        Two digits, for example "03".
    profile : str
        quick (two CPU cores) or full (as in the paper, needs a GPU).
    seed : int
        Every random number of the notebook follows from it.
    control : str
        Name of a mechanism to break, or "" for none; see `CONTROLS`. Breaking lasts until the kernel ends.
    interactive : bool
        Sliders as well as fixed pictures.

    Returns
    -------
    Lesson

    Raises
    ------
    ValueError
        If a value is not one of these.
    """
    require(profile in PROFILES, "profile", f"one of {', '.join(PROFILES)}", profile, "Check the spelling.")
    require(type(seed) is int and seed >= 0, "seed", "a whole number >= 0", seed, "Use 0.")
    require(
        control in ("", *CONTROLS), "control", f"empty or one of {', '.join(CONTROLS)}", control, "Check the spelling."
    )
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
