"""mm/swapfile.c: places in swap, which entries and the swap cache share.

A page in the swap cache has a place in swap, and the cache holds a reference to each of its pages.  The place counts
the entries that say that the contents are there (swap_map).  When no such entry is left the page may leave the cache,
under its lock; it is dirty from then on, for what swap has of it is given up.

Only the pages of `Mm.swaps` have counted places, and the place of a page has the page's number.  The cgroup's limit of
swap, hibernation and writeback that goes on are left out: I/O is complete as soon as it has started.
"""

from __future__ import annotations

from core.machine.memory import declare
from core.machine.op import Cell, Op, Outcome
from core.machine.order import Order
from core.machine.pte import Swap
from core.machine.tlb import ref_cell
from core.mm.mm import Mm
from core.mm.page import (
    FREED_TWICE,
    folio_mapped,
    pg_dirty_cell,
    put_page,
    set_page_dirty,
    trylock_page,
    unlock_page,
)

PG_SWAPCACHE = declare("PG_swapcache", False, panel="page")


def pg_swapcache_cell(page: int) -> Cell:
    """PG_swapcache of the folio whose first page is `page`: is it in the swap cache?"""
    return Cell(PG_SWAPCACHE, page)


SWAP_MAP = declare("swap_map", 0, panel="page")


def swap_map_cell(offset: int) -> Cell:
    """swap_map[offset] without SWAP_HAS_CACHE: the number of entries whose contents are at this place."""
    return Cell(SWAP_MAP, offset)


def folio_test_swapcache(page: int) -> Op:
    """folio_test_swapcache()."""
    name = f"folio_test_swapcache(page{page})"
    return Op(name, (pg_swapcache_cell(page),), (), lambda cached: [Outcome(cached)], order=Order.PLAIN)


async def swap_duplicate(mm: Mm, offset: int) -> None:
    """One entry more has its contents at `offset`."""
    if offset in mm.swaps:
        cell = swap_map_cell(offset)
        name = f"swap_duplicate({offset})"
        await Op(name, (cell,), (cell,), lambda n: [Outcome(None, (n + 1,))], order=Order.FULL)


def swap_free(offset: int) -> Op:
    """swap_free(), swap_free_nr(): one entry less. Returns how many are left; one that was not counted is freed twice.

    The lock of the cluster orders it.
    """
    cell = swap_map_cell(offset)

    def step(count: int) -> list[Outcome]:
        return [Outcome(max(count - 1, 0), (max(count - 1, 0),), "" if count else FREED_TWICE)]

    return Op(f"swap_free({offset})", (cell,), (cell,), step, order=Order.FULL)


def folio_swapped(mm: Mm, page: int) -> Op:
    """folio_swapped(): has any entry its contents at the places of the folio?"""
    cells = tuple(swap_map_cell(page + at) for at in range(mm.folio(page)[1]))
    return Op(f"folio_swapped(page{page})", cells, (), lambda *counts: [Outcome(any(counts))], order=Order.FULL)


async def delete_from_swap_cache(mm: Mm, page: int) -> None:
    """delete_from_swap_cache(): take the folio out, and drop the references of the cache; the folio lock is held.

    VM_BUG_ON_FOLIO(!folio_test_swapcache(folio)) is the violation freed-once.
    """
    cell = pg_swapcache_cell(page)

    def step(cached: bool) -> list[Outcome]:
        return [Outcome(None, (False,), "" if cached else FREED_TWICE)]

    await Op(f"__delete_from_swap_cache(page{page})", (cell,), (cell,), step, order=Order.FULL)
    await put_page(page, mm.folio(page)[1])


async def folio_free_swap(mm: Mm, page: int) -> bool:
    """Give up the folio's places in swap, if no entry needs them; the folio lock is held. Returns whether it was so."""
    if not await folio_test_swapcache(page) or await folio_swapped(mm, page):
        return False
    await delete_from_swap_cache(mm, page)
    await set_page_dirty(page)
    return True


async def free_swap_and_cache(mm: Mm, entry: Swap, nr: int) -> None:
    """Swap entries from `entry` on have gone: free their places; free_swap_and_cache_nr() since v6.10.

    Where that was the last entry, the page leaves the swap cache, if it is there, and neither mapped nor locked.  All
    places are free before the first page is looked for.
    """
    if not mm.swaps:
        return
    offsets = [offset for offset in range(entry.offset, entry.offset + nr) if offset in mm.swaps]
    unused = [offset for offset in offsets if not await swap_free(offset)]
    for page in dict.fromkeys(mm.folio(offset)[0] for offset in unused):
        await _try_to_reclaim_swap(mm, page)


async def _try_to_reclaim_swap(mm: Mm, page: int) -> None:
    """__try_to_reclaim_swap() with TTRS_UNMAPPED."""
    if not await filemap_get_folio(page):
        return
    if await trylock_page(mm, page):
        if not await folio_mapped(page, mm.folio(page)[1]):
            await folio_free_swap(mm, page)
        await unlock_page(mm, page)
    await put_page(page)


def filemap_get_folio(page: int) -> Op:
    """filemap_get_folio() in the swap cache: a reference to the folio, if it is there. Returns whether it is.

    The lookup takes its reference with folio_try_get(), then looks again: so both are one step.
    """
    cells = (pg_swapcache_cell(page), ref_cell(page))

    def step(cached: bool, ref: int) -> list[Outcome]:
        return [Outcome(cached, (ref + 1 if cached else ref,))]

    return Op(f"filemap_get_folio(page{page})", cells, (ref_cell(page),), step, order=Order.FULL)


def remove_mapping(mm: Mm, page: int) -> Op:
    """mm/vmscan.c:__remove_mapping() of a page in the swap cache: take it out, if nobody else has it, and it is clean.

    The references that reclaim expects are its own and those of the cache.  folio_ref_freeze() keeps lookups off until
    the page is out, so all is one step; it leaves the reference of reclaim, with which the page is freed.
    """
    refs = tuple(ref_cell(page + at) for at in range(mm.folio(page)[1]))
    cells = (pg_swapcache_cell(page), pg_dirty_cell(page), *refs)

    def step(cached: bool, dirty: bool, *now: int) -> list[Outcome]:
        if not cached or dirty or any(ref != 2 for ref in now):
            return [Outcome(False, (cached, *now))]
        return [Outcome(True, (False, *(1 for _ in now)))]

    return Op(f"__remove_mapping(page{page})", cells, (cells[0], *refs), step, order=Order.FULL)
