"""mm/mmap.c and mm/vma.c: removing mappings, and replacing them by others."""

from __future__ import annotations

from collections.abc import Sequence

from core.mm.memory import free_pgtables, unmap_vmas
from core.mm.mm import Mm, Vma, set_vma
from core.mm.mmap_lock import (
    mmap_read_lock,
    mmap_read_unlock,
    mmap_write_downgrade,
    mmap_write_lock,
    mmap_write_unlock,
    vma_start_write,
)
from core.mm.mmu_gather import MmuGather, tlb_finish_mmu, tlb_flush_mmu_tlbonly, tlb_gather_mmu
from core.mm.oom_kill import set_oom_skip
from core.mm.rmap import in_file_cell
from core.mm.swap import lru_add_drain

__all__ = ["exit_mmap", "in_file_cell", "mmap_over", "munmap", "unmap_region"]


async def munmap(mm: Mm, vmas: Sequence[Vma], floor: int = 0, ceiling: int = 0) -> None:
    """munmap(): unlink the VMAs with mmap_lock held for writing, tear them down with it held for reading.

    A shrinking brk() or mremap() does the same to the tail. `floor` and `ceiling` are where the neighbours end and
    begin; 0 is none.
    """
    await mmap_write_lock(mm)
    await unlink_vmas(mm, vmas)
    await mmap_write_downgrade(mm)
    await unmap_region(mm, vmas, floor, ceiling)
    await mmap_read_unlock(mm)


async def mmap_over(mm: Mm, vmas: Sequence[Vma], new: Vma, floor: int = 0, ceiling: int = 0) -> None:
    """mmap(MAP_FIXED) over existing mappings: mmap_lock stays held for writing until the new VMA is linked."""
    await mmap_write_lock(mm)
    await unlink_vmas(mm, vmas)
    await unmap_region(mm, vmas, floor, ceiling)
    await set_vma(mm, new, True)
    await mmap_write_unlock(mm)


async def unlink_vmas(mm: Mm, vmas: Sequence[Vma]) -> None:
    """Remove the VMAs from the tree; mmap_lock is held for writing. vms_gather_munmap_vmas()."""
    for vma in vmas:
        await vma_start_write(mm, vma)
        await set_vma(mm, vma, False)


async def unmap_region(mm: Mm, vmas: Sequence[Vma], floor: int, ceiling: int) -> None:
    """Zap the ranges, free the tables that no neighbour needs, flush and free the pages; mmap_lock is held.

    unmap_region(), vms_clear_ptes().
    """
    await lru_add_drain(mm)
    tlb = await tlb_gather_mmu(mm)
    await unmap_vmas(tlb, vmas)
    if not mm.era.has("b67fbebd4cf9"):
        await flush_pfn_vmas(tlb, vmas)
    await free_pgtables(tlb, vmas, floor, ceiling)
    await tlb_finish_mmu(tlb)


async def exit_mmap(mm: Mm, vmas: Sequence[Vma]) -> None:
    """No task runs on the mm any more. Tables are freed under mmap_lock for writing, which keeps the oom reaper out."""
    await mmap_read_lock(mm)
    await mm.hook.arch_exit_mmap(mm=mm)
    if not vmas:
        await mmap_read_unlock(mm)
        return
    await lru_add_drain(mm)
    tlb = await tlb_gather_mmu(mm, fullmm=True)
    await unmap_vmas(tlb, vmas)
    await mmap_read_unlock(mm)
    await set_oom_skip()
    await mmap_write_lock(mm)
    await free_pgtables(tlb, vmas, 0, 0)
    await tlb_finish_mmu(tlb)
    await mmap_write_unlock(mm)


async def flush_pfn_vmas(tlb: MmuGather, vmas: Sequence[Vma]) -> None:
    """What stable kernels have instead of b67fbebd4cf9 (895428ee124a); at first for the first VMA only."""
    if not tlb.mm.era.has("895428ee124a"):
        return
    looked_at = vmas if tlb.mm.era.has("895428ee124a, second part") else vmas[:1]
    if any(vma.pfn for vma in looked_at):
        await tlb_flush_mmu_tlbonly(tlb)
