"""Workloads from outside the project: named on the command line, checked like plugins, counted in a process of its own.

A file beside a patch has a `core.cost.workload.Workload`.  Its steps may be turns with programs of the patch.  So its
code is foreign: a child describes it, and the child that counts it loads it again (core.plugins.from_outside).  It is
counted twice, and the counts must be equal.

Data types
    OutsideWorkload    such a workload as the rest of the project knows it: words, no code
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from types import SimpleNamespace

from core.base.errortext import describe
from core.cost.turns import Turns
from core.cost.workload import Workload
from core.cost.workloads import WORKLOADS, wrong_step
from core.plugins import from_outside
from core.plugins.arch import PluginError, load_object
from core.plugins.from_outside import Described, Loading, one_line
from core.plugins.hidden_state import hidden_state
from core.plugins.load import Wanted

WORKLOAD = Wanted("workload", "shootdown.workloads", Workload)

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")


@dataclass(frozen=True)
class OutsideWorkload(Described):
    """A workload from outside, in words."""

    name: str = ""
    title: str = ""


@dataclass(frozen=True)
class DescribingWorkload(Loading):
    """A job that loads a workload from outside; its result is `OutsideWorkload`."""

    def wrong(self, answer: OutsideWorkload) -> str:
        """Why `answer` is not one of this job; its words are checked too."""
        return super().wrong(answer) or ("" if answer.problem else wrong_words(answer))

    def run(self) -> OutsideWorkload:
        """Load it and discard it."""
        return self.loaded(load, lambda w: OutsideWorkload(reference=self.reference, name=w.name, title=w.title))

    def failed(self, reason: str) -> OutsideWorkload:
        """A workload that raised, hung or killed its process as it was loaded."""
        return OutsideWorkload(reference=self.reference, name=self.reference, problem=one_line(reason))


def entry_points() -> list[str]:
    """The names under which installed distributions offer workloads."""
    return from_outside.entry_points(WORKLOAD)


def described(reference: str) -> OutsideWorkload:
    """The workload that FILE.py:NAME, MODULE:NAME or an entry point names; its code is run in a child process only."""
    answer: OutsideWorkload = from_outside.described(DescribingWorkload(reference), WORKLOAD)
    return answer


def load(reference: str) -> Workload:
    """Load a workload from outside into this process. PluginError if it cannot be used."""
    try:
        workload: Workload = load_object(reference, WORKLOAD)
        problem = wrong(workload) or hidden_state(SimpleNamespace(**_programs(workload)))
    except PluginError:
        raise
    except Exception as error:
        raise PluginError(f"workload {reference}: {describe(error)}") from error
    if problem:
        raise PluginError(f"workload {reference}: {problem}")
    return workload


def _programs(workload: Workload) -> dict[str, object]:
    """The programs of its turns, for a look at what they keep."""
    turns = [turn for step in workload.steps if isinstance(step, Turns) for turn in step.turns]
    return {f"turn{at}": turn.does for at, turn in enumerate(turns) if not isinstance(turn.does, str)}


def wrong(workload: Workload) -> str:
    """What is wrong with a workload; '' if nothing."""
    if not isinstance(workload.steps, tuple) or not workload.steps:
        return f"steps: expected a tuple of Turns or WorkloadStep, got {workload.steps!r:.80}"
    for at, step in enumerate(workload.steps):
        if problem := wrong_step(step):
            return f"steps[{at}].{problem}"
    return wrong_words(workload)


def wrong_words(workload: Workload | OutsideWorkload) -> str:
    """What is wrong with the words of a workload; '' if nothing."""
    if not isinstance(workload.name, str) or not NAME.fullmatch(workload.name):
        return f"name: expected letters, digits, '-', '_' and '.', got {workload.name!r:.80}"
    if workload.name in WORKLOADS:
        return f"name: {workload.name} is a workload of the project; choose another"
    if not isinstance(workload.title, str):
        return f"title: expected a string, got {workload.title!r:.80}"
    return ""
