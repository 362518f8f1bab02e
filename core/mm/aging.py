"""mm/rmap.c:folio_referenced(): reclaim tests by the accessed bits which pages have been used."""

from __future__ import annotations

from core.mm.memory import folio_pte_batch
from core.mm.mm import Mm, pte_unlock
from core.mm.page_vma_mapped import page_vma_mapped_walk


async def folio_referenced_one(mm: Mm, page: int, addr: int) -> bool:
    """folio_referenced_one(): was this mapping of the page accessed since the last call?

    Of a large folio, all entries from this one on (`Era.ages_folios`).
    """
    found = await page_vma_mapped_walk(mm, page, addr)
    if found is None:
        return False
    nr = await folio_pte_batch(mm, addr, found.entry, mm.folio(page)[1]) if mm.era.ages_folios else 1
    young = await mm.hook.clear_flush_young_ptes(mm=mm, addr=addr, nr=nr)
    await pte_unlock(mm, found.ptl)
    return young
