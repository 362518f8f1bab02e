"""powerpc nohash (e500): IPI to mm_cpumask; more than one page is the whole PID.

arch/powerpc/mm/nohash/tlb.c:flush_tlb_range() calls flush_tlb_mm() for anything longer.
"""

from __future__ import annotations

from dataclasses import replace

from arch_plugins.families.facts import TWO_LEVELS
from arch_plugins.families.ipi import Ipi


class PowerpcNohash(Ipi):
    """e500, 32 bit."""

    ceiling, page_insn, mm_insn = 1, "tlbivax", "tlbilx_pid"
    FACTS = replace(
        TWO_LEVELS,
        rcu_table_free=True,
        merge_vmas=True,
        kernel="6.12",
        family="synchronous IPI to mm_cpumask",
        sources=("arch/powerpc/mm/nohash/tlb.c", "arch/powerpc/include/asm/nohash/32/pgtable.h"),
    )
