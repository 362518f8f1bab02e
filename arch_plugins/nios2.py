"""nios2: one CPU; ranges line by line, but the gather flushes the mm (MMU_GATHER_NO_RANGE).

arch/nios2/mm/tlb.c:flush_tlb_range(), flush_tlb_mm().
"""

from __future__ import annotations

from arch_plugins.families.local import Local
from core.hookspecs import Facts


class Nios2(Local):
    """With MMU."""

    page_insn, mm_insn = "wrctl_tlbacc", "flush_tlb_pid"
    FACTS = Facts(
        smp=False,
        pointer_size=4,
        ptes_per_table=1024,
        upper_entries=1,
        no_range=True,
        hw_dirty=False,
        family="uniprocessor",
        sources=("arch/nios2/mm/tlb.c", "arch/nios2/include/asm/pgtable.h"),
    )
