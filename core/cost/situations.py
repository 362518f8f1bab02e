"""The state of a zap between two tables: which other states it behaves like, and how to restore it.

A *situation* is the whole state except for three numbers, the *variables*: the size of the newest entry of the active
batch, and how far back the gather's range starts and ends.  Page numbers are relative to the zap's position, so the
situation recurs wherever the layout repeats.

Adjacent entries of one kind in a batch are merged into one.  What is done with them later depends on their number
(`chunk`, `take`) and on the kind of their pages only.

Data types
    Vector        the variables: newest entries, in units; pages back to the range's start; pages back to its end
    Situation     the contents of the gather, the cells that belong to no page, and where it was first met
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

from core.cost.affine import Conditions, Linear, fixed, now
from core.cost.counts import Counts
from core.cost.layout import HUGE, Stretch
from core.cost.run_memory import RunMemory
from core.mm.encoded_page import encode_page, encoded_page_flags, page_pointer
from core.mm.era import Era
from core.mm.mmu_gather import ALL_ONES, TASK_SIZE, Batch, MmuGather
from core.mm.swap import Slot, Table, first_page

Vector = tuple[int, int, int]
STILL: Vector = (0, 0, 0)

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
    "page_size",
)
"""The gather's fields that are part of a situation as they are, besides its range, batches and tables."""

UNQUEUED = ("none", "swap", "zero")
"""Kinds of entries for which nothing is queued in the gather."""

ALIGNED = 64
"""An architecture may test the alignment of an address to this many pages at most, or to the span of a table entry:
arm64's range instructions need a multiple of 16 pages (FEAT_LPA2)."""

NO_START, NO_END = (TASK_SIZE, ALL_ONES), (0, ALL_ONES)
"""Start and end of an empty range, or of a whole-mm gather, which do not move with the zap."""


@dataclass(frozen=True, eq=False, slots=True)
class Situation:
    """A situation as first met at page number `addr`; its newest entry had `rest` plus a multiple of `unit` pages.

    Two that differ in nothing but empty batches behind the next one have the same `alike`: what fills no more than one
    batch cannot tell them apart.
    """

    addr: int
    batches: tuple[tuple[int, tuple[Slot, ...]], ...]
    state: tuple[Any, ...]
    start: int | None
    end: int | None
    tables: tuple[Table, ...] | None
    others: frozenset[Any]
    unit: int
    rest: int
    alike: object = None

    def put(self, tlb: MmuGather, memory: RunMemory, addr: int, variables: Vector) -> None:
        """Set the gather and the cells to this situation at `addr`, with these variables."""
        for name, value in zip(STATE, self.state, strict=True):
            setattr(tlb, name, value)
        by = addr - self.addr
        tlb.batches[:] = [_batch(most, [_moved(slot, by) for slot in slots]) for most, slots in self.batches]
        active = tlb.batches[tlb.active]
        if active.slots:
            active.slots[-1] = active.slots[-1]._replace(entries=self.rest + self.unit * variables[0])
            active.nr = sum(slot.nr for slot in active.slots)
        tlb.start = addr - variables[1] if self.start is None else self.start
        tlb.end = addr - variables[2] if self.end is None else self.end
        tlb.tables = None if self.tables is None else list(self.tables)
        memory.become(self.others)

    def vary(self, tlb: MmuGather, more: int = 0) -> Conditions:
        """Replace the variables in the gather, which is in this situation, by symbolic numbers; their conditions.

        There are `more` variables besides.
        """
        conditions, others = Conditions(), (0,) * more
        active = tlb.batches[tlb.active]
        if active.slots:
            last = active.slots[-1]
            slopes = (self.unit, 0, 0, *others)
            active.slots[-1] = last._replace(entries=cast(int, Linear(last.entries, slopes, conditions)))
            active.nr = cast(int, Linear(active.nr, (self.unit * last.each, 0, 0, *others), conditions))
        if self.start is None:
            tlb.start = cast(int, Linear(tlb.start, (0, -1, 0, *others), conditions))
        if self.end is None:
            tlb.end = cast(int, Linear(tlb.end, (0, 0, -1, *others), conditions))
        return conditions


class Situations:
    """The situations met in one stretch of a layout.

    The newest entry of the same situation may differ by a multiple of `unit`.
    """

    def __init__(self, stretch: Stretch, span: int, era: Era) -> None:
        self.stretch = stretch
        self.unit = _entries(stretch, era) if 4 * stretch.period <= span else 1
        self._met: dict[Any, Situation] = {}

    def at(self, tlb: MmuGather, memory: RunMemory, addr: int) -> tuple[Situation, tuple[Any, Any, Any]]:
        """The situation at `addr` and its variables, which may be `Linear`; all other symbolic numbers are fixed."""
        for batch in tlb.batches:
            fold(batch.slots)
        active, unit = tlb.batches[tlb.active], self.unit
        newest: Any = active.slots[-1].entries if active.slots else 0
        rest = fixed(newest % unit)
        batches = tuple([(batch.max, _shape(batch, rest if batch is active else None)) for batch in tlb.batches])
        state = tuple([getattr(tlb, name) for name in STATE])
        start, end = _unmoved(tlb.start, NO_START), _unmoved(tlb.end, NO_END)
        tables = None if tlb.tables is None else tuple(tlb.tables)
        others = memory.others()
        phase = (addr - self.stretch.start) % self.stretch.period, addr % ALIGNED
        key = (phase, batches, state, start, end, tables, others)
        found = self._met.get(key)
        if found is None:
            slots = tuple([(batch.max, tuple(map(settled, batch.slots))) for batch in tlb.batches])
            spare = batches[tlb.active + 2 :]
            near = batches if any(shape for _, shape in spare) else batches[: tlb.active + 2]
            alike = (phase, near, state, start, end, tables, memory.near())
            found = self._met[key] = Situation(addr, slots, state, start, end, tables, others, unit, rest, alike)
        back = 0 if start is not None else addr - tlb.start, 0 if end is not None else addr - tlb.end
        return found, (newest // unit, *back)


def _entries(stretch: Stretch, era: Era) -> int:
    """How many entries one period of the stretch adds to the gather, at least 1."""
    if stretch.uniform:
        return 1
    made = [(kind, count) for kind, count in stretch.pattern if kind not in UNQUEUED]
    large = [kind == HUGE or (kind.startswith("folio_") and era.folio_entries) for kind, _ in made]
    return max(sum(1 if one else count for one, (_, count) in zip(large, made, strict=True)), 1)


def _unmoved(bound: Any, those: tuple[int, int]) -> int | None:
    return now(bound) if now(bound) in those else None


def _shape(batch: Batch, rest: int | None) -> tuple[tuple[Any, ...], ...]:
    """The contents of a batch without page numbers; of its newest entry only the `rest`, unless that is None."""
    shape = [
        (fixed(encoded_page_flags(slot.encoded)), fixed(slot.entries), fixed(slot.pages), slot.table)
        for slot in (batch.slots if rest is None else batch.slots[:-1])
    ]
    if rest is not None and batch.slots:
        newest = batch.slots[-1]
        shape.append((fixed(encoded_page_flags(newest.encoded)), rest, fixed(newest.pages), newest.table))
    return tuple(shape)


def fold(slots: list[Slot]) -> None:
    """Merge adjacent slots that have the same flags and pages per entry."""
    at = len(slots) - 1
    while at > 0:
        one, two = slots[at - 1], slots[at]
        same = encoded_page_flags(one.encoded) == encoded_page_flags(two.encoded) and one.pages == two.pages
        if same and one.table is None and two.table is None:
            slots[at - 1 : at + 1] = [one._replace(entries=one.entries + two.entries)]
        at -= 1


def _batch(most: int, slots: list[Slot]) -> Batch:
    return Batch(most, sum(slot.nr for slot in slots), slots)


def settled(slot: Slot) -> Slot:
    """The slot with plain numbers: their present values."""
    return slot._replace(encoded=now(slot.encoded), entries=now(slot.entries), pages=now(slot.pages))


def settle(conditions: Conditions, tlb: MmuGather, counts: Counts) -> None:
    """A walk on symbolic numbers is over: turn those of the gather and the counts into plain ones."""
    conditions.open = False
    for batch in tlb.batches:
        batch.nr = now(batch.nr)
        batch.slots[:] = [settled(slot) for slot in batch.slots]
    tlb.start, tlb.end = now(tlb.start), now(tlb.end)
    counts.settle()


def _moved(slot: Slot, by: int) -> Slot:
    return slot._replace(encoded=encode_page(page_pointer(first_page(slot) + by), encoded_page_flags(slot.encoded)))
