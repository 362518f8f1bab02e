"""xtensa: IPI to every CPU (on_each_cpu()), whatever mm_cpumask says; above the TLB's size a new ASID.

arch/xtensa/kernel/smp.c:flush_tlb_range(), arch/xtensa/mm/tlb.c:local_flush_tlb_range().
"""

from __future__ import annotations

from arch_plugins.families.ipi import Ipi
from core.hookspecs import Facts


class Xtensa(Ipi):
    """A core with 32 entries per TLB. The table is freed before the flush, which refill by software allows."""

    ceiling, page_insn, mm_insn, to_all = 32, "idtlb", "new_asid", True
    FACTS = Facts(
        pointer_size=4,
        ptes_per_table=1024,
        upper_entries=1,
        hw_dirty=False,
        family="synchronous IPI to every CPU",
        sources=("arch/xtensa/kernel/smp.c", "arch/xtensa/mm/tlb.c", "arch/xtensa/include/asm/pgtable.h"),
    )
