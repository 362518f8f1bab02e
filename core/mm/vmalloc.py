"""mm/vmalloc.c: mappings of the kernel, in which huge pages take the place of page tables."""

from __future__ import annotations

from core.machine.pte import Pte
from core.mm.huge_memory import set_pmd_at
from core.mm.mm import Mm


async def vmap_try_huge_pmd(mm: Mm, addr: int, frame: int) -> None:
    """Map a huge page at `addr`, where an earlier mapping has left an empty page table; the caller owns the range.

    mm/vmalloc.c:vmap_try_huge_pmd().  pmd_free_pte_page() frees the table, and answers for every walker.
    """
    await mm.hook.pmd_free_pte_page(mm=mm, addr=addr)
    await set_pmd_at(mm, addr, Pte(frame, dirty=True))
