"""microblaze: one CPU; any range is the whole TLB (tlbia).

arch/microblaze/include/asm/tlbflush.h:local_flush_tlb_range().
"""

from __future__ import annotations

from dataclasses import replace

from arch_plugins.families.facts import TWO_LEVELS
from arch_plugins.families.local import Local


class Microblaze(Local):
    """With MMU."""

    ceiling, page_insn, mm_insn = 0, "tlbie", "tlbia"
    FACTS = replace(
        TWO_LEVELS,
        smp=False,
        no_range=True,
        walker="writes",
        tables_at_once=("pte",),
        kernel="6.12.117",
        family="uniprocessor",
        sources=("arch/microblaze/include/asm/tlbflush.h", "arch/microblaze/include/asm/pgtable.h"),
    )
