"""csky CK860: sync.is, tlbi.vas per pair of pages or tlbi.asids, sync.i by the issuer.

arch/csky/mm/tlb.c:flush_tlb_range().
"""

from __future__ import annotations

from dataclasses import replace

from arch_plugins.families.broadcast import Broadcast, Insns
from arch_plugins.families.facts import TWO_LEVELS


class Csky(Broadcast):
    """CK860, SMP."""

    prologue, barrier, mm_insn, page_insn = "sync.is", "sync.i", "tlbi.asids", "tlbi.vas"

    FACTS = replace(
        TWO_LEVELS,
        sources=("arch/csky/mm/tlb.c", "arch/csky/include/asm/pgtable.h"),
        kernel="6.12",
        family="hardware broadcast",
    )

    def of_range(self, start: int, end: int, stride: int, freed_tables: bool) -> Insns:
        return [(self.page_insn, -(-end // 2) - start // 2)]
