"""Flushes that are one fence each: of the mm, or of a range and its last level only (SFENCE.VMA of an address).

Fences of no mm are of every ASID: of a batch of reclaim, and of what the kernel maps.
"""

from __future__ import annotations

from core.hookspecs import Architecture, hookimpl
from core.machine.ipi import FlushRequest
from core.machine.op import Cpu
from core.mm.batched_unmap import UnmapBatch
from core.mm.mm import Mm, mm_cpumask
from core.mm.pgtable import clear_upper
from core.mm.swap import Table, free_table_page


async def cpus_to_fence(mm: Mm) -> frozenset[Cpu]:
    """arch/riscv/mm/tlbflush.c:__flush_tlb_range() reads mm_cpumask three times: is it empty, has it another CPU than
    this one, and, if so, whom to ask.  Between two reads a CPU may come or go.
    """
    if not await mm_cpumask(mm):
        return frozenset()
    if not await mm_cpumask(mm) - {mm.task.cpu}:
        return frozenset({mm.task.cpu})
    cpus: frozenset[Cpu] = await mm_cpumask(mm)
    return cpus


class Fences(Architecture):
    """`fence` flushes on every CPU of the mm, and waits.

    `ranges`: a range of the kernel's is flushed as one; in 6.1 everything is.
    """

    ranges = True

    async def fence(self, mm: Mm, request: FlushRequest, stride: int) -> None:
        """Execute `request`; a range goes by `stride` pages."""
        raise NotImplementedError

    async def fence_on(self, mm: Mm, cpus: frozenset[Cpu], request: FlushRequest, stride: int) -> None:
        """Execute `request` on `cpus`, and wait."""
        raise NotImplementedError

    @hookimpl
    async def flush_tlb_mm(self, mm: Mm) -> None:
        await self.fence(mm, FlushRequest(), 1)

    @hookimpl
    async def flush_tlb_range(self, mm: Mm, start: int, end: int, stride: int) -> None:
        await self.fence(mm, FlushRequest(start, end, leaf=True), stride)

    @hookimpl
    async def flush_pmd_tlb_range(self, mm: Mm, start: int, end: int) -> None:
        await self.fence(mm, FlushRequest(start, end, leaf=True), mm.span[0])

    @hookimpl
    async def flush_tlb_page(self, mm: Mm, addr: int) -> None:
        await self.fence(mm, FlushRequest(addr, addr + 1, leaf=True), 1)

    @hookimpl
    async def arch_tlbbatch_flush(self, mm: Mm, batch: UnmapBatch) -> None:
        """__flush_tlb_range(NULL): of everything, whatever the ASID."""
        cpus, batch.cpus = batch.cpus, frozenset()
        if cpus:
            await self.fence_on(mm, cpus, FlushRequest(), 1)

    @hookimpl
    async def flush_tlb_kernel_range(self, mm: Mm, start: int, end: int) -> None:
        """__flush_tlb_range(NULL, cpu_online_mask); in 6.1 flush_tlb_all()."""
        request = FlushRequest(start, end, leaf=True) if self.ranges else FlushRequest()
        await self.fence_on(mm, mm.cpu_online_mask, request, 1)

    @hookimpl
    async def pmd_free_pte_page(self, mm: Mm, addr: int) -> None:
        """arch/riscv/mm/pgtable.c: the range is that of a table, above the threshold, so that all is flushed."""
        await clear_upper(mm, 0, addr)
        await self.fence_on(mm, mm.cpu_online_mask, FlushRequest(), 1)
        await free_table_page(Table("pte", addr // mm.span[0]))
