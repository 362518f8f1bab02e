"""x86 with INVLPGB: AMD's broadcast for an mm with a global ASID; TLBSYNC waits for the issuer's own.

arch/x86/mm/tlb.c:broadcast_tlb_flush() (6.15 and later); the ceiling is the one of flush_tlb_mm_range().
"""

from __future__ import annotations

from arch_plugins.families.broadcast import Broadcast
from core.hookspecs import Facts, hookimpl


class X86Invlpgb(Broadcast):
    """Zen 3 and later, an mm that has run on enough CPUs to get a global ASID."""

    barrier, mm_insn, page_insn, ceiling = "TLBSYNC", "INVLPGB_PCID", "INVLPGB_ADDR", 33

    @hookimpl
    def arch_facts(self) -> Facts:
        return Facts(
            rcu_table_free=True,
            merge_vmas=True,
            runtime_p4d=True,
            sources=("arch/x86/mm/tlb.c", "arch/x86/include/asm/tlb.h"),
            family="hardware broadcast",
        )
