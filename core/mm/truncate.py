"""mm/truncate.c: taking a page out of its file while it is mapped."""

from __future__ import annotations

from core.machine.op import Op, Outcome
from core.mm.memory import unmap_page_range
from core.mm.mm import Mm, Vma
from core.mm.mmap import in_file_cell
from core.mm.mmu_gather import tlb_finish_mmu, tlb_gather_mmu
from core.mm.page import lock_page, put_page, unlock_page
from core.mm.rmap import rmap_lock, rmap_unlock


async def truncate_inode_page(mm: Mm, page: int) -> None:
    """Unmap `page` wherever the file is mapped, and drop the page cache's reference.

    truncate_pagecache(): unmap_mapping_range() goes through the VMAs of the file, in the order of i_mmap and without
    mmap_lock, with a gather for each; then truncate_inode_pages() takes the page out.
    """
    for addr in mm.mappings[page]:
        tlb = await tlb_gather_mmu(mm)
        await unmap_page_range(tlb, Vma(addr, addr + 1), addr, addr + 1)
        await tlb_finish_mmu(tlb)
    await lock_page(mm, page)
    await unlock_page(mm, page)
    await put_page(page)


async def unmap_mapping_range(mm: Mm, vmas: list[Vma]) -> None:
    """mm/memory.c:unmap_mapping_range(): a driver takes its pages out of every VMA that its file still knows."""
    await rmap_lock(mm)  # i_mmap_lock_read()
    for vma in vmas:
        cell = in_file_cell(vma)
        if await Op("look for the VMA in i_mmap", (cell,), (), lambda there: [Outcome(there)]):
            tlb = await tlb_gather_mmu(mm)
            await unmap_page_range(tlb, vma, vma.start, vma.end)
            await tlb_finish_mmu(tlb)
    await rmap_unlock(mm)
