"""powerpc nohash (e500): IPI to mm_cpumask; a gather, or more than one page, is the whole PID.

arch/powerpc/mm/nohash/tlb.c:tlb_flush() is flush_tlb_mm() whatever was gathered, and flush_tlb_range() too for
anything longer than a page.  Each CPU flushes its own TLB (_tlbil_pid(), _tlbil_va()): tlbivax, which is broadcast, is
for 47x alone (MMU_FTR_USE_TLBIVAX_BCAST).
"""

from __future__ import annotations

from dataclasses import replace

from arch_plugins.families.facts import TWO_LEVELS
from arch_plugins.families.ipi import Ipi
from core.hookspecs import hookimpl
from core.machine.op import Cpu
from core.mm.mm import Mm
from core.mm.mmu_gather import MmuGather


class PowerpcNohash(Ipi):
    """e500mc, 32 bit: MMU_FTR_USE_TLBILX, one thread per core."""

    ceiling, page_insn, mm_insn = 1, "tlbilx_va", "tlbilx_pid"
    local_part = "last"  # behind smp_call_function_many()
    FACTS = replace(
        TWO_LEVELS,
        rcu_table_free=True,
        merge_vmas=True,
        gather_page_size=True,
        walker="handler",
        capabilities=frozenset({"init_mm_cpumask"}),
        kernel="6.12.117",
        family="synchronous IPI to mm_cpumask",
        sources=(
            "arch/powerpc/mm/nohash/tlb.c",
            "arch/powerpc/mm/nohash/tlb_low.S",
            "arch/powerpc/include/asm/nohash/32/pgtable.h",
        ),
    )

    async def asked(self, mm: Mm) -> frozenset[Cpu]:
        """smp_call_function_many(mm_cpumask(mm)), and this CPU whether the mask has it or not."""
        return frozenset({mm.task.cpu}) | await super().asked(mm)

    @hookimpl
    async def tlb_flush(self, tlb: MmuGather) -> str | None:
        await tlb.mm.hook.flush_tlb_mm(mm=tlb.mm)
        return "mm"

    @hookimpl
    def tlb_needs_table_invalidate(self) -> bool:
        """radix_enabled(): what must be flushed before a table is freed, the gather has flushed (__pte_free_tlb())."""
        return False
