"""x86's interface: every kind of flush is a flush of a range of the mm.

arch/x86/include/asm/tlbflush.h:flush_tlb_mm(), flush_tlb_range(), flush_tlb_page(); asm/tlb.h:tlb_flush().
"""

from __future__ import annotations

from arch_plugins.families.needs_flush import X86Pte
from arch_plugins.families.tlb_gen import TlbGen
from core.hookspecs import hookimpl
from core.mm.mm import Mm
from core.mm.mmu_gather import MmuGather, tlb_get_unmap_size


class MmRange(X86Pte, TlbGen):
    """The hooks in terms of `flush_tlb_mm_range()`."""

    async def flush_tlb_mm_range(self, mm: Mm, start: int, end: int | None, stride: int, freed_tables: bool) -> None:
        """Flush pages `start` to `end` (None is everything) in steps of `stride`, upper levels if `freed_tables`."""
        raise NotImplementedError

    @hookimpl
    async def tlb_flush(self, tlb: MmuGather) -> str:
        """tlb->unshared_tables is not tested, in 6.12.117 as in 6.1.192."""
        whole = tlb.fullmm or tlb.need_flush_all
        start, end = (0, None) if whole else (tlb.start, tlb.end)
        await self.flush_tlb_mm_range(tlb.mm, start, end, tlb_get_unmap_size(tlb), tlb.freed_tables)
        return "mm" if whole else "range"

    @hookimpl
    async def flush_tlb_mm(self, mm: Mm) -> None:
        """Tables may have been freed too."""
        await self.flush_tlb_mm_range(mm, 0, None, 1, True)

    @hookimpl
    async def flush_tlb_range(self, mm: Mm, start: int, end: int, stride: int) -> None:
        """Tables may have been moved or collapsed: since 3ef938c35035 that is flushed for."""
        await self.flush_tlb_mm_range(mm, start, end, stride, mm.era.has("3ef938c35035"))

    @hookimpl
    async def flush_tlb_page(self, mm: Mm, addr: int) -> None:
        await self.flush_tlb_mm_range(mm, addr, addr + 1, 1, False)
