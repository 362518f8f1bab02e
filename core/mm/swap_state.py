"""mm/swap_state.c: the swap cache, and giving pages back with their places in swap."""

from __future__ import annotations

from collections.abc import Sequence

from core.machine.op import Op, Outcome
from core.machine.order import Order
from core.machine.tlb import ref_cell
from core.mm.mm import Mm, log
from core.mm.page import folio_mapped, pg_dirty_cell, put_page, trylock_page, unlock_page
from core.mm.swap import Slot, first_page, folios_put_refs, lru_add_drain, refs, release_pages
from core.mm.swapfile import folio_free_swap, folio_test_swapcache, pg_swapcache_cell


def add_to_swap(mm: Mm, page: int) -> Op:
    """add_to_swap(): give the folio a place in swap and put it into the swap cache, which holds its pages; it is dirty.

    The folio lock is held, and there is place in swap.
    """
    pages = tuple(ref_cell(page + at) for at in range(mm.folio(page)[1]))

    def step(*now: int) -> list[Outcome]:
        return [Outcome(None, (True, True, *(ref + 1 for ref in now)))]

    cells = (pg_swapcache_cell(page), pg_dirty_cell(page), *pages)
    return Op(f"add_to_swap(page{page})", pages, cells, step, order=Order.FULL)


async def free_swap_cache(mm: Mm, page: int) -> None:
    """The mapping that goes may have been the last one: then the page's place in swap goes too.

    Whoever has the folio locked sees to that himself, or leaves it to reclaim.
    """
    if not await folio_test_swapcache(page) or await folio_mapped(page, mm.folio(page)[1]):
        return
    if await trylock_page(mm, page):
        await folio_free_swap(mm, page)
        await unlock_page(mm, page)


async def free_page_and_swap_cache(mm: Mm, page: int, nr: int) -> None:
    """Free a page, or `nr` pages of one large folio, which s390 gives to free_pages_and_swap_cache() as an array."""
    if nr > 1:
        await lru_add_drain(mm)
    if page in mm.swaps:
        await free_swap_cache(mm, mm.folio(page)[0])
    await put_page(page, nr)


async def free_pages_and_swap_cache(mm: Mm, pages: Sequence[Slot], nr: int) -> None:
    """Free an array of `nr` encoded pages, numbers of pages included (v6.2; before, the array had no flags).

    Since v6.9 references are dropped after every PAGEVEC_SIZE folios that have left the swap cache, not after all; no
    model has so many there.
    """
    held = [refs(slot) for slot in pages]
    await log("free", nr, tuple(held))
    await lru_add_drain(mm)
    for page in _in_swap(mm, pages):
        await free_swap_cache(mm, page)
    if mm.era.folio_entries:
        await folios_put_refs(held)
    else:
        await release_pages(pages)


def _in_swap(mm: Mm, pages: Sequence[Slot]) -> list[int]:
    """The folios of an array that may be in the swap cache, once for each entry of the array."""
    if not mm.swaps:
        return []
    entries = [first_page(slot) + at * slot.pages for slot in pages if slot.table is None for at in range(slot.entries)]
    return [mm.folio(page)[0] for page in entries if page in mm.swaps]
