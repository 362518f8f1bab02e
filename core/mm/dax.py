"""fs/dax.c: writeback of a file whose pages are the medium itself (up to 6.14).

A page of DAX is mapped without a reference and without rmap (vmf_insert_mixed(), pte_devmap()): vm_normal_page() does
not return it.  So writeback looks for its mappings in the file's i_mmap, and PG_dirty is PAGECACHE_TAG_DIRTY of its
entry: CPU caches may hold what the medium has not.  PG_locked is the lock of that entry.
"""

from __future__ import annotations

from collections.abc import Sequence

from core.mm.mm import Mm
from core.mm.page import lock_page, test_clear_page_dirty, unlock_page, write_to_disk
from core.mm.rmap import page_vma_mkclean_one, rmap_lock, rmap_unlock


async def dax_writeback_one(mm: Mm, page: int, addrs: Sequence[int]) -> None:
    """Write-protect the mappings at `addrs`, write CPU caches back (dax_flush()), and only then clear the tag."""
    await lock_page(mm, page)
    await rmap_lock(mm)  # i_mmap_lock_read()
    for addr in addrs:
        await page_vma_mkclean_one(mm, page, addr)  # pfn_mkclean_range()
    await rmap_unlock(mm)
    await write_to_disk(page)
    await test_clear_page_dirty(page)
    await unlock_page(mm, page)
