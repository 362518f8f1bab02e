"""mm/khugepaged.c: a huge page takes the place of a page table, which has been emptied, or is collapsed full."""

from __future__ import annotations

from collections.abc import Sequence

from core.machine.lock import spin_lock, spin_unlock
from core.machine.pte import Pte
from core.machine.rcu import call_rcu
from core.mm.huge_memory import pmd_lock, pmd_unlock, set_pmd_at
from core.mm.mm import Mm, Vma, pmd_ptl_cell, pte_lock, pte_unlock
from core.mm.page import copy_page
from core.mm.pgtable import read_upper
from core.mm.rmap import in_file, rmap_lock, rmap_unlock
from core.mm.swap import Table, free_table_page


async def collapse_huge_page(mm: Mm, addr: int, pages: Sequence[int], new: int) -> None:
    """Copy the anonymous `pages`, which the table of `addr` maps, into the huge page `new`, and map that instead.

    mmap_lock and the anon_vma's lock are held for writing.  pmdp_collapse_flush() has to stop every use of the table,
    through any of its entries, before the first page is copied.  GUP-fast may go on in it; the table is kept for the
    day on which the huge page is split or unmapped (pgtable_trans_huge_deposit()), when it is used or freed at once, so
    that walk has to end here (2ba99c5e0881).
    """
    await rmap_lock(mm)  # anon_vma_lock_write()
    await pmd_lock(mm, addr)
    await mm.hook.pmdp_collapse_flush(mm=mm, addr=addr)
    await pmd_unlock(mm, addr)
    if mm.era.has("2ba99c5e0881"):
        await mm.hook.tlb_remove_table_sync_one(mm=mm)
    await rmap_unlock(mm)
    for page in pages:  # __collapse_huge_page_copy()
        await copy_page(page, new)
    await pmd_lock(mm, addr)
    await set_pmd_at(mm, addr, Pte(new, dirty=True))
    await pmd_unlock(mm, addr)


async def retract_page_tables(mm: Mm, vma: Vma) -> None:
    """Free the empty table that maps the start of `vma`, for the task that collapses the file's pages.

    mmap_lock is not held.  The VMA may have left the file's i_mmap, if it is `Vma.shared`.
    """
    addr = vma.start
    await rmap_lock(mm)  # i_mmap_lock_read()
    there = not vma.shared or await in_file(vma)  # vma_interval_tree_foreach()
    table = await read_upper(mm, 0, addr) if there else None  # find_pmd_or_thp_or_none()
    if table is not None:
        await _retract(mm, addr, table)
    await rmap_unlock(mm)


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
