"""mm/rmap.c:folio_referenced(): reclaim tests by the accessed bits which pages have been used."""

from __future__ import annotations

from core.machine.pte import pte_present
from core.mm.mm import Mm, pte_lock, pte_unlock


async def folio_referenced_one(mm: Mm, page: int, addr: int) -> bool:
    """folio_referenced_one(): was this mapping of the page accessed since the last call?"""
    await pte_lock(mm, addr)
    pte: object = await mm.hook.ptep_get(mm=mm, addr=addr)
    young = False
    if pte_present(pte) and pte.frame == page:
        young = await mm.hook.ptep_clear_flush_young(mm=mm, addr=addr)
    await pte_unlock(mm, addr)
    return young
