"""mm/khugepaged.c: a huge page takes the place of a page table, which has been emptied, or is collapsed full."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from core.machine.lock import spin_lock, spin_unlock
from core.machine.pte import Present, Pte, pte_present
from core.machine.rcu import call_rcu
from core.mm.huge_memory import pmd_lock, pmd_unlock, set_pmd_at
from core.mm.mm import Mm, Vma, pmd_ptl_cell, pte_lock, pte_unlock
from core.mm.mmap_lock import mmap_write_lock, mmap_write_trylock, mmap_write_unlock, vma_start_write
from core.mm.page import (
    copy_page,
    folio_mapcount,
    folio_ref_count,
    get_page,
    inc_mapcount,
    put_page,
    trylock_page,
    unlock_page,
)
from core.mm.pgtable import pmd_populate, read_upper
from core.mm.rmap import folio_remove_rmap_pte, in_file, rmap_lock, rmap_unlock
from core.mm.stand_in import or_c
from core.mm.swap import Table, folio_add_lru, free_table_page
from core.mm.swapfile import folio_test_swapcache


@or_c
async def collapse_huge_page(mm: Mm, vma: Vma, addr: int, new: int) -> bool:
    """Copy the anonymous pages that the table of `addr` maps into the huge page `new`, and map that instead.

    Returns whether it was done: not if the table has gone, if none of its pages may be written to, if one is locked, or
    if somebody else has a reference to one, who might write to it.  Then `new`, which was allocated for it, is freed.

    From pmdp_collapse_flush() on no CPU can use the table through any of its entries; GUP-fast, which may be under way
    in it, looks at the pmd again behind its reference (70cbc3cc78a9).  The table is kept for the day on which the huge
    page is split or unmapped (pgtable_trans_huge_deposit()), when it is used or freed at once, so that walk has to end
    here (2ba99c5e0881); it has ended when the references are counted.
    """
    await mmap_write_lock(mm)
    there = isinstance(await read_upper(mm, 0, addr), int)  # check_pmd_still_valid()
    done = there and await _collapse(mm, vma, addr, new)
    await mmap_write_unlock(mm)
    if not done:
        await put_page(new)
    return done


async def _collapse(mm: Mm, vma: Vma, addr: int, new: int) -> bool:
    """The same with mmap_lock held for writing."""
    await vma_start_write(mm, vma)
    await rmap_lock(mm)  # anon_vma_lock_write()
    await pmd_lock(mm, addr)
    table: Any = await mm.hook.pmdp_collapse_flush(mm=mm, addr=addr)
    await pmd_unlock(mm, addr)
    if mm.era.has("2ba99c5e0881"):
        await mm.hook.tlb_remove_table_sync_one(mm=mm)
    entries: int = table * mm.span[0]
    await pte_lock(mm, entries)
    pages = await _isolate(mm, entries)
    await pte_unlock(mm, entries)
    if pages is None:
        await pmd_lock(mm, addr)
        await pmd_populate(mm, addr, table)
        await pmd_unlock(mm, addr)
        await rmap_unlock(mm)
        return False
    await rmap_unlock(mm)
    await _copy(mm, entries, pages, new)
    await pmd_lock(mm, addr)
    await inc_mapcount(new)  # folio_add_new_anon_rmap()
    await folio_add_lru(mm, new)
    await set_pmd_at(mm, addr, Pte(new, dirty=True))
    await pmd_unlock(mm, addr)
    return True


async def _isolate(mm: Mm, entries: int) -> dict[int, int] | None:
    """__collapse_huge_page_isolate(): lock the pages, and take them off the LRU. By entry; None if that may not be.

    The locks keep out who would unmap them by the reverse map; `is_refcount_suitable()` tells of anybody else.
    """
    taken: dict[int, int] = {}
    writable = False
    for at in range(entries, entries + mm.span[0]):
        pte: Any = await mm.hook.ptep_get(mm=mm, addr=at)
        if pte is None:
            continue  # up to max_ptes_none
        locked = pte_present(pte) and not _uffd_wp(pte) and await trylock_page(mm, pte.frame)
        if locked and await is_refcount_suitable(mm, pte.frame):
            await get_page(pte.frame)  # folio_isolate_lru()
            taken[at] = pte.frame
            writable |= pte.write
            continue
        if locked:
            await unlock_page(mm, pte.frame)
        break
    else:
        if writable:
            return taken
    for page in reversed(taken.values()):  # release_pte_pages()
        await unlock_page(mm, page)
        await put_page(page)
    return None


def _uffd_wp(pte: Present) -> bool:
    return isinstance(pte, Pte) and pte.uffd_wp


async def is_refcount_suitable(mm: Mm, page: int) -> bool:
    """Has nobody a reference but the mappings, and the swap cache?"""
    expected: int = await folio_mapcount(page)
    if page in mm.swaps:
        expected += await folio_test_swapcache(page)
    return bool(await folio_ref_count(page) == expected)


async def _copy(mm: Mm, entries: int, pages: Mapping[int, int], new: int) -> None:
    """__collapse_huge_page_copy(): copy the pages, and give them back, one by one.

    Since 98c76c9f1ef7 behind all copies, each of which may fail.
    """
    if mm.era.collapse_copies_first:
        for page in pages.values():
            await copy_page(page, new)
    for at, page in pages.items():
        if not mm.era.collapse_copies_first:
            await copy_page(page, new)
        await unlock_page(mm, page)  # release_pte_folio()
        await put_page(page)
        await pte_lock(mm, entries)
        await mm.hook.ptep_get_and_clear(mm=mm, addr=at, nr=1, full=False)  # ptep_clear()
        await folio_remove_rmap_pte(mm, entries, page, "early")
        await pte_unlock(mm, entries)
        await put_page(page)  # free_page_and_swap_cache()


@or_c
async def retract_page_tables(mm: Mm, vma: Vma) -> None:
    """Free the empty table that maps the start of `vma`, for the task that collapses the file's pages.

    The VMA may have left the file's i_mmap, if it is `Vma.shared`.  mmap_lock comes before the folio's, which is held,
    so it can only be tried where it is needed (not `Era.retracts_unlocked`, nor in a model of `Mm.collapses`).
    """
    addr = vma.start
    await rmap_lock(mm)  # i_mmap_lock_read()
    there = not vma.shared or await in_file(vma)  # vma_interval_tree_foreach()
    table = await read_upper(mm, 0, addr) if there else None  # find_pmd_or_thp_or_none()
    if table is not None and (mm.era.retracts_unlocked or mm.collapses):
        await _retract(mm, addr, table)
    elif table is not None and await mmap_write_trylock(mm):
        await collapse_and_free_pmd(mm, addr)
        await mmap_write_unlock(mm)
    await rmap_unlock(mm)


async def collapse_and_free_pmd(mm: Mm, addr: int) -> None:
    """mmap_lock and the rmap lock are held for writing: nobody but GUP-fast and the hardware is in the table."""
    table: int | None = await mm.hook.pmdp_collapse_flush(mm=mm, addr=addr)
    if mm.era.has("2ba99c5e0881"):
        await mm.hook.tlb_remove_table_sync_one(mm=mm)
    if table is not None:
        await free_table_page(Table("pte", table))  # pte_free()


async def _retract(mm: Mm, addr: int, table: int) -> None:
    """The rmap lock keeps mremap() and munmap() from the table; MADV_DONTNEED may free it until the lock is held."""
    pml = pmd_ptl_cell(mm, addr)
    await spin_lock(pml, mm.task)
    if mm.era.reclaims_tables:
        now: int | None = await read_upper(mm, 0, addr)  # check_pmd_still_valid()
        if now is None:
            await spin_unlock(pml, mm.task)
            return
        table = now
    entries = table * mm.span[0]
    await pte_lock(mm, entries)
    pmd: int | None = await mm.hook.pmdp_collapse_flush(mm=mm, addr=addr)
    await pte_unlock(mm, entries)
    await spin_unlock(pml, mm.task)
    if pmd is not None:
        freed = Table("pte", pmd)
        await (call_rcu(freed, mm.readers) if mm.readers else free_table_page(freed))  # pte_free_defer()
