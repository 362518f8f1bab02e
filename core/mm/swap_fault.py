"""mm/memory.c:do_swap_page(): a fault on an entry whose contents are in swap, and still in the swap cache.

Reclaim puts a page into the swap cache before it unmaps it, and takes it out only if it has no other reference.  Until
then a fault finds the page there and maps it again, while the flush of the entry that reclaim has cleared may still be
put off: the CPU that has it cached goes through it to the page that is mapped.

What is found is checked again with the folio locked, and the entry with the page-table lock.
"""

from __future__ import annotations

from typing import Any

from core.machine.pte import Pte, Swap
from core.mm.mm import Mm, Vma, find_vma, pte_unlock
from core.mm.mmap_lock import lock_vma_under_rcu, mmap_read_lock, mmap_read_unlock, vma_end_read
from core.mm.page import folio_ref_count, inc_mapcount, lock_page, put_page, unlock_page
from core.mm.page_fault import do_wp_page, handle_pte_fault
from core.mm.pgtable import pte_offset_map_lock, set_pte_at
from core.mm.swap import folio_test_lru, lru_add_drain
from core.mm.swapfile import filemap_get_folio, folio_free_swap, folio_test_swapcache, swap_free


async def handle_swap_fault(mm: Mm, vma: Vma, addr: int, write: bool) -> bool:
    """An access to `addr` found an entry that is not present: handle_mm_fault() of one in swap. True: try it again.

    False if nothing is mapped there, or if the page would have to be read in, which no scenario models.
    """
    if await lock_vma_under_rcu(mm, vma):
        done = await _handle_pte_fault(mm, vma, addr, write)
        await vma_end_read(mm, vma)
        return done
    await mmap_read_lock(mm)
    there = await find_vma(vma) and await _handle_pte_fault(mm, vma, addr, write)
    await mmap_read_unlock(mm)
    return bool(there)


async def _handle_pte_fault(mm: Mm, vma: Vma, addr: int, write: bool) -> bool:
    """The entry is read without the lock, and compared when it is held."""
    orig: Any = await mm.hook.ptep_get(mm=mm, addr=addr)
    if isinstance(orig, Swap):
        return await do_swap_page(mm, vma, addr, orig, write)
    if not isinstance(orig, Pte):
        return False
    return not write or await handle_pte_fault(mm, vma, addr)


async def do_swap_page(mm: Mm, vma: Vma, addr: int, orig: Swap, write: bool) -> bool:
    """Map the page of the swap cache whose place in swap the entry `orig` has; it is a folio of its own.

    The entry is taken for one that is not marked exclusive (pte_swp_exclusive()), as fork leaves it, and as all are
    where there is no such mark: so the page is mapped writable only if nobody else has a reference.

    Where the folio is locked, __folio_lock_or_retry() (mm/filemap.c) lets go of mmap_lock or the VMA's lock, waits with
    its reference, and has the fault tried again.  Here it waits with the lock held, which keeps munmap() out meanwhile.
    """
    page = orig.offset
    if not await filemap_get_folio(page):  # swap_cache_get_folio()
        return False
    await lock_page(mm, page)
    table = None
    if await folio_test_swapcache(page):
        if write and not await folio_test_lru(page):
            await lru_add_drain(mm)
        table = await pte_offset_map_lock(mm, addr)
    same = table is not None and await mm.hook.ptep_get(mm=mm, addr=addr) == orig
    if table is None or not same:
        if table is not None:
            await pte_unlock(mm, table)
        await unlock_page(mm, page)
        await put_page(page)
        return True
    pte = await _map(mm, addr, page, write)
    await unlock_page(mm, page)
    if write and not pte.write:
        return await do_wp_page(mm, vma, addr, pte, table)
    await pte_unlock(mm, table)
    return True


async def _map(mm: Mm, addr: int, page: int, write: bool) -> Pte:
    """Map the page; its lock, a reference that is the mapping's from now on, and the page-table lock are held."""
    await swap_free(page)
    if write and await folio_ref_count(page) == 2:  # should_try_to_free_swap()
        await folio_free_swap(mm, page)
    alone = await folio_ref_count(page) == 1
    pte = Pte(page, write=alone, dirty=alone and write)
    await inc_mapcount(page)  # folio_add_anon_rmap_ptes()
    await set_pte_at(mm, addr, pte)
    return pte
