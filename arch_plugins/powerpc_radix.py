"""powerpc book3s64 radix: tlbie to all, eieio; tlbsync; ptesync by the issuer.

arch/powerpc/mm/book3s64/radix_tlb.c:radix__tlb_flush(), __radix__flush_tlb_range(): above tlb_single_page_flush_ceiling
pages the PID is flushed.
"""

from __future__ import annotations

from arch_plugins.families.broadcast import Broadcast
from core.hookspecs import Facts, hookimpl


class PowerpcRadix(Broadcast):
    """64 KiB pages, more than one CPU active, GTSE."""

    barrier, mm_insn, page_insn, ceiling = "eieio;tlbsync;ptesync", "tlbie_pid", "tlbie_va", 33

    @hookimpl
    def arch_facts(self) -> Facts:
        return Facts(
            page_size=65536,
            ptes_per_table=32,
            upper_entries=512,
            rcu_table_free=True,
            merge_vmas=True,
            sources=("arch/powerpc/mm/book3s64/radix_tlb.c", "arch/powerpc/include/asm/tlb.h"),
            family="hardware broadcast",
        )
