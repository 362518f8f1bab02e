"""mm/vmscan.c:shrink_folio_list(): reclaiming mapped pages, with one flush for all of them (batched_unmap).

A large folio is named by its first page.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from core.machine.op import barrier
from core.machine.order import Order
from core.machine.pte import Swap, pte_present
from core.mm.batched_unmap import (
    UnmapBatch,
    set_tlb_ubc_flush_pending,
    should_defer_flush,
    try_to_unmap_flush,
    try_to_unmap_flush_dirty,
)
from core.mm.huge_memory import pmdp_get, split_huge_pmd
from core.mm.memory import folio_pte_batch
from core.mm.mm import Mm, pte_unlock
from core.mm.page import (
    folio_mapcount,
    folio_mapped,
    folio_ref_count,
    folio_test_dirty,
    lock_page,
    put_page,
    set_page_dirty,
    test_clear_page_dirty,
    unlock_page,
    write_to_disk,
)
from core.mm.page_vma_mapped import page_vma_mapped_walk
from core.mm.pgtable import set_pte_at
from core.mm.rmap import folio_remove_rmap_pte, folio_remove_rmap_ptes, rmap_lock, rmap_unlock
from core.mm.stand_in import or_c
from core.mm.swap import folio_putback_lru, folio_set_swapbacked, folio_test_swapbacked
from core.mm.swap_state import add_to_swap
from core.mm.swapfile import folio_free_swap, folio_test_swapcache, remove_mapping, swap_duplicate


@or_c
async def try_to_unmap_one(mm: Mm, ubc: UnmapBatch, page: int, addr: int) -> int:
    """mm/rmap.c:try_to_unmap_one() with TTU_BATCH_FLUSH; the folio lock and the rmap lock are held.

    Returns how many entries it has dealt with: more than one of a large folio, if the era takes them together.
    """
    if mm.tables and mm.folio(page)[1] == mm.span[0] > 1 and pte_present(await pmdp_get(mm, addr)):
        await split_huge_pmd(mm, addr)  # TTU_SPLIT_HUGE_PMD; what is left of a file's page is nothing
    found = await page_vma_mapped_walk(mm, page, addr)
    if found is None:
        return 1
    at, together = found.addr, unmaps_together(mm, page)
    nr = await folio_pte_batch(mm, at, found.entry, mm.folio(page)[1]) if together else 1
    if together:
        pte: Any = await mm.hook.get_and_clear_full_ptes(mm=mm, addr=at, nr=nr, full=False)
        if await should_defer_flush(mm):
            await set_tlb_ubc_flush_pending(mm, ubc, pte, addr, addr + nr)
        else:
            await mm.hook.flush_tlb_range(mm=mm, start=addr, end=addr + nr, stride=1)
    elif await should_defer_flush(mm):
        pte = await mm.hook.ptep_get_and_clear(mm=mm, addr=at, nr=1, full=False)
        await set_tlb_ubc_flush_pending(mm, ubc, pte, addr, addr + 1)
    elif at == addr:
        pte = await mm.hook.ptep_clear_flush(mm=mm, addr=addr)
    else:  # ptep_clear_flush(vma, addr, ptep), whose entry and address part when a table has moved
        pte = await mm.hook.ptep_get_and_clear(mm=mm, addr=at, nr=1, full=False)
        await mm.hook.flush_tlb_page(mm=mm, addr=addr)
    if pte.dirty:
        await set_page_dirty(mm.folio(page)[0])
    if page in mm.lazyfree and not await folio_test_swapbacked(page):
        if not await may_discard(mm, page):
            await mm.hook.set_ptes(mm=mm, addr=at, pte=pte, nr=nr)
            await folio_set_swapbacked(page)
            await pte_unlock(mm, found.ptl)
            return nr
    elif mm.is_anon(page):
        await swap_duplicate(mm, page)
        await set_pte_at(mm, at, Swap(page))
    if together:
        await folio_remove_rmap_ptes(mm, found.ptl, page, nr, "early")
    else:
        await folio_remove_rmap_pte(mm, found.ptl, page, "early")
    await put_page(page, nr)
    await pte_unlock(mm, found.ptl)
    return nr


def unmaps_together(mm: Mm, page: int) -> bool:
    """Does try_to_unmap_one() take the entries of this page's folio together? folio_unmap_pte_batch()."""
    which = mm.era.unmaps_folios
    kind = page in mm.lazyfree or (which == "file" and not mm.is_anon(page))
    return bool(which) and kind and mm.folio(page)[1] > 1


async def may_discard(mm: Mm, page: int) -> bool:
    """May a lazyfree page that has just been unmapped be discarded?

    Only if it is clean, and its only references are those of isolation and of its mappings.  The entry is cleared
    before the references are read, and GUP-fast takes its reference before it reads the entry again, so one of the two
    notices the other.  Before 6c8e2a256915 the references were not checked.
    """
    if mm.era.has("6c8e2a256915"):
        await barrier(Order.SMP_MB)
        references = await folio_ref_count(page)
        mappings = await folio_mapcount(page)
        await barrier(Order.SMP_RMB)
        if references != 1 + mappings:
            return False
    return not await folio_test_dirty(page)


async def try_to_unmap(mm: Mm, ubc: UnmapBatch, page: int) -> None:
    """Unmap the page from all mappings, in the order of the reverse map, under its lock (which matters only if tables
    or entries move).
    """
    if mm.tables or mm.moves:
        await rmap_lock(mm)
    for start in mm.mappings[page]:
        addr, end = start, start + mm.folio(page)[1]
        while addr < end:
            addr += await try_to_unmap_one(mm, ubc, page + addr - start, addr)
    if mm.tables or mm.moves:
        await rmap_unlock(mm)


# ---- the list ------------------------------------------------------------------------------------------------

Recurse = Callable[[UnmapBatch], Awaitable[None]]


async def shrink_folio_list(
    mm: Mm,
    ubc: UnmapBatch,
    pages: Sequence[int],
    recurse: Recurse | None = None,
    owners: Mapping[int, Mm] | None = None,
) -> list[int]:
    """Unmap, write and free `pages`, each of which the caller has isolated and holds a reference to.

    Returns those that are kept, and with them the references.

    I/O is complete as soon as it has started.  `recurse` is what pageout() enters when it allocates memory.  `owners`
    has the address space that maps a page (vma->vm_mm of its mappings) if that is not `mm`.
    """
    owners = owners or {}
    free = [page for page in pages if await reclaim_one(owners.get(page, mm), ubc, page, recurse)]
    await try_to_unmap_flush(mm, ubc)
    for page in free:
        await put_page(page, mm.folio(page)[1])
    return [page for page in pages if page not in free]


async def reclaim_pages(mm: Mm, pages: Sequence[int]) -> None:
    """Reclaim isolated pages, whether they have been used or not; what is kept goes back to its list."""
    if not pages:
        return
    for page in await shrink_folio_list(mm, UnmapBatch(), pages):
        await folio_putback_lru(mm, page)


async def reclaim_one(mm: Mm, ubc: UnmapBatch, page: int, recurse: Recurse | None) -> bool:
    """One iteration of the loop of shrink_folio_list(). Returns whether the page may be freed once the batch is
    flushed.

    Who is not kswapd writes no page of a file, but those of shmem and anonymous ones: no model has others there.
    What is in the swap cache (`Mm.swaps`) may be found there by a fault until it is taken out.
    """
    await lock_page(mm, page)
    swaps = page in mm.swaps and not (page in mm.lazyfree and not await folio_test_swapbacked(page))
    if swaps and not await folio_test_swapcache(page):
        await add_to_swap(mm, page)
    await try_to_unmap(mm, ubc, page)
    keep = await folio_mapped(page)
    if not keep and await folio_test_dirty(page):
        if page in mm.lazyfree and not swaps:
            await unlock_page(mm, page)
            return False  # it has no mapping to be written by: PAGE_KEEP
        if mm.era.has("d950c9477d51"):
            await try_to_unmap_flush_dirty(mm, ubc)
        await pageout(mm, page, ubc, recurse)
        keep = await folio_test_dirty(page)
    if swaps and not keep:
        keep = not await remove_mapping(mm, page)
    await unlock_page(mm, page)
    return not keep


async def pageout(mm: Mm, page: int, ubc: UnmapBatch, recurse: Recurse | None) -> None:
    """mm/vmscan.c:pageout(): write the page. A swap device may have to allocate memory, and so enter reclaim.

    A page in the swap cache to which somebody else has a reference is left alone (is_page_cache_freeable()), and one
    whose place no entry needs any more leaves the cache instead, and stays dirty (mm/page_io.c:swap_writepage()).
    Whether the page cache has a reference to a file's page is up to the scenario, so of those nothing is asked.
    """
    cached = page in mm.swaps
    if cached and await folio_ref_count(page) != OF_RECLAIM_AND_CACHE:
        return
    if await test_clear_page_dirty(page):
        if recurse is not None:
            await recurse(ubc)
        if not (cached and await folio_free_swap(mm, page)):
            await write_to_disk(page)


OF_RECLAIM_AND_CACHE = 2
"""References to a page that reclaim has isolated, and that the swap cache has."""


async def shrink_lruvec(mm: Mm, ubc: UnmapBatch, pages: Sequence[int], recurse: Recurse | None = None) -> None:
    """mm/vmscan.c:shrink_lruvec(), of which only the start matters here.

    Before b385d21f27d8 it emptied the batch, which belongs to the task, even when it was entered recursively.
    """
    if not mm.era.has("b385d21f27d8"):
        ubc.flush_required = False  # init_tlb_ubc()
    await shrink_folio_list(mm, ubc, pages, recurse)
