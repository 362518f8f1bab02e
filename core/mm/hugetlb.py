"""mm/hugetlb.c: a page table that two processes share because they map the same part of the same file."""

from __future__ import annotations

from typing import Any

from core.machine.op import Cell, Op, Outcome
from core.machine.order import Order
from core.machine.pte import pte_present
from core.mm.huge_memory import tlb_flush_pmd_range
from core.mm.mm import Mm
from core.mm.mmu_gather import (
    tlb_finish_mmu,
    tlb_flush_mmu_tlbonly,
    tlb_gather_mmu,
)
from core.mm.page import put_page
from core.mm.pgtable import upper_entry
from core.mm.rmap import rmap_lock, rmap_unlock
from core.mm.swap import Table, free_table_page


async def unmap_hugepage_range(mm: Mm, addr: int) -> None:
    """unmap_single_vma() of one shared table: the entries stay for the others; only the upper-level entry is cleared.

    a4a118f2eead flushes before i_mmap_rwsem is released, because the table's other users do not know this mm's CPUs.
    Since 8ce720d5bd91 the gather notes that a table must be dropped, and not only entries (unshared_tables).
    """
    tlb = await tlb_gather_mmu(mm)
    await rmap_lock(mm)  # i_mmap_lock_write()
    await huge_pmd_unshare(upper_entry(0, addr))
    tlb_flush_pmd_range(tlb, addr - addr % mm.span[1], mm.span[1])  # all that the table maps
    tlb.unshared_tables = mm.era.has("8ce720d5bd91")
    if mm.era.has("a4a118f2eead"):
        await tlb_flush_mmu_tlbonly(tlb)
    if mm.era.has("1013af4f585f"):
        await mm.hook.tlb_remove_table_sync_one(
            mm=mm
        )  # GUP-fast may be in the table, which is its other user's alone now
    await rmap_unlock(mm)
    await tlb_finish_mmu(tlb)


def huge_pmd_unshare(pud: Cell) -> Op:
    """pud_clear(), and the drop of the reference to the table that went with it."""
    return Op("huge_pmd_unshare", (), (pud,), lambda: [Outcome(None, (None,))], order=Order.PLAIN)


async def leave_and_free(own: Mm, addr: int, pud: Cell) -> None:
    """munmap() of the last process that has the table, `own`: it flushes its CPUs, and the table is freed.

    It does not concern itself with a process that has left the table (`pud` is clear).
    """
    await rmap_lock(own)
    if await Op("ptdesc_pmd_is_shared", (pud,), (), lambda table: [Outcome(table is None)], order=Order.PLAIN):
        await own.hook.flush_tlb_range(mm=own, start=addr, end=addr + 1, stride=1)
        await free_table_page(Table("pte", 0))
    await rmap_unlock(own)


async def hugetlb_vmtruncate(other: Mm, own: Mm, addr: int, pud: Cell) -> None:
    """hugetlb_vmtruncate_list(): the file is truncated by a process `own` that shares the table with `other`.

    It goes through the VMAs of the file, and also flushes the mm of one that still has the table (`pud` is set).
    """
    await rmap_lock(own)  # i_mmap_lock_write()
    pte: Any = await own.hook.huge_ptep_get_and_clear(mm=own, addr=addr)
    await own.hook.flush_tlb_page(mm=own, addr=addr)
    if await Op("huge_pte_offset", (pud,), (), lambda table: [Outcome(table is not None)], order=Order.PLAIN):
        await other.hook.flush_tlb_page(mm=other, addr=addr)
    await rmap_unlock(own)
    if pte_present(pte):
        await put_page(pte.frame)
