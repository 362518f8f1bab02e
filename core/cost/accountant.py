"""The accountant: the programs that the explorer proves, run once over run-length page tables, and counted.

A stretch of equal entries is one step of the zap wherever the kernel decides nothing in between: a step never crosses
the end of a batch, a table or a folio.  Beyond that, time goes by *periods*.  At the end of each table the gather is
compared with what it was at the ends of earlier tables of the same stretch: if it holds the same (page numbers moved
along, start and end of its range each where they were or moved along too), everything that happened in between will
happen again, as often as the distance still fits the stretch.  So the counts are multiplied, the gather is moved along,
and the zap goes on there (`Mm.ahead`).  What is left of the stretch is a part of the same period, and known as well.

Why that is exact: between two tables a program's future depends on the gather, on where it is, on what lies ahead, and
on the answers of the allocator; no lock is held.  The layout repeats by construction of the stretch, the answers by
looking: a jump never passes an allocation that is to fail.  Programs see page numbers only to ask what kind of page it
is, and Layout answers that by position in the period.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from core.arch import Arch
from core.cost.counts import Counts
from core.cost.layout import KINDS, Layout
from core.cost.memory import RunMemory
from core.machine.ipi import take_ipi
from core.machine.op import Cell, Cpu, Op, Outcome, Tid
from core.machine.schedule import run
from core.machine.task import Task
from core.mm.encoded_page import encode_page, encoded_page_flags, page_pointer
from core.mm.era import Era
from core.mm.memory import unmap_page_range
from core.mm.mm import Choices, Mm, Vma
from core.mm.mmu_gather import (
    ALL_ONES,
    TASK_SIZE,
    Batch,
    MmuGather,
    Slot,
    first_page,
    tlb_finish_mmu,
    tlb_gather_mmu,
)
from core.mm.swap import Table

HERE, THERE = Cpu(0), Cpu(1)
REMEMBERED = 20_000
"""Table ends that are remembered in a stretch; a longer cycle is stepped through."""


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


class Accountant:
    """Counts one unmapping of `layout`. `fail_allocs` are the ordinals of allocations that fail, from 1.

    `skip` off steps through every period, `long_runs` off steps page by page: for comparison.
    """

    def __init__(
        self,
        arch: Arch,
        era: Era,
        layout: Layout,
        *,
        fail_allocs: Collection[int] = (),
        fullmm: bool = False,
        skip: bool = True,
        long_runs: bool = True,
    ) -> None:
        self.layout, self.fullmm, self.skip = layout, fullmm, skip
        self.counts = Counts()
        self.fail_allocs = frozenset(fail_allocs)
        self.allocations = 0
        self.steps = 0
        self._marks: dict[Any, Mark] = {}
        self._at: dict[int, Mark] = {}
        self._stretch_end = 0
        facts = arch.facts
        cpus = frozenset({HERE, THERE}) if facts.smp and not facts.one_cpu else frozenset({HERE})
        self.mm = Mm(
            facts,
            era,
            arch.hook,
            Task("unmapper", Tid(1), HERE),
            is_anon=lambda page: KINDS[layout.run_at(page).kind][1],
            folio=lambda page: layout.run_at(page).folio or (page, 1),
            cpus=cpus,
            choices=Choices(alloc_fails=True),
            long_runs=long_runs,
            run=self._run if long_runs else lambda addr, max_nr: 1,
            ahead=self._ahead,
            tables=True,
        )
        self.memory = RunMemory(layout, self.mm.span)
        self.memory[Cell("cpu_attach_mask")] = cpus

    def count(self) -> dict[str, int]:
        """Unmap everything; the counts by name."""
        run(self._unmap(), self.memory, self._answer, self.counts.emit, [take_ipi(Tid(1), THERE, ())])
        return self.counts.result()

    async def _unmap(self) -> None:
        vma = Vma(0, self.layout.end)
        tlb = self.counts.tlb = await tlb_gather_mmu(self.mm, self.fullmm)
        await unmap_page_range(tlb, vma, vma.start, vma.end)
        await tlb_finish_mmu(tlb)

    def _run(self, addr: int, max_nr: int) -> int:
        return min(max_nr, self.layout.run_at(addr).end - addr)

    def _answer(self, op: Op, outcomes: Any) -> Outcome:
        """An allocation succeeds unless it is one of those that are to fail."""
        assert op.event is not None
        self.allocations += 1
        granted = self.allocations not in self.fail_allocs
        self.counts.asked(op.event[1], granted)
        chosen: Outcome = next(outcome for outcome in outcomes if outcome.value == granted)
        return chosen

    # ---- periods ---------------------------------------------------------------------------------------------

    def _ahead(self, tlb: MmuGather, addr: int) -> int:
        """Where to go on after the table that ends at `addr`."""
        self.steps += 1
        if not self.skip or addr >= self.layout.end or addr % self.mm.span[0]:
            return addr
        stretch = self.layout.stretch_at(addr)
        if stretch.end != self._stretch_end:
            self._marks.clear()
            self._at.clear()
            self._stretch_end = stretch.end
        if stretch.end - addr < self.mm.span[0]:
            return addr
        mark = self._mark(tlb, addr)
        active = tlb.batches[tlb.active]
        key = ((addr - stretch.start) % stretch.period, mark.state, active.nr, len(tlb.batches))
        earlier = self._marks.get(key)
        if earlier is not None and _shape(earlier) == _shape(mark):
            return self._jump(tlb, earlier, mark, stretch.end)
        if len(self._at) < REMEMBERED:
            self._marks[key] = self._at[addr] = mark
        return addr

    def _mark(self, tlb: MmuGather, addr: int) -> Mark:
        batches = tuple((batch.max, batch.nr, tuple(batch.slots)) for batch in tlb.batches)
        tables = None if tlb.tables is None else tuple(tlb.tables)
        counts = self.counts
        state = tuple([getattr(tlb, name) for name in STATE])
        return Mark(
            addr, tlb.start, tlb.end, batches, state, tables, counts.sums.copy(), self.allocations, counts.unbroken
        )

    def _jump(self, tlb: MmuGather, earlier: Mark, now: Mark, end: int) -> int:
        """Count the period from `earlier` to `now` as often as it fits, and what is left as far as it is known."""
        period, asked = now.addr - earlier.addr, now.allocations - earlier.allocations
        moves = (now.start - earlier.start, now.end - earlier.end)
        if not all(moved in (0, period) for moved in moves):
            return now.addr
        times = (end - now.addr) // period
        failing = min((n for n in self.fail_allocs if n > now.allocations), default=None)
        if failing is not None and asked:
            times = min(times, (failing - 1 - now.allocations) // asked)
        self._add(earlier, now, times)
        _restore(tlb, now, times * period, times * moves[0], times * moves[1])
        addr = now.addr + times * period
        rest = self._at.get(earlier.addr + (end - addr) // self.mm.span[0] * self.mm.span[0])
        if failing is None and rest is not None and rest.addr > earlier.addr:
            self._add(earlier, rest, 1)
            self.counts.unbroken = rest.unbroken
            along = addr - earlier.addr
            start = 0 if rest.start in NO_START else _along(rest.start, earlier.start, moves[0], along)
            end_by = 0 if rest.end in NO_END else _along(rest.end, earlier.end, moves[1], along)
            _restore(tlb, rest, along, start, end_by)
            addr += rest.addr - earlier.addr
        self._marks.clear()  # the gather's way from here on is a new one
        self._at.clear()
        return addr

    def _add(self, earlier: Mark, later: Mark, times: int) -> None:
        """Count what happened from one mark to the other once more, `times` times."""
        sums = self.counts.sums
        for name in sums:
            sums[name] += times * (later.sums[name] - earlier.sums[name])
        self.allocations += times * (later.allocations - earlier.allocations)


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
