"""loongarch: IPI to mm_cpumask, context reset for a single user; MMU_GATHER_MERGE_VMAS.

arch/loongarch/kernel/smp.c:flush_tlb_range(), arch/loongarch/mm/tlb.c:local_flush_tlb_range().
"""

from __future__ import annotations

from arch_plugins.families.context import ContextReset
from core.hookspecs import Facts


class Loongarch(ContextReset):
    """16 KiB pages, 64 entries of MTLB and 2048 of STLB: above an eighth of them, in pairs of pages, a new ASID."""

    ceiling, page_insn, mm_insn = (64 + 2048) // 8, "INVTLB_ADDR_GFALSE_AND_ASID", "drop_mmu_context"
    pages_per_insn, leaves_dead = 2, True
    FACTS = Facts(
        page_size=16384,
        ptes_per_table=2048,
        upper_entries=2048,
        levels=3,
        merge_vmas=True,
        hw_dirty=False,
        kernel="6.12",
        family="IPI to mm_cpumask, context reset",
        sources=("arch/loongarch/kernel/smp.c", "arch/loongarch/mm/tlb.c", "arch/loongarch/include/asm/tlb.h"),
    )
