"""mm/mprotect.c: changing the protection of entries.

mprotect() holds mmap_lock for writing.  NUMA balancing and userfaultfd change entries under the lock for reading,
concurrently with each other and with page faults: until the gather is finished, entry and TLB may differ.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from core.machine.pte import Entry, Migration, Present, ProtNone, Pte, pte_present
from core.mm.batched_unmap import flush_tlb_batched_pending
from core.mm.huge_memory import change_huge_pmd
from core.mm.mm import Mm, Vma, cond_resched, pte_unlock
from core.mm.mmap_lock import mmap_read_lock, mmap_read_unlock, mmap_write_lock, mmap_write_unlock, vma_start_write
from core.mm.mmu_gather import MmuGather, tlb_change_page_size, tlb_finish_mmu, tlb_flush_pte_range, tlb_gather_mmu
from core.mm.pgtable import pte_offset_map_lock, read_upper, set_pte_at, upper_addr_end
from core.mm.stand_in import or_c

Change = Callable[[Present], Entry]
"""pte_modify() to the new protection."""


def accessible(pte: Present) -> Pte:
    """pte_modify() to a protection that allows loads; whether stores are allowed as well is for the caller to say."""
    return pte if isinstance(pte, Pte) else Pte(pte.frame, write=False, dirty=pte.dirty)


def wrprotect(pte: Present) -> Entry:
    """pte_modify(pte, PAGE_READONLY)."""
    return accessible(pte)._replace(write=False)


def protnone(pte: Present) -> Entry:
    """pte_modify(pte, PAGE_NONE)."""
    return ProtNone(pte.frame, pte.write, pte.dirty)


def prot_numa(pte: Present) -> Entry:
    """The same with MM_CP_PROT_NUMA, which leaves entries alone that allow no access already."""
    return protnone(pte)


async def mprotect(mm: Mm, vmas: Sequence[Vma], change: Change) -> None:
    """mprotect() of VMAs or parts of some, those that it changes, in ascending order. do_mprotect_pkey()."""
    await mmap_write_lock(mm)
    tlb = await tlb_gather_mmu(mm)
    for vma in vmas:
        await vma_start_write(mm, vma)  # mprotect_fixup()
        await change_protection(tlb, vma, change)
    await tlb_finish_mmu(tlb)
    await mmap_write_unlock(mm)


async def change_prot_numa(mm: Mm, vma: Vma) -> None:
    """mm/mempolicy.c:change_prot_numa(), called by task_numa_work(): the next access to each page will fault."""
    await mmap_read_lock(mm)
    await change_vma(mm, vma, prot_numa)
    await mmap_read_unlock(mm)


async def change_vma(mm: Mm, vma: Vma, change: Change) -> None:
    """Change the entries of one VMA, or of a part of one, with a gather of its own; mmap_lock is held."""
    tlb = await tlb_gather_mmu(mm)
    await change_protection(tlb, vma, change)
    await tlb_finish_mmu(tlb)


@or_c
async def change_protection(tlb: MmuGather, vma: Vma, change: Change) -> None:
    """Change the present entries of a VMA, or of a part of one; the gather flushes them at the end."""
    await tlb.mm.hook.tlb_start_vma(tlb=tlb, vma=vma)
    await change_upper_range(tlb, 2, vma.start, vma.end, change)
    await tlb.mm.hook.tlb_end_vma(tlb=tlb, vma=vma)


async def change_upper_range(tlb: MmuGather, level: int, addr: int, end: int, change: Change) -> None:
    """change_pmd_range(), change_pud_range(), change_p4d_range(): skip what has no table."""
    while addr != end:
        next_addr = upper_addr_end(tlb.mm, level, addr, end)
        entry: Any = await read_upper(tlb.mm, level, addr)
        if entry is not None:
            if level:
                await change_upper_range(tlb, level - 1, addr, next_addr, change)
            elif pte_present(entry):
                if not await change_huge_pmd(tlb, addr, next_addr, change):
                    continue  # huge no more
            elif not await change_pte_range(tlb, addr, next_addr, change):
                continue  # -EAGAIN: look at the pmd once more, which may be huge by now
        if level == 0:
            await cond_resched()
        addr = next_addr


async def change_pte_range(tlb: MmuGather, addr: int, end: int, change: Change) -> bool:
    """Change the entries of one table; False if it has gone (since v6.5: -EAGAIN).

    What the page of a migration entry may be mapped with is not looked into: it is write-protected whatever the change.
    """
    mm = tlb.mm
    await tlb_change_page_size(tlb, 1)
    table = await pte_offset_map_lock(mm, addr)
    if table is None:
        return False
    await flush_tlb_batched_pending(mm)
    await mm.hook.arch_enter_lazy_mmu_mode(mm=mm)
    while addr != end:
        pte: Any = await mm.hook.ptep_get(mm=mm, addr=addr)
        if pte_present(pte) and not (change is prot_numa and isinstance(pte, ProtNone)):
            oldpte = await mm.hook.ptep_modify_prot_start(mm=mm, addr=addr)
            newpte = change(oldpte)
            await mm.hook.ptep_modify_prot_commit(mm=mm, addr=addr, oldpte=oldpte, pte=newpte)
            if mm.hook.pte_needs_flush(mm=mm, oldpte=oldpte, newpte=newpte):
                tlb_flush_pte_range(tlb, addr, 1)
        elif isinstance(pte, Migration) and pte.write:
            await set_pte_at(mm, addr, Migration(pte.frame, write=False, dirty=pte.dirty))
        addr += 1
    await mm.hook.arch_leave_lazy_mmu_mode(mm=mm)
    await pte_unlock(mm, table)
    return True
