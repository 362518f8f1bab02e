"""Fast-forward: zapping identical tables is simulated once and then multiplied.

How it works.  At a table boundary no page-table lock is held.  What the zap does next depends only on its position in
the layout, the gather, the machine's cells (core/cost/situations.py), and whether allocations succeed.  The work from
one table boundary to the next therefore leads from one *situation* to another.  The first time, the program itself does
that work on symbolic numbers (core/cost/affine.py).  The result is a *summary* (core/cost/summaries.py): the conditions
under which the program takes the same path, and what that path adds to the variables and the counts, as linear forms.
Whenever the conditions hold again, the summary is added and no program runs.  That happens where the program asks how
many entries of an upper table are equal (`Mm.run`): it then finds the tables leapt over empty.

A large layout has many tables, so summaries are repeated as well.  When the zap reaches a situation for the second time
it has completed a *lap*, and its variables have drifted by some amount: the gather holds more pages, or fills up a few
pages earlier in the table.  While every summary's conditions still hold, and every summary carries the drift on
unchanged, the next lap is the same, and what it adds grows by a constant: an arithmetic series.  When a lap ends
exactly where an earlier one began, variables included, everything in between repeats until the stretch ends.

Why it is sound.  Conditions and forms are recorded from the program's own run, not guessed.  The layout repeats by
construction of the stretch, and a summary that would leave the stretch is not applied.  Programs use a page number only
to ask for the kind of the page, which Layout answers by position in the period, and for its alignment, which is part of
the situation.  A summary is never applied across an allocation that fails.  A maximum is a linear form too, so along a
drift it is reached at one of the two ends.

Tables whose contents do not repeat are leapt over one by one (core/cost/mixed_tables.py).

What was rejected.  Formulas written by hand for each count: they would be a second text of the zap
beside the one that is proved.

Data types
    Place          where a zap is: a situation, its variables, and an address
    Walk           the run of the program that will become a summary: its start, the counts then, the conditions so far
"""

from __future__ import annotations

from typing import NamedTuple

from core.cost.affine import Conditions, now
from core.cost.allocations import Allocations
from core.cost.counts import Counts
from core.cost.layout import Layout
from core.cost.mixed_tables import MixedTables
from core.cost.run_memory import RunMemory
from core.cost.run_summaries import RunSummaries
from core.cost.situations import STILL, Situation, Situations, Vector, settle
from core.cost.summaries import UNBOUNDED, Summaries, Summary, summary_of
from core.mm.era import Era
from core.mm.mmu_gather import MmuGather

REMEMBERED = 50_000
"""At most this many places are remembered, to recognise one that comes back."""


class Place(NamedTuple):
    """Where a zap is: its situation, the situation's variables, and the page number it has reached."""

    situation: Situation
    variables: Vector
    addr: int


class Walk(NamedTuple):
    """A run from one table boundary towards the next, from which a summary is made."""

    place: Place
    sums: dict[str, int]
    asked: int
    conditions: Conditions


class Periods:
    """Fast-forwards one zap of `layout`. `walked` counts the tables that were looked at."""

    def __init__(
        self,
        layout: Layout,
        counts: Counts,
        memory: RunMemory,
        allocations: Allocations,
        era: Era,
        effects: RunSummaries,
    ) -> None:
        self.layout, self.counts, self.memory, self.allocations = layout, counts, memory, allocations
        self.era = era
        self.mixed = MixedTables(layout, counts, memory, effects, allocations, era)
        self.walked = 0
        self._situations: Situations | None = None
        self._summaries = Summaries()
        self._walk: Walk | None = None
        self._next_look = 0

    def look(self, tlb: MmuGather, addr: int) -> None:
        """The zap is about to read the upper entry of `addr`, which is not empty: leap to a later table, if possible.

        The entries of the tables leapt over are empty from then on.
        """
        if addr < self._next_look:
            return
        self._next_look = addr + 1
        self.walked += 1
        span, layout = tlb.mm.span[0], self.layout
        self.mixed.arrive(tlb, addr)
        repeats = layout.stretch_at(addr).end - addr >= span
        place = self._arrive(tlb, addr) if repeats or self._walk is not None else None
        if place is None:
            reached = self.mixed.look(tlb, addr)
            self._next_look = reached + 1 if self.mixed.walk is not None or reached == addr else reached
            return
        stretch = layout.stretch_at(addr)
        there = self._go(place, stretch.end)
        if there.addr != addr:
            there.situation.put(tlb, self.memory, there.addr, there.variables)
            self.memory.zapped, self.memory.leapt = there.addr, range(addr, there.addr)
            self._next_look = there.addr + 1
        if stretch.end - there.addr >= span:
            conditions = there.situation.vary(tlb)
            self.counts.linear.clear()
            self._walk = Walk(there, self.counts.sums.copy(), self.allocations.asked, conditions)

    def finish(self, tlb: MmuGather) -> None:
        """The zap is over; a walk that has not reached another table is given up."""
        self.mixed.finish(tlb)
        if self._walk is not None:
            settle(self._walk.conditions, tlb, self.counts)
            self._walk = None

    def _arrive(self, tlb: MmuGather, addr: int) -> Place | None:
        """The place at `addr`, which ends the current walk; None if no whole table of a stretch lies ahead."""
        place = None
        if self._walk is not None:
            place = self._learn(self._walk, tlb, addr)
            settle(self._walk.conditions, tlb, self.counts)
            self._walk = None
        stretch, span = self.layout.stretch_at(addr), tlb.mm.span[0]
        if stretch.end - addr < span:
            return None
        if self._situations is None or self._situations.stretch is not stretch:
            self._situations, self._summaries, place = Situations(stretch, span, self.era), Summaries(), None
        return place or Place(*self._situations.at(tlb, self.memory, addr), addr)

    def _learn(self, walk: Walk, tlb: MmuGather, addr: int) -> Place | None:
        """Add the summary of the walk that ends at `addr`; None if it left the stretch or an allocation failed."""
        situations, counts = self._situations, self.counts
        if situations is None or addr > situations.stretch.end or self.allocations.failed_since(walk.asked):
            return None
        (situation, began, before), (to, moved) = walk.place, situations.at(tlb, self.memory, addr)
        added = [(name, number - walk.sums.get(name, 0)) for name, number in counts.sums.items()]
        asked = self.allocations.asked - walk.asked
        summary = summary_of(addr - before, to, moved, added, counts.linear, asked, walk.conditions, began)
        self._summaries.add(situation, began, summary)
        return Place(to, (now(moved[0]), now(moved[1]), now(moved[2])), addr)

    # ---- applying summaries ----------------------------------------------------------------------------------

    def _go(self, place: Place, end: int) -> Place:
        """Apply summaries as far as they are known."""
        sums, laps = self.counts.sums, dict[tuple[Situation, Vector], tuple[int, int, dict[str, int]]]()
        going = True
        while going:
            situation, variables, addr = place
            before, asked, counted = laps.get((situation, variables), (addr, 0, sums))
            if before < addr:
                asked = self.allocations.asked - asked
                times = min((end - addr) // (addr - before), self._granted(asked))
                for name in sums:
                    sums[name] += times * (sums[name] - counted.get(name, 0))
                self.allocations.asked += times * asked
                place = Place(situation, variables, addr + times * (addr - before))
            if len(laps) == REMEMBERED:
                laps.clear()
            laps[situation, variables] = place.addr, self.allocations.asked, sums.copy()
            place, going = self._lap(place, end)
        return place

    def _lap(self, place: Place, end: int) -> tuple[Place, bool]:
        """Apply summaries until a situation recurs, then repeat that lap while it stays the same.

        Returns the new place, and whether a situation recurred.
        """
        path: list[tuple[Summary, Vector]] = []
        been: dict[Situation, int] = {}
        while place.situation not in been:
            summary = self._next(place, end)
            if summary is None:
                self._count(path, 1, STILL)
                return place, False
            situation, variables, addr = place
            been[situation] = len(path)
            path.append((summary, variables))
            x, y, z = summary.moved
            place = Place(summary.to, (x.at(variables), y.at(variables), z.at(variables)), addr + summary.length)
            self.allocations.asked += summary.asked
        since = been[place.situation]
        self._count(path[:since], 1, STILL)
        return self._again(path[since:], place, end), True

    def _again(self, path: list[tuple[Summary, Vector]], place: Place, end: int) -> Place:
        """Count a lap that ends at `place` in the situation it began in, and all its repetitions."""
        (x, y, z), (u, v, w) = path[0][1], place.variables
        drift, length = (u - x, v - y, w - z), sum(summary.length for summary, _ in path)
        asked = sum(summary.asked for summary, _ in path)
        times = min((end - place.addr) // length, self._granted(asked))
        for summary, variables in path if drift != STILL else ():
            times = min(times, summary.times(variables, drift))
        self._count(path, times + 1, drift)
        self.allocations.asked += times * asked
        a, b, c = drift
        return Place(place.situation, (u + times * a, v + times * b, w + times * c), place.addr + times * length)

    def _granted(self, asked: int) -> int:
        """How many times `asked` allocations can be made before one fails."""
        granted = self.allocations.granted()
        return UNBOUNDED if granted is None or not asked else granted // asked

    def _next(self, place: Place, end: int) -> Summary | None:
        """The summary that applies: known, within the stretch, and with allocations that all succeed. None if none."""
        summary = self._summaries.find(place.situation, place.variables)
        if summary is None or place.addr + summary.length > end or not self._granted(summary.asked):
            return None
        return summary

    def _count(self, path: list[tuple[Summary, Vector]], times: int, drift: Vector) -> None:
        """Count `path` `times` times; its variables drift by `drift` from each time to the next."""
        sums, counts, further = self.counts.sums, self.counts, times * (times - 1) // 2
        for summary, variables in path:
            for name, number in summary.adds:
                sums[name] = sums.get(name, 0) + times * number
            for name, form in summary.varying:
                sums[name] = sums.get(name, 0) + times * form.at(variables) + further * form.along(drift)
            for name, form, most in summary.largest:
                if most > counts.maxima[name]:
                    counts.most(name, form.at(variables) + max(0, (times - 1) * form.along(drift)))
