"""arm (v7): broadcast TLBIMVAIS page by page, whole ASIDs with TLBIASIDIS; DSB ISH by the issuer.

arch/arm/mm/tlb-v7.S:v7wbi_flush_user_tlb_range(), arch/arm/include/asm/tlbflush.h.
"""

from __future__ import annotations

from dataclasses import replace

from arch_plugins.families.asid import Asids
from arch_plugins.families.facts import TWO_LEVELS
from core.mm.mm import Mm


class Arm(Asids):
    """ARMv7 without LPAE; a core with maintenance broadcast (ID_MMFR3)."""

    prologue, barrier, mm_insn, page_insn = "DSB_ISHST", "DSB_ISH", "TLBIASIDIS", "TLBIMVAIS"
    compares = False  # arch/arm/mm/context.c:check_and_switch_context()

    FACTS = replace(
        TWO_LEVELS,
        ptes_per_table=512,
        user_asids=1 << 8,
        sources=("arch/arm/mm/tlb-v7.S", "arch/arm/include/asm/tlb.h", "arch/arm/kernel/smp_tlb.c"),
        kernel="6.12",
        family="hardware broadcast",
    )

    def asid_behind_barrier(self, mm: Mm) -> bool:
        """__flush_tlb_page() and v7wbi_flush_user_tlb_range() have it in a register before their DSB."""
        return False
