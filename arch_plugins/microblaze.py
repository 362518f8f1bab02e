"""microblaze: one CPU; any range is the whole TLB (tlbia).

arch/microblaze/include/asm/tlbflush.h:local_flush_tlb_range().
"""

from __future__ import annotations

from arch_plugins.families.local import Local
from core.hookspecs import Facts


class Microblaze(Local):
    """With MMU."""

    ceiling, page_insn, mm_insn = 0, "tlbie", "tlbia"
    FACTS = Facts(
        smp=False,
        pointer_size=4,
        ptes_per_table=1024,
        upper_entries=1,
        no_range=True,
        hw_dirty=False,
        family="uniprocessor",
        sources=("arch/microblaze/include/asm/tlbflush.h", "arch/microblaze/include/asm/pgtable.h"),
    )
