"""openrisc: IPI to mm_cpumask; MMU_GATHER_NO_RANGE, so a gather flushes the mm, which is the whole TLB.

arch/openrisc/kernel/smp.c:flush_tlb_mm(), arch/openrisc/mm/tlb.c:local_flush_tlb_mm().
"""

from __future__ import annotations

from dataclasses import replace

from arch_plugins.families.facts import TWO_LEVELS
from arch_plugins.families.ipi import Ipi
from core.hookspecs import hookimpl
from core.machine.tlb import invalidate
from core.mm.mm import Mm, cpumask_clear_cpu, cpumask_set_cpu


class Openrisc(Ipi):
    """or1k, 8 KiB pages."""

    page_insn, mm_insn = "l.mtspr_xTLBMR", "local_flush_tlb_all"
    FACTS = replace(
        TWO_LEVELS,
        page_size=8192,
        ptes_per_table=2048,
        no_range=True,
        walker="handler",
        capabilities=frozenset({"refill_by_permission"}),
        kernel="6.12.117",
        family="synchronous IPI to mm_cpumask",
        sources=("arch/openrisc/kernel/smp.c", "arch/openrisc/mm/tlb.c", "arch/openrisc/include/asm/pgtable.h"),
    )

    @hookimpl
    async def switch_mm(self, prev: Mm | None, next: Mm | None) -> None:
        """arch/openrisc/mm/tlb.c:switch_mm(): without contexts, everything of the previous mm is flushed."""
        if prev is not None and prev is not next:
            await cpumask_clear_cpu(prev)
        if next is not None:
            await cpumask_set_cpu(next)
        if prev is not None and prev is not next:
            await invalidate((prev.task.cpu,), prev.addrs, "local_flush_tlb_mm(prev)")
