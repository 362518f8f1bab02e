"""Going by periods: what a zap does to equal stretches of entries is done once and multiplied.

Between two tables no lock is held, and what a program does next depends on where it is in the layout, on its gather and
the machine's cells (core/cost/situations.py), and on the answers of the allocator.  So the way from one table's end to
the next is a *step* from one situation to another.  A step is walked once, by the program itself, on numbers that know
how they depend on the gather's variables (core/cost/affine.py): that gives the conditions under which it goes the same
way, and what it then does to the variables and the counts, as linear forms.  Wherever the conditions hold again the
step is taken by adding up its forms, and no program runs.

Steps are cheap, but a large layout has many tables.  When the zap is in a situation for the second time it has gone a
*lap*, over which its variables have drifted: a gather fills up, or gets full a few pages earlier in a table than
before.  As long as each step's conditions go on holding, and each carries the drift along unchanged, the same lap
follows again and again, and what it adds grows by as much from one to the next: an arithmetic series.  And when some
lap ends where an earlier one began, variables and all, everything in between will happen again for good.

Why that is exact: a step's conditions and forms are read off the program's walk, not guessed.  The layout repeats by
construction of the stretch, and a step that would leave the stretch is not taken.  Programs see page numbers only to
ask what kind of page it is, which Layout answers by position in the period, and how it is aligned, which is part of the
situation.  No step repeats or passes an allocation that fails.  A largest number is a form as well: over a drift, which
is a straight line, it is largest at one of the ends.

Data types
    Allocations    how many were asked for, and which are to fail
    Place          where a zap is: a situation, its variables, and an address
    Walk           a step that is being walked: where from, what there was, and the conditions so far
"""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

from core.cost.affine import Conditions, now
from core.cost.counts import Counts
from core.cost.layout import Layout
from core.cost.run_memory import RunMemory
from core.cost.situations import STILL, Situation, Situations, Vector, settled
from core.cost.summaries import UNBOUNDED, Step, Steps, step_of
from core.mm.era import Era
from core.mm.mmu_gather import MmuGather

REMEMBERED = 50_000
"""Places that are remembered in case the zap comes back to one."""


class Allocations:
    """Counts what is asked for; the ordinals in `failing`, from 1, fail."""

    def __init__(self, failing: Collection[int]) -> None:
        self.failing = frozenset(failing)
        self.asked = 0

    def ask(self) -> bool:
        """One more; whether it is granted."""
        self.asked += 1
        return self.asked not in self.failing

    def granted(self) -> int | None:
        """How many more can be asked for before one fails; None for any number."""
        if not self.failing:
            return None
        following = [n for n in self.failing if n > self.asked]
        return min(following) - 1 - self.asked if following else None

    def failed_since(self, asked: int) -> bool:
        """Has one failed after the first `asked` ones?"""
        return any(asked < n <= self.asked for n in self.failing)


class Place(NamedTuple):
    """Where a zap is."""

    situation: Situation
    variables: Vector
    addr: int


class Walk(NamedTuple):
    """A step that is being walked."""

    place: Place
    sums: dict[str, int]
    asked: int
    conditions: Conditions


class Periods:
    """Looks for periods in one zap of `layout`; `ahead` is the hook of Mm, `walked` how many steps were walked."""

    def __init__(self, layout: Layout, counts: Counts, memory: RunMemory, allocations: Allocations, era: Era) -> None:
        self.layout, self.counts, self.memory, self.allocations = layout, counts, memory, allocations
        self.era = era
        self.walked = 0
        self._situations: Situations | None = None
        self._steps = Steps()
        self._walk: Walk | None = None

    def ahead(self, tlb: MmuGather, addr: int) -> int:
        """Where to go on after the table that ends at `addr`."""
        self.walked += 1
        span, layout = tlb.mm.span[0], self.layout
        if self._walk is None and (addr >= layout.end or layout.stretch_at(addr).end - addr < span):
            return addr
        place = self._arrive(tlb, addr)
        if place is None:
            return addr
        stretch = layout.stretch_at(addr)
        there = self._go(place, stretch.end)
        if there.addr != addr:
            there.situation.put(tlb, self.memory, there.addr, there.variables)
        if stretch.end - there.addr >= span:
            conditions = there.situation.vary(tlb)
            self.counts.linear.clear()
            self._walk = Walk(there, self.counts.sums.copy(), self.allocations.asked, conditions)
        return there.addr

    def _arrive(self, tlb: MmuGather, addr: int) -> Place | None:
        """The place, as the end of a step and as the beginning of one; None if no table of a stretch lies ahead."""
        place = None
        if self._walk is not None:
            place = self._learn(self._walk, tlb, addr)
            self._settle(self._walk.conditions, tlb)
            self._walk = None
        if addr >= self.layout.end:
            return None
        stretch, span = self.layout.stretch_at(addr), tlb.mm.span[0]
        if stretch.end - addr < span:
            return None
        if self._situations is None or self._situations.stretch is not stretch:
            self._situations, self._steps, place = Situations(stretch, span, self.era), Steps(), None
        return place or Place(*self._situations.at(tlb, self.memory, addr), addr)

    def _learn(self, walk: Walk, tlb: MmuGather, addr: int) -> Place | None:
        """The step that ends at `addr`, if it is one of the stretch and no allocation failed, is known from now on."""
        situations, counts = self._situations, self.counts
        if situations is None or addr > situations.stretch.end or self.allocations.failed_since(walk.asked):
            return None
        (situation, began, before), (to, moved) = walk.place, situations.at(tlb, self.memory, addr)
        added = [(name, number - walk.sums.get(name, 0)) for name, number in counts.sums.items()]
        asked = self.allocations.asked - walk.asked
        step = step_of(addr - before, to, moved, added, counts.linear, asked, walk.conditions, began)
        self._steps.add(situation, began, step)
        return Place(to, (now(moved[0]), now(moved[1]), now(moved[2])), addr)

    def _settle(self, conditions: Conditions, tlb: MmuGather) -> None:
        """The walk is over: its numbers are ordinary ones from here on."""
        conditions.open = False
        for batch in tlb.batches:
            batch.nr = now(batch.nr)
            batch.slots[:] = [settled(slot) for slot in batch.slots]
        tlb.start, tlb.end = now(tlb.start), now(tlb.end)
        self.counts.settle()

    # ---- without walking -------------------------------------------------------------------------------------

    def _go(self, place: Place, end: int) -> Place:
        """As far as steps are known."""
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
        """On until the zap is in a situation for the second time, and as often again as can be; did it come to that?"""
        path: list[tuple[Step, Vector]] = []
        been: dict[Situation, int] = {}
        while place.situation not in been:
            step = self._next(place, end)
            if step is None:
                self._count(path, 1, STILL)
                return place, False
            situation, variables, addr = place
            been[situation] = len(path)
            path.append((step, variables))
            x, y, z = step.moved
            place = Place(step.to, (x.at(variables), y.at(variables), z.at(variables)), addr + step.length)
            self.allocations.asked += step.asked
        since = been[place.situation]
        self._count(path[:since], 1, STILL)
        return self._again(path[since:], place, end), True

    def _again(self, path: list[tuple[Step, Vector]], place: Place, end: int) -> Place:
        """Count a way that ends at `place` in the situation it began in, and as often again as it is the same."""
        (x, y, z), (u, v, w) = path[0][1], place.variables
        drift, length = (u - x, v - y, w - z), sum(step.length for step, _ in path)
        asked = sum(step.asked for step, _ in path)
        times = min((end - place.addr) // length, self._granted(asked))
        for step, variables in path if drift != STILL else ():
            times = min(times, step.times(variables, drift))
        self._count(path, times + 1, drift)
        self.allocations.asked += times * asked
        a, b, c = drift
        return Place(place.situation, (u + times * a, v + times * b, w + times * c), place.addr + times * length)

    def _granted(self, asked: int) -> int:
        """How many times `asked` allocations can be asked for before one fails."""
        granted = self.allocations.granted()
        return UNBOUNDED if granted is None or not asked else granted // asked

    def _next(self, place: Place, end: int) -> Step | None:
        """The step to be taken, if it is known, within the stretch, and granted the allocations that it asks for."""
        step = self._steps.find(place.situation, place.variables)
        if step is None or place.addr + step.length > end or not self._granted(step.asked):
            return None
        return step

    def _count(self, path: list[tuple[Step, Vector]], times: int, drift: Vector) -> None:
        """Count `path` `times` times, its variables drifting along from one to the next."""
        sums, counts, further = self.counts.sums, self.counts, times * (times - 1) // 2
        for step, variables in path:
            for name, number in step.adds:
                sums[name] = sums.get(name, 0) + times * number
            for name, form in step.varying:
                sums[name] = sums.get(name, 0) + times * form.at(variables) + further * form.along(drift)
            for name, form, most in step.largest:
                if most > counts.maxima[name]:
                    counts.most(name, form.at(variables) + max(0, (times - 1) * form.along(drift)))
