"""m68k: one CPU; MMU_GATHER_NO_RANGE, any range is the whole user ATC (pflush).

arch/m68k/include/asm/tlbflush.h:flush_tlb_range().
"""

from __future__ import annotations

from arch_plugins.families.local import Local
from core.hookspecs import Facts


class M68k(Local):
    """68040, which sets the modified bit as it walks."""

    ceiling, page_insn, mm_insn = 0, "pflush_page", "pflushan"
    FACTS = Facts(
        smp=False,
        pointer_size=4,
        ptes_per_table=64,
        upper_entries=128,
        levels=3,
        no_range=True,
        walker="hardware",
        tables_at_once=("pte", "pmd"),
        kernel="6.12.117",
        family="uniprocessor",
        sources=("arch/m68k/include/asm/tlbflush.h", "arch/m68k/include/asm/pgtable_mm.h"),
    )
