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

What was rejected.  Keys with the numbers in them: no two tables of a random layout are equal.

Data types
    Sparse          a constant, and the variables on which a number depends
    TableSummary    the summary of a word in a situation
    ZapWalk         the program's run over one table that will become a TableSummary
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from core.cost.affine import Conditions, Linear, now
from core.cost.allocations import Allocations
from core.cost.counts import Counts
from core.cost.layout import Layout, Stretch
from core.cost.run_memory import RunMemory
from core.cost.run_summaries import RunSummaries, RunSummary
from core.cost.situations import ALIGNED, STILL, Situation, Situations, Vector, settle
from core.cost.table_plan import CLASSES, DIRTY, EXECUTED, REST, Leg, TablePlan, legs, plan_of
from core.mm.era import Era
from core.mm.mmu_gather import ALL_ONES, Batch, MmuGather, batch_full

TRIED = 16
"""Effects of one word and situation that are tried: those that were of use last."""

FAILED = 3
"""So often a word is tried that goes another way."""

VAIN = 64
"""After so many walks more than tables leapt over, the rest of the zap is left to the program."""

Terms = tuple[tuple[int, int], ...]
"""(number of the variable, slope), for slopes that are not zero."""


class Sparse(NamedTuple):
    """`constant` plus each slope of `terms` times its variable."""

    constant: int
    terms: Terms

    def at(self, numbers: tuple[int, ...]) -> int:
        """Its value."""
        value = self.constant
        for i, slope in self.terms:
            value += slope * numbers[i]
        return value


class TableSummary:
    """What zapping a table does: it leads to the situation `to` with the variables `moved`.

    It applies while each of `bounds` is between its minimum and maximum.  `adds` are the additions to the counts,
    `largest` candidates for a maximum, `asked` the allocations that succeed.  `times` and `numbers` sum up the tables
    that have been leapt over and not counted yet.
    """

    __slots__ = ("adds", "asked", "bounds", "largest", "moved", "numbers", "times", "to")

    def __init__(
        self,
        to: Situation,
        moved: tuple[Sparse, ...],
        bounds: tuple[tuple[Terms, int | None, int | None], ...],
        adds: tuple[tuple[str, Sparse], ...],
        largest: tuple[tuple[str, Sparse], ...],
        asked: int,
    ) -> None:
        self.to, self.moved, self.bounds, self.adds, self.largest, self.asked = to, moved, bounds, adds, largest, asked
        self.times = 0
        self.numbers: tuple[int, ...] = ()

    def takes(self, numbers: tuple[int, ...]) -> bool:
        """Do its conditions hold?"""
        for terms, least, most in self.bounds:
            value = 0
            for i, slope in terms:
                value += slope * numbers[i]
            if (least is not None and value < least) or (most is not None and value > most):
                return False
        return True


class ZapWalk:
    """The program's run from `addr` in `situation`, where the counts were `sums`; `at` is the leg that it is in."""

    def __init__(self, situation: Situation, plan: TablePlan, numbers: tuple[int, ...], addr: int) -> None:
        self.situation, self.plan, self.numbers, self.addr = situation, plan, numbers, addr
        self.sums: dict[str, int] = {}
        self.asked, self.at = 0, -1
        self.legs: list[Leg] = []
        self.conditions = Conditions()


class MixedTables:
    """Leaps over tables of `layout` in one zap, with the run summaries of `effects`. `leapt` counts them."""

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
        self._situations = Situations(Stretch(0, (("none", 1),), 1), 1, era)
        self._known: dict[tuple[Situation, str], list[TableSummary]] = {}
        self._failed: dict[tuple[Situation, str], int] = {}
        self._rooms: dict[Situation, tuple[int, int]] = {}
        self._walked = self.leapt = 0
        self._classes = {CLASSES.get(kind) for stretch in layout.stretches for kind, _ in stretch.pattern}

    # ---- where tables begin ----------------------------------------------------------------------------------

    def look(self, tlb: MmuGather, addr: int) -> int:
        """The zap is about to read the upper entry of `addr`; leap over tables. The page number reached."""
        self.span = tlb.mm.span[0]
        if addr % self.span or self._walked > VAIN + self.leapt:
            return addr
        situation, variables = self._situations.at(tlb, self.memory, addr)
        at, used = addr, set[TableSummary]()
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
            used.add(effect)
            a, b, c = effect.moved
            situation, variables, at = effect.to, (a.at(numbers), b.at(numbers), c.at(numbers)), at + self.span
            plan = None
        if at > addr:
            self._count(used)
            situation.put(tlb, self.memory, at, variables)
            self.memory.zapped, self.memory.leapt = at, range(addr, at)
        if plan is not None and plan.word and self._failed.get((situation, plan.word), 0) < FAILED:
            self._begin(tlb, situation, plan, variables, at)
        return at

    def _regular(self, addr: int) -> bool:
        """Does the table repeat, or is there none?"""
        return addr >= self.layout.end or self.layout.stretch_at(addr).end - addr >= self.span

    def _plan(self, tlb: MmuGather, situation: Situation, variables: Vector, addr: int) -> TablePlan | None:
        rooms = self._rooms.get(situation)
        if rooms is None:
            rooms = self._rooms[situation] = _rooms(tlb, situation)
        return plan_of(self.layout, addr, self.span, max(rooms[0] - variables[0], 1), rooms[1])

    def _find(self, situation: Situation, word: str, numbers: tuple[int, ...]) -> TableSummary | None:
        """The effect that applies, with allocations that all succeed."""
        effects = self._known.get((situation, word), [])
        for i, effect in enumerate(effects):
            if effect.takes(numbers):
                if i:
                    effects.insert(0, effects.pop(i))
                granted = self.allocations.granted() if effect.asked else None
                return effect if granted is None or granted >= effect.asked else None
        return None

    def _apply(self, effect: TableSummary, numbers: tuple[int, ...]) -> None:
        maxima = self.counts.maxima
        for name, form in effect.largest:
            value = form.at(numbers)
            if value > maxima[name]:
                maxima[name] = value
        self.allocations.asked += effect.asked
        self.leapt += 1
        if effect.times:
            effect.numbers = tuple([a + b for a, b in zip(effect.numbers, numbers, strict=True)])
        else:
            effect.numbers = numbers
        effect.times += 1

    def _count(self, used: Iterable[TableSummary]) -> None:
        """Add to the counts what the effects have been applied to."""
        sums = self.counts.sums
        for effect in used:
            for name, form in effect.adds:
                sums[name] = sums.get(name, 0) + (effect.times - 1) * form.constant + form.at(effect.numbers)
            effect.times = 0

    # ---- a walk ----------------------------------------------------------------------------------------------

    def _begin(self, tlb: MmuGather, situation: Situation, plan: TablePlan, variables: Vector, addr: int) -> None:
        """From here to the next boundary the program runs on symbolic numbers."""
        numbers = variables + plan.numbers
        walk = ZapWalk(situation, plan, numbers, addr)
        walk.conditions = situation.vary(tlb, len(plan.numbers))
        walk.sums, walk.asked = self.counts.sums.copy(), self.allocations.asked
        symbols = [
            Linear(number, tuple([int(i == j) for j in range(len(numbers))]), walk.conditions)
            for i, number in enumerate(plan.numbers, 3)
        ]
        walk.legs = list(legs(plan.word, iter(symbols), self.span))
        self.counts.linear.clear()
        self.walk, self.memory.by_plan = walk, True
        self._walked += 1

    def run(self, tlb: MmuGather, addr: Any, max_nr: Any) -> Any:
        """`Mm.run` on the way: how many entries are to be handled together; None if the plan does not hold."""
        walk = self.walk
        assert walk is not None
        offset = now(addr) - walk.addr
        if self.counts.sums["lock_holds"] != walk.sums["lock_holds"] + 1:
            self._fail(tlb)
            return None
        if walk.at < 0 or (offset > now(walk.legs[walk.at].to) and walk.at + 1 < len(walk.legs)):
            if walk.at < 0:
                self.effects.begin_hold()
            walk.at += 1
            if not self._leap(walk.legs[walk.at], tlb, walk):
                return None
        leg = walk.legs[walk.at]
        to = now(leg.to)
        if offset > to:
            self._fail(tlb)
            return None
        if offset == to:
            return 1  # to be executed
        return max_nr if walk.plan.word[walk.at] == REST else walk.addr + leg.to - addr

    def _leap(self, leg: Leg, tlb: MmuGather, walk: ZapWalk) -> bool:
        """Add what zapping the entries of a leg adds. False if that is not known yet, or would fill the batch."""
        known, met = self.effects.known.get(self.effects.state(tlb), {}), dict[RunSummary, Any]()
        slots, moves = 0, False
        for group, nr in leg.counts:
            if group not in self._classes or (group == DIRTY and EXECUTED[DIRTY] not in walk.plan.word[: walk.at]):
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
            key = walk.situation, walk.plan.word
            self._failed[key] = self._failed.get(key, 0) + 1
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
        to, moved = self._situations.at(tlb, self.memory, walk.addr + self.span)
        effect = self._effect(walk, to, moved)
        self._known.setdefault((walk.situation, walk.plan.word), []).insert(0, effect)
        del self._known[walk.situation, walk.plan.word][TRIED:]
        self._settle(walk, tlb)

    def finish(self, tlb: MmuGather) -> None:
        """The zap is over; a walk that has not reached another table is given up."""
        self._give_up(tlb)

    def _settle(self, walk: ZapWalk, tlb: MmuGather) -> None:
        """The walk is over."""
        settle(walk.conditions, tlb, self.counts)
        self.walk, self.memory.zapped, self.memory.by_plan = None, now(self.memory.zapped), False

    def _effect(self, walk: ZapWalk, to: Situation, moved: tuple[Any, ...]) -> TableSummary:
        """What the walk that has just ended did, as forms of its numbers."""
        numbers, sums = walk.numbers, self.counts.sums
        added = [(name, _sparse(number - walk.sums.get(name, 0), numbers)) for name, number in sums.items()]
        largest = dict.fromkeys((name, _sparse(number, numbers)) for name, number in self.counts.linear)
        bounds = []
        for slopes, (least, most) in walk.conditions.bounds.items():
            terms = _terms(slopes)
            by = Sparse(0, terms).at(numbers)
            low = None if least is None or (least + by <= 0 and _positive(terms)) else least + by
            high = None if most is None or (most + by >= self.span and _own(terms)) else most + by
            if low is not None or high is not None:
                bounds.append((terms, low, high))
        return TableSummary(
            to,
            tuple([_sparse(number, numbers) for number in moved]),
            tuple(bounds),
            tuple([(name, form) for name, form in added if form != (0, ())]),
            tuple([one for one in largest if not any(_exceeds(other, one) for other in largest)]),
            self.allocations.asked - walk.asked,
        )


def _terms(slopes: tuple[int, ...]) -> Terms:
    return tuple([(i, slope) for i, slope in enumerate(slopes) if slope])


def _positive(terms: Terms) -> bool:
    """Is the form never negative?  No number is."""
    return all(slope > 0 for _, slope in terms)


def _own(terms: Terms) -> bool:
    """Is the form a number of the plan, which is at most the size of the table?"""
    return len(terms) == 1 and terms[0][0] >= len(STILL) and terms[0][1] == 1


def _exceeds(one: tuple[str, Sparse], other: tuple[str, Sparse]) -> bool:
    """Is a candidate for the same maximum never less, whatever the numbers are?"""
    if one == other or one[0] != other[0] or one[1].constant < other[1].constant:
        return False
    slopes = dict(one[1].terms)
    for i, slope in other[1].terms:
        slopes[i] = slopes.get(i, 0) - slope
    return all(slope >= 0 for slope in slopes.values())


def _sparse(number: Any, numbers: tuple[int, ...]) -> Sparse:
    """A number of a walk as a form of the walk's numbers."""
    if not isinstance(number, Linear):
        return Sparse(number, ())
    form = Sparse(0, _terms(number.slopes))
    return form._replace(constant=number.value - form.at(numbers))


def _rooms(tlb: MmuGather, situation: Situation) -> tuple[int, int]:
    """With how many pages more the active batch of a situation is full where its first variable is 0; and the next."""
    if not tlb.mm.facts.gather:
        return ALL_ONES, ALL_ONES
    most, slots = situation.batches[situation.state[0]]  # STATE begins with `active`
    used = sum(slot.nr for slot in slots[:-1]) + situation.rest
    batch = Batch(most)
    following = Batch(tlb.mm.facts.batch_entries)
    return batch_full(tlb.mm, batch) - used, batch_full(tlb.mm, following)
