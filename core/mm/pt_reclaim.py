"""mm/pt_reclaim.c (mm/memory.c since 7.0): freeing a page table that MADV_DONTNEED has emptied (CONFIG_PT_RECLAIM).

mmap_lock is held for reading only.  So others may be at work in the table: two calls of MADV_DONTNEED, a fault that
fills an entry.  What keeps them apart: the pmd is cleared under the lock of the table, with every entry empty, and
whoever takes that lock looks at the pmd again (core.mm.pgtable:pte_offset_map_lock()).  The gather waits for the
hardware and for lockless walkers.
"""

from __future__ import annotations

from typing import Any

from core.machine.lock import spin_lock, spin_trylock, spin_unlock
from core.machine.op import Op, Outcome
from core.machine.order import Order
from core.mm.mm import Mm, pmd_ptl_cell, pte_lock, pte_unlock
from core.mm.mmu_gather import MmuGather
from core.mm.page import FREED_TWICE
from core.mm.pgtable import clear_upper, pmd_cell, read_upper, tables_may_go


def reclaim_pt_is_enabled(tlb: MmuGather, addr: int, end: int) -> bool:
    """May the table be freed once it is empty? The range must cover all of it."""
    return tlb.reclaim_pt and tables_may_go(tlb.mm) and end - addr >= tlb.mm.span[0]


async def try_get_and_clear_pmd(mm: Mm, addr: int) -> int | None:
    """Unhook the table that the caller has just emptied, without having dropped its lock.

    Returns the table's number; None if the lock of the pmd, which comes first in the order of locks, is taken.
    zap_empty_pte_table().
    """
    pml = pmd_ptl_cell(mm, addr)
    if not await spin_trylock(pml, mm.task):
        return None
    table: int | None = await take_table(mm, addr)
    await spin_unlock(pml, mm.task)
    return table


def take_table(mm: Mm, addr: int) -> Op:
    """pmdp_get_lockless() and pmd_clear(), under the lock of the pmd; with no table there, there is nothing to free."""
    cell = pmd_cell(mm, addr)

    def step(table: int | None) -> list[Outcome]:
        return [Outcome(table, (None,), FREED_TWICE if table is None else "")]

    return Op(f"pmd_clear({addr})", (cell,), (cell,), step, order=Order.PLAIN)


async def try_to_clear_pmd(mm: Mm, addr: int, end: int) -> int | None:
    """Unhook the table if every entry is empty still: its lock was dropped meanwhile. Returns its number, or None.

    try_to_free_pte(), zap_pte_table_if_empty().
    """
    pml = pmd_ptl_cell(mm, addr)
    await spin_lock(pml, mm.task)
    table: int | None = await read_upper(mm, 0, addr)  # pte_offset_map_rw_nolock()
    if table is not None:
        at = table * mm.span[0]
        await pte_lock(mm, at)
        _, pte = await skip_none_ptes(mm, addr, end)
        if pte is None:
            await clear_upper(mm, 0, addr)
        await pte_unlock(mm, at)
        if pte is not None:
            table = None
    await spin_unlock(pml, mm.task)
    return table


async def skip_none_ptes(mm: Mm, addr: int, end: int) -> tuple[int, Any]:
    """The first non-empty entry from `addr` on, and its address; None, at `end`, if there is none."""
    while addr != end:
        nr = mm.run(addr, end - addr, 1)
        pte = await mm.hook.ptep_get(mm=mm, addr=addr)
        if pte is not None:
            return addr, pte
        addr += nr
    return end, None
