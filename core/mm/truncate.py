"""mm/truncate.c: taking a page out of its file while it is mapped."""

from __future__ import annotations

from core.mm.memory import unmap_page_range
from core.mm.mm import Mm, Vma
from core.mm.mmu_gather import tlb_finish_mmu, tlb_gather_mmu
from core.mm.page import lock_page, put_page, unlock_page


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
