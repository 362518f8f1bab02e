"""arc: IPI to mm_cpumask; each CPU erases by probe, or takes a new ASID for 32 pages and more.

arch/arc/mm/tlb.c:local_flush_tlb_range().
"""

from __future__ import annotations

from dataclasses import replace

from arch_plugins.families.facts import TWO_LEVELS
from arch_plugins.families.ipi import Ipi


class Arc(Ipi):
    """ARCv2 with 8 KiB pages."""

    ceiling, page_insn, mm_insn = 31, "tlb_entry_erase", "get_new_mmu_context"
    FACTS = replace(
        TWO_LEVELS,
        page_size=8192,
        ptes_per_table=256,
        kernel="6.12",
        family="synchronous IPI to mm_cpumask",
        sources=("arch/arc/mm/tlb.c", "arch/arc/mm/tlbex.S", "arch/arc/include/asm/pgtable-levels.h"),
    )
