"""fs/dax.c: writeback of a file whose pages are the medium itself (up to 6.14).

A page of DAX is mapped without a reference and without rmap (vmf_insert_mixed(), pte_devmap()): vm_normal_page() does
not return it.  So writeback looks for its mappings in the file's i_mmap, and PG_dirty is PAGECACHE_TAG_DIRTY of its
entry: CPU caches may hold what the medium has not.  PG_locked is the lock of that entry.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from core.machine.pte import pte_present
from core.mm.mm import Mm, pte_lock, pte_unlock
from core.mm.page import lock_page, test_clear_page_dirty, unlock_page, write_to_disk
from core.mm.pgtable import set_pte_at
from core.mm.rmap import rmap_lock, rmap_unlock


async def dax_writeback_one(mm: Mm, page: int, addrs: Sequence[int]) -> None:
    """Write-protect the mappings at `addrs`, write CPU caches back (dax_flush()), and only then clear the tag."""
    await lock_page(mm, page)
    await rmap_lock(mm)  # i_mmap_lock_read()
    for addr in addrs:
        await pfn_mkclean_one(mm, page, addr)
    await rmap_unlock(mm)
    await write_to_disk(page)
    await test_clear_page_dirty(page)
    await unlock_page(mm, page)


async def pfn_mkclean_one(mm: Mm, page: int, addr: int) -> None:
    """mm/rmap.c:pfn_mkclean_range(), page_vma_mkclean_one(). The lock is taken also where the entry is empty."""
    await pte_lock(mm, addr)
    pte: Any = await mm.hook.ptep_get(mm=mm, addr=addr)
    if pte_present(pte) and pte.frame == page and (pte.dirty or pte.write):
        pte = await mm.hook.ptep_clear_flush(mm=mm, addr=addr)
        await set_pte_at(mm, addr, pte._replace(write=False, dirty=False))
    await pte_unlock(mm, addr)
