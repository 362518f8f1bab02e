"""mm/mprotect.c: changing what entries allow.

mprotect() holds mmap_lock for writing.  NUMA balancing and userfaultfd change entries under the lock for reading, next
to each other and to page faults: then the entry says one thing and the TLB, until the gather is finished, another.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from core.machine.lock import mmap_read_lock, mmap_read_unlock, mmap_write_lock, mmap_write_unlock
from core.machine.pte import Entry, ProtNone, Pte, ptep_get, set_pte
from core.mm.batched_unmap import flush_tlb_batched_pending
from core.mm.mm import Mm, pte_lock, pte_unlock
from core.mm.mmu_gather import MmuGather, tlb_change_page_size, tlb_finish_mmu, tlb_flush_pte_range, tlb_gather_mmu

Change = Callable[[Pte], Entry]


def wrprotect(pte: Pte) -> Entry:
    """pte_modify(pte, PAGE_READONLY)."""
    return pte._replace(write=False)


def protnone(pte: Pte) -> Entry:
    """pte_modify(pte, PAGE_NONE)."""
    return ProtNone(pte.frame, pte.write, pte.dirty)


async def mprotect(mm: Mm, start: int, end: int, change: Change) -> None:
    """mprotect() of a range."""
    await mmap_write_lock(mm.task)
    await change_protection(mm, start, end, change)
    await mmap_write_unlock(mm.task)


async def change_prot_numa(mm: Mm, start: int, end: int) -> None:
    """mm/mempolicy.c:change_prot_numa() from task_numa_work(): the next access of each page will fault."""
    await mmap_read_lock(mm.task)
    await change_protection(mm, start, end, protnone)
    await mmap_read_unlock(mm.task)


async def change_protection(mm: Mm, start: int, end: int, change: Change) -> None:
    """Change the present entries of a range and flush them before returning; mmap_lock is held."""
    tlb = await tlb_gather_mmu(mm)
    span, addr = mm.span[0], start
    while addr != end:
        next_addr = min(addr - addr % span + span, end)
        await change_pte_range(tlb, addr, next_addr, change)
        addr = next_addr
    await tlb_finish_mmu(tlb)


async def change_pte_range(tlb: MmuGather, addr: int, end: int, change: Change) -> None:
    """The entries of one table."""
    mm, table = tlb.mm, addr
    await tlb_change_page_size(tlb, 1)
    await pte_lock(mm, table)
    await flush_tlb_batched_pending(mm)
    while addr != end:
        pte: Any = await ptep_get(addr)
        if isinstance(pte, Pte):
            pte = await mm.hook.ptep_get_and_clear(mm=mm, addr=addr, nr=1, full=False)  # ptep_modify_prot_start()
            await set_pte(addr, change(pte))  # ptep_modify_prot_commit()
            tlb_flush_pte_range(tlb, addr, 1)
        addr += 1
    await pte_unlock(mm, table)
