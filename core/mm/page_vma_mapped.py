"""mm/page_vma_mapped.c: from a page and an address to the entry that maps the page there.

The entry is in a page table and protected by that table's lock.  The pmd says which table that is; it is read before
the lock is taken, and not checked again under the lock (v6.5 does): a table that mremap moves takes its lock and its
entries with it (core.mm.mremap:move_normal_pmd).  The cell of an entry is named after the initial address of its table.
"""

from __future__ import annotations

from typing import Any

from core.machine.pte import pte_present
from core.mm.mm import Mm, pte_lock, pte_unlock
from core.mm.pgtable import read_upper


async def page_vma_mapped_walk(mm: Mm, page: int, addr: int) -> int | None:
    """Find the entry that maps `page` at `addr`. Returns its address, with its table locked; None if there is none."""
    table = await read_upper(mm, 0, addr)
    if table is None:
        return None
    at: int = table * mm.span[0] + addr % mm.span[0]
    await pte_lock(mm, at)
    pte: Any = await mm.hook.ptep_get(mm=mm, addr=at)
    if pte_present(pte) and pte.frame == page:
        return at
    await pte_unlock(mm, at)
    return None
