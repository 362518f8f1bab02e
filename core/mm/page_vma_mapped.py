"""mm/page_vma_mapped.c: from a page and an address to the entry that maps the one at the other.

The entry stands in a page table, and is locked by that table's lock.  Which table that is, the pmd says, which is read
before, and not looked at again under the lock (v6.5 does): a table that mremap moves takes its lock and its entries
along (core.mm.mremap:move_normal_pmd).  The cell of an entry is named by where its table stood at the start.
"""

from __future__ import annotations

from typing import Any

from core.machine.pte import Pte, ptep_get
from core.mm.memory import read_upper
from core.mm.mm import Mm, pte_lock, pte_unlock


async def page_vma_mapped_walk(mm: Mm, page: int, addr: int) -> int | None:
    """Find the entry that maps `page` at `addr`. Returns where it stands, its table locked; None if there is none."""
    table = await read_upper(mm, 0, addr)
    if table is None:
        return None
    at: int = table * mm.span[0] + addr % mm.span[0]
    await pte_lock(mm, at)
    pte: Any = await ptep_get(at)
    if isinstance(pte, Pte) and pte.frame == page:
        return at
    await pte_unlock(mm, at)
    return None
