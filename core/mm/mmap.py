"""mm/mmap.c: taking mappings away, and putting others in their place."""

from __future__ import annotations

from core.machine.lock import mmap_read_unlock, mmap_write_downgrade, mmap_write_lock, mmap_write_unlock
from core.mm.memory import free_pgtables, unmap_page_range
from core.mm.mm import Mm, Vma, log, set_vma
from core.mm.mmu_gather import tlb_finish_mmu, tlb_gather_mmu


async def munmap(mm: Mm, vmas: list[Vma], floor: int = 0, ceiling: int = 0) -> None:
    """munmap(): unlink the VMAs with mmap_lock held for writing, tear them down holding it for reading."""
    await mmap_write_lock(mm.task)
    for vma in vmas:
        await set_vma(vma, False)
    await mmap_write_downgrade(mm.task)
    await unmap_region(mm, vmas, floor, ceiling)
    await mmap_read_unlock(mm.task)


async def mmap_over(mm: Mm, vmas: list[Vma], new: Vma) -> None:
    """mmap(MAP_FIXED) over existing mappings: mmap_lock stays held for writing until the new VMA is in."""
    await mmap_write_lock(mm.task)
    for vma in vmas:
        await set_vma(vma, False)
    await unmap_region(mm, vmas, 0, 0)
    await set_vma(new, True)
    await mmap_write_unlock(mm.task)


async def unmap_region(mm: Mm, vmas: list[Vma], floor: int, ceiling: int) -> None:
    """Zap the ranges, free the tables that nobody else needs (where tables come and go), flush and free."""
    tlb = await tlb_gather_mmu(mm)
    for vma in vmas:
        await unmap_page_range(tlb, vma, vma.start, vma.end)
    if mm.tables:
        await log("pgtables")
        await free_pgtables(tlb, vmas, floor, ceiling)
    await tlb_finish_mmu(tlb)
