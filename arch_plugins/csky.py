"""csky CK860: tlbi.vaas per pair of pages, tlbi.asids; sync.is by the issuer.

arch/csky/mm/tlb.c:flush_tlb_range().
"""

from __future__ import annotations

from arch_plugins.families.broadcast import Broadcast
from core.hookspecs import Facts, hookimpl


class Csky(Broadcast):
    """CK860, SMP."""

    barrier, mm_insn, page_insn = "sync.is", "tlbi.asids", "tlbi.vas"

    @hookimpl
    def arch_facts(self) -> Facts:
        return Facts(
            pointer_size=4,
            ptes_per_table=1024,
            upper_entries=1,
            hw_dirty=False,
            sources=("arch/csky/mm/tlb.c", "arch/csky/include/asm/pgtable.h"),
            family="hardware broadcast",
        )
