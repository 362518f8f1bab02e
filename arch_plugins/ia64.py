"""ia64: ptc.ga, one at a time machine-wide under a semaphore; complete with srlz.i by the issuer.

arch/ia64/mm/tlb.c:flush_tlb_range(): one purge of a supported power of two per piece.
"""

from __future__ import annotations

from arch_plugins.families.broadcast import Broadcast
from core.hookspecs import Facts


class Ia64(Broadcast):
    """16 KiB pages; removed in 6.7."""

    barrier, mm_insn, page_insn = "srlz.i", "new_rid", "ptc.ga"

    FACTS = Facts(
        page_size=16384,
        ptes_per_table=2048,
        upper_entries=2048,
        levels=3,
        hw_dirty=False,
        sources=("arch/ia64/mm/tlb.c", "arch/ia64/include/asm/tlb.h", "arch/ia64/kernel/ivt.S"),
        kernel="6.1",
        family="hardware broadcast",
    )
