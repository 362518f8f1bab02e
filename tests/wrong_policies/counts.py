"""What costs latency and no safety: batches that hold too much, and a flag that stays set."""

from __future__ import annotations

from arch_plugins.generic import Smp
from core.facts import Facts
from core.hookspecs import hookimpl
from core.mm.mm import Vma, alloc_page
from core.mm.mmu_gather import Batch, MmuGather, gather_page


class ManyBatches(Smp):
    """A gather may hold half a million pages, which are then freed at one go."""

    @hookimpl
    def arch_facts(self) -> Facts:
        return Facts(max_gather_batch_count=1000)


class WholePages(Smp):
    """Batches of 512 pointers: there is no room for the head."""

    @hookimpl
    def arch_facts(self) -> Facts:
        return Facts(max_gather_batch=512)


class WholePagesOfTables(Smp):
    """The same of the batches of tables."""

    @hookimpl
    def arch_facts(self) -> Facts:
        return Facts(rcu_table_free=True, max_table_batch=512)


class SmallBatches(Smp):
    """Right: less than fits, and so more of them."""

    @hookimpl
    def arch_facts(self) -> Facts:
        return Facts(rcu_table_free=True, max_gather_batch=100, max_gather_batch_count=100, max_table_batch=100)


class GrowsBatches(Smp):
    """The batches of a gather are filled to the end of the page, over what the head takes."""

    @hookimpl
    async def tlb_remove_page(self, tlb: MmuGather, page: int, nr: int, delay_rmap: bool) -> bool:
        for batch in tlb.batches[1:]:
            batch.max = tlb.mm.facts.page_size // tlb.mm.facts.pointer_size
        return await gather_page(tlb, page, nr, delay_rmap)


class OneMoreBatch(Smp):
    """A gather that is full gets another batch, as long as there is memory."""

    @hookimpl
    async def tlb_remove_page(self, tlb: MmuGather, page: int, nr: int, delay_rmap: bool) -> bool:
        full = await gather_page(tlb, page, nr, delay_rmap)
        if full and not tlb.delayed_rmap and await alloc_page(tlb.mm, "batch"):
            tlb.batches.append(Batch(tlb.mm.facts.batch_entries))
            tlb.active += 1
            return False
        return full


class DelaysFromTheStart(Smp):
    """delayed_rmap is set as a VMA is begun, in case that something will be delayed."""

    @hookimpl
    async def tlb_start_vma(self, tlb: MmuGather, vma: Vma) -> None:
        tlb.delayed_rmap = True
        if not tlb.fullmm:
            tlb.vma_pfn = vma.pfn or (tlb.mm.era.flush_vmas_late and tlb.vma_pfn)


class DelaysOnAndOn(Smp):
    """It is set with every page that is queued, and so again behind the walk that has reset it."""

    @hookimpl
    async def tlb_remove_page(self, tlb: MmuGather, page: int, nr: int, delay_rmap: bool) -> bool:
        full = await gather_page(tlb, page, nr, delay_rmap)
        tlb.delayed_rmap = True
        return full


class DelayForgotten(Smp):
    """It is reset by the flush: the walk that should remove the rmaps finds nothing to do."""

    @hookimpl
    async def tlb_flush(self, tlb: MmuGather) -> str | None:
        tlb.delayed_rmap = False
        await tlb.mm.hook.flush_tlb_mm(mm=tlb.mm)
        return "mm"


class LocalBatchSkipped(Smp):
    """The flush takes the mark of a delayed rmap off the batch on the stack, if that is not the active one."""

    @hookimpl
    async def tlb_flush(self, tlb: MmuGather) -> str | None:
        await tlb.mm.hook.flush_tlb_mm(mm=tlb.mm)
        if tlb.active:
            slots = tlb.batches[0].slots
            slots[:] = [slot._replace(encoded=slot.encoded & ~1) for slot in slots]
        return "mm"
