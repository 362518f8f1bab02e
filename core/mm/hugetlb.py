"""mm/hugetlb.c: a page table that two processes share because they map the same part of the same file.

An upper entry of each leads to it, and the entries in it map huge pages.  Its lock is the one that `pmd_lock()` takes,
for both.  Whoever leaves it clears its own upper entry; the last one empties it and frees it.
"""

from __future__ import annotations

from typing import Any

from core.machine.memory import declare
from core.machine.op import Cell, Op, Outcome
from core.machine.order import Order
from core.machine.pte import pte_present
from core.mm.huge_memory import pmd_lock, pmd_unlock, tlb_flush_pmd_range
from core.mm.mm import Mm, Vma
from core.mm.mmu_gather import (
    MmuGather,
    tlb_change_page_size,
    tlb_finish_mmu,
    tlb_flush_mmu,
    tlb_flush_mmu_tlbonly,
    tlb_gather_mmu,
)
from core.mm.page import set_page_dirty
from core.mm.pgtable import clear_upper, read_upper
from core.mm.rmap import folio_remove_rmap_pmd, rmap_lock, rmap_unlock
from core.mm.stand_in import or_c
from core.mm.swap import Table

SHARE_COUNT = declare("pt_share_count", 1, panel="tables")


def share_count_cell(table: int) -> Cell:
    """pt_share_count of a table: how many have it besides one. Two processes do at the start."""
    return Cell(SHARE_COUNT, table)


def ptdesc_pmd_pts_count(table: int) -> Op:
    """How many processes have the table besides one.  Its lock is held, and i_mmap_rwsem for writing."""
    return Op("ptdesc_pmd_pts_count", (share_count_cell(table),), (), lambda n: [Outcome(n)], order=Order.PLAIN)


def ptdesc_pmd_pts_dec(table: int) -> Op:
    """This process has it no more."""
    cell = share_count_cell(table)
    return Op("ptdesc_pmd_pts_dec", (cell,), (cell,), lambda n: [Outcome(None, (n - 1,))], order=Order.ATOMIC)


async def munmap_hugetlb(mm: Mm, vma: Vma) -> None:
    """munmap() of what one table maps, as far as unmap_vmas() goes: i_mmap_rwsem is held around each VMA.

    hugetlb_zap_begin(), hugetlb_zap_end(); in 6.1 __unmap_hugepage_range_final().
    """
    tlb = await tlb_gather_mmu(mm)
    await rmap_lock(mm)
    await zap_hugepage_range(tlb, vma)
    await rmap_unlock(mm)
    await tlb_finish_mmu(tlb)


async def unmap_hugepage_range(mm: Mm, vma: Vma) -> None:
    """Unmap the VMA for whoever truncates the file, in any process; i_mmap_rwsem is held for writing."""
    tlb = await tlb_gather_mmu(mm)
    await zap_hugepage_range(tlb, vma)
    await tlb_finish_mmu(tlb)


@or_c
async def zap_hugepage_range(tlb: MmuGather, vma: Vma) -> None:
    """__unmap_hugepage_range() of one huge page: leave a shared table, or clear the entry. i_mmap_rwsem is held."""
    mm, addr = tlb.mm, vma.start
    await tlb_change_page_size(tlb, mm.span[0])
    await mm.hook.tlb_start_vma(tlb=tlb, vma=vma)
    table: int | None = await read_upper(mm, 0, addr)  # hugetlb_walk()
    if table is not None:
        await pmd_lock(mm, addr)  # huge_pte_lock()
        if await huge_pmd_unshare(tlb, addr, table):
            await pmd_unlock(mm, addr)
        else:
            await _zap_huge_pte(tlb, addr, table * mm.span[0])
    await mm.hook.tlb_end_vma(tlb=tlb, vma=vma)
    await huge_pmd_unshare_flush(tlb)


async def _zap_huge_pte(tlb: MmuGather, addr: int, entry: int) -> None:
    """The rest of __unmap_hugepage_range(); the entry of `addr` stands at `entry`. Releases the table's lock."""
    mm = tlb.mm
    if not pte_present(await mm.hook.ptep_get(mm=mm, addr=entry)):  # huge_ptep_get()
        await pmd_unlock(mm, addr)
        return
    pte: Any = await mm.hook.huge_ptep_get_and_clear(mm=mm, addr=entry)
    tlb_flush_pmd_range(tlb, addr, mm.span[0])  # tlb_remove_huge_tlb_entry()
    if pte.dirty:
        await set_page_dirty(pte.frame)
    await folio_remove_rmap_pmd(mm, addr, pte.frame)  # hugetlb_remove_rmap()
    await pmd_unlock(mm, addr)
    if await mm.hook.tlb_remove_page(tlb=tlb, page=pte.frame, nr=1, delay_rmap=False):  # tlb_remove_page_size()
        await tlb_flush_mmu(tlb)


async def huge_pmd_unshare(tlb: MmuGather, addr: int, table: int) -> bool:
    """Leave the table to the other process, and note for the gather what is to be flushed. False if there is no other.

    What is cached of the table reaches as far as the whole of it, and walkers may have the table itself.  Until
    a4a118f2eead the gather did not learn of it.  Since 8ce720d5bd91 it notes that it is a table that is left, and
    whether that is another's alone from now on; until then GUP-fast was waited for before the count went down, since
    1013af4f585f.
    """
    mm = tlb.mm
    if not await ptdesc_pmd_pts_count(table):
        return False
    await clear_upper(mm, 0, addr)  # pud_clear()
    if mm.era.has("1013af4f585f") and not mm.era.has("8ce720d5bd91"):
        await mm.hook.tlb_remove_table_sync_one(mm=mm)
    await ptdesc_pmd_pts_dec(table)
    if mm.era.has("a4a118f2eead"):
        tlb_flush_pmd_range(tlb, addr - addr % mm.span[1], mm.span[1])
    if mm.era.has("8ce720d5bd91") and mm.era.has("1013af4f585f"):  # tlb_unshare_pmd_ptdesc()
        tlb.fully_unshared_tables |= not await ptdesc_pmd_pts_count(table)
    tlb.unshared_tables |= mm.era.has("8ce720d5bd91") and mm.era.has("a4a118f2eead")
    return True


async def huge_pmd_unshare_flush(tlb: MmuGather) -> None:
    """Flush while i_mmap_rwsem keeps the other process from the table, of which nobody knows these CPUs.

    tlb_flush_unshared_tables(): GUP-fast may be in a table that is another's alone now, which may map something else.
    """
    mm = tlb.mm
    if mm.era.has("a4a118f2eead") and (tlb.unshared_tables or not mm.era.has("8ce720d5bd91")):
        await tlb_flush_mmu_tlbonly(tlb)
    if tlb.fully_unshared_tables:
        await mm.hook.tlb_remove_table_sync_one(mm=mm)
        tlb.fully_unshared_tables = False


async def leave_and_free(own: Mm, vma: Vma) -> None:
    """munmap() with free_pgtables(): the last process that has the table frees it, behind a flush of its own CPUs."""
    tlb = await tlb_gather_mmu(own)
    await rmap_lock(own)
    await zap_hugepage_range(tlb, vma)
    await rmap_unlock(own)
    table: int | None = await read_upper(own, 0, vma.start)  # hugetlb_free_pgd_range()
    if table is not None:
        await clear_upper(own, 0, vma.start)
        await own.hook.pte_free_tlb(tlb=tlb, table=Table("pte", table), addr=vma.start)
    await tlb_finish_mmu(tlb)


async def hugetlb_vmdelete_list(mms: tuple[tuple[Mm, Vma], ...]) -> None:
    """The file is truncated by the process of the last of `mms`: each VMA of the file is unmapped, whoever's it is.

    fs/hugetlbfs/inode.c:hugetlb_vmtruncate().
    """
    own = mms[-1][0]
    await rmap_lock(own)  # i_mmap_lock_write()
    for mm, vma in mms:
        await unmap_hugepage_range(mm, vma)
    await rmap_unlock(own)
