"""mm/madvise.c: the advice of madvise().

All of it holds mmap_lock for reading, so several calls may run on one mm at the same time.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from core.machine.pte import Swap, pte_present
from core.mm.batched_unmap import UnmapBatch, flush_tlb_batched_pending
from core.mm.huge_memory import madvise_cold_huge_pmd, madvise_free_huge_pmd, pmd_unlock
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
from core.mm.page import get_page
from core.mm.pagewalk import Action, PmdEntry, walk_page_range
from core.mm.pgtable import pte_offset_map_lock, set_pte_at
from core.mm.reclaim import shrink_folio_list
from core.mm.swap import lru_add_drain
from core.mm.swapfile import free_swap_and_cache


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
    await _walk_vmas(mm, ranges, madvise_free_pmd_range, one_gather=mm.era.batches_madvise)


async def madvise_cold(mm: Mm, vma: Vma, start: int, end: int) -> None:
    """MADV_COLD: the pages will not be used soon. madvise_cold()."""
    await process_madvise_cold(mm, [(vma, start, end)])


async def process_madvise_cold(mm: Mm, ranges: Sequence[Range]) -> None:
    """MADV_COLD of several ranges, each of one VMA and with a gather of its own (madvise_batch_tlb_flush())."""
    await _walk_vmas(mm, ranges, madvise_cold_pte_range)


async def madvise_pageout(mm: Mm, vma: Vma, start: int, end: int) -> None:
    """MADV_PAGEOUT: reclaim the pages at once. madvise_pageout_page_range()."""
    await _walk_vmas(mm, [(vma, start, end)], madvise_pageout_pte_range)


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


# ---- MADV_FREE -----------------------------------------------------------------------------------------------


async def madvise_free_pmd_range(tlb: MmuGather, start: int, end: int, pmd: Any) -> Action:
    """MADV_FREE of a huge page, or of the entries of one table; it is advice, so one that has gone is passed over."""
    if pte_present(pmd):
        await madvise_free_huge_pmd(tlb, start, end)
    else:
        await madvise_free_pte_range(tlb, start, end)
    return Action.CONTINUE


async def madvise_free_pte_range(tlb: MmuGather, start: int, end: int) -> None:
    """Clean the entries.  A large folio that is only partly in the range is split first, without the lock."""
    mm, addr, split = tlb.mm, start, set()
    await tlb_change_page_size(tlb, 1)
    table = await pte_offset_map_lock(mm, start)
    if table is None:
        return
    await flush_tlb_batched_pending(mm)
    await mm.hook.arch_enter_lazy_mmu_mode(mm=mm)
    while addr != end:
        pte: Any = await mm.hook.ptep_get(mm=mm, addr=addr)
        nr = 1
        if isinstance(pte, Swap):
            nr = await swap_pte_batch(mm, addr, end - addr, pte)
            await free_swap_and_cache(mm, pte, nr)
            await clear_not_present_full_ptes(mm, addr, nr)
        elif pte_present(pte) and mm.is_anon(pte.frame) and not mm.special(pte.frame):
            head, pages = mm.folio(pte.frame)
            if pages > 1 and head not in split:
                nr = await folio_pte_batch(mm, addr, pte, end - addr)
                if nr < pages:
                    await mm.hook.arch_leave_lazy_mmu_mode(mm=mm)
                    await pte_unlock(mm, table)
                    split.add(head)  # split_folio()
                    table = await pte_offset_map_lock(mm, addr)
                    if table is None:
                        break
                    if mm.era.has("383c4613c67c"):
                        await flush_tlb_batched_pending(mm)
                    await mm.hook.arch_enter_lazy_mmu_mode(mm=mm)
                    continue
            await mm.hook.clear_young_dirty_ptes(mm=mm, addr=addr, nr=nr)
            tlb_flush_pte_range(tlb, addr, nr)
        addr += nr
    if table is not None:
        await mm.hook.arch_leave_lazy_mmu_mode(mm=mm)
        await pte_unlock(mm, table)
    await cond_resched()


# ---- MADV_COLD, MADV_PAGEOUT ---------------------------------------------------------------------------------


async def madvise_pageout_pte_range(tlb: MmuGather, start: int, end: int, pmd: Any) -> Action:
    """Reclaim a huge page, or the pages of one table.

    Since v6.9 (2864f3d0f583) reclaim is told to ignore the accessed bits instead.
    """
    pages: list[int] = []
    if pte_present(pmd):
        page = await madvise_cold_huge_pmd(tlb, start, end, not tlb.mm.era.folio_entries)
        if page is not None:
            await get_page(page)  # folio_isolate_lru()
            await pmd_unlock(tlb.mm, start)
            await shrink_folio_list(tlb.mm, UnmapBatch(), [page])
        return Action.CONTINUE
    table = await madvise_cold_or_pageout_pte_range(tlb, start, end, not tlb.mm.era.folio_entries, pages)
    if table is None:
        return Action.CONTINUE
    for head in pages:
        for page in range(head, head + tlb.mm.folio(head)[1]):
            await get_page(page)  # folio_isolate_lru()
    await tlb.mm.hook.arch_leave_lazy_mmu_mode(mm=tlb.mm)
    await pte_unlock(tlb.mm, table)
    await shrink_folio_list(tlb.mm, UnmapBatch(), pages)  # reclaim_pages()
    await cond_resched()
    return Action.CONTINUE


async def madvise_cold_pte_range(tlb: MmuGather, start: int, end: int, pmd: Any) -> Action:
    """Make a huge entry, or those of one table, old.

    folio_deactivate() moves their pages to where reclaim looks first.
    """
    if pte_present(pmd):
        if await madvise_cold_huge_pmd(tlb, start, end, True) is not None:
            await pmd_unlock(tlb.mm, start)
        return Action.CONTINUE
    table = await madvise_cold_or_pageout_pte_range(tlb, start, end, True, [])
    if table is not None:
        await tlb.mm.hook.arch_leave_lazy_mmu_mode(mm=tlb.mm)
        await pte_unlock(tlb.mm, table)
        await cond_resched()
    return Action.CONTINUE


async def madvise_cold_or_pageout_pte_range(
    tlb: MmuGather, start: int, end: int, ages: bool, pages: list[int]
) -> int | None:
    """Make the entries of one table old, if `ages`, for folios that are mapped once; the gather flushes them.

    Adds the first pages of their folios to `pages`.  A large one that is only partly in the range is left alone, as it
    is where others map it too (folio_likely_mapped_shared()).  Returns with the lock of the table held, which it names;
    None if the table has gone.  Before clear_young_dirty_ptes() (1b68112c4039) an entry was emptied and set.
    """
    mm = tlb.mm
    await tlb_change_page_size(tlb, 1)
    table = await pte_offset_map_lock(mm, start)
    if table is None:
        return None
    await flush_tlb_batched_pending(mm)
    await mm.hook.arch_enter_lazy_mmu_mode(mm=mm)
    addr = start
    while addr < end:
        pte: Any = await mm.hook.ptep_get(mm=mm, addr=addr)
        nr = 1
        if pte_present(pte) and not mm.special(pte.frame):
            size = mm.folio(pte.frame)[1]
            nr = await folio_pte_batch(mm, addr, pte, end - addr) if size > 1 else 1
            if nr == size:
                pages.append(pte.frame)
                if ages:
                    await _make_old(tlb, addr, nr)
        addr += nr
    return table


async def _make_old(tlb: MmuGather, start: int, nr: int) -> None:
    """The entries of one folio."""
    mm = tlb.mm
    for addr in range(start, start + nr):
        if mm.era.folio_entries:
            await mm.hook.ptep_test_and_clear_young(mm=mm, addr=addr)
        else:
            await set_pte_at(mm, addr, await mm.hook.ptep_get_and_clear(mm=mm, addr=addr, nr=1, full=False))
    tlb_flush_pte_range(tlb, start, nr)
