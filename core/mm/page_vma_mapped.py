"""mm/page_vma_mapped.c: from a page and an address to the entry that maps the page there.

The entry is in a page table and protected by that table's lock.  The pmd says which table that is; it is read before
the lock is taken.  Where tables may be freed meanwhile, the pmd is looked at again under the lock, and the walk starts
again if the table has gone.  A table that mremap moves takes its lock and its entries with it
(core.mm.mremap:move_normal_pmd), so there the cell of an entry is named after the initial address of its table.

Without PVMW_SYNC the walk looks at an entry before it takes the lock (map_pte()), and passes over one that is empty.
Whoever empties it meanwhile keeps the mapping's count, so the page is kept: nothing follows from it, unless the entry
is set again where the walk comes next.  So it is asked where mremap moves entries (`Mm.moves`), and not elsewhere.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from core.machine.pte import Migration, pte_present
from core.mm.mm import Mm, pte_unlock
from core.mm.pgtable import pte_offset_map_lock, read_upper, tables_may_go


class MappedEntry(NamedTuple):
    """What page_vma_mapped_walk() has found: the address of the entry, one that names the lock, and the entry.

    The lock of the table is held.
    """

    addr: int
    ptl: int
    entry: Any


async def page_vma_mapped_walk(
    mm: Mm, page: int, addr: int, *, migration: bool = False, sync: bool = False
) -> MappedEntry | None:
    """Find the entry that maps `page` at `addr`, and lock its table; None if there is none.

    `migration`: the entry says where the page was mapped before its migration (PVMW_MIGRATION).  `sync`: the lock is
    taken before the entry is looked at (PVMW_SYNC).
    """
    while (table := await read_upper(mm, 0, addr)) is not None:
        at = addr if tables_may_go(mm) else table * mm.span[0] + addr % mm.span[0]
        if mm.moves and not sync:
            seen: Any = await mm.hook.ptep_get_lockless(mm=mm, addr=at)
            if seen is None if migration else not pte_present(seen):
                return None
        ptl = await pte_offset_map_lock(mm, at)
        if ptl is None:
            continue  # goto restart
        pte: Any = await mm.hook.ptep_get(mm=mm, addr=at)
        if (isinstance(pte, Migration) if migration else pte_present(pte)) and pte.frame == page:
            return MappedEntry(at, ptl, pte)
        await pte_unlock(mm, ptl)
        return None
    return None
