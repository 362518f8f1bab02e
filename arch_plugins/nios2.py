"""nios2: one CPU; ranges line by line, but the gather flushes the mm (MMU_GATHER_NO_RANGE).

arch/nios2/mm/tlb.c:flush_tlb_range(), flush_tlb_mm().
"""

from __future__ import annotations

from dataclasses import replace

from arch_plugins.families.facts import TWO_LEVELS
from arch_plugins.families.local import Local


class Nios2(Local):
    """With MMU."""

    page_insn, mm_insn = "wrctl_tlbacc", "flush_tlb_pid"
    FACTS = replace(
        TWO_LEVELS,
        smp=False,
        no_range=True,
        walker="handler",
        capabilities=frozenset({"refill_by_permission"}),
        kernel="6.12.117",
        family="uniprocessor",
        sources=("arch/nios2/mm/tlb.c", "arch/nios2/include/asm/pgtable.h"),
    )
