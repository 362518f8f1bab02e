"""Going by periods: what a zap does to equal stretches of entries is done once and multiplied.

Two things let a zap skip ahead, and both are looked for where the layout repeats itself.

*A cycle.*  At the end of each table the gather is compared with what it was at the ends of earlier tables of the same
stretch: if it holds the same (page numbers moved along, start and end of its range each where they were or moved along
too), everything that happened in between will happen again, as often as the distance still fits the stretch.  So the
counts are multiplied, the gather is moved along, and the zap goes on there.  What is left of the stretch is a part of
the same period, and known as well.

*Growth.*  From one period of the layout to the next the gather may only have got longer: nothing flushed, freed or
allocated.  The next period does the same again as long as the batch does not get full, so the counts and the new slots
are multiplied up to there.  The last of these periods is always walked, because whatever is largest is largest there.

Why that is exact: between two tables a program's future depends on the gather, on where it is, on what lies ahead, and
on the answers of the allocator; no lock is held.  The layout repeats by construction of the stretch, the answers by
looking: a jump neither repeats nor passes an allocation that fails.  Programs see page numbers only to ask what kind of
page it is, and Layout answers that by position in the period.  Slots that grow stand for pages of one kind, wherever
they are.

Data types
    Allocations    how many were asked for, and which are to fail
    Mark           a table's end: where, what the gather is, and the counts so far
    Growing        a point in a period of the layout: where, and what must not have changed at the next one
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from core.cost.counts import Counts
from core.cost.layout import Layout, Stretch
from core.mm.encoded_page import encode_page, encoded_page_flags, page_pointer
from core.mm.mmu_gather import ALL_ONES, TASK_SIZE, Batch, MmuGather, Slot, batch_full, first_page
from core.mm.swap import Table

REMEMBERED = 20_000
"""Table ends that are remembered in a stretch; a longer cycle is stepped through."""

STATE = (
    "active",
    "need_flush_all",
    "freed_tables",
    "delayed_rmap",
    "cleared_ptes",
    "cleared_pmds",
    "cleared_puds",
    "cleared_p4ds",
    "vma_pfn",
)
"""The gather's fields besides its range, its batches and its tables."""

NO_START, NO_END = (TASK_SIZE, ALL_ONES), (0, ALL_ONES)
"""Bounds of a range that covers nothing, or of a whole-mm gather: they do not move. Page 0 is a start like any."""


class Allocations:
    """Counts what is asked for; the ordinals in `failing`, from 1, fail."""

    def __init__(self, failing: Collection[int]) -> None:
        self.failing = frozenset(failing)
        self.asked = 0

    def ask(self) -> bool:
        """One more; whether it is granted."""
        self.asked += 1
        return self.asked not in self.failing

    def next_failing(self) -> int | None:
        """The ordinal of the next one that is to fail."""
        return min((n for n in self.failing if n > self.asked), default=None)

    def failed_since(self, asked: int) -> bool:
        """Has one failed after the first `asked` ones?"""
        return any(asked < n <= self.asked for n in self.failing)


@dataclass(frozen=True, slots=True)
class Mark:
    """A table's end: where, what the gather is, and the counts so far."""

    addr: int
    start: int
    end: int
    batches: tuple[tuple[int, int, tuple[Slot, ...]], ...]
    state: tuple[Any, ...]
    tables: tuple[Table, ...] | None
    sums: dict[str, int]
    allocations: int
    unbroken: int


@dataclass(frozen=True, slots=True)
class Growing:
    """A point in a period: `same` is what the next one must have too; `nr` and `slots` of the active batch."""

    addr: int
    same: tuple[Any, ...]
    start: int
    end: int
    nr: int
    slots: int
    sums: dict[str, int]


class Periods:
    """Looks for periods in one zap of `layout`; `ahead` is the hook of Mm."""

    def __init__(self, layout: Layout, counts: Counts, allocations: Allocations) -> None:
        self.layout, self.counts, self.allocations = layout, counts, allocations
        self.steps = 0
        self._marks: dict[Any, Mark] = {}
        self._at: dict[int, Mark] = {}
        self._stretch_end = 0
        self._at_ends: dict[int, Growing] = {}

    def ahead(self, tlb: MmuGather, addr: int) -> int:
        """Where to go on after the table that ends at `addr`."""
        self.steps += 1
        span = tlb.mm.span[0]
        if addr >= self.layout.end or addr % span:
            return addr
        stretch = self.layout.stretch_at(addr)
        if stretch.end != self._stretch_end:
            self._forget()
            self._stretch_end = stretch.end
        if stretch.end - addr < span:
            return addr
        return self._ahead(tlb, addr, stretch)

    def _ahead(self, tlb: MmuGather, addr: int, stretch: Stretch) -> int:
        phase = (addr - stretch.start) % stretch.period
        growing = self._at_ends.get(phase)
        self._at_ends[phase] = self._growing(tlb, addr)
        if growing is not None:
            further = self._grow(tlb, growing, addr, stretch.end - stretch.end % tlb.mm.span[0])
            if further != addr:
                self._forget()
                return further
        mark = self._mark(tlb, addr)
        key = (phase, mark.state, tlb.batches[tlb.active].nr, len(tlb.batches))
        earlier = self._marks.get(key)
        failed = earlier is not None and self.allocations.failed_since(earlier.allocations)
        if earlier is not None and not failed and _shape(earlier) == _shape(mark):
            return self._jump(tlb, earlier, mark, stretch.end)
        if len(self._at) < REMEMBERED:
            self._marks[key] = self._at[addr] = mark
        return addr

    def _forget(self) -> None:
        """The gather's way from here on is a new one."""
        self._marks.clear()
        self._at.clear()
        self._at_ends.clear()

    # ---- growth ----------------------------------------------------------------------------------------------

    def _growing(self, tlb: MmuGather, addr: int) -> Growing:
        counts, batch = self.counts, tlb.batches[tlb.active]
        same, slots = self._same(tlb), len(batch.slots)
        return Growing(addr, same, tlb.start, tlb.end, batch.nr, slots, counts.sums.copy())

    def _same(self, tlb: MmuGather) -> tuple[Any, ...]:
        sums = self.counts.sums
        held = (len(tlb.batches), len(tlb.tables or ()), self.allocations.asked)
        return *held, sums["flushes"], sums["free_calls"], *[getattr(tlb, name) for name in STATE]

    def _grow(self, tlb: MmuGather, earlier: Growing, addr: int, end: int) -> int:
        """Count the period from `earlier` to `addr` as often as it fits before `end` and in the batch, less once."""
        period, batch = addr - earlier.addr, tlb.batches[tlb.active]
        more = batch.nr - earlier.nr
        times = (end - addr) // period - 1
        if more:
            times = min(times, (batch_full(tlb.mm, batch) - 1 - batch.nr) // more - 1)
        moves = (tlb.start - earlier.start, tlb.end - earlier.end)
        if times < 1 or self._same(tlb) != earlier.same or not all(moved in (0, period) for moved in moves):
            return addr
        counts = self.counts
        _add(counts.sums, earlier.sums, dict(counts.sums), times)
        tlb.start, tlb.end = tlb.start + times * moves[0], tlb.end + times * moves[1]
        batch.slots[earlier.slots :] = _repeated(batch.slots[earlier.slots :], times, period)
        batch.nr += times * more
        return addr + times * period

    # ---- cycles ----------------------------------------------------------------------------------------------

    def _mark(self, tlb: MmuGather, addr: int) -> Mark:
        batches = tuple((batch.max, batch.nr, tuple(batch.slots)) for batch in tlb.batches)
        tables = None if tlb.tables is None else tuple(tlb.tables)
        counts = self.counts
        state = tuple([getattr(tlb, name) for name in STATE])
        asked = self.allocations.asked
        return Mark(addr, tlb.start, tlb.end, batches, state, tables, counts.sums.copy(), asked, counts.unbroken)

    def _jump(self, tlb: MmuGather, earlier: Mark, now: Mark, end: int) -> int:
        """Count the period from `earlier` to `now` as often as it fits, and what is left as far as it is known."""
        period, asked = now.addr - earlier.addr, now.allocations - earlier.allocations
        moves = (now.start - earlier.start, now.end - earlier.end)
        if not all(moved in (0, period) for moved in moves):
            return now.addr
        times = (end - now.addr) // period
        failing = self.allocations.next_failing()
        if failing is not None and asked:
            times = min(times, (failing - 1 - now.allocations) // asked)
        self._again(earlier, now, times)
        _restore(tlb, now, times * period, times * moves[0], times * moves[1])
        addr, span = now.addr + times * period, tlb.mm.span[0]
        rest = self._at.get(earlier.addr + (end - addr) // span * span)
        if failing is None and rest is not None and rest.addr > earlier.addr:
            self._again(earlier, rest, 1)
            self.counts.unbroken = rest.unbroken
            along = addr - earlier.addr
            start = 0 if rest.start in NO_START else _along(rest.start, earlier.start, moves[0], along)
            end_by = 0 if rest.end in NO_END else _along(rest.end, earlier.end, moves[1], along)
            _restore(tlb, rest, along, start, end_by)
            addr += rest.addr - earlier.addr
        self._forget()
        return addr

    def _again(self, earlier: Mark, later: Mark, times: int) -> None:
        """Count what happened from one mark to the other once more, `times` times."""
        _add(self.counts.sums, earlier.sums, later.sums, times)
        self.allocations.asked += times * (later.allocations - earlier.allocations)


def _add(sums: dict[str, int], earlier: dict[str, int], later: dict[str, int], times: int) -> None:
    for name in later:
        sums[name] += times * (later[name] - earlier.get(name, 0))


def _repeated(slots: list[Slot], times: int, by: int) -> list[Slot]:
    """What `slots` are when as many were queued `times` times more, each time `by` pages on.

    Single pages of one kind go into one slot; where an entry takes two slots their order matters to what is freed
    together, so those are kept apart.
    """
    if all(slot.pages == 1 and slot.table is None for slot in slots):
        return [slot._replace(entries=slot.entries * (times + 1)) for slot in slots]
    return [_moved(slot, n * by) for n in range(times + 1) for slot in slots]


def _shape(mark: Mark) -> tuple[Any, ...]:
    """What the gather holds, page numbers apart."""
    return tuple((most, nr, _slots(slots)) for most, nr, slots in mark.batches), len(mark.tables or ())


def _slots(slots: tuple[Slot, ...]) -> tuple[Any, ...]:
    """Slots without their page numbers, equal neighbours together."""
    folded: list[tuple[int, int, int]] = []
    for slot in slots:
        flags, entries, pages = encoded_page_flags(slot.encoded), slot.entries, slot.pages
        if folded and folded[-1][0] == flags and folded[-1][2] == pages:
            entries += folded.pop()[1]
        folded.append((flags, entries, pages))
    return tuple(folded)


def _restore(tlb: MmuGather, mark: Mark, by: int, start: int, end: int) -> None:
    """Make the gather what it was at a mark, its pages moved along by `by`, its range as told."""
    for name, value in zip(STATE, mark.state, strict=True):
        setattr(tlb, name, value)
    tlb.start, tlb.end = mark.start + start, mark.end + end
    tlb.tables = None if mark.tables is None else list(mark.tables)
    tlb.batches[:] = [Batch(most, nr, [_moved(slot, by) for slot in slots]) for most, nr, slots in mark.batches]


def _along(bound: int, earlier: int, moves: int, by: int) -> int:
    """By how much a bound of the range moves: not if it stands since before the period."""
    return 0 if not moves and bound == earlier else by


def _moved(slot: Slot, by: int) -> Slot:
    return slot._replace(encoded=encode_page(page_pointer(first_page(slot) + by), encoded_page_flags(slot.encoded)))
