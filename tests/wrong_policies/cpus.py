"""Mistakes in who is asked: masks, interrupts, waiting, switching."""

from __future__ import annotations

from arch_plugins.families.at_clear import flush_mm_lazy, set_flush_mm
from arch_plugins.families.tlb_gen import inc_mm_tlb_gen
from arch_plugins.generic import Smp, flush_by_ipi, flush_cpus_by_ipi
from arch_plugins.x86 import X86
from core.hookspecs import hookimpl
from core.machine.ipi import FlushRequest, csd_cell, flush_here, irqs_off_cell, send_ipis, wait_ipis
from core.machine.op import Cpu, Op, Outcome, Tid
from core.machine.tlb import invalidate
from core.mm.batched_unmap import UnmapBatch
from core.mm.init_mm import init_mm
from core.mm.kthread import on_mm_cell
from core.mm.mm import Mm, Vma, cpumask_clear_cpu, cpumask_set_cpu, mm_cpumask
from core.mm.mmu_gather import MmuGather
from core.mm.pgtable import clear_upper
from core.mm.swap import Table, free_table_page


class Asking(Smp):
    """Right: flush_tlb_range() asks those that `asked` names."""

    def asked(self, mm: Mm, cpus: frozenset[Cpu]) -> frozenset[Cpu]:
        """Who is to flush, of mm_cpumask."""
        return cpus

    @hookimpl
    async def flush_tlb_range(self, mm: Mm, start: int, end: int, stride: int) -> None:
        await flush_cpus_by_ipi(mm, self.asked(mm, await mm_cpumask(mm)), FlushRequest(start, end))


class ThreeCpus(Asking):
    """At most three CPUs besides this one."""

    def asked(self, mm: Mm, cpus: frozenset[Cpu]) -> frozenset[Cpu]:
        return frozenset(sorted(cpus - {mm.task.cpu})[:3]) | {mm.task.cpu}


class EightCpus(Asking):
    """A mask of eight bits."""

    def asked(self, mm: Mm, cpus: frozenset[Cpu]) -> frozenset[Cpu]:
        return frozenset(cpu for cpu in cpus if cpu < 8)


class FirstWord(Asking):
    """The first word of the mask: CPUs from 64 on are not asked."""

    def asked(self, mm: Mm, cpus: frozenset[Cpu]) -> frozenset[Cpu]:
        return frozenset(cpu for cpu in cpus if cpu < 64)


class OthersOnly(Asking):
    """This CPU is left out."""

    def asked(self, mm: Mm, cpus: frozenset[Cpu]) -> frozenset[Cpu]:
        return cpus - {mm.task.cpu}


class HereOnly(Asking):
    """No other CPU is asked."""

    def asked(self, mm: Mm, cpus: frozenset[Cpu]) -> frozenset[Cpu]:
        return frozenset({mm.task.cpu})


class HigherOnly(Asking):
    """CPUs below this one are not asked."""

    def asked(self, mm: Mm, cpus: frozenset[Cpu]) -> frozenset[Cpu]:
        return frozenset(cpu for cpu in cpus if cpu >= mm.task.cpu)


class NeighbourOnly(Asking):
    """The next CPU alone: a node of two."""

    def asked(self, mm: Mm, cpus: frozenset[Cpu]) -> frozenset[Cpu]:
        return frozenset(cpu for cpu in cpus if cpu // 2 == mm.task.cpu // 2)


class DoesNotWait(Smp):
    """Interrupts are sent, and nobody waits."""

    @hookimpl
    async def flush_tlb_range(self, mm: Mm, start: int, end: int, stride: int) -> None:
        cpus = await mm_cpumask(mm)
        others = sorted(cpus - {mm.task.cpu})
        if others:
            await send_ipis(mm.task, others, FlushRequest(start, end))
        if mm.task.cpu in cpus:
            await flush_here(mm.task.cpu, mm.addrs, FlushRequest(start, end), "local flush")


class WaitsForTheFirst(Smp):
    """The first answer is taken for all."""

    @hookimpl
    async def flush_tlb_range(self, mm: Mm, start: int, end: int, stride: int) -> None:
        cpus, request = await mm_cpumask(mm), FlushRequest(start, end)
        others = sorted(cpus - {mm.task.cpu})
        if others:
            await send_ipis(mm.task, others, request)
        if mm.task.cpu in cpus:
            await flush_here(mm.task.cpu, mm.addrs, request, "local flush")
        if others:
            await wait_ipis(mm.task, others[:1])


class AnswersOnly(Smp):
    """A CPU that is interrupted answers, and flushes nothing."""

    @hookimpl
    def flush_tlb_func(self, mm: Mm, sender: Tid, cpu: Cpu) -> Op:
        csd = csd_cell(sender, cpu)

        def step(request: object, off: bool) -> list[Outcome]:
            return [] if request is None or off else [Outcome(None, (None,))]

        return Op(f"answer T{sender}", (csd, irqs_off_cell(cpu)), (csd,), step)


class MaskFirst(Smp):
    """mm_cpumask is read before the entry is cleared."""

    @hookimpl
    async def ptep_clear_flush(self, mm: Mm, addr: int) -> object:
        cpus = await mm_cpumask(mm)
        pte = await mm.hook.ptep_get_and_clear(mm=mm, addr=addr, nr=1, full=False)
        await flush_cpus_by_ipi(mm, cpus, FlushRequest(addr, addr + 1))
        return pte


class MaskBehind(Smp):
    """Right: behind."""

    @hookimpl
    async def ptep_clear_flush(self, mm: Mm, addr: int) -> object:
        pte = await mm.hook.ptep_get_and_clear(mm=mm, addr=addr, nr=1, full=False)
        await flush_cpus_by_ipi(mm, await mm_cpumask(mm), FlushRequest(addr, addr + 1))
        return pte


class MaskOfTheVma(Smp):
    """The gather's mask is read as the VMA is begun, before anything is cleared."""

    @hookimpl
    async def tlb_start_vma(self, tlb: MmuGather, vma: Vma) -> None:
        tlb.cpus = await mm_cpumask(tlb.mm)  # type: ignore[attr-defined]

    @hookimpl
    async def tlb_flush(self, tlb: MmuGather) -> str | None:
        cpus = getattr(tlb, "cpus", None)
        await flush_cpus_by_ipi(tlb.mm, await mm_cpumask(tlb.mm) if cpus is None else cpus, FlushRequest())
        return "mm"


class MaskOfTheFlush(Smp):
    """Right: as it is flushed."""

    @hookimpl
    async def tlb_flush(self, tlb: MmuGather) -> str | None:
        await flush_cpus_by_ipi(tlb.mm, await mm_cpumask(tlb.mm), FlushRequest())
        return "mm"


class FlushesFirst(Smp):
    """The page is flushed, and then its entry cleared."""

    @hookimpl
    async def ptep_clear_flush(self, mm: Mm, addr: int) -> object:
        await mm.hook.flush_tlb_page(mm=mm, addr=addr)
        return await mm.hook.ptep_get_and_clear(mm=mm, addr=addr, nr=1, full=False)


class LeavesAndKeeps(Smp):
    """A CPU leaves mm_cpumask with the mm, and keeps its entries."""

    @hookimpl
    async def switch_mm(self, prev: Mm | None, next: Mm | None) -> None:
        if prev is not None and prev is not next:
            await cpumask_clear_cpu(prev)
        if next is not None:
            await cpumask_set_cpu(next)


class LeavesAndFlushes(Smp):
    """Right: without them."""

    @hookimpl
    async def switch_mm(self, prev: Mm | None, next: Mm | None) -> None:
        if prev is not None and prev is not next:
            await cpumask_clear_cpu(prev)
            await invalidate((prev.task.cpu,), prev.addrs, "flush on leaving")
        if next is not None:
            await cpumask_set_cpu(next)


class NeverJoins(Smp):
    """A CPU that takes up the mm does not say so."""

    @hookimpl
    async def switch_mm(self, prev: Mm | None, next: Mm | None) -> None:
        return None


def load_page_table(cpu: Cpu) -> Op:
    """The hardware is on the page tables of the mm from now on."""
    return Op("load page table", (), (on_mm_cell(cpu),), lambda: [Outcome(None, (True,))])


class JoinsLate(LeavesAndFlushes):
    """A CPU loads the page table, and joins the mask only then: what its walker fetches in between stays."""

    @hookimpl
    async def switch_mm(self, prev: Mm | None, next: Mm | None) -> None:
        if prev is not None and prev is not next:
            await leave(prev)
        if next is not None:
            await load_page_table(next.task.cpu)
            await cpumask_set_cpu(next)


class JoinsFirst(LeavesAndFlushes):
    """Right: the other way round."""

    @hookimpl
    async def switch_mm(self, prev: Mm | None, next: Mm | None) -> None:
        if prev is not None and prev is not next:
            await leave(prev)
        if next is not None:
            await cpumask_set_cpu(next)
            await load_page_table(next.task.cpu)


async def leave(mm: Mm) -> None:
    """The CPU goes on on other page tables, with an empty TLB."""
    await Op("load another", (), (on_mm_cell(mm.task.cpu),), lambda: [Outcome(None, (False,))])
    await invalidate((mm.task.cpu,), mm.addrs, "flush on leaving")
    await cpumask_clear_cpu(mm)


class PutsOff(Smp):
    """Flushes are noted, for whoever is switched to, as s390 does, and tlb_flush() does not look at the note."""

    @hookimpl
    async def tlb_flush(self, tlb: MmuGather) -> str | None:
        await set_flush_mm(True)
        return "mm"

    @hookimpl
    async def switch_mm(self, prev: Mm | None, next: Mm | None) -> None:
        if next is not None:
            await cpumask_set_cpu(next)
            await flush_mm_lazy(next)


class PutsOffToReallocation(Smp):
    """Flushes wait until a page is used again, and the capability that says so (reallocation_flush) is not claimed."""

    @hookimpl
    async def tlb_flush(self, tlb: MmuGather) -> str | None:
        return None

    @hookimpl
    async def arch_alloc_page(self, mm: Mm, page: int) -> None:
        await flush_by_ipi(mm, FlushRequest())


# ---- reclaim's batch -----------------------------------------------------------------------------------------


class BatchWithoutHere(Smp):
    """arch_tlbbatch_flush() leaves out the caller's own CPU."""

    @hookimpl
    async def arch_tlbbatch_flush(self, mm: Mm, batch: UnmapBatch) -> None:
        cpus, batch.cpus = batch.cpus, frozenset()
        await flush_cpus_by_ipi(mm, cpus - {mm.task.cpu}, FlushRequest())


class BatchOfTheLast(Smp):
    """The batch knows the CPUs of the last entry alone."""

    @hookimpl
    async def arch_tlbbatch_add_pending(self, mm: Mm, batch: UnmapBatch, start: int, end: int) -> None:
        batch.cpus = await mm_cpumask(mm)


class BatchNeverFlushed(Smp):
    """The batch is emptied, and nobody asked."""

    @hookimpl
    async def arch_tlbbatch_flush(self, mm: Mm, batch: UnmapBatch) -> None:
        batch.cpus = frozenset()


class BatchOfOnePage(Smp):
    """The batch is flushed as one page."""

    @hookimpl
    async def arch_tlbbatch_flush(self, mm: Mm, batch: UnmapBatch) -> None:
        cpus, batch.cpus = batch.cpus, frozenset()
        await flush_cpus_by_ipi(mm, cpus, FlushRequest(0, 1))


class BatchesNothing(Smp):
    """Nothing is remembered of an entry that is put off."""

    @hookimpl
    async def arch_tlbbatch_add_pending(self, mm: Mm, batch: UnmapBatch, start: int, end: int) -> None:
        return None


class PendingIgnored(Smp):
    """Who relies on a reclaimer's entries goes on without a flush."""

    @hookimpl
    async def arch_flush_tlb_batched_pending(self, mm: Mm) -> None:
        return None


# ---- generations ---------------------------------------------------------------------------------------------


class RangeWithoutGen(X86):
    """flush_tlb_range() raises no generation: the CPUs of the mask are asked, and who comes back is not told."""

    @hookimpl
    async def flush_tlb_range(self, mm: Mm, start: int, end: int, stride: int) -> None:
        await flush_by_ipi(mm, FlushRequest(start, end))


class PageWithoutGen(X86):
    """flush_tlb_page() raises none."""

    @hookimpl
    async def flush_tlb_page(self, mm: Mm, addr: int) -> None:
        await flush_by_ipi(mm, FlushRequest(addr, addr + 1))


class GenBehind(X86):
    """The mask is read before the generation is raised."""

    async def flush_mask(self, mm: Mm, request: FlushRequest, freed_tables: bool, stride: int = 1) -> None:
        cpus = await mm_cpumask(mm)
        await inc_mm_tlb_gen()
        await self.flush_tlb_multi(mm, cpus, request, freed_tables, True)


class KernelRangeByMask(Smp):
    """A kernel range is flushed on the CPUs of the caller's mm."""

    @hookimpl
    async def flush_tlb_kernel_range(self, mm: Mm, start: int, end: int) -> None:
        await flush_by_ipi(mm, FlushRequest(start, end))


class KernelRangeOfInitMm(Smp):
    """A kernel range is flushed on the CPUs of init_mm, of which nobody keeps account."""

    @hookimpl
    async def flush_tlb_kernel_range(self, mm: Mm, start: int, end: int) -> None:
        await flush_by_ipi(init_mm(mm), FlushRequest(start, end))


class KernelTableByMask(X86):
    """A page table of the kernel is freed behind a flush of the caller's mm."""

    @hookimpl
    async def pmd_free_pte_page(self, mm: Mm, addr: int) -> None:
        await clear_upper(mm, 0, addr)
        await flush_by_ipi(mm, FlushRequest(addr, addr + 1))
        await free_table_page(Table("pte", addr // mm.span[0]))
