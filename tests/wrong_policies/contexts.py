"""Mistakes in what a policy says of itself, at a context's end, in a section, and in waiting for lockless walks."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import replace

from arch_plugins.arm64 import Arm64
from arch_plugins.families.queued import swap_queue
from arch_plugins.families.tlb_gen import GEN
from arch_plugins.generic import Smp, flush_by_ipi, flush_cpus_by_ipi
from arch_plugins.powerpc_hash import PowerpcHash
from arch_plugins.research.luf import Luf, paid, read_owed
from arch_plugins.s390 import S390
from arch_plugins.x86 import X86
from core.hookspecs import hookimpl
from core.machine.ipi import FlushRequest, flush_here
from core.machine.lock import preempt_disable, preempt_enable
from core.machine.memory import declare
from core.machine.op import Cell, Cpu, Op, Outcome
from core.machine.order import Order
from core.machine.rcu import send_sync_ipis, wait_sync_ipis
from core.mm.batched_unmap import UnmapBatch
from core.mm.mm import Mm, cpumask_clear_cpu, mm_cpumask, smp_processor_id
from core.mm.mmu_gather import MmuGather

# ---- what it says of the beginning ---------------------------------------------------------------------------


class SaysNothing(X86):
    """A model begins with CPUs on the mm, and loaded_mm says that they are on another."""

    @hookimpl
    def cells_on_mm(self, mm: Mm, cpu: Cpu, lazy: bool) -> Mapping[Cell, Hashable]:
        return {}


class SaysLazy(X86):
    """Every CPU is said to be lazy, so that a flush that frees no table asks none."""

    @hookimpl
    def cells_on_mm(self, mm: Mm, cpu: Cpu, lazy: bool) -> Mapping[Cell, Hashable]:
        return super().cells_on_mm(mm, cpu, True)


class LastAttached(S390):
    """cpu_attach_mask begins with the last CPU of several, which is taken for the only user as it flushes."""

    @hookimpl
    def cells_of_mm(self, mm: Mm, cpus: frozenset[Cpu]) -> Mapping[Cell, Hashable]:
        return super().cells_of_mm(mm, frozenset(sorted(cpus)[-1:]))


# ---- the end of an mm ----------------------------------------------------------------------------------------


class ExitLeavesAll(Smp):
    """arch_exit_mmap() empties the mask, because no task runs on the mm: but kernel threads are on the page tables."""

    @hookimpl
    async def arch_exit_mmap(self, mm: Mm) -> None:
        for cpu in sorted(await mm_cpumask(mm)):
            await cpumask_clear_cpu(mm.on(replace(mm.task, cpu=cpu)))


class ExitFlushesFirst(Smp):
    """arch_exit_mmap() flushes, and the gather of the whole mm does not: walkers fill TLBs in between."""

    @hookimpl
    async def arch_exit_mmap(self, mm: Mm) -> None:
        await mm.hook.flush_tlb_mm(mm=mm)

    @hookimpl
    async def tlb_flush(self, tlb: MmuGather) -> str | None:
        if not tlb.fullmm:
            await flush_by_ipi(tlb.mm, FlushRequest())
        return "mm"


class ExitFlushesTwice(Smp):
    """Right: both do."""

    @hookimpl
    async def arch_exit_mmap(self, mm: Mm) -> None:
        await mm.hook.flush_tlb_mm(mm=mm)

    @hookimpl
    async def destroy_context(self, mm: Mm) -> None:
        await mm.hook.flush_tlb_mm(mm=mm)


class DestroysFlushed(Smp):
    """destroy_context() flushes what the gather of the whole mm has put off: the pages are free by then."""

    @hookimpl
    async def tlb_flush(self, tlb: MmuGather) -> str | None:
        if not tlb.fullmm:
            await flush_by_ipi(tlb.mm, FlushRequest())
        return "mm"

    @hookimpl
    async def destroy_context(self, mm: Mm) -> None:
        await mm.hook.flush_tlb_mm(mm=mm)


# ---- a page that is used again -------------------------------------------------------------------------------


class ReusesHere(Luf):
    """arch_alloc_page() flushes the CPU that allocates."""

    @hookimpl
    async def arch_alloc_page(self, mm: Mm, page: int) -> None:
        owed = await read_owed()
        if owed[1]:
            await flush_cpus_by_ipi(mm, owed[1] & {mm.task.cpu}, FlushRequest())
            await paid(owed)


class ReusesPaid(Luf):
    """arch_alloc_page() says that all have flushed, and then asks them: who allocates meanwhile waits for nothing."""

    @hookimpl
    async def arch_alloc_page(self, mm: Mm, page: int) -> None:
        owed = await read_owed()
        if owed[1]:
            await paid(owed)
            await flush_cpus_by_ipi(mm, owed[1], FlushRequest())


class ReusesOnePage(Luf):
    """arch_alloc_page() flushes the address that has the number of the page."""

    @hookimpl
    async def arch_alloc_page(self, mm: Mm, page: int) -> None:
        owed = await read_owed()
        if owed[1]:
            await flush_cpus_by_ipi(mm, owed[1], FlushRequest(page, page + 1))
            await paid(owed)


# ---- a task that is switched away ----------------------------------------------------------------------------


class SwitchesUnfinished(Arm64):
    """__switch_to() without its barrier: the TLBI stays the other CPU's."""

    @hookimpl
    async def arch_start_context_switch(self, mm: Mm) -> bool:
        return False


class FinishesThere(Arm64):
    """The barrier is done by the CPU on which the task continues."""

    @hookimpl
    async def arch_start_context_switch(self, mm: Mm) -> bool:
        return False

    @hookimpl
    async def arch_end_context_switch(self, mm: Mm, lazy: bool) -> None:
        await super().arch_start_context_switch(mm)


class LeavesQueueOpen(PowerpcHash):
    """The queue is flushed and stays open: what the next task clears there is queued, and nobody flushes it."""

    @hookimpl
    async def arch_start_context_switch(self, mm: Mm) -> bool:
        return await self.flush_queue(mm, ()) is not None


class OpensAnyQueue(PowerpcHash):
    """A task that continues has its section opened, whether it had one or not."""

    @hookimpl
    async def arch_end_context_switch(self, mm: Mm, lazy: bool) -> None:
        await super().arch_end_context_switch(mm, True)


# ---- a section within another --------------------------------------------------------------------------------


class InnerUnflushed(PowerpcHash):
    """Where an inner section ends its entries stay queued: the outer one will flush them."""

    @hookimpl
    async def arch_flush_lazy_mmu_mode(self, mm: Mm) -> None:
        return None


class InnerDropped(PowerpcHash):
    """The queue is emptied, and not flushed."""

    @hookimpl
    async def arch_flush_lazy_mmu_mode(self, mm: Mm) -> None:
        await swap_queue(mm.task.cpu, ())


# ---- whether to put a flush off ------------------------------------------------------------------------------

NOTED = Cell(declare("noted_mask", frozenset()))
"""Who is to flush, as noted by arch_tlbbatch_should_defer()."""


def note(cpus: frozenset[Cpu]) -> Op:
    """Note them."""
    return Op("note the mask", (), (NOTED,), lambda: [Outcome(None, (cpus,))], order=Order.PLAIN)


def noted() -> Op:
    """Who they are."""
    return Op("the noted mask", (NOTED,), (), lambda cpus: [Outcome(cpus)], order=Order.PLAIN)


class NotesBeforeClear(Smp):
    """arch_tlbbatch_should_defer() notes who is to flush, before the entry is cleared: who joins later is not told."""

    @hookimpl
    async def arch_tlbbatch_should_defer(self, mm: Mm) -> bool:
        await note(await mm_cpumask(mm))
        return True

    @hookimpl
    async def arch_tlbbatch_add_pending(self, mm: Mm, batch: UnmapBatch, start: int, end: int) -> None:
        batch.cpus |= await noted()


class FlushesAndDefers(Smp):
    """It flushes, says that the flush may be put off, and nothing is noted: the entry is there until after it."""

    @hookimpl
    async def arch_tlbbatch_should_defer(self, mm: Mm) -> bool:
        await flush_by_ipi(mm, FlushRequest())
        return True

    @hookimpl
    async def arch_tlbbatch_add_pending(self, mm: Mm, batch: UnmapBatch, start: int, end: int) -> None:
        return None


class DefersIfAlone(Smp):
    """Right: put off where another CPU has the mm, as x86 does."""

    @hookimpl
    async def arch_tlbbatch_should_defer(self, mm: Mm) -> bool:
        return bool(await mm_cpumask(mm) - {mm.task.cpu})


class AloneNeedsNothing(DefersIfAlone):
    """Who defers nothing is alone on the mm, so that no entry is flushed by ptep_clear_flush()."""

    @hookimpl
    async def ptep_clear_flush(self, mm: Mm, addr: int) -> object:
        pte = await mm.hook.ptep_get_and_clear(mm=mm, addr=addr, nr=1, full=False)
        if await mm_cpumask(mm) - {mm.task.cpu}:
            await mm.hook.flush_tlb_page(mm=mm, addr=addr)
        return pte


class ForksAlone(Smp):
    """flush_tlb_mm() leaves this CPU out: it faults before it writes, for its own entry is read-only by now."""

    @hookimpl
    async def flush_tlb_mm(self, mm: Mm) -> None:
        cpus = await mm_cpumask(mm)
        await flush_cpus_by_ipi(mm, cpus - {mm.task.cpu}, FlushRequest())


class FlushesHere(Smp):
    """Right: this CPU alone where mm_cpumask names no other, looked at and flushed on one CPU."""

    @hookimpl
    async def flush_tlb_range(self, mm: Mm, start: int, end: int, stride: int) -> None:
        await preempt_disable()
        here = await smp_processor_id(mm)
        await self.flush(mm, here, FlushRequest(start, end))
        await preempt_enable()

    async def flush(self, mm: Mm, here: Cpu, request: FlushRequest) -> None:
        """Whoever is in the mask, and this CPU."""
        if await mm_cpumask(mm) == {here}:
            await flush_here(here, mm.addrs, request, f"local {request}")
        else:
            await flush_by_ipi(mm, request)


class FlushesAnywhere(FlushesHere):
    """The task may be moved between the look at mm_cpumask and the flush of the CPU that it is on by then."""

    @hookimpl
    async def flush_tlb_range(self, mm: Mm, start: int, end: int, stride: int) -> None:
        await self.flush(mm, await smp_processor_id(mm), FlushRequest(start, end))


# ---- lockless walks ------------------------------------------------------------------------------------------


class SyncsNobody(Arm64):
    """tlb_remove_table_sync_one() is left to the flush, which interrupts nobody here."""

    @hookimpl
    async def tlb_remove_table_sync_one(self, mm: Mm) -> None:
        return None


class SyncsUnwaited(Arm64):
    """The interrupts are sent, and nobody waits for them."""

    @hookimpl
    async def tlb_remove_table_sync_one(self, mm: Mm) -> None:
        others = mm.readers - {mm.task.cpu}
        if others:
            await send_sync_ipis(mm.task, others)


class SyncsOne(Arm64):
    """One other CPU is interrupted, as the name says."""

    @hookimpl
    async def tlb_remove_table_sync_one(self, mm: Mm) -> None:
        others = frozenset(sorted(mm.readers - {mm.task.cpu})[:1])
        if others:
            await send_sync_ipis(mm.task, others)
            await wait_sync_ipis(mm.task, others)


class SyncsByFlush(Arm64):
    """A flush is taken for what waits for lockless walks."""

    @hookimpl
    async def tlb_remove_table_sync_one(self, mm: Mm) -> None:
        await mm.hook.flush_tlb_mm(mm=mm)


# ---- numbers that come round ---------------------------------------------------------------------------------


class GenerationOfBit(X86):
    """tlb_gen has one bit: who has been away for two flushes sees the same number."""

    bits = 1

    async def flush_mask(self, mm: Mm, request: FlushRequest, freed_tables: bool, stride: int = 1) -> None:
        await super().flush_mask(mm, request, freed_tables, stride)
        wrapped = 1 << self.bits
        await Op("tlb_gen wraps", (GEN,), (GEN,), lambda gen: [Outcome(None, (gen % wrapped,))], order=Order.FULL)


class GenerationOf6Bits(GenerationOfBit):
    """tlb_gen has six bits."""

    bits = 6
