"""The accountant: the programs that the explorer proves, run once over run-length page tables, and counted.

A stretch of equal entries is one step of the zap wherever the kernel decides nothing in between: a step never crosses
the end of a batch, a table or a folio.  A run that has been met before is added up (core/cost/run_summaries.py), and so
is a table like one met before (core/cost/acceleration.py).
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from core.cost.acceleration import Allocations, Periods
from core.cost.counts import CEILING, HERE, Counts
from core.cost.layout import KINDS, Layout
from core.cost.run_memory import RunMemory
from core.cost.run_summaries import RunSummaries
from core.machine.ipi import take_ipi
from core.machine.op import Cell, Cpu, Op, Outcome, Tid
from core.machine.schedule import run
from core.machine.task import Task
from core.mm.era import Era
from core.mm.kthread import MM_USERS, current_mm_cell
from core.mm.memory import unmap_page_range
from core.mm.mm import Choices, Mm, Vma, log
from core.mm.mmu_gather import ALL_ONES, tlb_finish_mmu, tlb_gather_mmu
from core.mm.rmap import folio_mkclean
from core.plugins.arch import Arch


class Accountant:
    """Counts one operation on `layout`; core.cost.workloads says which, by `how`.

    `fail_allocs` are the ordinals of allocations that fail, from 1.

    `cpus` CPUs run threads of the mm, or did until it exits, unless the architecture has one.  A flush of up to
    `ceiling` pages counts as small.  `skip` off steps through every period, `long_runs` off steps page by page: for
    comparison.
    """

    def __init__(
        self,
        arch: Arch,
        era: Era,
        layout: Layout,
        *,
        fail_allocs: Collection[int] = (),
        how: str = "unmap",
        cpus: int = 2,
        ceiling: int = CEILING,
        skip: bool = True,
        long_runs: bool = True,
    ) -> None:
        self.layout, self.how = layout, how
        self.counts = Counts(ceiling)
        self.allocations = Allocations(fail_allocs)
        self.memory = RunMemory(layout)
        self.periods = Periods(layout, self.counts, self.memory, self.allocations, era)
        self.effects = RunSummaries(layout, self.counts, self.memory)
        facts = arch.facts
        running = frozenset(Cpu(n) for n in range(cpus if facts.smp and not facts.one_cpu else 1))
        self.others = [take_ipi(Tid(1), cpu, ()) for cpu in sorted(running - {HERE})]
        self.mm = Mm(
            facts,
            era,
            arch.hook,
            Task("unmapper", Tid(1), HERE),
            is_anon=lambda page: KINDS[layout.run_at(page).kind][1],
            special=lambda page: layout.run_at(page).kind == "zero",
            mappings={0: (0,)},
            folio=lambda page: layout.run_at(page).folio or (page, 1),
            cpus=running,
            choices=Choices(alloc_fails=True),
            long_runs=long_runs,
            run=self._run if long_runs else lambda addr, max_nr: 1,
            along=self.effects.along if skip and long_runs else lambda tlb, addr, end, force_flush: addr,
            ahead=self.periods.ahead if skip else lambda tlb, addr: addr,
            tables=True,
        )
        self.memory.spans = self.mm.span
        self.memory[Cell("cpu_attach_mask")] = running
        self.memory[MM_USERS] = 0 if how == "exit" else len(running)
        self.memory[current_mm_cell(HERE)] = how != "exit"

    def count(self) -> dict[str, int]:
        """Do it; the counts by name."""
        programs = {"unmap": self._unmap, "exit": self._unmap, "clean": self._clean, "fork": self._fork}
        run(programs[self.how](), self.memory, self._answer, self.counts.emit, self.others)
        return self.counts.result()

    async def _unmap(self) -> None:
        vma = Vma(0, self.layout.end)
        tlb = self.counts.tlb = await tlb_gather_mmu(self.mm, self.how == "exit")
        await unmap_page_range(tlb, vma, vma.start, vma.end)
        await tlb_finish_mmu(tlb)

    async def _clean(self) -> None:
        """Writeback of page 0, under its folio lock."""
        if await folio_mkclean(self.mm, 0):
            await log("clean_flush", 0, 1, ("range", "ptes"))

    async def _fork(self) -> None:
        """dup_mmap() ends with flush_tlb_mm(oldmm), whatever it has write-protected."""
        await self.mm.hook.flush_tlb_mm(mm=self.mm)
        await log("flush", 0, ALL_ONES, ("mm",))

    def _run(self, addr: int, max_nr: int) -> int:
        return min(max_nr, self.layout.run_at(addr).end - addr)

    def _answer(self, op: Op, outcomes: Any) -> Outcome:
        """An allocation succeeds unless it is one of those that are to fail."""
        assert op.event is not None
        granted = self.allocations.ask()
        self.counts.asked(op.event[1], granted)
        chosen: Outcome = next(outcome for outcome in outcomes if outcome.value == granted)
        return chosen
