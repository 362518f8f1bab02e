"""arm (v7): broadcast TLBIMVAIS page by page, whole ASIDs with TLBIASIDIS; DSB ISH by the issuer.

arch/arm/mm/tlb-v7.S:v7wbi_flush_user_tlb_range(), arch/arm/include/asm/tlbflush.h.
"""

from __future__ import annotations

from dataclasses import replace

from arch_plugins.families.asid import Asids
from arch_plugins.families.facts import TWO_LEVELS
from arch_plugins.families.local import Local
from core.mm.mm import Mm


class Arm(Asids):
    """ARMv7 without LPAE; a core with maintenance broadcast (ID_MMFR3)."""

    prologue, barrier, mm_insn, page_insn = "DSB_ISHST", "DSB_ISH", "TLBIASIDIS", "TLBIMVAIS"
    kernel_insn, kernel_all_insn = "TLBIMVAIS", "TLBIALLIS"
    compares = False  # arch/arm/mm/context.c:check_and_switch_context()

    FACTS = replace(
        TWO_LEVELS,
        ptes_per_table=512,
        user_asids=1 << 8,
        capabilities=frozenset({"per_vma_lock"}),
        sources=("arch/arm/mm/tlb-v7.S", "arch/arm/include/asm/tlb.h", "arch/arm/kernel/smp_tlb.c"),
        kernel="6.12.117",
        family="hardware broadcast",
    )

    def asid_behind_barrier(self, mm: Mm) -> bool:
        """__flush_tlb_page() and v7wbi_flush_user_tlb_range() have read the ASID into a register before their DSB."""
        return False


class ArmLpae(Arm):
    """ARMv7 with LPAE: three levels, and page tables freed by RCU."""

    FACTS = replace(
        Arm.FACTS,
        upper_entries=512,
        levels=3,
        rcu_table_free=True,
        capabilities=frozenset({"gup_fast", "per_vma_lock", "thp"}),
        sources=(*Arm.FACTS.sources, "arch/arm/include/asm/pgtable-3level.h"),
    )


class ArmUp(Local):
    """CONFIG_SMP=n, ARMv7."""

    page_insn, mm_insn = "TLBIMVA", "TLBIASID"
    FACTS = replace(Arm.FACTS, smp=False, user_asids=0, family="uniprocessor")
