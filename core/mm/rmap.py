"""mm/rmap.c: removing a mapping from the reverse map, and finding the mappings to clean.

The page-table lock keeps the two consistent.  folio_mkclean() goes through the mappings in the reverse map and takes
the lock of each, so a mapping may be removed only under that lock, and only when no CPU can write through it any more.
Removing it earlier was the bug that commit 5df397dec7c4 fixed.  Removing it after the lock is released would break the
accounting: mem_cgroup_move_account() moves a page's NR_FILE_MAPPED under the page-table lock alone, since
page_remove_rmap() does not take lock_page_memcg() any more; that is why the commit does not delay "past the page table
lock".  Since 6.8 page_remove_rmap() is folio_remove_rmap_pte(), _ptes() and _pmd(), whose names are used here.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from core.machine.lock import sleeping_lock, sleeping_unlock
from core.machine.memory import declare
from core.machine.op import Cell, Op, Outcome
from core.machine.order import Order
from core.mm.mm import Mm, Vma, pmd_ptl_cell, pte_unlock, ptl_cell
from core.mm.page import folio_mapped, mapcount_cell
from core.mm.page_vma_mapped import page_vma_mapped_walk
from core.mm.pgtable import set_pte_at
from core.mm.stand_in import or_c

RMAP_UNDER_PTL = "rmap-under-ptl"
MAPCOUNT_UNDERFLOW = "mapcount-underflow"

MEMCG = declare("memcg", None, panel="page")


def memcg_cell(page: int) -> Cell:
    """folio->memcg_data: the cgroup that is charged for the page."""
    return Cell(MEMCG, page)


NR_FILE_MAPPED = declare("NR_FILE_MAPPED", 0)


def file_mapped_cell(memcg: str) -> Cell:
    """NR_FILE_MAPPED of a cgroup."""
    return Cell(NR_FILE_MAPPED, memcg)


RMAP_LOCK = Cell(declare("i_mmap_rwsem", None))
"""i_mmap_rwsem or anon_vma->root->rwsem. Its readers exclude each other here: no model has two."""


def rmap_lock(mm: Mm) -> Op:
    """i_mmap_lock_read(), take_rmap_locks(): no mapping is added to or removed from the reverse map, and no table
    moves.
    """
    return sleeping_lock(RMAP_LOCK, mm.task)


def rmap_unlock(mm: Mm) -> Op:
    """i_mmap_unlock_read(), drop_rmap_locks()."""
    return sleeping_unlock(RMAP_LOCK, mm.task)


I_MMAP = declare("i_mmap", True)


def in_file_cell(vma: Vma) -> Cell:
    """Is the VMA in its file's i_mmap, where unmap_mapping_range() looks for it?"""
    return Cell(I_MMAP, vma.start)


def in_file(vma: Vma) -> Op:
    """Is the VMA in the file's i_mmap?  The rmap lock is held."""
    reads = (in_file_cell(vma),)
    return Op("look for the VMA in i_mmap", reads, (), lambda there: [Outcome(there)], order=Order.PLAIN)


async def unlink_file_vma(mm: Mm, vma: Vma) -> None:
    """mm/mmap.c:unlink_file_vma(), in mm/vma.c since 6.11: remove the VMA from its file's i_mmap."""
    await rmap_lock(mm)
    await Op("unlink_file_vma", (), (in_file_cell(vma),), lambda: [Outcome(None, (False,))], order=Order.PLAIN)
    await rmap_unlock(mm)


async def folio_remove_rmap_ptes(mm: Mm, addr: int, page: int, nr: int, when: str) -> None:
    """Remove one mapping of each of `nr` pages from `page` on; the page-table lock of `addr` is held.

    `when` is 'early' (as the entry is cleared) or 'delayed' (after the flush), for the log.
    """
    ptl = ptl_cell(mm, addr)
    if mm.long_runs:
        await _remove_rmap(mm, "folio_remove_rmap_ptes", ptl, page, when, nr)
        return
    for i in range(nr):
        await _remove_rmap(mm, "folio_remove_rmap_ptes", ptl, page + i, when)


async def folio_remove_rmap_pte(mm: Mm, addr: int, page: int, when: str) -> None:
    """Remove one mapping of one page; the page-table lock of `addr` is held."""
    await _remove_rmap(mm, "folio_remove_rmap_pte", ptl_cell(mm, addr), page, when)


async def folio_remove_rmap_pmd(mm: Mm, addr: int, page: int) -> None:
    """Remove one huge mapping of the folio whose first page is `page`; the lock of its pmd table is held."""
    await _remove_rmap(mm, "folio_remove_rmap_pmd", pmd_ptl_cell(mm, addr), page, "early")


async def _remove_rmap(mm: Mm, name: str, ptl: Cell, page: int, when: str, nr: int = 1) -> None:
    last = await _dec_mapcount(mm, name if mm.era.folio_entries else "page_remove_rmap", ptl, page, nr, when)
    if last and mm.memcgs:
        memcg = await folio_memcg(page)
        await mod_file_mapped(memcg, -1)


def _dec_mapcount(mm: Mm, name: str, ptl: Cell, page: int, nr: int, when: str) -> Op:
    cell = mapcount_cell(page, nr)

    def step(mapcount: int, owner: object) -> list[Outcome]:
        wrong = RMAP_UNDER_PTL if owner != mm.task.tid else ""
        if mapcount < 1:  # zap_present_folio_ptes() prints a bad entry: "folio_mapcount(folio) < 0"
            wrong = MAPCOUNT_UNDERFLOW
        return [Outcome(mapcount == 1, (mapcount - 1,), wrong)]

    return Op(f"{name}(page{page})", (cell, ptl), (cell,), step, event=("rmap", page, nr, when), order=Order.FULL)


def folio_memcg(page: int) -> Op:
    """folio_memcg(): read the cgroup that is charged for the page."""
    return Op(f"folio_memcg(page{page})", (memcg_cell(page),), (), lambda memcg: [Outcome(memcg)], order=Order.PLAIN)


def mod_file_mapped(memcg: str, by: int) -> Op:
    """__mod_lruvec_state(NR_FILE_MAPPED): an atomic add."""
    cell = file_mapped_cell(memcg)
    return Op(
        f"NR_FILE_MAPPED of {memcg} {by:+d}", (cell,), (cell,), lambda n: [Outcome(None, (n + by,))], order=Order.ATOMIC
    )


async def rmap_walk(mm: Mm, page: int, rmap_one: Callable[[int, int], Awaitable[None]]) -> None:
    """rmap_walk(): `rmap_one` of each entry that may map a part of the folio, given its page and its address.

    The rmap lock is held for reading, for which only those who move or unlink mappings have to wait (`Mm.moves`).  The
    folio lock is held.
    """
    if mm.moves:
        await rmap_lock(mm)
    for addr in mm.mappings[page]:
        for at in range(mm.folio(page)[1]):  # page_vma_mapped_walk() finds each entry of a large folio
            await rmap_one(page + at, addr + at)
    if mm.moves:
        await rmap_unlock(mm)


async def folio_mkclean(mm: Mm, page: int) -> bool:
    """Write-protect and clean every mapping of the page; the folio lock is held. Returns whether one was dirty or
    writable.

    mm/rmap.c:folio_mkclean(), page_vma_mkclean_one().  With PVMW_SYNC the walk takes the page-table lock even where the
    entry is already empty.
    """
    cleaned = False
    if not await folio_mapped(page):
        return False
    for addr in mm.mappings[page]:
        cleaned |= await page_vma_mkclean_one(mm, page, addr)
    return cleaned


@or_c
async def page_vma_mkclean_one(mm: Mm, page: int, addr: int) -> bool:
    """Write-protect and clean one mapping. Returns whether it was dirty or writable."""
    found = await page_vma_mapped_walk(mm, page, addr, sync=True)
    if found is None:
        return False
    cleaned: bool = found.entry.dirty or found.entry.write
    if cleaned:
        pte: Any = await mm.hook.ptep_clear_flush(mm=mm, addr=addr)
        await set_pte_at(mm, addr, pte._replace(write=False, dirty=False))
    await pte_unlock(mm, found.ptl)
    return cleaned
