"""mm/mremap.c: moving entries from one place to another.

The page is mapped all the time, only elsewhere.  Whoever finds it at its new address and takes it away there flushes
the new address; what CPUs remember of the old one is this function's to flush, before either lock is dropped: the old
lock for folio_mkclean(), the new one for whoever frees the page.
"""

from __future__ import annotations

from typing import Any

from core.machine.lock import mmap_write_lock, mmap_write_unlock
from core.machine.op import Op, Outcome
from core.machine.pte import Pte, ptep_get, set_pte
from core.mm.batched_unmap import flush_tlb_batched_pending
from core.mm.huge_memory import pmd_lock, pmd_unlock
from core.mm.memory import clear_upper, read_upper, upper_entry
from core.mm.mm import Mm, pte_lock, pte_unlock
from core.mm.rmap import rmap_lock, rmap_unlock


async def mremap(mm: Mm, old_addr: int, new_addr: int, pages: int) -> None:
    """mremap(MREMAP_MAYMOVE) of `pages` pages; nothing is mapped at `new_addr`."""
    await mmap_write_lock(mm.task)
    need_flush = False
    for i in range(pages):  # move_page_tables() goes table by table: so a table of this model has one page
        need_flush |= await move_ptes(mm, old_addr + i, old_addr + i + 1, new_addr + i)
    if need_flush:
        await mm.hook.flush_tlb_range(mm=mm, start=old_addr, end=old_addr + pages, stride=1)
    await mmap_write_unlock(mm.task)


async def mremap_table(mm: Mm, old_addr: int, new_addr: int) -> None:
    """mremap(MREMAP_MAYMOVE) of exactly one table (HAVE_MOVE_PMD); no table is at `new_addr`.

    move_pgt_entry() takes the rmap locks since 97113eb39fa7: the page-table lock of the table is not taken, so it
    alone keeps out those who have looked the table up through its old place.
    """
    locks = mm.era.has("97113eb39fa7")
    await mmap_write_lock(mm.task)
    if await read_upper(mm, 0, old_addr) is not None:  # get_old_pmd(); what it is decides how it is moved
        if locks:
            await rmap_lock(mm)
        await move_normal_pmd(mm, old_addr, new_addr)
        if locks:
            await rmap_unlock(mm)
    await mmap_write_unlock(mm.task)


async def move_normal_pmd(mm: Mm, old_addr: int, new_addr: int) -> None:
    """Move a table by its pmd; one pmd table holds both entries, so there is one lock.

    The caller has seen a table there, without any lock: since 6fa1066fc5d0 that is asked again.
    """
    await pmd_lock(mm, old_addr)
    table = await read_upper(mm, 0, old_addr)
    if table is not None or not mm.era.has("6fa1066fc5d0"):
        await clear_upper(mm, 0, old_addr)
        await pmd_populate(mm, new_addr, table)
        end = old_addr + mm.span[0]
        await mm.hook.flush_tlb_range(mm=mm, start=old_addr, end=end, stride=1)
    await pmd_unlock(mm, old_addr)


def pmd_populate(mm: Mm, addr: int, table: int | None) -> Op:
    """The pmd of `addr` points to `table` from now on; made from an empty pmd, it points to physical page 0."""
    cell = upper_entry(0, addr // mm.span[0])
    name = f"pmd_populate({addr}, {'physical page 0' if table is None else f'table {table}'})"
    return Op(name, (), (cell,), lambda: [Outcome(None, (table,), "no-page-table" if table is None else "")])


async def move_ptes(mm: Mm, old_addr: int, old_end: int, new_addr: int) -> bool:
    """Move the entries of one table; returns whether the caller has to flush.

    Since eb66ae030829 it never has to.  Before, present entries were left to it; before 5d1904204c99 dirty ones too.
    """
    start, at, new_start = old_addr, old_addr, new_addr
    two_locks = mm.table_of(start) != mm.table_of(new_start)
    await pte_lock(mm, start)
    if two_locks:
        await pte_lock(mm, new_start)
    await flush_tlb_batched_pending(mm)
    present = dirty = False
    while at != old_end:
        if await ptep_get(at) is not None:
            pte: Any = await mm.hook.ptep_get_and_clear(mm=mm, addr=at, nr=1, full=False)
            present |= isinstance(pte, Pte)
            dirty |= isinstance(pte, Pte) and pte.dirty
            await set_pte(new_addr, pte)
        at, new_addr = at + 1, new_addr + 1
    if mm.era.has("eb66ae030829"):
        force_flush, under_both_locks = present, True
    else:
        force_flush, under_both_locks = dirty and mm.era.has("5d1904204c99"), False
    if under_both_locks and force_flush:
        await mm.hook.flush_tlb_range(mm=mm, start=start, end=old_end, stride=1)
    if two_locks:
        await pte_unlock(mm, new_start)
    if force_flush and not under_both_locks:
        await mm.hook.flush_tlb_range(mm=mm, start=start, end=old_end, stride=1)
    await pte_unlock(mm, start)
    return present and not force_flush
