"""mm/oom_kill.c: freeing the memory of a process that is being killed, while its threads may still run."""

from __future__ import annotations

from core.machine.memory import declare
from core.machine.op import Cell, Op, Outcome
from core.machine.order import Order
from core.mm.memory import unmap_page_range, zap_page_range_single
from core.mm.mm import Mm, Vma
from core.mm.mmap_lock import mmap_read_trylock, mmap_read_unlock
from core.mm.mmu_gather import tlb_finish_mmu, tlb_gather_mmu

MMF_OOM_SKIP = Cell(declare("MMF_OOM_SKIP", False, of_mm=True))
"""Nothing is left for the oom reaper; set by exit_mmap() between its two holds of mmap_lock."""


def set_oom_skip() -> Op:
    """set_bit(MMF_OOM_SKIP)."""
    return Op("set MMF_OOM_SKIP", (), (MMF_OOM_SKIP,), lambda: [Outcome(None, (True,))], order=Order.ATOMIC)


def test_oom_skip() -> Op:
    """test_bit(MMF_OOM_SKIP); mmap_lock is held."""
    return Op("test MMF_OOM_SKIP", (MMF_OOM_SKIP,), (), lambda skip: [Outcome(skip)], order=Order.PLAIN)


async def oom_reap_task_mm(mm: Mm, vmas: list[Vma]) -> None:
    """__oom_reap_task_mm(): a gather for each anonymous VMA.

    Before 687cb0884a71 it was one gather for the whole mm, which promises what only exit_mmap() can promise: that no
    thread runs on the mm any more.
    """
    if not await mmap_read_trylock(mm):
        return  # to be tried again later
    if await test_oom_skip():
        await mmap_read_unlock(mm)
        return
    if mm.era.has("687cb0884a71"):
        for vma in vmas:
            await zap_page_range_single(mm, vma, vma.start, vma.end)
    else:
        tlb = await tlb_gather_mmu(mm, fullmm=True)
        for vma in vmas:
            await unmap_page_range(tlb, vma, vma.start, vma.end)
        await tlb_finish_mmu(tlb)
    await mmap_read_unlock(mm)
