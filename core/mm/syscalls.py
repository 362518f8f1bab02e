"""The system calls that were measured, as programs over core/mm: what each does to one mapping.

Only what decides about flushes is here; the zap, the gather and the freeing of tables are core/mm's.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from core.machine.pte import Pte, ptep_get, set_pte
from core.mm import mmap
from core.mm.huge_memory import pmd_lock, pmd_unlock, tlb_flush_pmd_range
from core.mm.memory import free_pgtables, read_upper, unmap_page_range
from core.mm.mm import Mm, Vma, pte_lock, pte_unlock
from core.mm.mmu_gather import MmuGather, tlb_finish_mmu, tlb_flush_pte_range, tlb_gather_mmu


@dataclass(frozen=True, slots=True)
class Mapping:
    """What an operation is about: the VMA, those below it, and the bounds that free_pgtables() gets (0: none)."""

    vma: Vma
    below: tuple[Vma, ...] = ()
    floor: int = 0
    ceiling: int = 0


def _nobody(tlb: MmuGather) -> None:
    """Nobody wants to watch the gather."""


async def munmap(mm: Mm, at: Mapping, watch: Callable[[MmuGather], None] = _nobody) -> None:
    """munmap(), and the same work for mmap(MAP_FIXED) over a mapping and for the tail that mremap() cuts off:
    mm/vma.c:vms_clear_ptes()."""
    tlb = await tlb_gather_mmu(mm)
    watch(tlb)
    vmas = [*at.below, at.vma]
    for vma in vmas:
        await unmap_page_range(tlb, vma, vma.start, vma.end)
    await free_pgtables(tlb, vmas, at.floor, at.ceiling)
    await tlb_finish_mmu(tlb)


async def dontneed(mm: Mm, at: Mapping, watch: Callable[[MmuGather], None] = _nobody) -> None:
    """MADV_DONTNEED: no tables are freed but those that CONFIG_PT_RECLAIM finds emptied."""
    tlb = await tlb_gather_mmu(mm)
    watch(tlb)
    tlb.reclaim_pt = True
    await unmap_page_range(tlb, at.vma, at.vma.start, at.vma.end)
    await tlb_finish_mmu(tlb)


async def ftruncate(mm: Mm, at: Mapping) -> None:
    """truncate_pagecache(): unmap_mapping_range(), the pages, and once more for what was faulted in meanwhile."""
    for _ in range(2):
        tlb = await tlb_gather_mmu(mm)
        await unmap_page_range(tlb, at.vma, at.vma.start, at.vma.end)
        await tlb_finish_mmu(tlb)


async def exit_mmap(mm: Mm, at: Mapping, watch: Callable[[MmuGather], None] = _nobody) -> None:
    """exit_mmap(). VMAs above the mapping are not known; nothing of theirs makes a flush of its own."""
    await mmap.exit_mmap(mm, [*at.below, at.vma], watch)


async def fork(mm: Mm, at: Mapping) -> None:
    """dup_mmap() ends with flush_tlb_mm(oldmm), whatever it has write-protected."""
    await mm.hook.flush_tlb_mm(mm=mm)


async def mprotect_readonly(mm: Mm, at: Mapping) -> None:
    """mprotect(PROT_READ): change_protection(), flushing what loses the right to write (pte_needs_flush())."""
    await change_protection(mm, at, lambda addr, pte: (pte._replace(write=False), pte.write))


async def change_protection(mm: Mm, at: Mapping, change: Callable[[int, Pte], tuple[Pte, bool]]) -> None:
    """change_protection(): `change` has the new entry for an address's old one, and whether that needs a flush."""

    async def change_pte_range(tlb: MmuGather, addr: int, end: int) -> None:
        table = addr
        await pte_lock(mm, table)
        while addr != end:
            pte: Any = await ptep_get(addr)
            if isinstance(pte, Pte):
                new, flush = change(addr, pte)
                if new != pte:
                    await set_pte(addr, new)
                if flush:
                    tlb_flush_pte_range(tlb, addr, 1)
            addr += 1
        await pte_unlock(mm, table)

    await _walk(mm, at, change_pte_range, _change_huge_pmd)


async def madvise_free(mm: Mm, at: Mapping) -> None:
    """MADV_FREE: anonymous entries become old and clean, madvise_free_pte_range(). They stay mapped."""
    await _walk(mm, at, _free_pte_range, _free_huge_pmd)


OPERATIONS: dict[str, Callable[[Mm, Mapping], Awaitable[None]]] = {
    "munmap": munmap,
    "mapfixed": munmap,
    "mremap": munmap,
    "dontneed": dontneed,
    "ftruncate": ftruncate,
    "exit": exit_mmap,
    "fork": fork,
    "mprotect": mprotect_readonly,
    "free": madvise_free,
}
"""By the names in the files."""


async def _empty_above(mm: Mm, addr: int) -> int:
    """How much lies below the highest entry on the way to `addr` that is empty; 0 if none is, down to the pmd table."""
    for level in (2, 1):
        if await read_upper(mm, level, addr) is None:
            return mm.span[level]
    return 0


OnTable = Callable[[MmuGather, int, int], Awaitable[None]]
OnHuge = Callable[[MmuGather, int, Pte], Awaitable[None]]


async def _walk(mm: Mm, at: Mapping, on_table: OnTable, on_huge: OnHuge) -> None:
    """Visit what a range has of tables and huge entries, and flush what they ask for at the end."""
    tlb = await tlb_gather_mmu(mm)
    await mm.hook.tlb_start_vma(tlb=tlb, vma=at.vma)
    addr, span = at.vma.start, mm.span[0]
    while addr != at.vma.end:
        next_addr = min(addr - addr % span + span, at.vma.end)
        empty = await _empty_above(mm, addr)
        if empty:
            addr = min(addr - addr % empty + empty, at.vma.end)
            continue
        pmd: Any = await read_upper(mm, 0, addr)
        if isinstance(pmd, Pte):
            await on_huge(tlb, addr, pmd)
        elif pmd is not None:
            await on_table(tlb, addr, next_addr)
        addr = next_addr
    await mm.hook.tlb_end_vma(tlb=tlb, vma=at.vma)
    await tlb_finish_mmu(tlb)


async def _change_huge_pmd(tlb: MmuGather, addr: int, pmd: Pte) -> None:
    await pmd_lock(tlb.mm, addr)
    if pmd.write:
        tlb_flush_pmd_range(tlb, addr, tlb.mm.span[0])
    await pmd_unlock(tlb.mm, addr)


async def _free_pte_range(tlb: MmuGather, addr: int, end: int) -> None:
    mm, table = tlb.mm, addr
    await pte_lock(mm, table)
    while addr != end:
        pte: Any = await ptep_get(addr)
        if isinstance(pte, Pte) and mm.is_anon(pte.frame) and not mm.special(pte.frame):
            await set_pte(addr, pte._replace(dirty=False))
            tlb_flush_pte_range(tlb, addr, 1)
        addr += 1
    await pte_unlock(mm, table)


async def _free_huge_pmd(tlb: MmuGather, addr: int, pmd: Pte) -> None:
    mm = tlb.mm
    if not mm.is_anon(pmd.frame) or mm.special(pmd.frame):
        return
    await pmd_lock(mm, addr)
    tlb_flush_pmd_range(tlb, addr, mm.span[0])
    await pmd_unlock(mm, addr)
