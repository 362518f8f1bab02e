"""mm/pagewalk.c: visiting the page tables and huge entries of a range."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from core.machine.op import Op
from core.mm.mmu_gather import MmuGather
from core.mm.pgtable import read_upper, upper_addr_end

PmdEntry = Callable[[MmuGather, int, int, Any], Coroutine[Op, Any, None]]
"""mm_walk_ops.pmd_entry: called with the gather, the first page, the one past the last, and the entry as read."""


async def walk_page_range(tlb: MmuGather, start: int, end: int, pmd_entry: PmdEntry) -> None:
    """Call `pmd_entry` for each pmd of the range that is not empty; mmap_lock is held."""
    await _walk_upper_range(tlb, 2, start, end, pmd_entry)


async def _walk_upper_range(tlb: MmuGather, level: int, addr: int, end: int, pmd_entry: PmdEntry) -> None:
    """walk_pmd_range(), walk_pud_range(), walk_p4d_range()."""
    while addr != end:
        next_addr = upper_addr_end(tlb.mm, level, addr, end)
        entry: Any = await read_upper(tlb.mm, level, addr)
        if entry is not None:
            if level:
                await _walk_upper_range(tlb, level - 1, addr, next_addr, pmd_entry)
            else:
                await pmd_entry(tlb, addr, next_addr, entry)
        addr = next_addr
