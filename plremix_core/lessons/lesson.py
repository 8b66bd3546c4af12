"""Inside a notebook: start, show, say, check, claim, exercise, explore, animate, finish.

A notebook calls `start` once and then the methods of the `Lesson` it gets; `runner` reads the records that `claim` and
`finish` leave in the outputs.
"""

import operator
import re
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from IPython import get_ipython
from IPython.display import Markdown, display
from matplotlib.figure import Figure
from tqdm.auto import tqdm

from ..engine import provenance
from ..engine.checks import require
from ..engine.files import ROOT
from ..plots import png
from ..presets import PROFILES
from . import controls, exercises, injected
from .controls import CONTROLS, INSTEAD

CLAIM_MIME = "application/vnd.plremix.claim+json"
EXERCISE_MIME = "application/vnd.plremix.exercise+json"
FINISH_MIME = "application/vnd.plremix.finish+json"
FOLD = "<details><summary>Why: click to open</summary>"
Measured = float | Sequence[float] | dict[str, Sequence[float]]
RULES = {">=": operator.ge, "<=": operator.le, ">": operator.gt, "<": operator.lt, "==": operator.eq}


class LessonError(AssertionError):
    """A claim or check fails, a claim holds although its mechanism was broken, or a solution is refused."""


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
        self.say(f"*{name}. {caption}*")

    def say(self, text: str) -> None:
        """Display a sentence whose numbers come from code."""
        display(Markdown(text))

    def claim(self, name: str, sentence: str, value: Measured, rule: str, breaks: Sequence[str]) -> None:
        """Check a claim in sight of the reader.

        Every entry of `value` (one a seed, or those of each group by its name) must satisfy the `rule`, a comparison
        and a bound: "> 0.05". `breaks` are the controls under which the claim must fail; a `LessonError` is raised if
        it holds under one of them, or fails without any.
        """
        values, holds, shown = _measure(value, rule)
        must_fail = self.control in breaks
        record = dict(name=name, sentence=sentence, values=values, rule=rule, holds=holds, breaks=list(breaks))
        self.records.append(record)
        text = f"**{name} {'holds' if holds else 'FAILS'}** · {sentence} · measured {shown}, rule `{rule}`"
        text = _keep(CLAIM_MIME, record, text + f" (control {self.control}: it must fail)" * must_fail)
        if holds == must_fail and (must_fail or not self.control):  # another control may break it, too
            raise LessonError(text)

    def skip(self, name: str, reason: str) -> None:
        """Leave a claim out that the data at hand cannot decide; it counts neither as held nor as failed."""
        self.records.append(dict(name=name, sentence=reason, values=[], rule="", holds=False, skipped=True, breaks=[]))
        _keep(CLAIM_MIME, self.records[-1], f"**{name} skipped** · {reason}")

    def check(self, sentence: str, value: Measured, rule: str) -> None:
        """Check what must be so (our loop gives what the core gives); shown like a claim, but no finding."""
        _, holds, shown = _measure(value, rule)
        text = f"Check: {sentence} [{shown} {rule}]" + ("" if holds else " FAILS")
        print(text)
        if not holds and not self.control:
            raise LessonError(text)

    def progress(self, steps: Iterable, what: str) -> tqdm:
        """Go through `steps` with a bar that says `what` is done and how long it will still take."""
        return tqdm(steps, desc=what)

    def exercise(self, name: str, answer: object) -> None:
        """Judge an answer by the notebook's file of checks and say what came out, whatever was given."""
        right, text = exercises.judge(exercises.load(self.notebook), name, answer)
        wrong = f"not right yet. {text[:1].upper()}{text[1:]}"
        print(f"{name}: {'right.' if right else text if right is None else wrong}")

    def solution(self, name: str, answer: object, why: str = "") -> None:
        """Show that the check takes this solution, and the derivation `why` in Markdown.

        The check must also meet the answer of a misconception, ``WRONG[name]`` in its file, with a hint.
        """
        module = exercises.load(self.notebook)
        right, text = exercises.judge(module, name, answer)
        fooled, hint = exercises.judge(module, name, module.WRONG[name])
        if not self.control and not (right and fooled is False and hint):
            raise LessonError(f"{name}: solution {right} ({text}); misconception {fooled} ({hint})")
        record = dict(name=name, right=bool(right), refused=fooled is False, hint=hint)
        text = f"{name}: this solution passes the checks."
        _keep(EXERCISE_MIME, record, f"{text}\n\n{FOLD}\n\n{why}\n\n</details>" if why else text)

    def explore(self, name: str, draw: Callable, caption: str, *, start: dict, panels=(), **values: Sequence) -> None:
        """Draw fixed panels, then, if interactive, a slider for each of `values`.

        `draw` makes a figure from one value of each name. `panels` are the settings of the fixed panels, only `start`
        if there are none; sliders begin at `start`.
        """
        for panel in panels or [start]:
            setting = ", ".join(f"{key} = {value:g}" for key, value in panel.items())
            self.show(f"{name} ({setting})" if len(panels) > 1 else name, draw(**panel), caption)
        if not self.interactive:
            print(f"Set interactive = True in the parameters cell for sliders: {', '.join(values)}.")
            return
        from ipywidgets import Layout, SelectionSlider, interact

        look = dict(continuous_update=False, layout=Layout(width="24rem"))
        named = {key: [(f"{value:g}", value) for value in offered] for key, offered in values.items()}
        interact(draw, **{key: SelectionSlider(options=named[key], value=start[key], **look) for key in values})

    def animate(self, name: str, draw: Callable[[object], Figure], values: Iterable, caption: str) -> None:
        """Show four of the frames `draw(value)` and, below, an animation of all."""
        figures = [draw(value) for value in values]
        display({"image/png": png.strip(figures)}, metadata={"image/png": {"alt": caption}}, raw=True)
        self.say(f"*{name}. {caption}*")
        moving = png.animation([png.frame(figure, dpi=72) for figure in figures])
        display({"image/gif": moving}, metadata={"image/gif": {"alt": caption}}, raw=True)

    def recorded(self, name: str) -> pd.DataFrame:
        """Read a recorded study ``data/results/<name>.csv``; its provenance is in the .json beside it.

        Under a control the rows of a method are those recorded without the mechanism that is broken; see `INSTEAD`.
        """
        table = pd.read_csv(ROOT / "data" / "results" / f"{name}.csv", keep_default_na=False, na_values=[""])
        return self.broken(table)

    def broken(self, table: pd.DataFrame) -> pd.DataFrame:
        """A recorded table as it is, or with the methods that the control breaks replaced by what is left of them."""
        known = set(table["method"])
        instead = {one: other for one, other in INSTEAD.get(self.control, {}).items() if {one, other} <= known}
        kept = [table[~table["method"].isin(list(instead))]]
        kept += [table[table["method"] == other].assign(method=one) for one, other in instead.items()]
        return pd.concat(kept, ignore_index=True)

    def finish(self) -> None:
        """Print the provenance footer and leave the record that every cell was reached."""
        if self.control and not any(self.control in r["breaks"] for r in self.records):
            raise LessonError(f"control must break a claim of this notebook, got {self.control!r}. Choose another.")
        record = dict(notebook=self.notebook, versions=provenance.versions(), device=provenance.in_words())
        text = f"{sum(r['holds'] for r in self.records)} of {len(self.records)} claims hold"
        text += f" · {time.perf_counter() - self.started:.0f} s · seed {self.seed} · {provenance.in_a_line()}"
        _keep(FINISH_MIME, record, text)


def start(notebook: str, *, profile="quick", seed=0, control="", interactive=False) -> Lesson:
    """Begin a notebook, "03" for example.

    `profile` is quick (two CPU cores) or full (as in the paper, needs a GPU); every random number follows from `seed`;
    `control` names a mechanism to break until the kernel ends, see `CONTROLS`; `interactive` adds sliders.
    """
    require(profile in PROFILES, "profile", f"one of {', '.join(PROFILES)}", profile, "Check the spelling.")
    require(type(seed) is int and seed >= 0, "seed", "a whole number >= 0", seed, "Use 0.")
    require(control in ("", *CONTROLS), "control", f"empty or one of {', '.join(CONTROLS)}", control, "Check it.")
    png.show_as_png()
    injected.refuse_unknown(get_ipython().user_ns["In"] if get_ipython() else [])
    print(f"lesson {notebook} · profile {profile} · seed {seed} · {provenance.in_a_line()}")
    if control:
        print(f"CONTROL {control}: {CONTROLS[control]}. Claims that rest on it must now fail.")
        if control in (replaced := controls.replacements()):
            setattr(*replaced[control])
    return Lesson(notebook, profile, seed, control, interactive)


def _measure(value: Measured, rule: str) -> tuple[list, bool, str]:
    """What was measured, for JSON; whether there is any and every number satisfies the rule; and all in words."""
    groups = {name: np.ravel(own) for name, own in (value if isinstance(value, dict) else {"": value}).items()}
    values, (sign, bound) = np.concatenate([*groups.values()]).astype(float), rule.split()
    holds = len(values) > 0 and RULES[sign](values, float(bound)).all()
    words = [f"{name}: {in_words(own)}".removeprefix(": ") for name, own in groups.items()]
    kept = [v if np.isfinite(v) else str(v) for v in values.tolist()]  # JSON has no NaN
    return kept, bool(holds), "; ".join(words)


def in_words(values: Sequence[float]) -> str:
    """Values for a reader: each of them, or the ends of their range if they are more than three."""
    few = ", ".join(f"{float(v):.3g}" for v in values)
    return few if len(values) < 4 else f"{min(values):.3g} to {max(values):.3g} ({len(values)} values)"


def _keep(mime: str, record: dict, text: str) -> str:
    """Leave a record for the runner, and words for the reader, in the cell's output; return them without Markdown."""
    plain = re.sub(r"[*`]", "", text)
    display({mime: record, "text/plain": plain, "text/markdown": text}, raw=True)
    return plain
