"""mm/khugepaged.c: removing page tables that a huge page has made superfluous."""

from __future__ import annotations

from core.machine.lock import spin_lock, spin_unlock
from core.machine.rcu import call_rcu
from core.mm.mm import Mm, pmd_ptl_cell, pte_lock, pte_unlock
from core.mm.pgtable import read_upper
from core.mm.rmap import rmap_lock, rmap_unlock
from core.mm.swap import Table, free_table_page


async def retract_page_tables(mm: Mm, addr: int) -> None:
    """Free the empty table that maps `addr`, for the task that collapses the file's pages; mmap_lock is not held."""
    await rmap_lock(mm)  # i_mmap_lock_read()
    table = await read_upper(mm, 0, addr)  # find_pmd_or_thp_or_none()
    if table is not None:
        await _retract(mm, addr, table)
    await rmap_unlock(mm)


async def _retract(mm: Mm, addr: int, table: int) -> None:
    pml, entries = pmd_ptl_cell(mm, addr), table * mm.span[0]
    await spin_lock(pml, mm.task)
    await pte_lock(mm, entries)
    pmd: int | None = await mm.hook.pmdp_collapse_flush(mm=mm, addr=addr)
    await pte_unlock(mm, entries)
    await spin_unlock(pml, mm.task)
    if pmd is not None:
        freed = Table("pte", pmd)
        await (call_rcu(freed, mm.readers) if mm.readers else free_table_page(freed))  # pte_free_defer()
