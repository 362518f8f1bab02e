"""hexagon: up to six hardware threads share one MMU, so one hypercall (vmclrmap) is enough.

arch/hexagon/mm/vm_tlb.c:flush_tlb_range(): only if the mm is the active map.
"""

from __future__ import annotations

from dataclasses import replace

from arch_plugins.families.facts import TWO_LEVELS
from arch_plugins.families.local import Local


class Hexagon(Local):
    """4 KiB pages."""

    page_insn, mm_insn = "vmclrmap", "vmclrmap_all"
    FACTS = replace(
        TWO_LEVELS,
        kernel="6.12",
        family="one TLB shared by hardware threads",
        sources=("arch/hexagon/mm/vm_tlb.c", "arch/hexagon/include/asm/pgtable.h"),
    )
