"""mm/vmalloc.c: mappings of the kernel come and go, and huge pages take the place of page tables."""

from __future__ import annotations

from collections.abc import Sequence

from core.machine.pte import Pte
from core.mm.huge_memory import set_pmd_at
from core.mm.init_mm import init_mm
from core.mm.mm import Mm
from core.mm.pgtable import set_pte_at


async def vmap_try_huge_pmd(mm: Mm, addr: int, frame: int) -> None:
    """Map a huge page at `addr`, where an earlier mapping has left an empty page table; the caller owns the range.

    mm/vmalloc.c:vmap_try_huge_pmd().  pmd_free_pte_page() frees the table, and answers for every walker.
    """
    await mm.hook.pmd_free_pte_page(mm=mm, addr=addr)
    await set_pmd_at(init_mm(mm), addr, Pte(frame, dirty=True))


async def vunmap_range(mm: Mm, start: int, end: int) -> None:
    """Remove mappings of the kernel, and flush them: what they have mapped may be freed, the addresses used again.

    mm/vmalloc.c:vunmap_range().  The caller owns the range; kernel tables have one lock, init_mm's, which unmapping
    does not take.  Entries are cleared in init_mm, while the task that does it may have any mm.
    """
    for addr in range(start, end):
        await mm.hook.ptep_get_and_clear(mm=init_mm(mm), addr=addr, nr=1, full=False)
    await mm.hook.flush_tlb_kernel_range(mm=mm, start=start, end=end)


async def vmap_range(mm: Mm, start: int, frames: Sequence[int]) -> None:
    """Map `frames` from `start` on, where nothing is mapped: mm/vmalloc.c:vmap_pages_range(). No flush."""
    for at, frame in enumerate(frames):
        await set_pte_at(init_mm(mm), start + at, Pte(frame, dirty=True))
