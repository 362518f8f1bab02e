"""mm/madvise.c: the advice of madvise().

All of it holds mmap_lock for reading, so several calls may run on one mm at the same time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from core.machine.pte import Swap, pte_present
from core.mm.batched_unmap import flush_tlb_batched_pending
from core.mm.huge_memory import madvise_cold_huge_pmd, madvise_free_huge_pmd
from core.mm.memory import (
    clear_not_present_full_ptes,
    folio_pte_batch,
    swap_pte_batch,
    unmap_page_range,
    zap_page_range_single,
)
from core.mm.mm import Mm, Vma, cond_resched, find_vma, pte_unlock
from core.mm.mmap_lock import mmap_read_lock, mmap_read_unlock
from core.mm.mmu_gather import MmuGather, tlb_change_page_size, tlb_finish_mmu, tlb_flush_pte_range, tlb_gather_mmu
from core.mm.page import (
    folio_clear_dirty,
    folio_likely_mapped_shared,
    folio_mapcount,
    folio_test_dirty,
    get_page,
    put_page,
    trylock_page,
    unlock_page,
)
from core.mm.pagewalk import Action, PmdEntry, walk_page_range
from core.mm.pgtable import pte_offset_map_lock, read_upper, set_pte_at
from core.mm.reclaim import reclaim_pages
from core.mm.stand_in import or_c
from core.mm.swap import folio_isolate_lru, folio_mark_lazyfree, folio_test_lru, lru_add_drain
from core.mm.swapfile import folio_free_swap, folio_test_swapcache, free_swap_and_cache


async def madvise_dontneed(mm: Mm, vma: Vma, start: int, end: int) -> None:
    """MADV_DONTNEED: unmap the pages.  With CONFIG_PT_RECLAIM also free the page tables that this empties.

    madvise_dontneed_single_vma(), of the VMA that madvise_walk_vmas() finds under the lock.
    """
    await mmap_read_lock(mm)
    if not mm.remaps or await find_vma(vma):
        await zap_page_range_single(mm, vma, start, end, reclaim_pt=True)
    await mmap_read_unlock(mm)


async def process_madvise_dontneed(mm: Mm, ranges: Sequence[Range]) -> None:
    """MADV_DONTNEED of several ranges, each of one VMA: those of process_madvise(), or the VMAs that madvise() finds.

    With one gather for all of them and so, if VMAs are merged, one flush (madvise_init_tlb(),
    `Era.batches_madvise`); before, a gather for each.
    """
    await mmap_read_lock(mm)
    tlb = await tlb_gather_mmu(mm) if mm.era.batches_madvise else None
    for vma, start, end in ranges:
        if mm.remaps and not await find_vma(vma):
            continue
        if tlb is None:
            await zap_page_range_single(mm, vma, start, end, reclaim_pt=True)
        else:
            await lru_add_drain(mm)
            tlb.reclaim_pt = True
            await unmap_page_range(tlb, vma, start, end)
    if tlb is not None:
        await tlb_finish_mmu(tlb)
    await mmap_read_unlock(mm)


Range = tuple[Vma, int, int]
"""A part of a VMA: from, to (exclusive)."""


async def madvise_free(mm: Mm, vma: Vma, start: int, end: int) -> None:
    """MADV_FREE of anonymous memory: the pages may be dropped instead of swapped out, unless they are written again.

    madvise_free_single_vma().
    """
    await process_madvise_free(mm, [(vma, start, end)])


async def process_madvise_free(mm: Mm, ranges: Sequence[Range]) -> None:
    """MADV_FREE of several ranges, each of one VMA; gathers as in process_madvise_dontneed()."""
    await _walk_vmas(mm, ranges, madvise_free_pte_range, one_gather=mm.era.batches_madvise)


async def madvise_cold(mm: Mm, vma: Vma, start: int, end: int) -> None:
    """MADV_COLD: the pages will not be used soon. madvise_cold()."""
    await process_madvise_cold(mm, [(vma, start, end)])


async def process_madvise_cold(mm: Mm, ranges: Sequence[Range]) -> None:
    """MADV_COLD of several ranges, each of one VMA and with a gather of its own (madvise_batch_tlb_flush())."""
    await _walk_vmas(mm, ranges, partial(madvise_cold_or_pageout_pte_range, pageout=False))


async def madvise_pageout(mm: Mm, vma: Vma, start: int, end: int) -> None:
    """MADV_PAGEOUT: reclaim the pages at once. madvise_pageout_page_range()."""
    await _walk_vmas(mm, [(vma, start, end)], partial(madvise_cold_or_pageout_pte_range, pageout=True))


async def _walk_vmas(
    mm: Mm, ranges: Sequence[Range], pmd_entry: PmdEntry[MmuGather], *, one_gather: bool = False
) -> None:
    """Walk ranges of VMAs with a gather for what changes on the way: one for all, or one for each."""
    await mmap_read_lock(mm)
    tlb: MmuGather | None = None
    for vma, start, end in ranges:
        await lru_add_drain(mm)
        if tlb is None:
            tlb = await tlb_gather_mmu(mm)
        await mm.hook.tlb_start_vma(tlb=tlb, vma=vma)
        await walk_page_range(mm, start, end, pmd_entry, tlb)
        await mm.hook.tlb_end_vma(tlb=tlb, vma=vma)
        if not one_gather:
            await tlb_finish_mmu(tlb)
            tlb = None
    if tlb is not None:
        await tlb_finish_mmu(tlb)
    await mmap_read_unlock(mm)


# ---- the entries of one table --------------------------------------------------------------------------------


@dataclass
class Advised:
    """A walk over the entries of one table, which is locked: `table` names its lock, and is None if it has gone.

    `split` are the first pages of folios that the walk has split.
    """

    tlb: MmuGather
    table: int | None
    split: set[int] = field(default_factory=set)

    def folio(self, page: int) -> tuple[int, int]:
        """The folio of a page: (first page, pages)."""
        found = self.tlb.mm.folio(page)
        return (page, 1) if found[0] in self.split else found


async def _locked(tlb: MmuGather, start: int) -> Advised:
    """Begin with the entry of `start`."""
    await tlb_change_page_size(tlb, 1)
    walk = Advised(tlb, await pte_offset_map_lock(tlb.mm, start))
    if walk.table is not None:
        await flush_tlb_batched_pending(tlb.mm)
        await tlb.mm.hook.arch_enter_lazy_mmu_mode(mm=tlb.mm)
    return walk


async def _unlocked(walk: Advised) -> None:
    """The end of the walk, unless the table has gone."""
    mm = walk.tlb.mm
    if walk.table is not None:
        await mm.hook.arch_leave_lazy_mmu_mode(mm=mm)
        await pte_unlock(mm, walk.table)


async def _folio_in_range(walk: Advised, addr: int, end: int, pte: Any, first: bool) -> tuple[int, bool, bool]:
    """How many entries map the folio of `pte` from `addr` on; is it wholly meant, and does the walk go on?

    A large folio is split if a part of it is meant, or if the era knows no other way (`Era.advises_folios`); 0 entries:
    it has been split, and the entry is to be looked at again.  `first`: its first page says whether others map it too,
    not the entry's (6.1).
    """
    mm, (head, pages) = walk.tlb.mm, walk.folio(pte.frame)
    if pages == 1:
        return 1, True, True
    together = mm.era.advises_folios
    nr = await folio_pte_batch(mm, addr, pte, end - addr) if together else 1
    if together and nr == pages:
        return nr, True, True
    if together:
        shared = await folio_likely_mapped_shared(head, pages)
    else:
        shared = await folio_mapcount(head if first else pte.frame) != 1
    if shared or not await _split_folio(walk, addr, head):
        return nr, False, together
    return 0, False, walk.table is not None


async def _split_folio(walk: Advised, addr: int, page: int) -> bool:
    """Split the folio whose first page is `page`, without the lock of the table, which may go meanwhile.

    False if somebody else has the folio locked.  That it may be pinned (split_folio() fails), and how its mappings go
    and come meanwhile, is left out.
    """
    mm, table = walk.tlb.mm, walk.table
    assert table is not None
    later = mm.era.advises_folios
    if not later:
        await get_page(page)
    if not await trylock_page(mm, page):
        if not later:
            await put_page(page)
        return False
    if later:
        await get_page(page)
        await mm.hook.arch_leave_lazy_mmu_mode(mm=mm)
    await pte_unlock(mm, table)
    walk.split.add(page)  # split_folio()
    await unlock_page(mm, page)
    await put_page(page)
    walk.table = await pte_offset_map_lock(mm, addr)
    if walk.table is not None and mm.era.has("383c4613c67c"):
        await flush_tlb_batched_pending(mm)
    if walk.table is not None and later:
        await mm.hook.arch_enter_lazy_mmu_mode(mm=mm)
    return True


# ---- MADV_FREE -----------------------------------------------------------------------------------------------


@or_c
async def madvise_free_pte_range(tlb: MmuGather, start: int, end: int, pmd: Any) -> Action:
    """Make the entries of one table, or a huge one, old and clean; it is advice, so what has gone is passed over."""
    mm, addr = tlb.mm, start
    if pte_present(pmd):
        if await madvise_free_huge_pmd(tlb, start, end):
            return Action.CONTINUE
        # Somebody may have split it: pmd_trans_unstable(), and pte_offset_map_lock() since 6.5.
        if not isinstance(await read_upper(mm, 0, start), int):
            return Action.CONTINUE
    walk = await _locked(tlb, start)
    if walk.table is None:
        return Action.CONTINUE
    goes_on = True
    while addr != end and goes_on:
        pte: Any = await mm.hook.ptep_get(mm=mm, addr=addr)
        nr = 1
        if isinstance(pte, Swap):
            nr = await swap_pte_batch(mm, addr, end - addr, pte)
            await free_swap_and_cache(mm, pte, nr)
            await clear_not_present_full_ptes(mm, addr, nr)
        elif pte_present(pte) and not mm.special(pte.frame):
            nr, whole, goes_on = await _folio_in_range(walk, addr, end, pte, first=True)
            if whole and await _clean_folio(mm, *walk.folio(pte.frame)):
                await mm.hook.clear_young_dirty_ptes(mm=mm, addr=addr, nr=nr)
                tlb_flush_pte_range(tlb, addr, nr)
                await folio_mark_lazyfree(mm, walk.folio(pte.frame)[0])
        addr += nr
    await _unlocked(walk)
    await cond_resched()
    return Action.CONTINUE


async def _clean_folio(mm: Mm, page: int, pages: int) -> bool:
    """Does nothing but its entries say any more that the folio is dirty?  It leaves the swap cache, and is clean.

    Decided under its lock.  Not if others map it too, or have their contents in swap, who did not give that advice.
    """
    cached = page in mm.swaps and await folio_test_swapcache(page)
    if not cached and not await folio_test_dirty(page):
        return True
    if not await trylock_page(mm, page):
        return False
    alone: bool = await folio_mapcount(page, pages) == pages
    if alone and page in mm.swaps and await folio_test_swapcache(page):
        alone = await folio_free_swap(mm, page)
    if alone:
        await folio_clear_dirty(page)
    await unlock_page(mm, page)
    return alone


# ---- MADV_COLD, MADV_PAGEOUT ---------------------------------------------------------------------------------


@or_c
async def madvise_cold_or_pageout_pte_range(tlb: MmuGather, start: int, end: int, pmd: Any, *, pageout: bool) -> Action:
    """MADV_COLD: make the entries of one table, or a huge one, old.  `pageout`: reclaim their pages instead.

    Folios that others map too are left alone, and what is on no LRU list.  MADV_COLD also moves folios to where reclaim
    looks first (folio_deactivate()).  Before v6.9 (2864f3d0f583) MADV_PAGEOUT made entries old too, which reclaim
    ignores since.  A break for need_resched() behind 32 entries (b2f557a21bc8, v6.7) is left out, since no model has
    so many.
    """
    mm, addr = tlb.mm, start
    ages = not (pageout and mm.era.folio_entries)
    if pte_present(pmd):
        isolated = await madvise_cold_huge_pmd(tlb, start, end, ages, pageout)
        if isolated is not None:
            await reclaim_pages(mm, isolated)
            if mm.era.advises_folios:
                await cond_resched()
        return Action.CONTINUE
    walk, isolated = await _locked(tlb, start), []
    goes_on = walk.table is not None
    while addr < end and goes_on:
        pte: Any = await mm.hook.ptep_get(mm=mm, addr=addr)
        nr = 1
        if pte_present(pte) and not mm.special(pte.frame):
            nr, whole, goes_on = await _folio_in_range(walk, addr, end, pte, first=False)
            head, pages = walk.folio(pte.frame)
            if whole and await folio_test_lru(head) and await folio_mapcount(head, pages) == pages:
                if ages:
                    await _make_old(tlb, addr, nr)
                if pageout and await folio_isolate_lru(mm, head):
                    isolated.append(head)
        addr += nr
    await _unlocked(walk)
    await reclaim_pages(mm, isolated)
    await cond_resched()
    return Action.CONTINUE


async def _make_old(tlb: MmuGather, start: int, nr: int) -> None:
    """The entries of one folio.  Before clear_young_dirty_ptes() (1b68112c4039) an entry was emptied and set."""
    mm = tlb.mm
    for addr in range(start, start + nr):
        if mm.era.folio_entries:
            await mm.hook.ptep_test_and_clear_young(mm=mm, addr=addr)
        else:
            await set_pte_at(mm, addr, await mm.hook.ptep_get_and_clear(mm=mm, addr=addr, nr=1, full=False))
    tlb_flush_pte_range(tlb, start, nr)
