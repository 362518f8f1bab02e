"""Leaping over whole tables whose contents do not repeat.

How it works.  A table is a word and numbers (core/cost/table_plan.py).  The program zaps the first table of a word from
one table boundary to the next on symbolic numbers (core/cost/affine.py): those of the gather, as where a layout repeats
(core/cost/acceleration.py), and the table's own.  It executes a few entries, at addresses that are symbolic; what is
between them is added from run summaries, a symbolic number of times, and the program finds it empty.  What comes out is
a summary: under which conditions the program takes the same path, and what that adds.  The next table of the word, in
the same situation, is counted without the program, if its numbers meet the conditions.

Why it is sound.  What is executed and what is added has been argued for in those modules.  A table that goes another
way than its plan (the gather is full, a summary is missing) is not recorded.  Neither is one in which an allocation
fails.

A gather may have empty batches behind the one that it fills next.  They say nothing to a table that fills one at most,
and allocates none: what is known of it holds with any number of them.  A word in which the lock was dropped is not
tried again in the same state of the gather: what follows is another hold, which no plan describes.

Where no entry lies between two that are executed, the walk goes over these no entries all the same: so its addresses
are the symbolic ones of the plan, and what comes out also holds for tables that have entries there.  Reading an empty
entry counts as nothing, however many there are.

What was rejected.  Keys with the numbers in them: no two tables of a random layout are equal.

Data types
    ZapWalk         the program's run over one table that will become a TableSummary (core/cost/table_summaries.py)
"""

from __future__ import annotations

from collections.abc import Mapping
from operator import add
from typing import Any

from core.cost.affine import Conditions, Linear, now
from core.cost.allocations import Allocations
from core.cost.counts import Counts
from core.cost.layout import Layout
from core.cost.run_memory import RunMemory
from core.cost.run_summaries import RunSummaries, RunSummary
from core.cost.situations import ALIGNED, Situation, Vector, settle
from core.cost.table_plan import DIRTY, EXECUTED, REST, Leg, TablePlan, classes_of, legs, plan_of
from core.cost.table_summaries import TableSummaries, TableSummary, table_summary_of
from core.mm.era import Era
from core.mm.mmu_gather import ALL_ONES, Batch, MmuGather, batch_full

VAIN = 64
"""After so many walks more than tables leapt over, the rest of the zap is left to the program."""


class ZapWalk:
    """The program's run from `addr` in `situation`, where the counts were `sums`; `at` is the leg that it is in."""

    def __init__(self, situation: Situation, plan: TablePlan, numbers: tuple[int, ...], addr: int) -> None:
        self.situation, self.plan, self.numbers, self.addr = situation, plan, numbers, addr
        self.sums: dict[str, int] = {}
        self.asked, self.at = 0, -1
        self.legs: list[Leg] = []
        self.conditions = Conditions()


class MixedTables:
    """Leaps over tables of `layout` in one zap, with the run summaries of `effects`; `known` are those of tables.

    `classes` are those of the layout's entries.  `leapt` and `walked` count the tables leapt over, and those from which
    a summary was to be made.
    """

    def __init__(
        self,
        layout: Layout,
        counts: Counts,
        memory: RunMemory,
        effects: RunSummaries,
        allocations: Allocations,
        era: Era,
    ) -> None:
        self.layout, self.counts, self.memory, self.effects = layout, counts, memory, effects
        self.allocations, self.span = allocations, 1
        self.walk: ZapWalk | None = None
        self.known = TableSummaries(era)
        self.walked = self.leapt = 0
        self.classes = classes_of(layout)

    # ---- where tables begin ----------------------------------------------------------------------------------

    def look(self, tlb: MmuGather, addr: int) -> int:
        """The zap is about to read the upper entry of `addr`; leap over tables. The page number reached."""
        self.span = tlb.mm.span[0]
        if addr % self.span or self.walked > VAIN + self.leapt:
            return addr
        situation, variables = self.known.situations.at(tlb, self.memory, addr)
        at, used = addr, dict[TableSummary, tuple[int, tuple[int, ...]]]()
        plan: TablePlan | None = None
        while not self._regular(at):
            plan = self._plan(tlb, situation, variables, at)
            if plan is None:
                break
            if not plan.word:
                if self.span % ALIGNED:
                    break
                x, y, z = variables
                by = self.span
                variables = x, y + by * (situation.start is None), z + by * (situation.end is None)
                at += by
                continue
            numbers = variables + plan.numbers
            effect = self._find(situation, plan.word, numbers)
            if effect is None:
                break
            self._apply(effect, numbers)
            times, before = used.get(effect, (0, ()))
            used[effect] = times + 1, tuple(map(add, before, numbers)) if times else numbers
            a, b, c = effect.moved
            situation, variables, at = effect.to, (a.at(numbers), b.at(numbers), c.at(numbers)), at + self.span
            plan = None
        if at > addr:
            self._count(used)
            situation.put(tlb, self.memory, at, variables)
            self.memory.zapped, self.memory.leapt = at, range(addr, at)
        if plan is not None and plan.word and self.known.may_be_tried(situation, plan.word):
            self._begin(tlb, situation, plan, variables, at)
        return at

    def _regular(self, addr: int) -> bool:
        """Does the table repeat, or is there none?"""
        return addr >= self.layout.end or self.layout.stretch_at(addr).end - addr >= self.span

    def _plan(self, tlb: MmuGather, situation: Situation, variables: Vector, addr: int) -> TablePlan | None:
        rooms = self.known.rooms.get(situation)
        if rooms is None:
            rooms = self.known.rooms[situation] = _rooms(tlb, situation)
        return plan_of(self.layout, addr, self.span, max(rooms[0] - variables[0], 1), rooms[1])

    def _find(self, situation: Situation, word: str, numbers: tuple[int, ...]) -> TableSummary | None:
        """The effect that applies, with allocations that all succeed."""
        effect = self.known.find(situation, word, numbers)
        granted = self.allocations.granted() if effect is not None and effect.asked else None
        return effect if effect is None or granted is None or granted >= effect.asked else None

    def _apply(self, effect: TableSummary, numbers: tuple[int, ...]) -> None:
        maxima = self.counts.maxima
        for name, form in effect.largest:
            value = form.at(numbers)
            if value > maxima[name]:
                maxima[name] = value
        self.allocations.asked += effect.asked
        self.leapt += 1

    def _count(self, used: Mapping[TableSummary, tuple[int, tuple[int, ...]]]) -> None:
        """Add to the counts what the effects have been applied to: how often, and to which numbers in all."""
        sums = self.counts.sums
        for effect, (times, numbers) in used.items():
            for name, form in effect.adds:
                sums[name] = sums.get(name, 0) + (times - 1) * form.constant + form.at(numbers)

    # ---- a walk ----------------------------------------------------------------------------------------------

    def _begin(self, tlb: MmuGather, situation: Situation, plan: TablePlan, variables: Vector, addr: int) -> None:
        """From here to the next boundary the program runs on symbolic numbers."""
        numbers = variables + plan.numbers
        walk = ZapWalk(situation, plan, numbers, addr)
        walk.conditions = situation.vary(tlb, len(plan.numbers))
        walk.sums, walk.asked = self.counts.sums.copy(), self.allocations.asked
        symbols = [
            Linear(number, (0,) * i + (1,) + (0,) * (len(numbers) - 1 - i), walk.conditions)
            for i, number in enumerate(plan.numbers, 3)
        ]
        walk.legs = list(legs(plan.word, iter(symbols), self.span))
        self.counts.linear.clear()
        self.counts.plain = dict.fromkeys(self.counts.plain, 0)
        self.walk, self.memory.by_plan = walk, True
        self.walked += 1

    def run(self, tlb: MmuGather, addr: Any, max_nr: Any) -> Any:
        """`Mm.run` on the way: how many entries are to be handled together; None if the plan does not hold."""
        walk = self.walk
        assert walk is not None
        offset, entered = now(addr) - walk.addr, False
        self.memory.skipping = False
        if self.counts.sums["lock_holds"] != walk.sums["lock_holds"] + 1:
            self.known.unlocked(walk.situation, walk.plan.word[: walk.at + 1])
            self._fail(tlb)
            return None
        if walk.at < 0 or (offset > now(walk.legs[walk.at].to) and walk.at + 1 < len(walk.legs)):
            if walk.at < 0:
                self.effects.begin_hold()
            walk.at, entered = walk.at + 1, True
            if not self._leap(walk.legs[walk.at], tlb, walk):
                return None
        leg = walk.legs[walk.at]
        to = now(leg.to)
        if offset > to:
            self._fail(tlb)
            return None
        if offset == to and not entered:
            return 1  # to be executed
        self.memory.skipping = True  # perhaps over no entries
        return max_nr if walk.plan.word[walk.at] == REST else walk.addr + leg.to - addr

    def _leap(self, leg: Leg, tlb: MmuGather, walk: ZapWalk) -> bool:
        """Add what zapping the entries of a leg adds. False if that is not known yet, or would fill the batch."""
        known, met = self.effects.known.get(self.effects.state(tlb), {}), dict[RunSummary, Any]()
        slots, moves = 0, False
        for group, nr in leg.counts:
            if group not in self.classes or (group == DIRTY and EXECUTED[DIRTY] not in walk.plan.word[: walk.at]):
                continue
            summary = known.get(group)
            if (summary is None or summary.slots) and nr == 0:  # a condition: what follows is for tables without
                continue
            if summary is None:
                self._give_up(tlb)
                return False
            slots += summary.nr * nr
            moves |= summary.moves_end
            met[summary] = met.get(summary, 0) + nr
        batch = tlb.batches[tlb.active]
        if tlb.mm.facts.gather and not batch.nr + slots < batch_full(tlb.mm, batch):
            self._fail(tlb)
            return False
        self.effects.add(met, tlb, batch, walk.addr + leg.last if moves else tlb.end)
        self.memory.zapped = walk.addr + leg.to
        return True

    def _fail(self, tlb: MmuGather) -> None:
        """The table went another way than its plan."""
        walk = self.walk
        if walk is not None:
            self.known.fail(walk.situation, walk.plan.word)
            self._give_up(tlb)

    def _give_up(self, tlb: MmuGather) -> None:
        """The rest of the table is left to the program."""
        if self.walk is not None:
            self._settle(self.walk, tlb)

    def arrive(self, tlb: MmuGather, addr: int) -> None:
        """The zap is about to read the upper entry of `addr`: the walk, if any, is over."""
        walk = self.walk
        if walk is None:
            return
        last = walk.at == len(walk.legs) - 1
        held = self.counts.sums["lock_holds"] == walk.sums["lock_holds"] + 1
        if not (last and held and addr >= walk.addr + self.span) or self.allocations.failed_since(walk.asked):
            self._fail(tlb)
            return
        to, moved = self.known.situations.at(tlb, self.memory, walk.addr + self.span)
        sums, asked = self.counts.sums, self.allocations.asked - walk.asked
        added = [(name, number - walk.sums.get(name, 0)) for name, number in sums.items()]
        effect = table_summary_of(walk.numbers, walk.conditions, to, moved, added, self._candidates(), asked, self.span)
        self.known.add(walk.situation, walk.plan.word, effect)
        self._settle(walk, tlb)

    def _candidates(self) -> list[tuple[str, Any]]:
        """What the walk has met that may be a maximum."""
        return [*self.counts.linear, *[one for one in self.counts.plain.items() if one[1]]]

    def finish(self, tlb: MmuGather) -> None:
        """The zap is over; a walk that has not reached another table is given up."""
        self._give_up(tlb)

    def _settle(self, walk: ZapWalk, tlb: MmuGather) -> None:
        """The walk is over."""
        settle(walk.conditions, tlb, self.counts)
        self.walk, self.memory.zapped, self.memory.by_plan = None, now(self.memory.zapped), False
        self.memory.skipping = False


def _rooms(tlb: MmuGather, situation: Situation) -> tuple[int, int]:
    """With how many pages more the active batch of a situation is full where its first variable is 0; and the next."""
    if not tlb.mm.facts.gather:
        return ALL_ONES, ALL_ONES
    most, slots = situation.batches[situation.state[0]]  # STATE begins with `active`
    used = sum(slot.nr for slot in slots[:-1]) + situation.rest
    batch = Batch(most)
    following = Batch(tlb.mm.facts.batch_entries)
    return batch_full(tlb.mm, batch) - used, batch_full(tlb.mm, following)
