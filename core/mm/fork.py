"""kernel/fork.c:dup_mmap(), with its part of mm/memory.c: a child shares its parent's pages until one of them writes.

The child's page table is represented by other virtual pages of the model, on which no CPU runs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from core.machine.pte import Entry, Migration, Present, Swap, pte_present
from core.mm.memory import writable_pte_batch
from core.mm.mm import Mm, Vma, log, pte_lock, pte_unlock
from core.mm.mmap_lock import mmap_write_lock, mmap_write_unlock, vma_start_write
from core.mm.mmu_gather import ALL_ONES
from core.mm.page import get_page, inc_mapcount
from core.mm.pgtable import set_pte_at
from core.mm.stand_in import or_c
from core.mm.swapfile import swap_duplicate


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
    for addr, end in runs(child):
        await copy_pte_range(mm, addr, end, child[addr])
    await mm.hook.flush_tlb_mm(mm=mm)
    await log("flush", 0, ALL_ONES, ("mm",))
    await mmap_write_unlock(mm)


def runs(child: Mapping[int, int]) -> list[tuple[int, int]]:
    """Virtual pages that follow on one another here and in the child: from, to (exclusive)."""
    found: list[tuple[int, int]] = []
    for addr, copy in child.items():
        if found and found[-1][1] == addr and child[addr - 1] == copy - 1:
            found[-1] = (found[-1][0], addr + 1)
        else:
            found.append((addr, addr + 1))
    return found


@or_c
async def copy_pte_range(mm: Mm, addr: int, end: int, copy: int) -> None:
    """Entries of one table, under both page-table locks: the child's first."""
    start, to_child = addr, copy - addr
    await pte_lock(mm, copy)
    await pte_lock(mm, start)
    await mm.hook.arch_enter_lazy_mmu_mode(mm=mm)
    while addr < end:
        pte: Any = await mm.hook.ptep_get(mm=mm, addr=addr)
        if pte_present(pte):
            addr += await copy_present_ptes(mm, addr, end, addr + to_child, pte)
            continue
        if pte is not None:
            await copy_nonpresent_pte(mm, addr, addr + to_child, pte)
        addr += 1
    await mm.hook.arch_leave_lazy_mmu_mode(mm=mm)
    await pte_unlock(mm, start)
    await pte_unlock(mm, copy)


async def copy_present_ptes(mm: Mm, addr: int, end: int, copy: int, pte: Present) -> int:
    """Copy one entry, or several of one large folio (since 6.9), all of which are as dirty. Returns how many.

    They are write-protected if any of them is writable.
    """
    nr, any_writable = 1, False
    if mm.era.folio_entries and mm.folio(pte.frame)[1] > 1:
        nr, any_writable = await writable_pte_batch(mm, addr, pte, end - addr, ignore_dirty=False)
    for page in range(pte.frame, pte.frame + nr):
        await get_page(page)
    for page in range(pte.frame, pte.frame + nr):
        await inc_mapcount(page)  # folio_try_dup_anon_rmap_ptes()
    if pte.write or any_writable:
        await mm.hook.wrprotect_ptes(mm=mm, addr=addr, nr=nr)
        pte = mm.hook.pte_wrprotect(mm=mm, pte=pte)
    await mm.hook.set_ptes(mm=mm, addr=copy, pte=pte, nr=nr)
    return nr


async def copy_nonpresent_pte(mm: Mm, addr: int, copy: int, pte: Entry) -> None:
    """Copy an entry of a page in swap, or of one that is being migrated, which neither may write to as it is then."""
    if isinstance(pte, Swap):
        await swap_duplicate(mm, pte.offset)
    elif isinstance(pte, Migration) and pte.write:
        pte = Migration(pte.frame, write=False, dirty=pte.dirty)
        await set_pte_at(mm, addr, pte)
    await set_pte_at(mm, copy, pte)
