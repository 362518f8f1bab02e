"""Wrong plugins, one mistake each."""

from __future__ import annotations

from arch_plugins.families.at_clear import detach
from arch_plugins.generic import Generic, Smp, flush_by_ipi
from arch_plugins.s390 import S390
from arch_plugins.up import Up
from arch_plugins.x86 import X86
from core.hookspecs import hookimpl
from core.machine.ipi import FlushRequest, send_ipis
from core.machine.pte import Entry, local_ptep_get_and_clear, ptep_get, set_pte
from core.mm.batched_unmap import UnmapBatch
from core.mm.mm import Mm, mm_cpumask
from core.mm.mmu_gather import MmuGather
from core.mm.swap import Table
from tests.wrong_policies.clears import NoClearFlush as NoClearFlush
from tests.wrong_policies.cpus import BatchOfTheLast as BatchOfTheLast
from tests.wrong_policies.flushes import NoFlush as NoFlush
from tests.wrong_policies.gathers import FreesAtOnce as FreesAtOnce
from tests.wrong_policies.gathers import FreesTwice as FreesTwice
from tests.wrong_policies.gathers import LosesPages as LosesPages
from tests.wrong_policies.gathers import NeverDelays as NeverDelays
from tests.wrong_policies.gathers import PudTableUnsaid as PudTableUnsaid
from tests.wrong_policies.gathers import TableUnsaid as TableUnsaid


class Healthy(Smp):
    """The control: nothing wrong."""


class DoesNotWait(Smp):
    """Sends the IPIs and goes on without waiting."""

    @hookimpl
    async def flush_tlb_range(self, mm: Mm, start: int, end: int, stride: int) -> None:
        others = sorted(cpu for cpu in await mm_cpumask(mm) if cpu != mm.task.cpu)
        if others:
            await send_ipis(mm.task, others, FlushRequest(start, end))


class OnePageShort(Smp):
    """Flushes a range without its last page."""

    @hookimpl
    async def flush_tlb_range(self, mm: Mm, start: int, end: int, stride: int) -> None:
        await flush_by_ipi(mm, FlushRequest(start, end - 1))


class TornClear(Smp):
    """Reads and clears in two steps where the hardware sets dirty bits."""

    @hookimpl
    async def ptep_get_and_clear(self, mm: Mm, addr: int, nr: int, full: bool) -> object:
        pte = await ptep_get(addr)
        await set_pte(addr, None)
        return pte


class UpWithoutFlush(Up):
    """UP that thinks it has nothing to flush."""

    @hookimpl
    async def flush_tlb_range(self, mm: Mm, start: int, end: int, stride: int) -> None:
        return None


class S390AlwaysLazy(S390):
    """Marks the entry invalid without IPTE although other CPUs are attached."""

    @hookimpl
    async def ptep_get_and_clear(self, mm: Mm, addr: int, nr: int, full: bool) -> object:
        return await local_ptep_get_and_clear(addr, nr)


class S390ForgetsSwitch(S390):
    """Does not pay the flush owed when a task is switched in."""

    @hookimpl
    async def switch_mm(self, prev: Mm | None, next: Mm | None) -> None:
        if prev is not None and prev is not next:
            await detach(prev)


class ForgetsFirstPage(Smp):
    """Flushes a range of several pages without its first."""

    @hookimpl
    async def flush_tlb_range(self, mm: Mm, start: int, end: int, stride: int) -> None:
        await flush_by_ipi(mm, FlushRequest(min(start + 1, end - 1), end))


class ForgetsLastOfThree(Smp):
    """Flushes a range of three pages and more without its last."""

    @hookimpl
    async def flush_tlb_range(self, mm: Mm, start: int, end: int, stride: int) -> None:
        await flush_by_ipi(mm, FlushRequest(start, end if end - start < 3 else end - 1))


class OnlyFirstPage(Smp):
    """Flushes one page, whatever the range."""

    @hookimpl
    async def flush_tlb_range(self, mm: Mm, start: int, end: int, stride: int) -> None:
        await flush_by_ipi(mm, FlushRequest(start, start + 1))


class NeverReturns(Smp):
    """Flushes, and flushes, and flushes: nothing is ever freed, so nothing is ever freed too early."""

    @hookimpl
    async def flush_tlb_range(self, mm: Mm, start: int, end: int, stride: int) -> None:
        while True:
            await flush_by_ipi(mm, FlushRequest(start, end))


class NothingForHuge(Smp):
    """Flushes a range of small pages, and none whose entries are larger."""

    @hookimpl
    async def flush_tlb_range(self, mm: Mm, start: int, end: int, stride: int) -> None:
        if stride == 1:
            await flush_by_ipi(mm, FlushRequest(start, end))

    @hookimpl
    async def tlb_flush(self, tlb: MmuGather) -> str | None:
        if not tlb.freed_tables:
            return await Generic().tlb_flush(tlb)
        await flush_by_ipi(tlb.mm, FlushRequest(tlb.start, tlb.end))
        return "range"


class NothingForTables(Smp):
    """Flushes entries, and nothing where tables alone have gone."""

    @hookimpl
    async def tlb_flush(self, tlb: MmuGather) -> str | None:
        if tlb.freed_tables and not tlb.cleared_ptes:
            return "range"
        return await Generic().tlb_flush(tlb)


class LastLevelOnly(Smp):
    """Flushes pages, and spares what is remembered of tables also when tables have been freed."""

    @hookimpl
    async def flush_tlb_range(self, mm: Mm, start: int, end: int, stride: int) -> None:
        await flush_by_ipi(mm, FlushRequest(start, end, leaf=True))


class KeepsPmdTables(Smp):
    """Never gives a pmd table back."""

    @hookimpl
    async def pmd_free_tlb(self, tlb: MmuGather, table: Table, addr: int) -> None:
        return None


class KeepsPudTables(Smp):
    """Never gives a pud table back."""

    @hookimpl
    async def pud_free_tlb(self, tlb: MmuGather, table: Table, addr: int) -> None:
        return None


class BatchForgetsLater(Smp):
    """A reclaim batch knows the CPUs of the first page's address space only."""

    @hookimpl
    async def arch_tlbbatch_add_pending(self, mm: Mm, batch: UnmapBatch, start: int, end: int) -> None:
        batch.cpus = batch.cpus or await mm_cpumask(mm)


class ChangesNeedNoFlush(Smp):
    """mprotect() and NUMA hints flush nothing."""

    @hookimpl
    def pte_needs_flush(self, mm: Mm, oldpte: Entry, newpte: Entry) -> bool:
        return False


class HugeChangesNeedNoFlush(X86):
    """The same of huge pages, where pmdp_invalidate_ad() leaves the flush to what asks."""

    @hookimpl
    def huge_pmd_needs_flush(self, mm: Mm, oldpmd: Entry, newpmd: Entry) -> bool:
        return False
