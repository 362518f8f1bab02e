"""mm/mremap.c: moving entries to another address.

The page stays mapped throughout, at the old or the new address.  Whoever finds it at the new address and unmaps it
there flushes the new address only.  What CPUs have cached of the old address must be flushed by this function before
either lock is released: the old lock for folio_mkclean(), the new one for whoever frees the page.
"""

from __future__ import annotations

from typing import Any

from core.machine.pte import pte_present
from core.mm.batched_unmap import flush_tlb_batched_pending
from core.mm.huge_memory import pmd_lock, pmd_unlock
from core.mm.mm import Mm, Vma, cond_resched, log, pte_lock, pte_unlock
from core.mm.mmap import unmap_region
from core.mm.mmap_lock import mmap_write_lock, mmap_write_unlock, vma_start_write
from core.mm.pgtable import clear_upper, pmd_populate, pte_offset_map_lock, read_upper, set_pte_at
from core.mm.rmap import rmap_lock, rmap_unlock
from core.mm.stand_in import or_c


async def mremap(
    mm: Mm,
    vma: Vma,
    new_vma: Vma,
    floor: int = 0,
    ceiling: int = 0,
    *,
    dontunmap: bool = False,
    need_rmap_locks: bool = False,
) -> None:
    """mremap(MREMAP_MAYMOVE) of a whole VMA to `new_vma`, where nothing is mapped. move_vma().

    `floor` and `ceiling` are where the neighbours of the old place end and begin.  `dontunmap` (MREMAP_DONTUNMAP): the
    old VMA stays, and so do its tables.  `need_rmap_locks`: a walk of the reverse map comes to the new place before the
    old one, as copy_vma() finds where the new VMA is part of one that begins earlier in the file.
    """
    await mmap_write_lock(mm)
    await vma_start_write(mm, vma)
    await move_page_tables(mm, vma, new_vma, need_rmap_locks)
    if not dontunmap:
        await unmap_region(mm, [vma], floor, ceiling)  # do_vmi_munmap()
    await mmap_write_unlock(mm)


@or_c
async def move_page_tables(mm: Mm, vma: Vma, new_vma: Vma, need_rmap_locks: bool = False) -> None:
    """Move the entries, as many at once as stay within one table at both places; a whole table by its pmd, where there
    is one.

    Nothing is moved by its pud.
    """
    span, need_flush, old_addr = mm.span[0], False, vma.start
    offset = new_vma.start - vma.start
    whole = mm.tables and "move_pmd" in mm.facts.capabilities  # CONFIG_HAVE_MOVE_PMD
    while old_addr != vma.end:
        await cond_resched()
        end = old_addr + min(span - old_addr % span, span - (old_addr + offset) % span)  # get_extent()
        end = min(end, vma.end)
        while await read_upper(mm, 0, old_addr) is not None:  # get_old_pmd()
            if whole and end - old_addr == span and await move_pgt_entry(mm, old_addr, old_addr + offset):
                break
            if await read_upper(mm, 0, old_addr) is None:
                break
            owed = await move_ptes(mm, old_addr, end, old_addr + offset, need_rmap_locks)
            if owed is not None:
                need_flush |= owed
                break
        old_addr = end
    if need_flush:
        await _flush(mm, vma.start, vma.end)


async def move_pgt_entry(mm: Mm, old_addr: int, new_addr: int) -> bool:
    """Move a table by its pmd. Returns whether it was moved.

    Takes the rmap locks since 97113eb39fa7: the page-table lock of the table is not taken, so only they keep out those
    who have looked up the table through its old place.
    """
    locks = mm.era.has("97113eb39fa7")
    if locks:
        await rmap_lock(mm)  # take_rmap_locks()
    moved = await move_normal_pmd(mm, old_addr, new_addr)
    if locks:
        await rmap_unlock(mm)
    return moved


async def move_normal_pmd(mm: Mm, old_addr: int, new_addr: int) -> bool:
    """Move a table by its pmd; one pmd table holds both entries, so there is one lock. Returns whether it was moved.

    The caller has seen a table there, without a lock; since 6fa1066fc5d0 that is checked again.
    """
    await pmd_lock(mm, old_addr)
    table = await read_upper(mm, 0, old_addr)
    moved = table is not None or not mm.era.has("6fa1066fc5d0")
    if moved:
        await clear_upper(mm, 0, old_addr)
        await pmd_populate(mm, new_addr, table)
        end = old_addr + mm.span[0]
        await _flush(mm, old_addr, end)
    await pmd_unlock(mm, old_addr)
    return moved


async def move_ptes(mm: Mm, old_addr: int, old_end: int, new_addr: int, need_rmap_locks: bool) -> bool | None:
    """Move the entries of one table. Returns whether the caller has to flush; None if the table has gone (-EAGAIN).

    A walk of the reverse map sees an entry at the old place or at the new one: it comes to the old one first, or the
    rmap locks keep it out meanwhile (`need_rmap_locks`).
    """
    if need_rmap_locks:
        await rmap_lock(mm)  # take_rmap_locks()
    owed = await _move_ptes(mm, old_addr, old_end, new_addr)
    if need_rmap_locks:
        await rmap_unlock(mm)
    return owed


async def _move_ptes(mm: Mm, old_addr: int, old_end: int, new_addr: int) -> bool | None:
    """The same under the rmap locks, where they are needed.

    The new table is locked without a second look at its pmd: nobody finds it before there is something in it, and
    mmap_lock is held for writing.

    Returns whether the caller has to flush.  Since eb66ae030829 it never has to: present entries are flushed here,
    under both locks.  Before, only dirty ones were, since 5d1904204c99; for other present entries the caller flushed.
    """
    start, at, new_start = old_addr, old_addr, new_addr
    table = await pte_offset_map_lock(mm, start)
    if table is None:
        return None
    two_locks = mm.table_of(table) != mm.table_of(new_start)
    if two_locks:
        await pte_lock(mm, new_start)
    await flush_tlb_batched_pending(mm)
    await mm.hook.arch_enter_lazy_mmu_mode(mm=mm)
    present = dirty = False
    while at != old_end:
        if await mm.hook.ptep_get(mm=mm, addr=at) is not None:
            pte: Any = await mm.hook.ptep_get_and_clear(mm=mm, addr=at, nr=1, full=False)
            present |= pte_present(pte)
            dirty |= pte_present(pte) and pte.dirty
            await set_pte_at(mm, new_addr, pte)
        at, new_addr = at + 1, new_addr + 1
    await mm.hook.arch_leave_lazy_mmu_mode(mm=mm)
    if mm.era.has("eb66ae030829"):
        force_flush, under_both_locks = present, True
    else:
        force_flush, under_both_locks = dirty and mm.era.has("5d1904204c99"), False
    if under_both_locks and force_flush:
        await _flush(mm, start, old_end)
    if two_locks:
        await pte_unlock(mm, new_start)
    if force_flush and not under_both_locks:
        await _flush(mm, start, old_end)
    await pte_unlock(mm, table)
    return present and not force_flush


async def _flush(mm: Mm, start: int, end: int) -> None:
    await mm.hook.flush_tlb_range(mm=mm, start=start, end=end, stride=1)
    await log("flush", start, end, ("range", "ptes"))
