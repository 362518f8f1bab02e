"""Flushes that are one fence each: of the mm, or of a range and its last level only (SFENCE.VMA of an address)."""

from __future__ import annotations

from core.hookspecs import Architecture, hookimpl
from core.machine.ipi import FlushRequest
from core.machine.op import Cpu
from core.mm.mm import Mm, mm_cpumask


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
    """`fence` flushes on every CPU of the mm, and waits."""

    async def fence(self, mm: Mm, request: FlushRequest, stride: int) -> None:
        """Execute `request`; a range goes by `stride` pages."""
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
