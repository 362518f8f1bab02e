"""mm/rmap.c:folio_referenced(): reclaim tests by the accessed bits which pages have been used."""

from __future__ import annotations

from core.mm.mm import Mm, pte_unlock
from core.mm.page_vma_mapped import page_vma_mapped_walk


async def folio_referenced_one(mm: Mm, page: int, addr: int) -> bool:
    """folio_referenced_one(): was this mapping of the page accessed since the last call?"""
    found = await page_vma_mapped_walk(mm, page, addr)
    if found is None:
        return False
    young = await mm.hook.clear_flush_young_ptes(mm=mm, addr=addr, nr=1)
    await pte_unlock(mm, found.ptl)
    return young
