"""s390's freeing of page tables: whatever was cleared, the mm is flushed before a table is freed; tables of the kernel.

arch/s390/include/asm/tlb.h:pte_free_tlb(), pmd_free_tlb(), pud_free_tlb().
"""

from __future__ import annotations

from arch_plugins.families.at_clear import flush_kernel, free_table_later
from core.hookspecs import Architecture, hookimpl
from core.mm.mm import Mm
from core.mm.mmu_gather import MmuGather, adjust_range
from core.mm.swap import Table


class Tables(Architecture):
    """The hooks that queue page tables, and the flush of the kernel's."""

    @hookimpl
    async def pte_free_tlb(self, tlb: MmuGather, table: Table, addr: int) -> None:
        adjust_range(tlb, addr, 1)
        tlb.cleared_pmds = True
        await free_table_later(tlb, table)

    @hookimpl
    async def pmd_free_tlb(self, tlb: MmuGather, table: Table, addr: int) -> None:
        adjust_range(tlb, addr, 1)
        tlb.cleared_puds = True
        await free_table_later(tlb, table)

    @hookimpl
    async def pud_free_tlb(self, tlb: MmuGather, table: Table, addr: int) -> None:
        """Does not widen the range: the flush is one of the whole mm anyway."""
        tlb.cleared_p4ds = True
        await free_table_later(tlb, table)

    @hookimpl
    async def flush_tlb_kernel_range(self, mm: Mm, start: int, end: int) -> None:
        """__tlb_flush_kernel(): IDTE of init_mm's tables, on every CPU."""
        await flush_kernel(mm)
