"""kernel/fork.c:dup_mmap(), with its part of mm/memory.c: a child shares its parent's pages until one of them writes.

The child's page table is represented by other virtual pages of the model, on which no CPU runs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from core.machine.pte import pte_present, ptep_get, set_pte
from core.mm.mm import Mm, Vma, log, pte_lock, pte_unlock
from core.mm.mmap_lock import mmap_write_lock, mmap_write_unlock, vma_start_write
from core.mm.mmu_gather import ALL_ONES
from core.mm.page import get_page, inc_mapcount


async def dup_mmap(mm: Mm, vmas: Sequence[Vma], child: Mapping[int, int]) -> None:
    """dup_mmap(): copy the entries of anonymous memory; `child` has the child's page for each of the parent's that is
    copied.

    No fault may be under way in the parent's `vmas`: one that finds an entry write-protected would copy its page while
    another CPU still writes to it (fb49c455323f).

    The parent's entries are write-protected and flushed before the parent continues: the child must not see its later
    stores.
    """
    await mmap_write_lock(mm)
    for vma in vmas:
        if mm.era.has("fb49c455323f"):
            await vma_start_write(mm, vma)
    for addr, copy in child.items():
        await copy_pte_range(mm, addr, copy)
    await mm.hook.flush_tlb_mm(mm=mm)
    await log("flush", 0, ALL_ONES, ("mm",))
    await mmap_write_unlock(mm)


async def copy_pte_range(mm: Mm, addr: int, copy: int) -> None:
    """One entry, under both page-table locks: the child's first."""
    await pte_lock(mm, copy)
    await pte_lock(mm, addr)
    await mm.hook.arch_enter_lazy_mmu_mode(mm=mm)
    pte: Any = await ptep_get(addr)
    if pte_present(pte):
        await get_page(pte.frame)
        await inc_mapcount(pte.frame)  # folio_try_dup_anon_rmap_pte()
        if pte.write:
            await mm.hook.ptep_set_wrprotect(mm=mm, addr=addr)
            pte = mm.hook.pte_wrprotect(mm=mm, pte=pte)
        await set_pte(copy, pte)
    await mm.hook.arch_leave_lazy_mmu_mode(mm=mm)
    await pte_unlock(mm, addr)
    await pte_unlock(mm, copy)
