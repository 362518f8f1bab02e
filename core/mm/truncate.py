"""mm/truncate.c: removing pages from their file while they are mapped."""

from __future__ import annotations

from collections.abc import Sequence

from core.mm.memory import zap_page_range_single
from core.mm.mm import Mm, Vma
from core.mm.page import lock_page, put_page, unlock_page
from core.mm.rmap import in_file, rmap_lock, rmap_unlock


async def truncate_pagecache(mm: Mm, vmas: Sequence[Vma], pages: Sequence[int]) -> None:
    """ftruncate(): unmap the pages in the VMAs of their file, drop the page cache's references, and unmap once more.

    The second time is for private copies that page faults have made meanwhile.
    """
    await unmap_mapping_range(mm, vmas)
    for page in pages:
        await truncate_inode_page(mm, page)
    await unmap_mapping_range(mm, vmas)


async def truncate_inode_page(mm: Mm, page: int) -> None:
    """Remove one page from the page cache.  truncate_inode_pages()."""
    await lock_page(mm, page)
    await unlock_page(mm, page)
    await put_page(page)


async def unmap_mapping_range(mm: Mm, vmas: Sequence[Vma]) -> None:
    """mm/memory.c:unmap_mapping_range(): without mmap_lock, with a gather for each VMA in the file's i_mmap.

    `vmas` are in the order of i_mmap. Drivers unmap their own pages with it too.
    """
    await rmap_lock(mm)  # i_mmap_lock_read()
    for vma in vmas:
        if await in_file(vma):
            await zap_page_range_single(mm, vma, vma.start, vma.end)
    await rmap_unlock(mm)
