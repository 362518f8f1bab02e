"""mm/oom_kill.c: freeing the memory of a process that is being killed, while its threads may still run."""

from __future__ import annotations

from core.mm.memory import unmap_page_range, zap_page_range_single
from core.mm.mm import Mm, Vma
from core.mm.mmap_lock import mmap_read_lock, mmap_read_unlock
from core.mm.mmu_gather import tlb_finish_mmu, tlb_gather_mmu


async def oom_reap_task_mm(mm: Mm, vmas: list[Vma]) -> None:
    """__oom_reap_task_mm(): a gather for each anonymous VMA.

    Before 687cb0884a71 it was one gather for the whole mm, which promises what only exit_mmap() can promise: that no
    thread runs on the mm any more.
    """
    await mmap_read_lock(mm)
    if mm.era.has("687cb0884a71"):
        for vma in vmas:
            await zap_page_range_single(mm, vma, vma.start, vma.end)
    else:
        tlb = await tlb_gather_mmu(mm, fullmm=True)
        for vma in vmas:
            await unmap_page_range(tlb, vma, vma.start, vma.end)
        await tlb_finish_mmu(tlb)
    await mmap_read_unlock(mm)
