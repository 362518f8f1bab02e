"""Hook coverage: what the suite has asked of an architecture, hook by hook.

A job explores a scenario with hooks that note their calls (core.plugins.hook_calls).  Programs are run as they are
learned, so a hook that any interleaving within LIMITS reaches is noted.  It says what was asked, not what was answered:
the verdict is another job's.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from core.base.errortext import describe
from core.conformance.scenario import Scenario
from core.explore import Limits, Model, Thread
from core.explore.reference import Search
from core.explore.transition_tables import TransitionTables
from core.mm.era import Era
from core.plugins.arch import Arch
from core.plugins.hook_calls import HookCall, holding, recording

LIMITS = Limits(max_states=50_000)
"""Enough for every program of a scenario to end on some interleaving."""


@dataclass(frozen=True)
class Covered:
    """What one scenario or workload called of the hooks of one architecture; `problem` says why it could not be run."""

    architecture: str
    where: str
    calls: frozenset[HookCall] = frozenset()
    problem: str = ""


def covered(arch: Arch, era: Era, scenario: Scenario) -> Covered:
    """The calls that the scenario makes; none if the architecture lacks what it needs."""
    if scenario.lacking(arch):
        return Covered(arch.name, scenario.id)
    calls: set[HookCall] = set()
    try:
        model = scenario.build(recording(arch, calls), era)
        Search(TransitionTables(watched_for_locks(model)), LIMITS, False).run()
    except Exception as error:  # an exception of a plugin fails this scenario only
        return Covered(arch.name, scenario.id, frozenset(calls), " ".join(describe(error).split()))
    return Covered(arch.name, scenario.id, frozenset(calls))


def watched_for_locks(model: Model) -> Model:
    """The model with programs that note which locks they hold."""
    return replace(model, threads=tuple(_watched(thread) for thread in model.threads))


def _watched(thread: Thread) -> Thread:
    return replace(thread, program=lambda: holding(thread.program()))
