"""fs/proc/task_mmu.c: /proc/PID/clear_refs."""

from __future__ import annotations

from typing import Any

from core.machine.pte import pte_present
from core.mm.mm import Mm, Vma, cond_resched, dec_tlb_flush_pending, inc_tlb_flush_pending, pte_unlock
from core.mm.mmap_lock import mmap_read_lock, mmap_read_unlock, mmap_write_lock, mmap_write_unlock, vma_start_write
from core.mm.pagewalk import Action, walk_page_range
from core.mm.pgtable import pte_offset_map_lock, set_pte_at


async def clear_refs_write(mm: Mm, start: int, end: int) -> None:
    """Writing 4 (CLEAR_REFS_SOFT_DIRTY): write-protect every page, so that the next store marks it soft-dirty.

    Removing write permission needs mmap_lock for writing (29a951dfb3c3): a concurrent fault relies on the read-only
    entry and copies the page, while a CPU can still write to the original.
    """
    alone = mm.era.has("29a951dfb3c3")
    await (mmap_write_lock if alone else mmap_read_lock)(mm)
    if alone and mm.era.has("49b0638502da"):
        await vma_start_write(mm, Vma(start, end))  # PGWALK_WRLOCK
    await inc_tlb_flush_pending(mm)
    await walk_page_range(mm, start, end, clear_refs_pte_range, mm)
    await mm.hook.flush_tlb_mm(mm=mm)
    await dec_tlb_flush_pending(mm)
    await (mmap_write_unlock if alone else mmap_read_unlock)(mm)


async def clear_refs_pte_range(mm: Mm, start: int, end: int, pmd: Any) -> Action:
    """clear_refs_pte_range(): the entries of one table; if it has gone, the pmd is looked at once more."""
    table = await pte_offset_map_lock(mm, start)
    if table is None:
        return Action.AGAIN
    for addr in range(start, end):
        await clear_soft_dirty(mm, addr)
    await pte_unlock(mm, table)
    await cond_resched()
    return Action.CONTINUE


async def clear_soft_dirty(mm: Mm, addr: int) -> None:
    """Write-protect one entry; the page-table lock is held."""
    pte: Any = await mm.hook.ptep_get(mm=mm, addr=addr)
    if pte_present(pte):
        pte = await mm.hook.ptep_get_and_clear(mm=mm, addr=addr, nr=1, full=False)  # ptep_modify_prot_start()
        await set_pte_at(mm, addr, mm.hook.pte_wrprotect(mm=mm, pte=pte))
