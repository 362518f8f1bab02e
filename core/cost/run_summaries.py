"""Leaping over runs of equal entries whose effect is known, within one hold of a page-table lock.

How it works.  As long as the batch does not fill up, zapping a run of equal entries only adds: to some counts, some
slots to the active batch, and to the end of the gather's range.  How much depends on the class and length of the run
and on the state before it: the gather's flags, whether this hold must end with a flush, and the cells that belong to no
page (an architecture's queue, work it has deferred).  A single entry is executed and its effect recorded as a summary.
The next entries of its class in the same state are added without being executed, where the program asks how many
entries are equal (`Mm.run`): it then finds the run empty.  In a stretch that repeats, one period of such leaps is
multiplied.  Of a large folio, a whole run is executed, and its summary is of runs of that length.

Why it is sound.  A run that leaves a different state behind is never recorded, so nothing that is deferred, queued or
marked is lost.  A run that would fill the batch, or that crosses the end of the table, is executed.  For large folios
the order of slots in the batch matters (a folio takes two, and the batch is freed in chunks), so they are leapt over
only where all slots are alike.  A slot made here stands for pages of one kind; their page numbers do not matter.

Data types
    RunSummary      what one run adds
    Before          the state when the last run began
    Known           summaries by state, and by class, or by kind and length of the run
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any, NamedTuple

from core.cost.affine import now
from core.cost.counts import Counts
from core.cost.layout import Layout
from core.cost.run_memory import RunMemory
from core.cost.table_plan import CLASSES
from core.mm.encoded_page import encoded_page_flags
from core.mm.mmu_gather import Batch, MmuGather, batch_full
from core.mm.swap import Slot

TRIALS, AGAIN = 500, 2
"""At most so many entries of a zap are executed by themselves, and so many of one class in one state: some change the
state, and some architectures never do the same twice.
"""

State = tuple[Any, ...]


@dataclass(frozen=True, eq=False, slots=True)
class RunSummary:
    """What a run adds: `sums` to the counts, `cleared` entries, `slots` that hold `nr` entries in all.

    `moves_end` says that the gather's range now ends with the run.
    """

    sums: tuple[tuple[str, int], ...]
    cleared: int
    nr: int
    slots: tuple[Slot, ...]
    moves_end: bool

    @property
    def ordered(self) -> bool:
        """Does the position of its slots in the batch matter?  It does for large folios."""
        return any(slot.pages > 1 for slot in self.slots)


class Before(NamedTuple):
    """The page number, state, batch and counts when a run began, under one hold of the lock."""

    addr: int
    state: State
    batch: Batch
    nr: int
    slots: int
    start: int
    end: int
    cleared: int
    sums: dict[str, int]


Known = dict[State, dict[str | tuple[str, int], RunSummary]]
"""Summaries by state, and by class of one entry, or by kind and length of the run.  They do not depend on the layout,
so they also hold for other zaps with the same architecture, facts, era, CPUs and `WorkloadStep.how`."""


class RunSummaries:
    """Records and applies summaries in one zap of `layout`; `known` are those recorded so far."""

    def __init__(self, layout: Layout, counts: Counts, memory: RunMemory) -> None:
        self.layout, self.counts, self.memory = layout, counts, memory
        self.known: Known = {}
        self._before: Before | None = None
        self._hold = self._looked_at = self._dirtied = 0
        self._tried = Counter[tuple[State, str]]()

    def look(self, tlb: MmuGather, addr: int, end: int) -> None:
        """The zap is about to read the entry of `addr`, in a table that ends at `end`: leap, if summaries are known.

        The entries leapt over are empty from then on.
        """
        counts, stretch = self.counts, self.layout.stretch_at(addr)
        alone = stretch.uniform and stretch.end >= end  # then it is one step in any case
        if counts.sums["lock_holds"] != self._hold:  # the first entry under the lock: no run ends here
            self.begin_hold()
            if alone:
                self._looked_at = now(addr)
                return
        elif now(addr) <= self._looked_at:
            return
        self._looked_at = now(addr)
        before, self._before = self._before, None
        batch, state = tlb.batches[tlb.active], self.state(tlb)
        if before is not None and batch is before.batch and before.state == state:
            self._learn(before, tlb, addr)
        _put_together(batch.slots)
        if alone:
            return
        known = self.known.get(state)
        if known is not None:
            begin = self._begin(addr, end)
            addr = self._leap(known, tlb, addr, begin)
            if addr == begin and addr < end:
                addr = self._leap(known, tlb, addr, end)
        run = self.layout.run_at(addr) if addr < end else None
        self._looked_at = now(run.end if run is not None and run.kind == "none" else addr)
        group = "" if run is None else CLASSES.get(run.kind)
        if group and (known is None or group not in known) and self._to_be_tried(state, group):
            self.memory.single = now(addr)
        self._before = Before(
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

    def _to_be_tried(self, state: State, group: str) -> bool:
        if self._tried[state, group] == AGAIN or len(self._tried) >= TRIALS:
            return False
        self._tried[state, group] += 1
        return True

    def begin_hold(self) -> None:
        """The page-table lock has just been taken."""
        self._hold, self._before, self._dirtied = (
            self.counts.sums["lock_holds"],
            None,
            now(self.counts.sums["set_dirty"]),
        )

    def state(self, tlb: MmuGather) -> State:
        """All that a run's summary may depend on, besides the run itself.

        Whether this hold has met a dirty page is part of it: then it may have to end with a flush.
        """
        return (
            now(self.counts.sums["set_dirty"]) != self._dirtied,
            tlb.need_flush_all,
            tlb.freed_tables,
            tlb.delayed_rmap,
            tlb.cleared_ptes,
            tlb.cleared_pmds,
            tlb.cleared_puds,
            tlb.cleared_p4ds,
            tlb.vma_pfn,
            self.memory.near(),
        )

    def _learn(self, before: Before, tlb: MmuGather, addr: int) -> None:
        """Record what the run that ends at `addr` has added; only if nothing but empty entries came before it."""
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
            return  # a symbolic number: it depends on where acceleration's walk began
        group = CLASSES.get(run.kind)
        if group == "" or (group and addr - start != 1):
            return
        summary = RunSummary(sums, cleared, nr, slots, moves_end)
        self.known.setdefault(before.state, {})[group or (run.kind, addr - start)] = summary

    def _begin(self, addr: int, end: int) -> int:
        """Where the first leap ends.  Periods are counted from the start of a run, so a partial run comes first."""
        if self.layout.stretch_at(addr).uniform:
            return end
        run = self.layout.run_at(addr)
        return min(run.end, end) if run.start < addr else end

    def _leap(self, known: dict[str | tuple[str, int], RunSummary], tlb: MmuGather, addr: int, end: int) -> int:
        """Leap over as many runs as have a summary and fit into the batch; the page number reached."""
        batch, layout = tlb.batches[tlb.active], self.layout
        room = batch_full(tlb.mm, batch) - 1 - batch.nr if tlb.mm.facts.gather else end
        stretch = layout.stretch_at(addr)
        alike = len(stretch.pattern) == 1
        period, period_end = stretch.period, addr + stretch.period
        met: dict[RunSummary, int] = {}
        at, reached, room_before = addr, tlb.end, room
        runs = layout.runs_from(at)
        while at < end:
            run_end, kind = next(runs)
            upto = min(run_end, end)
            group = CLASSES.get(kind)
            if group != "":
                length = upto - at
                summary, times = (known.get((kind, length)), 1) if group is None else (known.get(group), length)
                if (
                    summary is None
                    or summary.nr * times > room
                    or (summary.ordered and not (alike and upto <= stretch.end))
                ):
                    break
                met[summary] = met.get(summary, 0) + times
                room -= summary.nr * times
                if summary.moves_end:
                    reached = upto
            at = upto
            if at == period_end and at <= stretch.end:  # the stretch repeats from here
                times = (min(end, stretch.end) - at) // period
                used = room_before - room
                times = min(times, room // used) if used else times
                met = {summary: n * (times + 1) for summary, n in met.items()}
                at, room = at + times * period, room - times * used
                if any(summary.moves_end for summary in met):
                    reached += times * period
                period_end, runs = 0, layout.runs_from(at)
        self.add(met, tlb, batch, reached)
        self.memory.zapped = max(self.memory.zapped, at)
        return at

    def add(self, met: dict[RunSummary, int], tlb: MmuGather, batch: Batch, reached: int) -> None:
        """Add each of the summaries so many times; the range reaches to `reached` then. The numbers may be symbolic."""
        sums, cleared = self.counts.sums, 0
        for summary, times in met.items():
            for name, more in summary.sums:
                sums[name] += times * more
            cleared += times * summary.cleared
            batch.nr += times * summary.nr
            batch.slots.extend([slot._replace(entries=slot.entries * times) for slot in summary.slots])
        _put_together(batch.slots)
        self.counts.clear_more(cleared, cleared)
        tlb.end = reached


def _put_together(slots: list[Slot]) -> None:
    """Merge the single-page slots at the end of the batch by flags: equal flags are treated alike."""
    if len(slots) < 2:
        return
    last: dict[int, Slot] = {}
    while slots and slots[-1].pages == 1 and slots[-1].table is None:
        slot = slots.pop()
        flags = encoded_page_flags(slot.encoded)
        later = last.get(flags)
        last[flags] = slot if later is None else slot._replace(entries=slot.entries + later.entries)
    slots.extend(last.values())
