"""xtensa: IPI to every CPU (on_each_cpu()), whatever mm_cpumask says; above the TLB's size a new ASID.

arch/xtensa/kernel/smp.c:flush_tlb_range(), arch/xtensa/mm/tlb.c:local_flush_tlb_range().
"""

from __future__ import annotations

from dataclasses import replace

from arch_plugins.families.facts import TWO_LEVELS
from arch_plugins.families.ipi import Ipi


class Xtensa(Ipi):
    """A core with 32 entries per TLB: up to 31 pages are flushed one by one.

    The table is freed before the flush, which refill by software allows.
    """

    ceiling, page_insn, mm_insn, to_all = 31, "idtlb", "new_asid", True
    FACTS = replace(
        TWO_LEVELS,
        kernel="6.12",
        family="synchronous IPI to every CPU",
        sources=("arch/xtensa/kernel/smp.c", "arch/xtensa/mm/tlb.c", "arch/xtensa/include/asm/pgtable.h"),
    )
