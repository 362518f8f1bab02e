"""The accountant: the programs that the explorer proves, run once over run-length page tables, and counted.

A stretch of equal entries is one step of the zap wherever the kernel decides nothing in between: a step never crosses
the end of a batch, a table or a folio.  A run that has been met before is added up (core/cost/run_summaries.py), and so
is a table like one met before (core/cost/acceleration.py, core/cost/mixed_tables.py).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Coroutine, Iterable, Iterator
from dataclasses import replace
from typing import Any

from core.cost.acceleration import Periods
from core.cost.affine import now
from core.cost.allocations import Allocations
from core.cost.counts import CEILING, HERE, Counts
from core.cost.layout import KINDS, Layout
from core.cost.run_memory import RunMemory
from core.cost.run_summaries import RunSummaries
from core.machine.op import Cpu, Op, Outcome, Tid
from core.machine.schedule import run
from core.machine.task import Task
from core.mm.era import Era
from core.mm.kthread import MM_USERS, current_mm_cell
from core.mm.mm import Choices, Mm, Vma, log
from core.mm.pgtable import upper_entry
from core.mm.rmap import folio_mkclean
from core.mm.stand_in import counted_texts
from core.mm.syscalls import dup_mmap, exit_mmap, munmap
from core.plugins.arch import Arch
from core.plugins.own_words import own_words


class Accountant:
    """Counts one operation on `layout`; core.cost.workloads says which, by `how`.

    `fail_allocs` are the ordinals of allocations that fail, from 1.

    `tables`: what is unmapped takes its page tables along.  They are freed one by one, once everything has been zapped.

    `cpus` CPUs run threads of the mm, or did until it exits, unless the architecture has one.  A flush of up to
    `ceiling` pages counts as small.  `skip` off steps through every period, `long_runs` off steps page by page: for
    comparison, and for `functions`, the architecture's own texts of functions of the core (core.cost.page_by_page).
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
        tables: bool = False,
        functions: bool = False,
    ) -> None:
        self.layout, self.how = layout, how
        self.counts = Counts(ceiling)
        self.allocations = Allocations(fail_allocs)
        self.memory = RunMemory(layout)
        self.effects = RunSummaries(layout, self.counts, self.memory)
        self.periods = Periods(layout, self.counts, self.memory, self.allocations, era, self.effects)
        facts = arch.facts
        running = frozenset(Cpu(n) for n in range(cpus if facts.smp and not facts.one_cpu else 1))
        self.mm = Mm(
            facts,
            era,
            arch.hook,
            Task("unmapper", Tid(1), HERE),
            is_anon=lambda page: KINDS[self.memory.run_at(page).kind][1],
            special=lambda page: self.memory.run_at(page).kind == "zero",
            mappings={0: (0,)},
            folio=lambda page: self.memory.run_at(page).folio or (page, 1),
            cpus=running,
            choices=Choices(alloc_fails=True),
            long_runs=long_runs,
            run=self._run,
            tables=True,
            spares_tables=not tables,
        )
        if functions:
            self.mm = replace(self.mm, functions=counted_texts(arch.plugin, self.mm))
        self.others = list(handlers(self.mm, running - {HERE}))
        self.counts.others = len(running) - 1
        self.skip, self.long_runs = skip, long_runs
        self.memory.spans = self.mm.span
        self.memory.update(own_words("cells_of_mm", self.mm.hook.cells_of_mm(mm=self.mm, cpus=running)))
        self.memory[MM_USERS] = 0 if how == "exit" else len(running)
        self.memory[current_mm_cell(HERE)] = how != "exit"

    def count(self) -> dict[str, int]:
        """Do it; the counts by name."""
        vmas = [Vma(0, self.layout.end)]
        programs: dict[str, Callable[[], Coroutine[Op, Any, None]]] = {
            "unmap": lambda: munmap(self.mm, vmas),
            "exit": lambda: exit_mmap(self.mm, vmas),
            "clean": self._clean,
            "fork": lambda: dup_mmap(self.mm, [], {}),  # the flush is the same whatever is copied
        }
        run(programs[self.how](), self.memory, self._answer, self._emit, self.others)
        return self.counts.result()

    def _emit(self, event: tuple[Any, ...]) -> None:
        if event[0] == "finish" and self.counts.tlb is not None:
            self.periods.finish(self.counts.tlb)
        elif event[0] == "pgtables" and self.counts.tlb is not None:
            self.periods.finish(self.counts.tlb)
            self.memory.zap_is_over()
        self.counts.emit(event)

    async def _clean(self) -> None:
        """Writeback of page 0, under its folio lock."""
        if await folio_mkclean(self.mm, 0):
            await log("clean_flush", 0, 1, ("range", "ptes"))

    def _run(self, addr: int, max_nr: int, span: int) -> int:
        """`Mm.run`: the program is about to look at an entry, of a page table (`span` 1) or of one above.

        Here the zap is leapt ahead: over what is known of the entries that follow, or of the tables.
        """
        tlb = self.counts.tlb
        if span == 1:
            if self.skip and self.long_runs and tlb is not None:
                if self.periods.mixed.walk is not None:
                    nr: int | None = self.periods.mixed.run(tlb, addr, max_nr)
                    if nr is not None:
                        return nr
                    addr, max_nr = now(addr), now(max_nr)
                self.effects.look(tlb, addr, addr + max_nr)
                if now(addr) == self.memory.single:
                    return 1
            zapped = self.memory.zapped - addr
            if zapped > 0:
                return min(max_nr, zapped)
            return min(max_nr, self.layout.run_at(addr).end - addr) if self.long_runs else 1
        first = addr - addr % span
        lowest = span == self.mm.span[0]
        if lowest and self.skip and tlb is not None and self.memory[upper_entry(0, first // span)] is not None:
            self.periods.look(tlb, addr)
        leapt = self.memory.leapt
        return max(1, min(max_nr, (leapt.stop - first) // span)) if leapt.start <= first < leapt.stop else 1

    def _answer(self, op: Op, outcomes: Any) -> Outcome:
        """An allocation succeeds unless it is one of those that are to fail.

        Whatever else the machine chooses is counted as its first outcome: no vCPU is preempted, no second has passed.
        """
        if op.event is None:
            first: Outcome = outcomes[0]
            return first
        granted = self.allocations.ask()
        self.counts.asked(op.event[1], granted)
        chosen: Outcome = next(outcome for outcome in outcomes if outcome.value == granted)
        return chosen


def handlers(mm: Mm, cpus: Iterable[Cpu]) -> Iterator[Op]:
    """The steps by which `cpus` take the interrupts that the task sends, with the architecture's own handler."""
    for cpu in sorted(cpus):
        yield mm.hook.flush_tlb_func(mm=mm, sender=mm.task.tid, cpu=cpu)
        yield from mm.hook.cpu_daemons(mm=mm, cpu=cpu)
