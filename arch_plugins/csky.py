"""csky CK860: sync.is, tlbi.vas per pair of pages or tlbi.asids, sync.i by the issuer.

arch/csky/mm/tlb.c:flush_tlb_range().
"""

from __future__ import annotations

from dataclasses import replace

from arch_plugins.families.asid import Asids
from arch_plugins.families.broadcast import Insns
from arch_plugins.families.facts import TWO_LEVELS
from core.mm.mm import Mm


class Csky(Asids):
    """CK860, SMP."""

    prologue, barrier, mm_insn, page_insn = "sync.is", "sync.i", "tlbi.asids", "tlbi.vas"
    kernel_insn, kernel_all_insn = "tlbi.vaas", "tlbi.alls"
    pages_per_insn = 2

    FACTS = replace(
        TWO_LEVELS,
        user_asids=1 << 12,
        sources=("arch/csky/mm/tlb.c", "arch/csky/mm/asid.c", "arch/csky/include/asm/pgtable.h"),
        kernel="6.12.117",
        family="hardware broadcast",
    )

    def asid_behind_barrier(self, mm: Mm) -> bool:
        """flush_tlb_range() reads the ASID before its sync.is, but set_pte(), which cleared the entry, ends with
        smp_mb().
        """
        return True

    def of_range(self, start: int, end: int, stride: int, leaf: bool) -> Insns:
        return [(self.page_insn, -(-end // 2) - start // 2)]
