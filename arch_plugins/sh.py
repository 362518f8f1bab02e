"""sh: IPI to every CPU, context reset for a single user; above a quarter of the UTLB a new context.

arch/sh/kernel/smp.c:flush_tlb_range(), arch/sh/mm/tlbflush_32.c:local_flush_tlb_range().  switch_mm() looks for a new
context only if the CPU was on another mm.  A CPU that continues with the same mm (prev == next), for instance after a
kernel thread that had borrowed it, keeps its context even if it has been set to 0 meanwhile.
"""

from __future__ import annotations

from dataclasses import replace

from arch_plugins.families.context import ContextReset
from arch_plugins.families.facts import TWO_LEVELS
from arch_plugins.families.load_store import LoadStore
from core.hookspecs import hookimpl
from core.machine.op import Cpu, Op, Outcome
from core.machine.order import Order
from core.mm.kthread import on_mm_cell
from core.mm.mm import Mm


class Sh(LoadStore, ContextReset):
    """SH-X3: a UTLB of 64 entries."""

    ceiling, page_insn, mm_insn, to_all = 16, "local_flush_tlb_one", "get_mmu_context", True
    local_part = "last"  # behind smp_call_function()
    FACTS = replace(
        TWO_LEVELS,
        levels=3,
        ptes_per_table=512,
        upper_entries=512,
        walker="writes",
        tables_at_once=("pmd",),
        capabilities=frozenset({"cpu_asids", "gup_fast", "refill_stores"}),
        kernel="6.12.117",
        family="IPI to every CPU, context reset",
        sources=("arch/sh/kernel/smp.c", "arch/sh/mm/tlbflush_32.c", "arch/sh/include/asm/pgtable.h"),
    )

    @hookimpl
    async def switch_mm(self, prev: Mm | None, next: Mm | None) -> None:
        """arch/sh/include/asm/mmu_context.h; nobody ever leaves mm_cpumask."""
        if prev is not None and prev is not next:
            cell = on_mm_cell(prev.task.cpu)
            await Op("set_TTB(other)", (), (cell,), lambda: [Outcome(None, (False,))], order=Order.PRIVATE)
        if next is not None and await set_ttb(next.task.cpu):
            await self.take_context(next)


def set_ttb(cpu: Cpu) -> Op:
    """Is prev != next?  Afterwards the CPU is on the page tables of the mm."""
    cell = on_mm_cell(cpu)
    return Op("set_TTB(next->pgd)", (cell,), (cell,), lambda on: [Outcome(not on, (True,))], order=Order.PRIVATE)
