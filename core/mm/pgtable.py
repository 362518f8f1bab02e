"""mm/pgtable-generic.c and arch/x86/include/asm/pgtable.h: what an entry says about who may still use it."""

from __future__ import annotations

from core.machine.pte import Entry, ProtNone, Pte
from core.mm.mm import Mm, mm_tlb_flush_pending


async def pte_accessible(mm: Mm, pte: Entry) -> bool:
    """May a CPU still have the translation of this entry?  The page-table lock is held.

    A present entry can be cached at any time.  An entry that allows no access can only be cached as long as the flush
    of the operation that removed the access is still to come (commit 20841405940e).
    """
    if isinstance(pte, Pte):
        return True
    if isinstance(pte, ProtNone) and mm.era.has("20841405940e"):
        return bool(await mm_tlb_flush_pending())
    return False
