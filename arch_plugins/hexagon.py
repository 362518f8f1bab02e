"""hexagon: up to six hardware threads share one MMU, so one hypercall (vmclrmap) is enough.

arch/hexagon/mm/vm_tlb.c:flush_tlb_range(): only if the mm is the active map.
"""

from __future__ import annotations

from arch_plugins.families.local import Local
from core.hookspecs import Facts


class Hexagon(Local):
    """4 KiB pages."""

    page_insn, mm_insn = "vmclrmap", "vmclrmap_all"
    FACTS = Facts(
        pointer_size=4,
        ptes_per_table=1024,
        upper_entries=1,
        hw_dirty=False,
        family="one TLB shared by hardware threads",
        sources=("arch/hexagon/mm/vm_tlb.c", "arch/hexagon/include/asm/pgtable.h"),
    )
