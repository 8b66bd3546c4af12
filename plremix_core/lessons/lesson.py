"""Inside a notebook: start, show, say, check, claim, exercise, explore, animate, finish.

A notebook calls `start` once and then the methods of the `Lesson` it gets; `runner` reads the records that `claim` and
`finish` leave in the outputs.
"""

import itertools
import operator
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from IPython.display import Markdown, display
from matplotlib.figure import Figure
from tqdm.auto import tqdm

from ..engine import provenance
from ..engine.checks import require
from ..engine.files import ROOT
from ..plots import png
from ..presets import PROFILES
from . import exercises, injected
from .controls import CONTROLS, INSTEAD

CLAIM_MIME = "application/vnd.plremix.claim+json"
EXERCISE_MIME = "application/vnd.plremix.exercise+json"
FINISH_MIME = "application/vnd.plremix.finish+json"
RULES = {">=": operator.ge, "<=": operator.le, ">": operator.gt, "<": operator.lt, "==": operator.eq}
ANIMATED = 300_000  # bytes, at most, of an animation


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
        unknown = [control for control in breaks if control not in CONTROLS]
        require(not unknown, "breaks", f"controls out of {', '.join(CONTROLS)}", unknown, "Check the spelling.")
        require(len(breaks) > 0, "breaks", "at least one control", breaks, "A claim that cannot fail claims nothing.")
        require(name not in [r["name"] for r in self.records], "claim", "checked once", name, "Use another number.")
        values = np.atleast_1d(np.asarray(value, dtype=float))
        holds, shown = _holds(values, rule)
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

    def check(self, sentence: str, value: float | Sequence[float], rule: str) -> None:
        """Check what must be so (our loop gives what the core gives); shown like a claim, but no finding."""
        holds, shown = _holds(value, rule)
        text = f"Check: {sentence} [{shown} {rule}]"
        print(text if holds else f"{text} FAILS")
        if not holds and not self.control:
            raise LessonError(text)

    def progress(self, steps: Iterable, what: str) -> tqdm:
        """Go through `steps` with a bar that says `what` is done and how long it will still take."""
        return tqdm(steps, desc=what)

    def exercise(self, name: str, answer: object) -> None:
        """Judge an answer by the notebook's file of checks and say what came out, whatever was given."""
        right, text = exercises.judge(exercises.load(self.notebook), name, answer)
        if right is None:
            print(f"{name}: {text}")
        else:
            print(f"{name}: right." if right else f"{name}: not right yet. {text[:1].upper()}{text[1:]}")

    def solution(self, name: str, answer: object, why: str = "") -> None:
        """Show that the check takes this solution, and the derivation `why` in Markdown.

        The check must also meet the answer of a misconception, ``WRONG[name]`` in its file, with a hint.
        """
        module = exercises.load(self.notebook)
        right, text = exercises.judge(module, name, answer)
        fooled, hint = exercises.judge(module, name, module.WRONG[name])
        record = dict(name=name, right=bool(right), refused=fooled is False, hint=hint)
        told = f"{name}: this solution passes the checks."
        if not self.control and not (right and fooled is False and hint):
            raise LessonError(f"{name}: solution {right} ({text}); misconception {fooled} ({hint})")
        _keep(EXERCISE_MIME, record, told, f"{told}\n\n{why}".strip())

    def explore(
        self,
        name: str,
        draw: Callable[..., Figure],
        caption: str,
        *,
        panels: Sequence[dict] | None = None,
        start: dict | None = None,
        **values: Sequence[float],
    ) -> None:
        """Draw fixed panels, then, if interactive, a slider for each of `values`.

        `draw` makes a figure from one value of each name. `panels` are the settings of the fixed panels: that of
        `start` if None, and every combination of `values` if there is no `start` either. Sliders begin at `start`.
        """
        if panels is None:
            every = [dict(zip(values, combination)) for combination in itertools.product(*values.values())]
            panels = [start] if start else every
        for panel in panels:
            setting = ", ".join(f"{key} = {value:g}" for key, value in panel.items())
            self.show(name if len(panels) == 1 else f"{name} ({setting})", draw(**panel), caption)
        if self.interactive:
            from ipywidgets import Layout, SelectionSlider, interact

            sliders = {}
            for key, offered in values.items():
                options = [(f"{value:g}", value) for value in offered]
                first = (start or {}).get(key, offered[len(offered) // 2])
                wide = Layout(width="24rem")
                sliders[key] = SelectionSlider(options=options, value=first, continuous_update=False, layout=wide)
            interact(draw, **sliders)
        else:
            print(f"Set interactive = True in the parameters cell for sliders: {', '.join(values)}.")

    def animate(
        self, name: str, draw: Callable[[object], Figure], values: Sequence, caption: str, panels: int = 4
    ) -> None:
        """Show `panels` of the frames `draw(value)` side by side and, below, an animation of all."""
        frames = [png.frame(draw(value)) for value in values]
        moving = png.animation(frames)
        require(len(moving) <= ANIMATED, "animation", f"at most {ANIMATED:,} bytes", len(moving), "Use fewer frames.")
        shown = frames[:: max(1, (len(frames) - 1) // (panels - 1))][:panels]
        display({"image/png": png.strip(shown)}, metadata={"image/png": {"alt": caption, "cover": False}}, raw=True)
        display(Markdown(f"*{name}. {caption}*"))
        display({"image/gif": moving}, metadata={"image/gif": {"alt": f"Animation: {caption}"}}, raw=True)

    def recorded(self, name: str) -> pd.DataFrame:
        """Read a recorded study ``data/results/<name>.csv``; its provenance is in the .json beside it.

        Under a control the rows of a method are those recorded without the mechanism that is broken; see `INSTEAD`.
        """
        path = ROOT / "data" / "results" / f"{name}.csv"
        remedy = "Run `plremix sweep` and `plremix report --record` to make it."
        require(path.exists(), "recorded study", "present in data/results", path.name, remedy)
        return self.broken(pd.read_csv(path, keep_default_na=False, na_values=[""]))

    def broken(self, table: pd.DataFrame) -> pd.DataFrame:
        """A recorded table as it is, or with the methods that the control breaks replaced by what is left of them."""
        known, known_instead = set(table["method"]), INSTEAD.get(self.control, {})
        instead = {one: other for one, other in known_instead.items() if {one, other} <= known}
        kept = [table[~table["method"].isin(list(instead))]]
        kept += [table[table["method"] == other].assign(method=one) for one, other in instead.items()]
        return pd.concat(kept, ignore_index=True)

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
    png.show_as_png()
    injected.refuse_unknown(_cells_run())
    print(f"lesson {notebook} · profile {profile} · seed {seed} · {provenance.in_a_line()}")
    if control:
        what, module, attribute, replacement = CONTROLS[control]
        print(f"CONTROL {control}: {what}. Claims that rest on it must now fail.")
        if module is not None:
            setattr(module, attribute, replacement)
    return Lesson(notebook, profile, seed, control, interactive)


def _cells_run() -> list[str]:
    """Sources of the notebook's cells that were run so far; none outside one."""
    from IPython import get_ipython

    return list(get_ipython().user_ns.get("In", [])) if get_ipython() is not None else []


def _keep(mime: str, record: dict, text: str, markdown: str) -> None:
    """Leave a record for the runner, and words for the reader, in the cell's output."""
    display({mime: record, "text/plain": text, "text/markdown": markdown}, raw=True)


def _holds(value: float | Sequence[float], rule: str) -> tuple[bool, str]:
    """Say whether every value satisfies a rule, and the values in words."""
    sign, bound = rule.split()
    require(sign in RULES, "rule", f"one of {', '.join(RULES)} and a bound", rule, 'Example: "> 0.05".')
    values = np.atleast_1d(np.asarray(value, dtype=float))
    return bool(len(values) and all(RULES[sign](v, float(bound)) for v in values)), ", ".join(
        f"{v:.4g}" for v in values
    )
