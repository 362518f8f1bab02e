"""mm/huge_memory.c: entries of a pmd table that map a huge page themselves.

Data types
    HugePmd(frame, write, dirty)   a present huge entry, in the cell of its pmd

A huge page takes one slot of the gather whatever its size, and it is queued after its lock has been dropped: a dirty
one of a file does not force a flush under the lock.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from core.machine.lock import spin_lock, spin_unlock
from core.machine.op import Cell, Op, Outcome
from core.mm.mm import Mm, pmd_ptl_cell
from core.mm.mmu_gather import MmuGather, adjust_range, tlb_flush_mmu
from core.mm.page import set_page_dirty
from core.mm.rmap import folio_remove_rmap_pmd


class HugePmd(NamedTuple):
    """pmd_trans_huge(): `frame` is the first page of the folio it maps."""

    frame: int
    write: bool = True
    dirty: bool = False


def pmd_lock(mm: Mm, addr: int) -> Op:
    """The lock of the pmd table that covers `addr`."""
    return spin_lock(pmd_ptl_cell(mm, addr), mm.task, event=("lock",))


def pmd_unlock(mm: Mm, addr: int) -> Op:
    """Let go of it."""
    return spin_unlock(pmd_ptl_cell(mm, addr), mm.task, event=("unlock",))


def tlb_flush_pmd_range(tlb: MmuGather, addr: int, size: int) -> None:
    """A huge entry that covers `size` pages from `addr` has changed."""
    adjust_range(tlb, addr, size)
    tlb.cleared_pmds = True


async def zap_huge_pmd(tlb: MmuGather, addr: int, end: int) -> None:
    """Take out one huge mapping. ValueError for a part of one: splitting it is not modelled."""
    mm = tlb.mm
    if addr % mm.span[0] or end - addr != mm.span[0]:
        raise ValueError(f"pages {addr} to {end} are part of a huge page, which would have to be split")
    await pmd_lock(mm, addr)
    pmd: Any = await pmdp_huge_get_and_clear(mm, addr)
    tlb_flush_pmd_range(tlb, addr, mm.span[0])
    special = mm.special(pmd.frame)
    if not special:
        if not mm.is_anon(pmd.frame) and pmd.dirty:
            await set_page_dirty(pmd.frame)
        await folio_remove_rmap_pmd(mm, addr, pmd.frame)
    await pmd_unlock(mm, addr)
    if not special and await mm.hook.tlb_remove_page(tlb=tlb, page=pmd.frame, nr=1, delay_rmap=False):
        await tlb_flush_mmu(tlb)


def pmdp_huge_get_and_clear(mm: Mm, addr: int) -> Op:
    """Read and clear in one atomic step."""
    cell = Cell("pmd", addr // mm.span[0])
    event = ("clear_pmd", addr, mm.span[0])
    return Op(f"pmdp_huge_get_and_clear({addr})", (cell,), (cell,), lambda pmd: [Outcome(pmd, (None,))], event=event)


async def change_huge_pmd(mm: Mm, addr: int) -> None:
    """mprotect(PROT_READ) of a huge entry, under mmap_lock and the lock of the pmd.

    Before ced108037c2a the entry was empty for a moment, which those who look without the lock take for an answer;
    pmdp_invalidate() leaves one that is not present and not empty.
    """
    cell = Cell("pmd", addr // mm.span[0])
    await pmd_lock(mm, addr)
    if mm.era.has("ced108037c2a"):
        pmd: Any = await Op(f"pmdp_invalidate({addr})", (cell,), (cell,), lambda pmd: [Outcome(pmd, (pmd,))])
    else:
        pmd = await pmdp_huge_get_and_clear(mm, addr)
    if pmd is not None:
        entry = pmd._replace(write=False)
        await Op(f"set_pmd_at({addr})", (), (cell,), lambda: [Outcome(None, (entry,))])
    await pmd_unlock(mm, addr)
    await mm.hook.flush_tlb_range(mm=mm, start=addr, end=addr + mm.span[0], stride=mm.span[0], freed_tables=False)
