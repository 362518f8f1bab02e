"""The accountant: the programs that the explorer proves, run once over run-length page tables, and counted.

A stretch of equal entries is one step of the zap wherever the kernel decides nothing in between: a step never crosses
the end of a batch, a table or a folio.  Beyond that, time goes by *periods*.  At the end of each table the gather is
compared with what it was at the ends of earlier tables of the same stretch: if it holds the same (page numbers moved
along, start and end of its range each where they were or moved along too), everything that happened in between will
happen again, as often as the distance still fits the stretch.  So the counts are multiplied, the gather is moved along,
and the zap goes on there (`Mm.ahead`).

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
from core.mm.mmu_gather import MmuGather, first_page, tlb_finish_mmu, tlb_gather_mmu

HERE, THERE = Cpu(0), Cpu(1)
REMEMBERED = 20_000
"""Table ends that are remembered in a stretch; a longer cycle is stepped through."""


@dataclass(frozen=True, slots=True)
class Mark:
    """A table's end: where, what the gather's range was, and the counts so far."""

    addr: int
    start: int
    end: int
    sums: dict[str, int]
    allocations: int


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
        self._stretch_end = 0
        facts = arch.facts
        cpus = frozenset({HERE, THERE}) if facts.smp and not facts.one_cpu else frozenset({HERE})
        self.memory = RunMemory(layout)
        self.memory[Cell("cpu_attach_mask")] = cpus
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
        )

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
            self._stretch_end = stretch.end
        if stretch.end - addr < 2 * self.mm.span[0]:
            return addr
        key = ((addr - stretch.start) % stretch.period, *_shape(tlb))
        mark = self._marks.get(key)
        if mark is not None:
            addr = self._jump(tlb, mark, addr, stretch.end)
        if len(self._marks) < REMEMBERED:
            self._marks[key] = Mark(addr, tlb.start, tlb.end, dict(self.counts.sums), self.allocations)
        return addr

    def _jump(self, tlb: MmuGather, mark: Mark, addr: int, end: int) -> int:
        period, asked = addr - mark.addr, self.allocations - mark.allocations
        moves = (tlb.start - mark.start, tlb.end - mark.end)
        if not all(moved in (0, period) for moved in moves):
            return addr
        times = (end - addr) // period
        failing = [n for n in self.fail_allocs if n > self.allocations]
        if failing and asked:
            times = min(times, (min(failing) - 1 - self.allocations) // asked)
        if times < 1:
            return addr
        sums, before = self.counts.sums, mark.sums
        for name in sums:
            sums[name] += times * (sums[name] - before[name])
        self.allocations += times * asked
        _move(tlb, times * period, times * moves[0], times * moves[1])
        return addr + times * period


def _shape(tlb: MmuGather) -> tuple[Any, ...]:
    """What the gather holds, page numbers and range apart."""
    batches = tuple((batch.max, batch.nr, _slots(batch.slots)) for batch in tlb.batches)
    flags = (tlb.freed_tables, tlb.delayed_rmap, tlb.need_flush_all, tlb.vma_pfn, tlb.fullmm)
    cleared = (tlb.cleared_ptes, tlb.cleared_pmds, tlb.cleared_puds, tlb.cleared_p4ds)
    return (tlb.active, batches, flags, cleared, len(tlb.tables or ()))


def _slots(slots: list[Any]) -> tuple[Any, ...]:
    """Slots without their page numbers, equal neighbours together."""
    folded: list[tuple[int, int, int]] = []
    for slot in slots:
        flags, entries, pages = encoded_page_flags(slot.encoded), slot.entries, slot.pages
        if folded and folded[-1][0] == flags and folded[-1][2] == pages:
            entries += folded.pop()[1]
        folded.append((flags, entries, pages))
    return tuple(folded)


def _move(tlb: MmuGather, by: int, start: int, end: int) -> None:
    """Move the gather along: its pages by `by`, its range as told."""
    tlb.start += start
    tlb.end += end
    for batch in tlb.batches:
        batch.slots = [
            slot._replace(encoded=encode_page(page_pointer(first_page(slot) + by), encoded_page_flags(slot.encoded)))
            for slot in batch.slots
        ]
