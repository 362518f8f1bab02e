"""Leaping over runs whose effect is known, within one hold of a page-table lock.

Zapping a run of equal entries, as long as nothing gets full, only adds up: some counts, some slots in the active batch,
a range that reaches further.  How much depends on the kind and length of the run and on the state it is met in: the
gather's flags, whether the hold has to end with a flush, and the cells that are no page's (a queue of an architecture,
what it has put off).  So the first such run is walked and its effect learned; the next one in the same state is added
and leapt over.  A run that leaves another state behind than it found is not learned, so what is put off, queued or
marked is never overlooked; one that would fill the batch, or reaches beyond the table, is walked.

In a stretch that repeats itself, one period of leaps is multiplied.

Of large folios the order in the batch matters, so they are leapt over only where all are alike.  A slot made here
stands for pages of one kind, wherever they are.

Data types
    Effect      what a run adds
    Before      what there was when the last step began
    Known       effects by what they depend on
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

from core.cost.counts import Counts
from core.cost.layout import Layout
from core.cost.run_memory import RunMemory
from core.mm.encoded_page import encoded_page_flags
from core.mm.mmu_gather import Batch, MmuGather, Slot, batch_full

State = tuple[Any, ...]


@dataclass(frozen=True, eq=False, slots=True)
class Effect:
    """`sums` added to the counts, entries cleared, `slots` of `nr` entries in all queued, the range's end moved."""

    sums: tuple[tuple[str, int], ...]
    cleared: int
    nr: int
    slots: tuple[Slot, ...]
    moves_end: bool

    @property
    def ordered(self) -> bool:
        """Does it matter what stands before and behind its slots? Of large folios it does."""
        return any(slot.pages > 1 for slot in self.slots)


class Before(NamedTuple):
    """A point under the lock, and what there was."""

    hold: int
    addr: int
    state: State
    batch: Batch
    nr: int
    slots: int
    start: int
    end: int
    cleared: int
    sums: dict[str, int]


Known = dict[State, dict[tuple[str, int], Effect]]
"""Effects by the state, and by the kind and length of the run.  They do not depend on the layout: what is known may be
handed to another zap of the same architecture, facts, era and CPUs that is done in the same way (`Step.how`)."""


class Effects:
    """Learns from one zap of `layout`; `along` is the hook of Mm. `known` is what it has learned."""

    def __init__(self, layout: Layout, counts: Counts, memory: RunMemory) -> None:
        self.layout, self.counts, self.memory = layout, counts, memory
        self.known: Known = {}
        self._before: Before | None = None

    def along(self, tlb: MmuGather, addr: int, end: int, force_flush: bool) -> int:
        """Where to go on in the table that ends at `end`; `addr` is the end of what has just been zapped."""
        counts, batch, before = self.counts, tlb.batches[tlb.active], self._before
        hold = counts.sums["lock_holds"]
        if addr >= end and (before is None or before.hold != hold):
            return addr  # a table in one step
        state = self._state(tlb, force_flush)
        if before is not None and before.hold == hold and batch is before.batch and before.state == state:
            self._learn(before, tlb, addr)
        _put_together(batch.slots)
        known = self.known.get(state)
        if known is not None and addr < end:
            begin = self._begin(addr, end)
            addr = self._leap(known, tlb, addr, begin)
            if addr == begin and addr < end:
                addr = self._leap(known, tlb, addr, end)
        self._before = Before(
            hold,
            addr,
            state,
            batch,
            batch.nr,
            len(batch.slots),
            tlb.start,
            tlb.end,
            counts.cleared,
            counts.sums.copy(),
        )
        return addr

    def _state(self, tlb: MmuGather, force_flush: bool) -> State:
        """What the effect of a run may depend on."""
        return (
            force_flush,
            tlb.need_flush_all,
            tlb.freed_tables,
            tlb.delayed_rmap,
            tlb.cleared_ptes,
            tlb.cleared_pmds,
            tlb.cleared_puds,
            tlb.cleared_p4ds,
            tlb.vma_pfn,
            self.memory.others(),
        )

    def _learn(self, before: Before, tlb: MmuGather, addr: int) -> None:
        """What the run that ends at `addr` has added, if it was one run, or its end, and empty entries before it."""
        run, batch, now = self.layout.run_at(addr - 1), tlb.batches[tlb.active], self.counts.sums
        start = max(run.start, before.addr)
        if start > before.addr:
            first = self.layout.run_at(before.addr)
            if first.kind != "none" or first.end != start:
                return
        if batch is not before.batch or now["flushes"] != before.sums["flushes"]:
            return
        slots, moves_end = tuple(batch.slots[before.slots :]), tlb.end != before.end
        if tlb.start != before.start or (moves_end and tlb.end != addr):
            return
        sums = tuple((name, n - before.sums.get(name, 0)) for name, n in now.items() if n != before.sums.get(name, 0))
        cleared, nr = self.counts.cleared - before.cleared, batch.nr - before.nr
        numbers = [addr - start, cleared, nr, *[n for _, n in sums], *[slot.entries for slot in slots]]
        if not all(isinstance(n, int) for n in numbers):
            return  # it depends on the state that a step began with
        effect = Effect(sums, cleared, nr, slots, moves_end)
        self.known.setdefault(before.state, {})[run.kind, addr - start] = effect

    def _begin(self, addr: int, end: int) -> int:
        """Where the first leap ends: periods are counted from where a run begins."""
        if self.layout.stretch_at(addr).uniform:
            return end
        run = self.layout.run_at(addr)
        return min(run.end, end) if run.start < addr else end

    def _leap(self, known: dict[tuple[str, int], Effect], tlb: MmuGather, addr: int, end: int) -> int:
        """Over as many runs as are known and fit."""
        batch, layout = tlb.batches[tlb.active], self.layout
        room = batch_full(tlb.mm, batch) - 1 - batch.nr if tlb.mm.facts.gather else end
        stretch = layout.stretch_at(addr)
        alike = len(stretch.pattern) == 1
        period, period_end = stretch.period, addr + stretch.period
        met: dict[Effect, int] = {}
        at, reached, room_before = addr, tlb.end, room
        runs = layout.runs_from(at)
        while at < end:
            run_end, kind = next(runs)
            upto = min(run_end, end)
            if kind != "none":
                length = upto - at
                effect = known.get((kind, length)) if isinstance(length, int) else None
                if effect is None or effect.nr > room or (effect.ordered and not (alike and upto <= stretch.end)):
                    break
                met[effect] = met.get(effect, 0) + 1
                room -= effect.nr
                if effect.moves_end:
                    reached = upto
            at = upto
            if at == period_end and at <= stretch.end:  # from here on it is the same again
                times = (min(end, stretch.end) - at) // period
                used = room_before - room
                times = min(times, room // used) if used else times
                met = {effect: n * (times + 1) for effect, n in met.items()}
                at, room = at + times * period, room - times * used
                if any(effect.moves_end for effect in met):
                    reached += times * period
                period_end, runs = 0, layout.runs_from(at)
        self._add(met, tlb, batch, reached)
        self.memory.zapped = max(self.memory.zapped, at)
        return at

    def _add(self, met: dict[Effect, int], tlb: MmuGather, batch: Batch, reached: int) -> None:
        sums, cleared = self.counts.sums, 0
        for effect, times in met.items():
            for name, more in effect.sums:
                sums[name] += times * more
            cleared += times * effect.cleared
            batch.nr += times * effect.nr
            batch.slots.extend([slot._replace(entries=slot.entries * times) for slot in effect.slots])
        _put_together(batch.slots)
        self.counts.clear_more(cleared, cleared)
        tlb.end = reached


def _put_together(slots: list[Slot]) -> None:
    """Make one slot of those of single pages at the end that have the same flags: one's lot is that of all."""
    if len(slots) < 2:
        return
    last: dict[int, Slot] = {}
    while slots and slots[-1].pages == 1 and slots[-1].table is None:
        slot = slots.pop()
        flags = encoded_page_flags(slot.encoded)
        later = last.get(flags)
        last[flags] = slot if later is None else slot._replace(entries=slot.entries + later.entries)
    slots.extend(last.values())
