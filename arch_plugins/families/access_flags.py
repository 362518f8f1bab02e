"""What a page fault that allows more, or notes a store, does to the TLBs: ptep_set_access_flags().

mm/pgtable-generic.c sets the entry and calls flush_tlb_fix_spurious_fault(), which is flush_tlb_page() where an
architecture does not say otherwise (include/linux/pgtable.h).  x86, arm64, mips, riscv and powerpc book3s64 say
otherwise, since their hardware, or the handler of the fault, looks at the entry again.
"""

from __future__ import annotations

from core.hookspecs import Architecture, hookimpl
from core.machine.pte import Pte
from core.mm.mm import Mm
from core.mm.pgtable import set_pte_at


class FlushesRelaxed(Architecture):
    """The generic one; sparc32, ia64 and powerpc nohash and book3s32 have the same of their own."""

    @hookimpl
    async def ptep_set_access_flags(self, mm: Mm, addr: int, entry: Pte) -> None:
        await set_pte_at(mm, addr, entry)
        await mm.hook.flush_tlb_page(mm=mm, addr=addr)


class Refetches(Architecture):
    """No flush: who has less cached faults again, and the fault finds nothing to do."""

    @hookimpl
    async def ptep_set_access_flags(self, mm: Mm, addr: int, entry: Pte) -> None:
        await set_pte_at(mm, addr, entry)
