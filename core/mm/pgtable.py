"""mm/pgtable-generic.c and arch/x86/include/asm/pgtable.h: what an entry says of who may still use it."""

from __future__ import annotations

from core.machine.pte import Entry, ProtNone, Pte
from core.mm.mm import Mm, mm_tlb_flush_pending


async def pte_accessible(mm: Mm, pte: Entry) -> bool:
    """May a CPU have the translation that this entry gave? The page-table lock is held.

    A present entry can be cached at any time.  One that no access may use can only be a leftover: it is, as long as
    the flush of whoever took the access away is still to come (commit 20841405940e).
    """
    if isinstance(pte, Pte):
        return True
    if isinstance(pte, ProtNone) and mm.era.has("20841405940e"):
        return bool(await mm_tlb_flush_pending())
    return False
