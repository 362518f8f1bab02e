"""mm/mmap.c: taking mappings away, and putting others in their place."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from core.machine.lock import mmap_read_unlock, mmap_write_downgrade, mmap_write_lock, mmap_write_unlock
from core.machine.op import Cell, Op, Outcome
from core.mm.memory import free_pgtables, unmap_page_range
from core.mm.mm import Mm, Vma, log, set_vma
from core.mm.mmu_gather import MmuGather, tlb_finish_mmu, tlb_flush_mmu_tlbonly, tlb_gather_mmu
from core.mm.rmap import rmap_lock, rmap_unlock


async def munmap(mm: Mm, vmas: list[Vma], floor: int = 0, ceiling: int = 0) -> None:
    """munmap(): unlink the VMAs with mmap_lock held for writing, tear them down holding it for reading."""
    await mmap_write_lock(mm.task)
    for vma in vmas:
        await set_vma(vma, False)
    await mmap_write_downgrade(mm.task)
    await unmap_region(mm, vmas, floor, ceiling)
    await mmap_read_unlock(mm.task)


async def mmap_over(mm: Mm, vmas: list[Vma], new: Vma) -> None:
    """mmap(MAP_FIXED) over existing mappings: mmap_lock stays held for writing until the new VMA is in."""
    await mmap_write_lock(mm.task)
    for vma in vmas:
        await set_vma(vma, False)
    await unmap_region(mm, vmas, 0, 0)
    await set_vma(new, True)
    await mmap_write_unlock(mm.task)


async def unmap_region(mm: Mm, vmas: list[Vma], floor: int, ceiling: int) -> None:
    """Zap the ranges, free the tables that nobody else needs (where tables come and go), flush and free."""
    tlb = await tlb_gather_mmu(mm)
    for vma in vmas:
        await unmap_page_range(tlb, vma, vma.start, vma.end)
    if not mm.era.has("b67fbebd4cf9"):
        await flush_pfn_vmas(tlb, vmas)
    if mm.tables:
        await log("pgtables")
    await unlink_file_vmas(tlb, [vma for vma in vmas if vma.pfn])
    if mm.tables:
        await free_pgtables(tlb, vmas, floor, ceiling)
    await tlb_finish_mmu(tlb)


async def exit_mmap(mm: Mm, vmas: Sequence[Vma], watch: Callable[[MmuGather], None] = lambda tlb: None) -> None:
    """Nobody runs on the mm any more. `watch` is shown the gather."""
    tlb = await tlb_gather_mmu(mm, fullmm=True)
    watch(tlb)
    for vma in vmas:
        await unmap_page_range(tlb, vma, vma.start, vma.end)
    if mm.tables:
        await free_pgtables(tlb, list(vmas), 0, 0)
    await tlb_finish_mmu(tlb)


async def flush_pfn_vmas(tlb: MmuGather, vmas: list[Vma]) -> None:
    """What stable kernels without b67fbebd4cf9 have in its place (895428ee124a), at first for the first VMA only."""
    if not tlb.mm.era.has("895428ee124a"):
        return
    looked_at = vmas if tlb.mm.era.has("895428ee124a, second part") else vmas[:1]
    if any(vma.pfn for vma in looked_at):
        await tlb_flush_mmu_tlbonly(tlb)


def in_file_cell(vma: Vma) -> Cell:
    """Whether the VMA is in its file's i_mmap, where unmap_mapping_range() looks for it."""
    return Cell("i_mmap", vma.start)


async def unlink_file_vmas(tlb: MmuGather, vmas: list[Vma]) -> None:
    """unlink_file_vma() of VMAs whose pages only the file's owner knows; free_pgtables() calls it before all else."""
    if vmas and tlb.mm.era.flush_vmas_late and tlb.vma_pfn and not tlb.fullmm:
        await tlb_flush_mmu_tlbonly(tlb)  # tlb_flush_vmas()
    for vma in vmas:
        await rmap_lock(tlb.mm)
        await Op("unlink_file_vma", (), (in_file_cell(vma),), lambda: [Outcome(None, (False,))])
        await rmap_unlock(tlb.mm)
