"""mm/memory.c:do_pte_missing(): page faults that fill an empty entry.

Nothing is flushed, for no CPU can have cached an entry that was empty, or what it has is for whoever emptied the entry
to flush.  Two parties rely on the entry being empty, both under the lock of its table: the fault itself, which would
lose the page of another fault, and whoever frees the table (core.mm.pt_reclaim).
"""

from __future__ import annotations

from collections.abc import Sequence

from core.machine.lock import spin_lock, spin_unlock
from core.machine.op import Op, Outcome
from core.machine.order import Order
from core.machine.pte import Pte
from core.mm.mm import Mm, Vma, find_vma, pmd_ptl_cell, pte_unlock
from core.mm.mmap_lock import lock_vma_under_rcu, mmap_read_lock, mmap_read_unlock, vma_end_read
from core.mm.page import get_page, inc_mapcount, put_page
from core.mm.pgtable import pmd_populate, pte_offset_map_lock, read_upper, set_pte_at
from core.mm.stand_in import or_c
from core.mm.swap import Table, folio_add_lru, free_table_page, table_cell


async def handle_missing_fault(mm: Mm, vma: Vma, addr: int, page: int, tables: Sequence[int]) -> None:
    """An access to `addr` found nothing mapped: handle_mm_fault() of anonymous memory. The access is tried again.

    `page`, and one of `tables` that is free, are what the allocator hands out.
    """
    if await lock_vma_under_rcu(mm, vma):
        await do_anonymous_page(mm, addr, page, tables)
        await vma_end_read(mm, vma)
        return
    await mmap_read_lock(mm)
    if await find_vma(vma):
        await do_anonymous_page(mm, addr, page, tables)
    await mmap_read_unlock(mm)


@or_c
async def do_anonymous_page(mm: Mm, addr: int, page: int, tables: Sequence[int]) -> None:
    """Map a new page for a store, unless another fault was first, or the table has gone again: then it is freed.

    A load would map the zero page, which no scenario asks for.
    """
    await pte_alloc(mm, addr, tables)
    await get_page(page)  # alloc_anon_folio()
    table = await pte_offset_map_lock(mm, addr)
    if table is not None and await mm.hook.ptep_get(mm=mm, addr=addr) is None:  # vmf_pte_changed()
        await inc_mapcount(page)  # folio_add_new_anon_rmap()
        await folio_add_lru(mm, page)
        await set_pte_at(mm, addr, Pte(page, dirty=True))
    else:
        await put_page(page)
    if table is not None:
        await pte_unlock(mm, table)


async def pte_alloc(mm: Mm, addr: int, tables: Sequence[int]) -> None:
    """See to it that there is a table for `addr`. __pte_alloc() and pmd_install()."""
    if await read_upper(mm, 0, addr) is not None:
        return
    table: int = await pte_alloc_one(tables)
    pml = pmd_ptl_cell(mm, addr)
    await spin_lock(pml, mm.task)
    first = await read_upper(mm, 0, addr) is None
    if first:
        await pmd_populate(mm, addr, table)
    await spin_unlock(pml, mm.task)
    if not first:
        await free_table_page(Table("pte", table))


def pte_alloc_one(tables: Sequence[int]) -> Op:
    """The first of `tables` that is free becomes a page table, all of whose entries are empty. Returns its number."""
    cells = tuple(table_cell(Table("pte", table)) for table in tables)

    def step(*taken: bool) -> list[Outcome]:
        at = taken.index(False)
        return [Outcome(tables[at], (*taken[:at], True, *taken[at + 1 :]))]

    return Op("pte_alloc_one", cells, cells, step, order=Order.PRIVATE)
