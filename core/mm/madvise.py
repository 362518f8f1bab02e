"""mm/madvise.c."""

from __future__ import annotations

from core.machine.lock import mmap_read_lock, mmap_read_unlock
from core.mm.memory import unmap_page_range
from core.mm.mm import Mm, Vma
from core.mm.mmu_gather import tlb_finish_mmu, tlb_gather_mmu


async def madvise_dontneed(mm: Mm, vma: Vma, start: int, end: int) -> None:
    """MADV_DONTNEED: under mmap_lock for reading, so several at once may run on one mm. zap_page_range()."""
    await mmap_read_lock(mm.task)
    tlb = await tlb_gather_mmu(mm)
    await unmap_page_range(tlb, vma, start, end)
    await tlb_finish_mmu(tlb)
    await mmap_read_unlock(mm.task)
