"""powerpc book3s32: the hash entry goes as its Linux entry is removed (hash table), or tlbia above one page (603).

arch/powerpc/include/asm/tlb.h:__tlb_remove_tlb_entry(), arch/powerpc/mm/book3s32/tlb.c:hash__flush_range().
"""

from __future__ import annotations

from dataclasses import replace

from arch_plugins.families.broadcast import Broadcast
from arch_plugins.families.facts import TWO_LEVELS


class PowerpcBook3s32(Broadcast):
    """604 and later, SMP: tlbie is broadcast, tlbsync by the issuer."""

    barrier, mm_insn, page_insn = "tlbsync;sync", "hash__flush_mm", "tlbie"

    FACTS = replace(
        TWO_LEVELS,
        rcu_table_free=True,
        merge_vmas=True,
        kernel="6.12",
        family="hardware broadcast",
        sources=("arch/powerpc/mm/book3s32/tlb.c", "arch/powerpc/include/asm/tlb.h"),
    )
