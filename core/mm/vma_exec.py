"""mm/vma_exec.c: exec moves the pages of its arguments to where the stack is to be.

6.1 has it in fs/exec.c:shift_arg_pages(), 6.12 in mm/mmap.c:relocate_vma_down().
"""

from __future__ import annotations

from core.mm.memory import free_pgd_range
from core.mm.mm import Mm, Vma
from core.mm.mmap_lock import mmap_write_lock, mmap_write_unlock, vma_start_write
from core.mm.mmu_gather import tlb_finish_mmu, tlb_gather_mmu
from core.mm.mremap import move_page_tables
from core.mm.swap import lru_add_drain


async def setup_arg_pages(mm: Mm, vma: Vma, new_vma: Vma, ceiling: int = 0) -> None:
    """fs/exec.c:setup_arg_pages(): the stack's VMA goes from where bprm_mm_init() has put it to a random place below.

    `ceiling` is where the next VMA above begins, 0 if there is none.
    """
    await mmap_write_lock(mm)
    await vma_start_write(mm, vma)
    await relocate_vma_down(mm, vma, new_vma, ceiling)
    await mmap_write_unlock(mm)


async def relocate_vma_down(mm: Mm, vma: Vma, new_vma: Vma, ceiling: int) -> None:
    """Move the entries, then free the tables of the old place that the new one does not need.

    Nothing is left to be zapped there, so the gather has only tables.
    """
    await move_page_tables(mm, vma, new_vma)
    await lru_add_drain(mm)
    tlb = await tlb_gather_mmu(mm)
    await free_pgd_range(tlb, max(vma.start, new_vma.end), vma.end, new_vma.end, ceiling)
    await tlb_finish_mmu(tlb)
