"""Mistakes about what the gather holds: pages, rmaps, tables, and queues of one's own."""

from __future__ import annotations

from arch_plugins.families.queued import BATCH_NR, Queued, add_to_queue, swap_queue
from arch_plugins.generic import Smp, flush_by_ipi, flush_cpus_by_ipi
from core.hookspecs import Facts, hookimpl
from core.machine.ipi import FlushRequest
from core.mm.mm import Mm, Vma, alloc_page, mm_cpumask
from core.mm.mmu_gather import Batch, MmuGather, adjust_range, batch_full, gather_page, tlb_remove_table
from core.mm.page import put_page
from core.mm.swap import Table, free_table


class FreesAtOnce(Smp):
    """A page is given back as it is unmapped."""

    @hookimpl
    async def tlb_remove_page(self, tlb: MmuGather, page: int, nr: int, delay_rmap: bool) -> bool:
        await put_page(page, nr)
        return False


class FreesTwice(Smp):
    """At once, and again with the gather."""

    @hookimpl
    async def tlb_remove_page(self, tlb: MmuGather, page: int, nr: int, delay_rmap: bool) -> bool:
        await put_page(page, nr)
        return await gather_page(tlb, page, nr, delay_rmap)


class LosesPages(Smp):
    """A page is not queued."""

    @hookimpl
    async def tlb_remove_page(self, tlb: MmuGather, page: int, nr: int, delay_rmap: bool) -> bool:
        return False


class QueuesOne(Smp):
    """The first page is queued, whatever `nr`."""

    @hookimpl
    async def tlb_remove_page(self, tlb: MmuGather, page: int, nr: int, delay_rmap: bool) -> bool:
        return await gather_page(tlb, page, 1, delay_rmap)


class QueuesEach(Smp):
    """Right: one after the other, while there is room."""

    @hookimpl
    async def tlb_remove_page(self, tlb: MmuGather, page: int, nr: int, delay_rmap: bool) -> bool:
        return await gather_page(tlb, page, nr, delay_rmap)


class FreesWithoutBatch(Smp):
    """Where no batch can be allocated the page is given back at once."""

    @hookimpl
    async def tlb_remove_page(self, tlb: MmuGather, page: int, nr: int, delay_rmap: bool) -> bool:
        batch = tlb.batches[tlb.active]
        if batch.nr + nr >= batch_full(tlb.mm, batch) and tlb.active + 1 == len(tlb.batches):
            if not await alloc_page(tlb.mm, "batch"):
                await put_page(page, nr)
                return True
            tlb.batches.append(Batch(tlb.mm.facts.batch_entries))
            tlb.active += 1
        return await gather_page(tlb, page, nr, delay_rmap)


class SaysFullLate(Smp):
    """The gather never says that it is full: it goes on behind the end of a batch."""

    @hookimpl
    async def tlb_remove_page(self, tlb: MmuGather, page: int, nr: int, delay_rmap: bool) -> bool:
        await gather_page(tlb, page, nr, delay_rmap)
        return False


class ForgetsDelay(Smp):
    """The page is queued without the bit that its rmap is still to be removed."""

    @hookimpl
    async def tlb_remove_page(self, tlb: MmuGather, page: int, nr: int, delay_rmap: bool) -> bool:
        return await gather_page(tlb, page, nr, False)


class NeverDelays(Smp):
    """tlb_delay_rmap() of one CPU, on several."""

    @hookimpl
    def tlb_delay_rmap(self, tlb: MmuGather) -> bool:
        return False


class DelaysUnmarked(Smp):
    """tlb_delay_rmap() says yes and does not mark the gather: tlb_flush_rmaps() has nothing to do."""

    @hookimpl
    def tlb_delay_rmap(self, tlb: MmuGather) -> bool:
        return True


class NoEndOfVma(Smp):
    """tlb_end_vma() is empty where VMAs are not merged, so that PFN mappings are not flushed either."""

    @hookimpl
    async def tlb_end_vma(self, tlb: MmuGather, vma: Vma) -> None:
        return None


class ForgetsPfn(Smp):
    """tlb_start_vma() does not look whether the VMA has PFN mappings, and VMAs are merged."""

    @hookimpl
    def arch_facts(self) -> Facts:
        return Facts(merge_vmas=True, capabilities=frozenset({"batched_unmap", "move_pmd"}))

    @hookimpl
    async def tlb_start_vma(self, tlb: MmuGather, vma: Vma) -> None:
        return None


class MergesVmas(Smp):
    """Right: merged, but for those."""

    @hookimpl
    def arch_facts(self) -> Facts:
        return Facts(merge_vmas=True, capabilities=frozenset({"batched_unmap", "move_pmd"}))


# ---- tables --------------------------------------------------------------------------------------------------


class FreesTableAtOnce(Smp):
    """A page table is given back as it is unhooked."""

    @hookimpl
    async def pte_free_tlb(self, tlb: MmuGather, table: Table, addr: int) -> None:
        adjust_range(tlb, addr, 1)
        tlb.cleared_pmds = tlb.freed_tables = True
        await free_table(table)


class TableBesides(Smp):
    """The range of a table is taken for that of the page behind."""

    @hookimpl
    async def pte_free_tlb(self, tlb: MmuGather, table: Table, addr: int) -> None:
        adjust_range(tlb, addr + 1, 1)
        tlb.cleared_pmds = tlb.freed_tables = True
        await tlb_remove_table(tlb, table)


class LosesTable(Smp):
    """A page table is not queued."""

    @hookimpl
    async def pte_free_tlb(self, tlb: MmuGather, table: Table, addr: int) -> None:
        adjust_range(tlb, addr, 1)
        tlb.cleared_pmds = tlb.freed_tables = True


class TableUnsaid(Smp):
    """A pmd table is queued, and the gather not told."""

    @hookimpl
    async def pmd_free_tlb(self, tlb: MmuGather, table: Table, addr: int) -> None:
        await tlb_remove_table(tlb, table)


class PudTableUnsaid(Smp):
    """A pud table is queued, and the gather not told."""

    @hookimpl
    async def pud_free_tlb(self, tlb: MmuGather, table: Table, addr: int) -> None:
        await tlb_remove_table(tlb, table)


class SoftwareWalk(Smp):
    """tlb_needs_table_invalidate() says no, which is for software that walks tables, and a batch of tables goes
    unflushed where there is no memory."""

    @hookimpl
    def arch_facts(self) -> Facts:
        return Facts(rcu_table_free=True, capabilities=frozenset({"batched_unmap", "move_pmd"}))

    @hookimpl
    async def tlb_flush(self, tlb: MmuGather) -> str | None:
        if not tlb.cleared_ptes:
            return None
        await flush_by_ipi(tlb.mm, FlushRequest())
        return "mm"


class RcuTables(Smp):
    """Right: with a flush."""

    @hookimpl
    def arch_facts(self) -> Facts:
        return Facts(rcu_table_free=True, capabilities=frozenset({"batched_unmap", "move_pmd"}))


class ExitUnflushed(Smp):
    """The last user is gone, so nothing is flushed: but kernel threads are on the page tables, and hardware walks."""

    @hookimpl
    async def tlb_flush(self, tlb: MmuGather) -> str | None:
        if tlb.fullmm:
            return None
        await flush_by_ipi(tlb.mm, FlushRequest())
        return "mm"


class ExitFlushesTables(Smp):
    """Right: only if no table has been freed, as arm64 has it."""

    @hookimpl
    async def tlb_flush(self, tlb: MmuGather) -> str | None:
        if tlb.fullmm and not tlb.freed_tables:
            return None
        await flush_by_ipi(tlb.mm, FlushRequest())
        return "mm"


# ---- queues --------------------------------------------------------------------------------------------------


class Deferred(Queued):
    """Right: entries are queued as they are cleared, and flushed as the section ends or the queue is full."""

    FACTS = Facts(walker="handler")

    def stays(self, mm: Mm) -> bool:
        """The page-table lock keeps the task on its CPU: there is no section without."""
        return False

    async def flush_pages(self, mm: Mm, addrs: tuple[int, ...]) -> None:
        for addr in addrs:
            await flush_cpus_by_ipi(mm, await mm_cpumask(mm), FlushRequest(addr, addr + 1))

    async def flush_huge(self, mm: Mm, addr: int) -> None:
        await flush_cpus_by_ipi(mm, await mm_cpumask(mm), FlushRequest(addr, addr + mm.span[0]))


class LosesOverflow(Deferred):
    """What does not fit the queue is lost."""

    async def need_flush(self, mm: Mm, page: int) -> None:
        queue = await add_to_queue(mm.task.cpu, page)
        if queue is None:
            await self.flush_pages(mm, (page,))
        elif len(queue) > BATCH_NR:
            await swap_queue(mm.task.cpu, queue[:-1])


class StartsAnew(Deferred):
    """A full queue is emptied without a flush."""

    async def need_flush(self, mm: Mm, page: int) -> None:
        queue = await add_to_queue(mm.task.cpu, page)
        if queue is None:
            await self.flush_pages(mm, (page,))
        elif len(queue) == BATCH_NR:
            await swap_queue(mm.task.cpu, ())


class NotOutside(Deferred):
    """Outside a section nothing is flushed."""

    async def need_flush(self, mm: Mm, page: int) -> None:
        queue = await add_to_queue(mm.task.cpu, page)
        if queue is not None and len(queue) == BATCH_NR:
            await self.flush_queue(mm, ())


class StaysQueued(Deferred):
    """The section ends, and the queue is left."""

    @hookimpl
    async def arch_leave_lazy_mmu_mode(self, mm: Mm) -> None:
        return None


class QueuesFirst(Deferred):
    """Of `nr` entries the first is queued."""

    @hookimpl
    async def ptep_get_and_clear(self, mm: Mm, addr: int, nr: int, full: bool) -> object:
        pte = await self.clear_entry(mm, addr, nr)
        if not full:
            await self.need_flush(mm, addr)
        return pte
