"""csky CK860: sync.is, tlbi.vas per pair of pages or tlbi.asids, sync.i by the issuer.

arch/csky/mm/tlb.c:flush_tlb_range().
"""

from __future__ import annotations

from arch_plugins.families.broadcast import Broadcast, Insns
from core.hookspecs import Facts, hookimpl


class Csky(Broadcast):
    """CK860, SMP."""

    prologue, barrier, mm_insn, page_insn = "sync.is", "sync.i", "tlbi.asids", "tlbi.vas"

    def of_range(self, start: int, end: int, stride: int, freed_tables: bool) -> Insns:
        return [(self.page_insn, -(-end // 2) - start // 2)]

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
