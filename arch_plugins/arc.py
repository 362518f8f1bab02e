"""arc: IPI to mm_cpumask; each CPU erases by probe, or takes a new ASID for 32 pages and more.

arch/arc/mm/tlb.c:local_flush_tlb_range().
"""

from __future__ import annotations

from arch_plugins.families.ipi import Ipi
from core.hookspecs import Facts


class Arc(Ipi):
    """ARCv2 with 8 KiB pages."""

    ceiling, page_insn, mm_insn = 31, "tlb_entry_erase", "get_new_mmu_context"
    FACTS = Facts(
        page_size=8192,
        pointer_size=4,
        ptes_per_table=256,
        upper_entries=1,
        hw_dirty=False,
        family="synchronous IPI to mm_cpumask",
        sources=("arch/arc/mm/tlb.c", "arch/arc/mm/tlbex.S", "arch/arc/include/asm/pgtable-levels.h"),
    )
