"""Cells that are known before they are searched: rows that answer alike all that a scenario asks of them.

Rows of one plugin have the same hooks, and differ in their facts and their era alone.  A scenario is judged on facts
and an era that note what is asked of them (core.base.asked).  Where those of another row would give the same answers,
every program goes the same way there, so the verdict, the counts and the trace are the same.  A bundle of 2 or of 32
entries makes no difference to a scenario that gathers one page, and the rows of `arches.toml` share two cells of three.

Not shared is what does not depend on facts, era and plugin alone: anything of a third party, a search that ended at a
limit, an error.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

from core.base.asked import Notes, of
from core.conformance.verdict import Result
from core.facts import Facts
from core.mm.era import Era
from core.plugins.arch import Arch

Judge = Callable[[Arch, Era], Result]


class Judged(NamedTuple):
    """A verdict, and what was asked of facts and era on the way to it."""

    facts: Notes
    era: Notes
    result: Result

    def hold_for(self, facts: Facts, era: Era) -> bool:
        """Is the verdict the same with these?"""
        return self.facts.hold_for(facts) and self.era.hold_for(era)


class KnownCells:
    """The verdicts of the cells of one kind, which come one after another."""

    def __init__(self) -> None:
        self.kind: object = None
        self.judged: list[Judged] = []

    def result(self, kind: object, arch: Arch, era: Era, judge: Judge) -> Result:
        """`judge(arch, era)`, or the result of an earlier call that was asked the same.

        Calls with an equal `kind` must have the same hooks, and `judge` do the same with them.
        """
        if kind != self.kind:
            self.kind, self.judged = kind, []
        for one in self.judged:
            if one.hold_for(arch.facts, era):
                return replace(one.result, architecture=arch.name)
        facts, eras = Notes(arch.facts), Notes(era)
        result = judge(replace(arch, facts=of(arch.facts, facts)), of(era, eras))
        if result.verdict in ("pass", "fail", "unsupported"):
            self.judged.append(Judged(facts, eras, result))
        return result
