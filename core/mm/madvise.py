"""mm/madvise.c."""

from __future__ import annotations

from typing import Any

from core.machine.lock import mmap_read_lock, mmap_read_unlock
from core.machine.pte import Pte, Swap, ptep_get, set_pte
from core.mm.batched_unmap import flush_tlb_batched_pending
from core.mm.memory import folio_pte_batch, unmap_page_range
from core.mm.mm import Mm, Vma, pte_lock, pte_unlock
from core.mm.mmu_gather import MmuGather, tlb_finish_mmu, tlb_flush_pte_range, tlb_gather_mmu


async def madvise_dontneed(mm: Mm, vma: Vma, start: int, end: int) -> None:
    """MADV_DONTNEED: under mmap_lock for reading, so several at once may run on one mm. zap_page_range()."""
    await mmap_read_lock(mm.task)
    tlb = await tlb_gather_mmu(mm)
    await unmap_page_range(tlb, vma, start, end)
    await tlb_finish_mmu(tlb)
    await mmap_read_unlock(mm.task)


async def madvise_free(mm: Mm, vma: Vma, start: int, end: int) -> None:
    """MADV_FREE of a range of one table: the pages may be dropped instead of swapped out, unless written again.

    madvise_free_single_vma().
    """
    await mmap_read_lock(mm.task)
    tlb = await tlb_gather_mmu(mm)
    await mm.hook.tlb_start_vma(tlb=tlb, vma=vma)
    await madvise_free_pte_range(tlb, start, end)
    await mm.hook.tlb_end_vma(tlb=tlb, vma=vma)
    await tlb_finish_mmu(tlb)
    await mmap_read_unlock(mm.task)


async def madvise_free_pte_range(tlb: MmuGather, start: int, end: int) -> None:
    """Clean the entries; a large folio that is only partly in the range is split first, without the lock."""
    mm, addr, split = tlb.mm, start, set()
    await pte_lock(mm, start)
    await flush_tlb_batched_pending(mm)
    while addr != end:
        pte: Any = await ptep_get(addr)
        if isinstance(pte, Swap):
            await set_pte(addr, None)
        elif isinstance(pte, Pte):
            head, pages = mm.folio(pte.frame)
            large = pages > 1 and head not in split
            if large and await folio_pte_batch(mm, addr, pte, end - addr) < pages:
                await pte_unlock(mm, start)
                split.add(head)  # split_folio()
                await pte_lock(mm, start)
                if mm.era.has("383c4613c67c"):
                    await flush_tlb_batched_pending(mm)
                continue
            if pte.dirty:
                pte = await mm.hook.ptep_get_and_clear(mm=mm, addr=addr, nr=1, full=False)
                await set_pte(addr, pte._replace(dirty=False))  # clear_young_dirty_ptes()
                tlb_flush_pte_range(tlb, addr, 1)
        addr += 1
    await pte_unlock(mm, start)
