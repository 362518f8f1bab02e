"""sh: IPI to every CPU, context reset for a single user; above a quarter of the UTLB a new context.

arch/sh/kernel/smp.c:flush_tlb_range(), arch/sh/mm/tlbflush_32.c:local_flush_tlb_range().
"""

from __future__ import annotations

from dataclasses import replace

from arch_plugins.families.context import ContextReset
from arch_plugins.families.facts import TWO_LEVELS


class Sh(ContextReset):
    """SH-X3: a UTLB of 64 entries."""

    ceiling, page_insn, mm_insn, to_all = 16, "local_flush_tlb_one", "get_mmu_context", True
    FACTS = replace(
        TWO_LEVELS,
        kernel="6.12",
        family="IPI to every CPU, context reset",
        sources=("arch/sh/kernel/smp.c", "arch/sh/mm/tlbflush_32.c", "arch/sh/include/asm/pgtable.h"),
    )
