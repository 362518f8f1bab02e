"""Policies that are right in the case that comes to mind first: one page, the first flush, a dirty entry, one VMA."""

from __future__ import annotations

from typing import Any

from arch_plugins.generic import Smp, flush_by_ipi, flush_cpus_by_ipi
from core.facts import Facts
from core.hookspecs import hookimpl
from core.machine.ipi import FlushRequest, flush_here
from core.machine.pte import Pte, local_ptep_get_and_clear, ptep_get, wrprotect_pte, xchg_pte
from core.mm.batched_unmap import UnmapBatch
from core.mm.huge_memory import establish_invalid_pmd
from core.mm.mm import Mm, Vma, alloc_page, mm_cpumask, mm_tlb_flush_nested
from core.mm.mmu_gather import (
    MmuGather,
    adjust_range,
    gather_page,
    reset_range,
    tlb_flush_mmu_tlbonly,
    tlb_remove_table,
)
from core.mm.page import put_page
from core.mm.pgtable import get_and_clear_pmd
from core.mm.swap import Table, free_table

MERGES = Facts(merge_vmas=True, capabilities=frozenset({"batched_unmap", "move_pmd"}))


# ---- one page, and not a run ---------------------------------------------------------------------------------


class TornRun(Smp):
    """One entry is cleared atomically, and several by a load and stores."""

    @hookimpl
    async def ptep_get_and_clear(self, mm: Mm, addr: int, nr: int, full: bool) -> object:
        return await (xchg_pte(addr, nr, ("clear", addr, nr)) if nr == 1 else local_ptep_get_and_clear(addr, nr))


class CleanRun(Smp):
    """What several entries say of being dirty is lost."""

    @hookimpl
    async def ptep_get_and_clear(self, mm: Mm, addr: int, nr: int, full: bool) -> object:
        pte: Any = await xchg_pte(addr, nr, ("clear", addr, nr))
        return pte._replace(dirty=False) if nr > 1 and isinstance(pte, Pte) else pte


class LastOfRun(Smp):
    """Of several entries the last comes back, and not the first."""

    @hookimpl
    async def ptep_get_and_clear(self, mm: Mm, addr: int, nr: int, full: bool) -> object:
        pte: Any = None
        for page in range(addr, addr + nr):
            pte = await xchg_pte(page, 1, ("clear", page, 1))
        return pte


class UndelayedRun(Smp):
    """The rmap of one page waits for the flush, and that of several is forgotten."""

    @hookimpl
    async def tlb_remove_page(self, tlb: MmuGather, page: int, nr: int, delay_rmap: bool) -> bool:
        return await gather_page(tlb, page, nr, delay_rmap and nr == 1)


class HalfRun(Smp):
    """Of several pages the first half is queued, and the second given back."""

    @hookimpl
    async def tlb_remove_page(self, tlb: MmuGather, page: int, nr: int, delay_rmap: bool) -> bool:
        half = -(-nr // 2)
        if nr > half:
            await put_page(page + half, nr - half)
        return await gather_page(tlb, page, half, delay_rmap)


class TwoHalves(Smp):
    """Right: both are queued."""

    @hookimpl
    async def tlb_remove_page(self, tlb: MmuGather, page: int, nr: int, delay_rmap: bool) -> bool:
        half = -(-nr // 2)
        full = await gather_page(tlb, page, half, delay_rmap)
        return await gather_page(tlb, page + half, nr - half, delay_rmap) if nr > half else full


class FolioOfOne(Smp):
    """A part of a large folio is queued as one page."""

    @hookimpl
    async def tlb_remove_page(self, tlb: MmuGather, page: int, nr: int, delay_rmap: bool) -> bool:
        return await gather_page(tlb, page, 1 if tlb.mm.folio(page)[1] > 1 else nr, delay_rmap)


class LastChunkDropped(Smp):
    """More than 64 pages are flushed in chunks of 64, and what is left is less than one."""

    @hookimpl
    async def flush_tlb_range(self, mm: Mm, start: int, end: int, stride: int) -> None:
        chunks = (end - start) // 64
        if chunks > 64 or not chunks:
            await flush_by_ipi(mm, FlushRequest(start, None if chunks else end))
        for at in range(start, start + chunks * 64, 64) if chunks <= 64 else ():
            await flush_by_ipi(mm, FlushRequest(at, at + 64))


# ---- the first, and not the second ---------------------------------------------------------------------------


class FirstFlushOnly(Smp):
    """A gather is flushed once."""

    @hookimpl
    async def tlb_flush(self, tlb: MmuGather) -> str | None:
        if not getattr(tlb, "flushed", False):
            tlb.flushed = True  # type: ignore[attr-defined]
            await flush_by_ipi(tlb.mm, FlushRequest())
        return "mm"


class MaskOfFirstFlush(Smp):
    """The mask of a gather's first flush is that of the next ones."""

    @hookimpl
    async def tlb_flush(self, tlb: MmuGather) -> str | None:
        if getattr(tlb, "cpus", None) is None:
            tlb.cpus = await mm_cpumask(tlb.mm)  # type: ignore[attr-defined]
        await flush_cpus_by_ipi(tlb.mm, tlb.cpus, FlushRequest())  # type: ignore[attr-defined]
        return "mm"


class RangeOfFirstFlush(Smp):
    """The range of a gather's first flush is that of the next ones."""

    @hookimpl
    async def tlb_flush(self, tlb: MmuGather) -> str | None:
        if getattr(tlb, "first", None) is None:
            tlb.first = (tlb.start, tlb.end)  # type: ignore[attr-defined]
        await flush_by_ipi(tlb.mm, FlushRequest() if tlb.fullmm else FlushRequest(*tlb.first))  # type: ignore[attr-defined]
        return "mm"


class FirstDelayOnly(Smp):
    """The rmap of one dirty page waits for the flush; where one does, no other need."""

    @hookimpl
    def tlb_delay_rmap(self, tlb: MmuGather) -> bool:
        if tlb.delayed_rmap:
            return False
        tlb.delayed_rmap = True
        return True


class DelaysInTheLocalBatch(Smp):
    """Rmaps wait as long as the batch on the stack has room."""

    @hookimpl
    def tlb_delay_rmap(self, tlb: MmuGather) -> bool:
        if tlb.active:
            return False
        tlb.delayed_rmap = True
        return True


class SecondTableAtOnce(Smp):
    """The first table waits for the flush."""

    @hookimpl
    async def pte_free_tlb(self, tlb: MmuGather, table: Table, addr: int) -> None:
        first = not tlb.freed_tables
        adjust_range(tlb, addr, 1)
        tlb.cleared_pmds = tlb.freed_tables = True
        await (tlb_remove_table(tlb, table) if first else free_table(table))


class FirstBatchOnly(Smp):
    """A task's batch is flushed once."""

    @hookimpl
    async def arch_tlbbatch_flush(self, mm: Mm, batch: UnmapBatch) -> None:
        cpus, batch.cpus = batch.cpus, frozenset()
        if not getattr(batch, "flushed", False):
            batch.flushed = True  # type: ignore[attr-defined]
            await flush_cpus_by_ipi(mm, cpus, FlushRequest())


class BatchOfTheFirst(Smp):
    """The batch knows the CPUs of the first entry alone."""

    @hookimpl
    async def arch_tlbbatch_add_pending(self, mm: Mm, batch: UnmapBatch, start: int, end: int) -> None:
        batch.cpus = batch.cpus or await mm_cpumask(mm)


class FirstVmaOnly(Smp):
    """VMAs are not merged, and only the first is flushed at its end."""

    @hookimpl
    async def tlb_end_vma(self, tlb: MmuGather, vma: Vma) -> None:
        if not tlb.fullmm and not getattr(tlb, "ended", False):
            tlb.ended = True  # type: ignore[attr-defined]
            await tlb_flush_mmu_tlbonly(tlb)


class StartsAnewPerVma(Smp):
    """VMAs are merged, and the range begins anew with each."""

    @hookimpl
    def arch_facts(self) -> Facts:
        return MERGES

    @hookimpl
    async def tlb_start_vma(self, tlb: MmuGather, vma: Vma) -> None:
        reset_range(tlb)
        tlb.vma_pfn = not tlb.fullmm and vma.pfn


# ---- one kind of entry, and not the other --------------------------------------------------------------------


class ProtectsDirtyOnly(Smp):
    """A clean entry is left writable: nobody has written to it."""

    @hookimpl
    async def ptep_set_wrprotect(self, mm: Mm, addr: int) -> None:
        pte: Any = await ptep_get(addr)
        if pte.dirty:
            await wrprotect_pte(addr)


class ForgetsUffd(Smp):
    """pte_wrprotect() makes a new entry, without userfaultfd's mark."""

    @hookimpl
    def pte_wrprotect(self, mm: Mm, pte: Pte) -> Pte:
        return Pte(pte.frame, write=False, dirty=pte.dirty, nx=pte.nx)


class FlushesDirtyChanges(Smp):
    """A change of a clean entry needs no flush, not even if it is to allow nothing any more."""

    @hookimpl
    def pte_needs_flush(self, mm: Mm, oldpte: Any, newpte: Any) -> bool:
        return bool(oldpte.dirty)


class FlushesDirtyHugeChanges(Smp):
    """The same of huge entries."""

    @hookimpl
    def huge_pmd_needs_flush(self, mm: Mm, oldpmd: Any, newpmd: Any) -> bool:
        return bool(oldpmd.dirty)


class NoFlushForHints(Smp):
    """An entry for no access needs no flush: it is only a hint."""

    @hookimpl
    def pte_needs_flush(self, mm: Mm, oldpte: Any, newpte: Any) -> bool:
        return isinstance(newpte, Pte)


class ReadOnlyInvalidate(Smp):
    """pmdp_invalidate() returns the entry without write permission, so that it stays without."""

    @hookimpl
    async def pmdp_invalidate(self, mm: Mm, addr: int) -> object:
        pmd: Any = await establish_invalid_pmd(mm, addr)
        await mm.hook.flush_pmd_tlb_range(mm=mm, start=addr, end=addr + mm.span[0])
        return pmd._replace(write=False) if isinstance(pmd, Pte) else pmd


class ClearFlushOfWritable(Smp):
    """ptep_clear_flush() flushes what could be written to."""

    @hookimpl
    async def ptep_clear_flush(self, mm: Mm, addr: int) -> object:
        pte: Any = await mm.hook.ptep_get_and_clear(mm=mm, addr=addr, nr=1, full=False)
        if isinstance(pte, Pte) and pte.write:
            await mm.hook.flush_tlb_page(mm=mm, addr=addr)
        return pte


class BatchOfWritable(Smp):
    """A batch is flushed if one of its pages could be written to."""

    @hookimpl
    async def arch_tlbbatch_flush(self, mm: Mm, batch: UnmapBatch) -> None:
        cpus, batch.cpus = batch.cpus, frozenset()
        if batch.writable:
            await flush_cpus_by_ipi(mm, cpus, FlushRequest())


class FlushesForPages(Smp):
    """A gather that holds no page is not flushed, though it may be of mprotect() or MADV_FREE."""

    @hookimpl
    async def tlb_flush(self, tlb: MmuGather) -> str | None:
        if tlb.freed_tables or any(batch.nr for batch in tlb.batches):
            await flush_by_ipi(tlb.mm, FlushRequest())
        return "mm"


# ---- alone, and not with others; with memory, and not without ------------------------------------------------


class LeavesItToTheOther(Smp):
    """Where another gather is open, its flush is thought to do for both."""

    @hookimpl
    async def tlb_flush(self, tlb: MmuGather) -> str | None:
        if not await mm_tlb_flush_nested():
            await flush_by_ipi(tlb.mm, FlushRequest())
        return "mm"


class PendingHere(Smp):
    """Who relies on a reclaimer's entries flushes this CPU."""

    @hookimpl
    async def arch_flush_tlb_batched_pending(self, mm: Mm) -> None:
        await flush_here(mm.task.cpu, mm.addrs, FlushRequest(), "local flush")


class TableWithoutMemory(Smp):
    """A table that there is no memory to note is freed at once."""

    @hookimpl
    async def pte_free_tlb(self, tlb: MmuGather, table: Table, addr: int) -> None:
        if not await alloc_page(tlb.mm, "table batch"):
            await free_table(table)
            return
        adjust_range(tlb, addr, 1)
        tlb.cleared_pmds = tlb.freed_tables = True
        await tlb_remove_table(tlb, table)


class TablesAtExit(Smp):
    """At exit tables go back at once: nobody uses the mm, and somebody may walk it."""

    @hookimpl
    async def pte_free_tlb(self, tlb: MmuGather, table: Table, addr: int) -> None:
        adjust_range(tlb, addr, 1)
        tlb.cleared_pmds = tlb.freed_tables = True
        await (free_table(table) if tlb.fullmm else tlb_remove_table(tlb, table))


class QueuedBeforeSaid(Smp):
    """A pmd table is queued before the gather is told: one that is full by then is flushed without it."""

    @hookimpl
    async def pmd_free_tlb(self, tlb: MmuGather, table: Table, addr: int) -> None:
        await tlb_remove_table(tlb, table)
        adjust_range(tlb, addr, 1)
        tlb.cleared_puds = tlb.freed_tables = True


# ---- collapse ------------------------------------------------------------------------------------------------


class CollapseOfOnePage(Smp):
    """pmdp_collapse_flush() flushes the first page of the table."""

    @hookimpl
    async def pmdp_collapse_flush(self, mm: Mm, addr: int) -> int | None:
        table: int | None = await get_and_clear_pmd(mm, addr)
        await mm.hook.flush_tlb_page(mm=mm, addr=addr)
        return table


class CollapseFlushesFirst(Smp):
    """The pmd is emptied behind the flush."""

    @hookimpl
    async def pmdp_collapse_flush(self, mm: Mm, addr: int) -> int | None:
        await mm.hook.flush_tlb_range(mm=mm, start=addr, end=addr + mm.span[0], stride=1)
        table: int | None = await get_and_clear_pmd(mm, addr)
        return table
