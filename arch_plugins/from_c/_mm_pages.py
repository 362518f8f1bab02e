"""Words about pages: their references and mappings, the walk that finds one, swap, and the LRU lists.

C has one page at a time, whose number it never sees: in a fault the one that was there first, in rmap.c the one that
is looked for, elsewhere the one that the entry maps.  A copy, or what takes a page's place, is `MmHands.becomes`.
"""

from __future__ import annotations

from arch_plugins.from_c._mm_hands import MmHands, call, known, page_of
from core.machine.op import Op
from core.machine.pte import Swap, pte_present
from core.mm.migrate import migrate_misplaced_folio
from core.mm.mm import pte_unlock
from core.mm.page import (
    copy_page,
    folio_clear_dirty,
    folio_likely_mapped_shared,
    folio_mapcount,
    folio_ref_count,
    folio_test_dirty,
    get_page,
    inc_mapcount,
    lock_page,
    put_page,
    set_page_dirty,
    trylock_page,
    unlock_page,
)
from core.mm.page_vma_mapped import page_vma_mapped_walk
from core.mm.reclaim import reclaim_pages
from core.mm.rmap import folio_remove_rmap_pmd, folio_remove_rmap_ptes, rmap_lock, rmap_unlock
from core.mm.swap import (
    folio_add_lru,
    folio_isolate_lru,
    folio_mark_lazyfree,
    folio_set_swapbacked,
    folio_test_lru,
    folio_test_swapbacked,
    lru_add_drain,
)
from core.mm.swap_state import free_swap_cache
from core.mm.swapfile import folio_free_swap, folio_test_swapcache, free_swap_and_cache, swap_duplicate
from core.tree.vocabulary import Rule, Word, hidden, just, truth

MOST_MAPPINGS = 6
"""More than a folio has, or its pages."""

PVMW_SYNC, PVMW_MIGRATION = 1, 2
"""As in include/linux/rmap.h."""


def _head(of: MmHands) -> tuple[int, int]:
    return of.folio if of.follows else of.mm.folio(of.frame)


async def _prealloc(of: MmHands, word: Word) -> None:
    of.becomes = of.mm.copies[of.page] if of.tables is None else of.page
    await get_page(of.becomes)


async def _copy_page(of: MmHands, word: Word) -> None:
    assert of.becomes is not None
    await copy_page(of.page, of.becomes)


def _more(of: MmHands, nr: int) -> range:
    """The pages that are mapped once more."""
    if of.follows:
        return range(_head(of)[0], _head(of)[0] + nr)
    first = page_of(of.entry) if of.becomes is None else of.becomes
    return range(first, first + nr)


async def _add_refs(of: MmHands, word: Word) -> None:
    """In a split the first page keeps the reference of the huge entry."""
    for page in _more(of, word.a) if of.deposited is None else _more(of, word.a + 1)[1:]:
        await get_page(page)


def _put(of: MmHands, word: Word) -> Op:
    """In a fault a page, or its copy; elsewhere what the entry maps."""
    if word.a:
        assert of.becomes is not None
        return put_page(of.becomes)
    return put_page(_head(of)[0] if of.follows else of.frame)


async def _add_mappings(of: MmHands, word: Word) -> None:
    for page in _more(of, word.a):
        await inc_mapcount(page)


async def _walk(of: MmHands, word: Word) -> bool:
    sync, migration = bool(word.a & PVMW_SYNC), bool(word.a & PVMW_MIGRATION)
    of.found = await page_vma_mapped_walk(of.mm, of.page, of.addr, migration=migration, sync=sync)
    if of.found is not None:
        of.table, of.entry = of.found.ptl, of.found.entry
    return of.found is not None


async def _end_walk(of: MmHands, word: Word) -> None:
    of.found = None
    await pte_unlock(of.mm, of.table)


# ---- swap and LRU lists ---------------------------------------------------------------------------------------


async def _in_swap_cache(of: MmHands, word: Word) -> bool:
    """try_to_unmap_one() only asks whether it is as folio_test_swapbacked() says."""
    if not (of.faults or of.follows or of.collapses):
        return await _swapbacked(of, word)
    page = _head(of)[0]
    return page in of.mm.swaps and bool(await folio_test_swapcache(page))


async def _swapbacked(of: MmHands, word: Word) -> bool:
    return of.page not in of.mm.lazyfree or bool(await folio_test_swapbacked(of.page))


async def _leave_swap(of: MmHands, word: Word) -> bool:
    return bool(await folio_free_swap(of.mm, _head(of)[0]))


async def _leave_swap_unmapped(of: MmHands, word: Word) -> None:
    if of.page in of.mm.swaps:
        await free_swap_cache(of.mm, of.page)


async def _free_swap(of: MmHands, word: Word) -> None:
    if isinstance(of.entry, Swap):
        await free_swap_and_cache(of.mm, of.entry, word.a)


async def _swap_duplicate(of: MmHands, word: Word) -> None:
    """Of the entry that is copied, or of the page that is unmapped, whose place has its number."""
    place = of.entry.offset if isinstance(of.entry, Swap) else page_of(of.entry)
    await swap_duplicate(of.mm, place)


async def _on_lru(of: MmHands, word: Word) -> bool:
    asks = of.follows or of.page in of.mm.lru_batched
    return not asks or bool(await folio_test_lru(_head(of)[0]))


async def _add_to_lru(of: MmHands, word: Word) -> None:
    assert of.becomes is not None
    await folio_add_lru(of.mm, of.becomes)


# ---- advice ---------------------------------------------------------------------------------------------------


async def _shared(of: MmHands, word: Word) -> bool:
    """Huge mappings are counted at the first page."""
    page, pages = _head(of)
    return await folio_likely_mapped_shared(page, 1 if pte_present(of.upper) else pages)


async def _split_folio(of: MmHands, word: Word) -> None:
    if pte_present(of.upper):
        raise ValueError(f"page {of.page} is in a huge page, which would have to be split")
    of.split.add(_head(of)[0])


async def _isolate(of: MmHands, word: Word) -> bool:
    page = _head(of)[0]
    isolated = await folio_isolate_lru(of.mm, page)
    if isolated:
        of.isolated.append(page)
    return isolated


async def _large_hint(of: MmHands, word: Word) -> None:
    raise ValueError(f"page {of.page} is part of a large folio, whose NUMA hint no model has")


RULES: tuple[Rule, ...] = (
    known("vm_normal_page", lambda of, word: not of.mm.special(of.frame), truth),
    known("folio_test_anon", lambda of, word: of.mm.is_anon(of.frame), truth),
    known("folio_test_large", lambda of, word: _head(of)[1] > 1, truth),
    known("is_shared", lambda of, word: of.orig is not None and not of.mm.is_anon(of.page), truth),
    call("folio_prealloc", _prealloc),
    call("copy_page", _copy_page),
    call("folio_mark_dirty", lambda of, word: set_page_dirty(_head(of)[0])),
    call("folio_test_dirty", lambda of, word: folio_test_dirty(_head(of)[0]), truth),
    call("folio_lock", lambda of, word: lock_page(of.mm, _head(of)[0])),
    call("folio_trylock", lambda of, word: trylock_page(of.mm, _head(of)[0]), truth),
    call("folio_unlock", lambda of, word: unlock_page(of.mm, (of.folio if of.follows else of.mm.folio(of.page))[0])),
    call("folio_ref_count", lambda of, word: folio_ref_count(of.page), just(*range(6))),
    call("folio_ref_add", _add_refs),
    call("folio_put", _put),
    call("folio_mapcount", lambda of, word: folio_mapcount(of.page), just(*range(6))),
    call("inc_mapcount", _add_mappings),
    call(
        "folio_remove_rmap_ptes",
        lambda of, word: folio_remove_rmap_ptes(of.mm, of.table, of.frame, word.a, "early"),
    ),
    call("folio_remove_rmap_pmd", lambda of, word: folio_remove_rmap_pmd(of.mm, of.pmd, page_of(of.upper))),
    call("page_vma_mapped_walk", _walk, truth),
    call("page_vma_mapped_walk_done", _end_walk),
    known("mpol_misplaced", lambda of, word: of.page in of.mm.copies, truth),
    call("migrate_misplaced_folio", lambda of, word: migrate_misplaced_folio(of.mm, of.page), truth),
    call("numa_rebuild_large_mapping", _large_hint),
    call("take_rmap_locks", lambda of, word: rmap_lock(of.mm)),
    call("drop_rmap_locks", lambda of, word: rmap_unlock(of.mm)),
    call("folio_test_swapbacked", _swapbacked, truth),
    call("folio_set_swapbacked", lambda of, word: folio_set_swapbacked(of.page)),
    Rule("folio_test_swapcache", "*", _in_swap_cache, truth),
    call("folio_free_swap", _leave_swap, truth),
    call("free_swap_cache", _leave_swap_unmapped),
    call("free_swap_and_cache", _free_swap),
    call("swap_duplicate", _swap_duplicate),
    Rule("folio_test_lru", "*", _on_lru, truth),
    call("folio_add_lru", _add_to_lru),
    call("lru_add_drain", lambda of, word: lru_add_drain(of.mm)),
    call("folio_likely_mapped_shared", _shared, truth),
    known("folio_nr_pages", lambda of, word: _head(of)[1], just(*range(1, MOST_MAPPINGS))),
    call("mapcount_of_folio", lambda of, word: folio_mapcount(*_head(of)), just(*range(MOST_MAPPINGS))),
    call("mapcount_of_first", lambda of, word: folio_mapcount(_head(of)[0]), just(*range(MOST_MAPPINGS))),
    call("split_folio", _split_folio),
    call("folio_clear_dirty", lambda of, word: folio_clear_dirty(_head(of)[0])),
    call("folio_mark_lazyfree", lambda of, word: folio_mark_lazyfree(of.mm, _head(of)[0])),
    call("folio_isolate_lru", _isolate, truth),
    call("reclaim_pages", lambda of, word: reclaim_pages(of.mm, of.isolated)),
    hidden("read|READ_ONCE", "page.mapping", "no page is truncated while it is mapped", just(1)),
    hidden("atomic_read", "mm.mm_users", "every page is on another node", just(1, 2)),
)
