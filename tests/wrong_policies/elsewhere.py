"""Mistakes in flushes that are asked from elsewhere, at the same time as another, far up, or with a lock let go."""

from __future__ import annotations

from arch_plugins.generic import Smp, flush_by_ipi, flush_cpus_by_ipi
from core.hookspecs import hookimpl
from core.machine.ipi import FlushRequest, flush_here, send_ipis, take_ipi
from core.machine.lock import MMAP_LOCK
from core.machine.memory import declare
from core.machine.op import Cell, Cpu, Op, Outcome, Tid
from core.machine.tlb import invalidate
from core.mm.batched_unmap import UnmapBatch
from core.mm.kthread import on_mm_cell
from core.mm.mm import Mm, Vma, cpumask_clear_cpu, mm_cpumask
from core.mm.mmap_lock import mmap_read_lock, mmap_read_unlock
from core.mm.mmu_gather import MmuGather, tlb_flush_mmu_tlbonly
from tests.wrong_policies.cpus import JoinsFirst


class OneCpuIsHere(Smp):
    """A mask of one CPU is taken for that of the caller."""

    @hookimpl
    async def flush_tlb_mm(self, mm: Mm) -> None:
        cpus = await mm_cpumask(mm)
        if len(cpus) == 1:
            await flush_here(mm.task.cpu, mm.addrs, FlushRequest(), "local flush")
        else:
            await flush_cpus_by_ipi(mm, cpus, FlushRequest())


class OnlyForOwnMm(Smp):
    """Who is not in the mask has nothing to flush, and sends nobody."""

    @hookimpl
    async def flush_tlb_page(self, mm: Mm, addr: int) -> None:
        cpus = await mm_cpumask(mm)
        if mm.task.cpu in cpus:
            await flush_cpus_by_ipi(mm, cpus, FlushRequest(addr, addr + 1))


class CountsTheMask(Smp):
    """The mask is taken for its first bits: as many as it has."""

    @hookimpl
    async def flush_tlb_range(self, mm: Mm, start: int, end: int, stride: int) -> None:
        cpus = await mm_cpumask(mm)
        await flush_cpus_by_ipi(mm, frozenset(cpu for cpu in cpus if cpu < len(cpus)), FlushRequest(start, end))


class Pages32Bits(Smp):
    """The number of a page is kept in 32 bits."""

    @hookimpl
    async def flush_tlb_range(self, mm: Mm, start: int, end: int, stride: int) -> None:
        low = start & 0xFFFFFFFF
        await flush_by_ipi(mm, FlushRequest(low, low + end - start))


BUSY = Cell(declare("busy", False))
"""A flush is under way."""


def begin() -> Op:
    """Returns whether one has been already."""
    return Op("begin a flush", (BUSY,), (BUSY,), lambda busy: [Outcome(busy, (True,))])


def finish() -> Op:
    """The flush is over."""
    return Op("end the flush", (), (BUSY,), lambda: [Outcome(None, (False,))])


class OnePageAtATime(Smp):
    """While one CPU flushes a page the others need not."""

    @hookimpl
    async def flush_tlb_page(self, mm: Mm, addr: int) -> None:
        if not await begin():
            await flush_by_ipi(mm, FlushRequest(addr, addr + 1))
            await finish()


class OneRangeAtATime(Smp):
    """The same of ranges."""

    @hookimpl
    async def flush_tlb_range(self, mm: Mm, start: int, end: int, stride: int) -> None:
        if not await begin():
            await flush_by_ipi(mm, FlushRequest(start, end))
            await finish()


class OneBatchAtATime(Smp):
    """The same of batches."""

    @hookimpl
    async def arch_tlbbatch_flush(self, mm: Mm, batch: UnmapBatch) -> None:
        cpus, batch.cpus = batch.cpus, frozenset()
        if not await begin():
            await flush_cpus_by_ipi(mm, cpus, FlushRequest())
            await finish()


class SecondHalfUnwaited(Smp):
    """A range over two tables is two requests, of which the second is not waited for."""

    @hookimpl
    async def flush_tlb_range(self, mm: Mm, start: int, end: int, stride: int) -> None:
        cut, cpus = start - start % mm.span[0] + mm.span[0], await mm_cpumask(mm)
        await flush_cpus_by_ipi(mm, cpus, FlushRequest(start, min(cut, end)))
        others = sorted(cpus - {mm.task.cpu})
        if end > cut and others:
            await send_ipis(mm.task, others, FlushRequest(cut, end))
        if end > cut and mm.task.cpu in cpus:
            await flush_here(mm.task.cpu, mm.addrs, FlushRequest(cut, end), "local flush")


class LocalForLong(Smp):
    """More than a table is flushed here: a call so long is thought to be of a task that is alone."""

    @hookimpl
    async def flush_tlb_range(self, mm: Mm, start: int, end: int, stride: int) -> None:
        if end - start > mm.span[0]:
            await flush_here(mm.task.cpu, mm.addrs, FlushRequest(start, end), "local flush")
        else:
            await flush_by_ipi(mm, FlushRequest(start, end))


class ServesWithIrqsOff(Smp):
    """The interrupt is taken by a CPU that has interrupts off, and so walks tables without a lock."""

    @hookimpl
    def flush_tlb_func(self, mm: Mm, sender: Tid, cpu: Cpu) -> Op:
        return take_ipi(sender, cpu, mm.addrs, maskable=False)


class NotByExec(Smp):
    """exec sets no bit: the scheduler will, when the task is switched to."""

    @hookimpl
    async def activate_mm(self, mm: Mm) -> None:
        return None


class LeavesToBeLazy(Smp):
    """A CPU that goes on with a kernel thread leaves the mask, and keeps its entries for when it comes back."""

    @hookimpl
    async def enter_lazy_tlb(self, mm: Mm) -> None:
        await cpumask_clear_cpu(mm)


class LeavesBehind(Smp):
    """switch_to() takes out the CPU that switch_mm() has put in."""

    @hookimpl
    async def switch_to(self, mm: Mm) -> None:
        await cpumask_clear_cpu(mm)


class FlushesBeforeLeaving(JoinsFirst):
    """A CPU that leaves flushes first: its walker may fetch what is flushed, until it is on other page tables."""

    @hookimpl
    async def switch_mm(self, prev: Mm | None, next: Mm | None) -> None:
        if prev is not None and prev is not next:
            cpu = prev.task.cpu
            await invalidate((cpu,), prev.addrs, "flush on leaving")
            await Op("load another", (), (on_mm_cell(cpu),), lambda: [Outcome(None, (False,))])
            await cpumask_clear_cpu(prev)
            prev = None
        await super().switch_mm(prev, next)


# ---- mmap_lock -----------------------------------------------------------------------------------------------


def reads(mm: Mm) -> Op:
    """Does the task hold mmap_lock for reading?"""
    tid = mm.task.tid
    held = "who holds mmap_lock?"
    return Op(held, (MMAP_LOCK,), (), lambda who: [Outcome(isinstance(who, frozenset) and tid in who)])


class UnlocksBeforeZap(Smp):
    """tlb_start_vma() lets mmap_lock go for a moment: the VMA that is zapped behind may be another's."""

    @hookimpl
    async def tlb_start_vma(self, tlb: MmuGather, vma: Vma) -> None:
        if not tlb.fullmm and await reads(tlb.mm):
            await mmap_read_unlock(tlb.mm)
            await mmap_read_lock(tlb.mm)
        tlb.vma_pfn = not tlb.fullmm and vma.pfn


class UnlocksBeforeFlush(Smp):
    """tlb_end_vma() lets mmap_lock go before it flushes."""

    @hookimpl
    async def tlb_end_vma(self, tlb: MmuGather, vma: Vma) -> None:
        if not tlb.fullmm and await reads(tlb.mm):
            await mmap_read_unlock(tlb.mm)
            await mmap_read_lock(tlb.mm)
        if not tlb.fullmm:
            await tlb_flush_mmu_tlbonly(tlb)


class UnlocksForFlush(Smp):
    """tlb_flush() lets mmap_lock go while it waits."""

    @hookimpl
    async def tlb_flush(self, tlb: MmuGather) -> str | None:
        unlocks = not tlb.fullmm and await reads(tlb.mm)
        if unlocks:
            await mmap_read_unlock(tlb.mm)
        await flush_by_ipi(tlb.mm, FlushRequest())
        if unlocks:
            await mmap_read_lock(tlb.mm)
        return "mm"
