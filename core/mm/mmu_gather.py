"""mm/mmu_gather.c: what an unmap has removed and not yet freed. The gather itself is in core/mm/tlb.py.

The order that everything here keeps: clear the entry, flush every TLB that may have it, free the page.  To flush once
for many pages the gather keeps them in batches: one of eight on the stack, then allocated pages full of pointers.

A dirty file page needs more.  Until the flush another CPU may still write through a stale entry, so writeback must
still find the mapping.  The rmap removal is therefore delayed too, with a bit in the page pointer (`encode_page`).  It
must not be delayed beyond the page-table lock, so the walk over the delayed entries (`tlb_flush_rmaps`) is done under
it and has to be short: only the last batches may hold delayed entries (`tlb_next_batch`).

Data types
    Slot(encoded, entries)    an encoded page pointer, or a run of them
    Table(level, index)       a page-table page that is to be freed; queued like a page where tables are not RCU-freed
"""

from __future__ import annotations

from collections.abc import Sequence

from core.machine.rcu import call_rcu, send_sync_ipis, wait_sync_ipis
from core.mm.encoded_page import (
    ENCODED_PAGE_BIT_DELAY_RMAP,
    ENCODED_PAGE_BIT_NR_PAGES_NEXT,
    encode_page,
    encoded_page_flags,
    page_pointer,
)
from core.mm.mm import (
    Mm,
    alloc_page,
    cond_resched,
    dec_tlb_flush_pending,
    free_batch,
    inc_tlb_flush_pending,
    log,
    mm_tlb_flush_nested,
)
from core.mm.rmap import folio_remove_rmap_ptes
from core.mm.stand_in import or_c
from core.mm.swap import Slot, Table, first_page, free_table, free_table_page
from core.mm.swap_state import free_pages_and_swap_cache
from core.mm.tlb import ALL_ONES as ALL_ONES
from core.mm.tlb import TASK_SIZE as TASK_SIZE
from core.mm.tlb import Batch as Batch
from core.mm.tlb import MmuGather as MmuGather
from core.mm.tlb import adjust_range as adjust_range
from core.mm.tlb import batch_full as batch_full
from core.mm.tlb import flush_flags as flush_flags
from core.mm.tlb import reset_range as reset_range
from core.mm.tlb import tlb_flush_pte_range as tlb_flush_pte_range
from core.mm.tlb import tlb_get_unmap_size as tlb_get_unmap_size

# ---- pages ---------------------------------------------------------------------------------------------------


async def tlb_next_batch(tlb: MmuGather) -> bool:
    """Make the next batch the active one. False if there is none: the gather is full."""
    if tlb.delayed_rmap and (tlb.active or not tlb.mm.era.delay_in_local):
        return False  # only the last batch may hold delayed entries: the walk under the lock must stay short
    if tlb.active + 1 < len(tlb.batches):
        tlb.active += 1
        return True
    if len(tlb.batches) - 1 == tlb.mm.facts.batch_count:
        return False
    if not await alloc_page(tlb.mm, "batch"):
        return False
    tlb.batches.append(Batch(tlb.mm.facts.batch_entries))
    tlb.active += 1
    return True


async def queue(tlb: MmuGather, slot: Slot) -> bool:
    """Append to the active batch; True when the gather is full (__tlb_remove_page_size())."""
    batch = tlb.batches[tlb.active]
    batch.slots.append(slot)
    batch.nr += slot.nr
    return batch.nr >= batch_full(tlb.mm, batch) and not await tlb_next_batch(tlb)


@or_c
async def gather_page(tlb: MmuGather, page: int, nr: int, delay_rmap: bool) -> bool:
    """The generic tlb_remove_page(): `nr` pages of one large folio as one entry, or (others, and before v6.9) as `nr`
    entries.
    """
    flags = ENCODED_PAGE_BIT_DELAY_RMAP if delay_rmap else 0
    if nr > 1 and tlb.mm.era.folio_entries and tlb.mm.folio(page)[1] > 1:
        return await queue(tlb, Slot(encode_page(page_pointer(page), flags | ENCODED_PAGE_BIT_NR_PAGES_NEXT), 1, nr))
    return await queue(tlb, Slot(encode_page(page_pointer(page), flags), nr))


@or_c
async def tlb_flush_rmaps(tlb: MmuGather, addr: int) -> None:
    """Do the delayed rmap removals, after the flush and still under the page-table lock that covers `addr`.

    Because of tlb_next_batch() they are all in the active batch or, since c47454823bd4, in the local one.
    """
    if not tlb.delayed_rmap:
        return
    if tlb.active and tlb.mm.era.delay_in_local:
        await tlb_flush_rmap_batch(tlb, tlb.batches[0], addr)
    await tlb_flush_rmap_batch(tlb, tlb.batches[tlb.active], addr)
    tlb.delayed_rmap = False


async def tlb_flush_rmap_batch(tlb: MmuGather, batch: Batch, addr: int) -> None:
    """tlb_flush_rmap_batch(): the delayed rmap removals of one batch."""
    for slot in batch.slots:
        if encoded_page_flags(slot.encoded) & ENCODED_PAGE_BIT_DELAY_RMAP:
            await folio_remove_rmap_ptes(tlb.mm, addr, first_page(slot), slot.entries * slot.pages, "delayed")


async def tlb_batch_pages_flush(tlb: MmuGather) -> None:
    """Free everything queued, in chunks; no lock is held, and the flush has been done."""
    for batch in tlb.batches:
        while batch.slots:
            nr = chunk(batch, tlb.mm.folios_per_free, by_pages=tlb.mm.era.folio_entries and tlb.mm.init_on_free)
            await free_pages_and_swap_cache(tlb.mm, take(batch, nr), nr)
            await cond_resched()
    tlb.active = 0


def chunk(batch: Batch, most: int, by_pages: bool) -> int:
    """Slots that one call frees: `most`, or as many as hold `most` pages.  An entry is not split.

    __tlb_batch_free_encoded_pages(); before v6.9 `most` is the literal 512.
    """
    if not by_pages:
        return _slots_of(batch, most)
    slots = pages = 0
    for slot in batch.slots:
        entries = min(slot.entries, -(-(most - pages) // slot.pages))
        slots, pages = slots + entries * slot.each, pages + entries * slot.pages
        if pages >= most:
            break
    return slots


def _slots_of(batch: Batch, most: int) -> int:
    """The first `most` slots, and one more if that would separate an entry from its number of pages."""
    slots = 0
    for slot in batch.slots:
        if slots + slot.nr >= most:
            return slots + -(-(most - slots) // slot.each) * slot.each
        slots += slot.nr
    return slots


def take(batch: Batch, nr: int) -> list[Slot]:
    """Remove the first `nr` slots of a batch."""
    batch.nr -= nr
    taken: list[Slot] = []
    for at, slot in enumerate(batch.slots):
        entries = min(slot.entries, nr // slot.each)
        taken.append(slot._replace(entries=entries))
        nr -= entries * slot.each
        if not nr:
            batch.slots[: at + 1] = [_behind(slot, entries)] if entries < slot.entries else []
            break
    return taken


def _behind(slot: Slot, entries: int) -> Slot:
    """What is left of a slot after its first `entries`."""
    pointer = page_pointer(first_page(slot) + entries * slot.pages)
    return slot._replace(encoded=encode_page(pointer, encoded_page_flags(slot.encoded)), entries=slot.entries - entries)


# ---- tables --------------------------------------------------------------------------------------------------


@or_c
async def tlb_remove_table(tlb: MmuGather, table: Table) -> None:
    """Queue a page-table page: like any page, or in an RCU batch of its own if there are lockless walkers."""
    if not tlb.mm.facts.rcu_table_free:
        if await queue(tlb, Slot(0, 1, table=table)):
            await tlb_flush_mmu(tlb)
        return
    if tlb.tables is None:
        if not await alloc_page(tlb.mm, "table_batch"):
            await tlb_table_invalidate(tlb)
            await tlb_remove_table_one(tlb.mm, table)
            return
        tlb.tables = []
    tlb.tables.append(table)
    if len(tlb.tables) == tlb.mm.facts.table_batch_entries:
        await tlb_table_flush(tlb)


async def tlb_table_invalidate(tlb: MmuGather) -> None:
    """Hardware walkers must have dropped the tables before these are freed."""
    if tlb.mm.era.has("d86564a2f085") and tlb.mm.hook.tlb_needs_table_invalidate():
        await tlb_flush_mmu_tlbonly(tlb)


async def tlb_remove_table_one(mm: Mm, table: Table) -> None:
    """No memory for a batch: wait until no lockless walker can be in the table, then free it at once."""
    await mm.hook.tlb_remove_table_sync_one(mm=mm)
    await free_table(table)


async def tlb_remove_table_sync_one(mm: Mm) -> None:
    """Send an IPI to every other CPU and wait: a lockless walker takes it when its walk is over.

    Empty without CONFIG_MMU_GATHER_RCU_TABLE_FREE: there every flush must interrupt the walkers.  In the model only
    CPUs that walk in software are sent one: for the others it has no effect.
    """
    if not mm.facts.rcu_table_free:
        return
    others = mm.readers - {mm.task.cpu}
    if not others:
        await log("ipi_sync")
        return
    await send_sync_ipis(mm.task, others)
    await wait_sync_ipis(mm.task, others)


async def tlb_table_flush(tlb: MmuGather) -> None:
    """Hand the batch of tables over to RCU."""
    if tlb.tables is not None:
        await tlb_table_invalidate(tlb)
        await tlb_remove_table_free(tlb, tlb.tables)
        tlb.tables = None


async def tlb_remove_table_free(tlb: MmuGather, tables: Sequence[Table]) -> None:
    """call_rcu(&batch->rcu, tlb_remove_table_rcu)."""
    await free_batch(tlb.mm, "call_rcu", tuple(tables))
    if tlb.mm.readers:
        for table in tables:
            await call_rcu(table, tlb.mm.readers)
    elif tlb.mm.walked:  # the grace period waits for readers in software, and there are none
        for table in tables:
            await free_table_page(table)


# ---- the whole -----------------------------------------------------------------------------------------------


@or_c
async def tlb_flush_mmu_tlbonly(tlb: MmuGather) -> None:
    """Flush what the gather covers, if anything was cleared; frees nothing."""
    cleared = tlb.cleared_ptes or tlb.cleared_pmds or tlb.cleared_puds or tlb.cleared_p4ds
    if not (tlb.freed_tables or tlb.unshared_tables or cleared):
        return
    kind = await tlb.mm.hook.tlb_flush(tlb=tlb)
    if kind is not None:
        await log("flush", tlb.start, tlb.end, flush_flags(tlb, kind))
    reset_range(tlb)


async def tlb_free_vmas(tlb: MmuGather) -> None:
    """Flush PFN mappings, whose pages the core does not track, before their VMAs leave the file's i_mmap (v7.0)."""
    if tlb.vma_pfn and not tlb.fullmm:
        await tlb_flush_mmu_tlbonly(tlb)


@or_c
async def tlb_flush_mmu(tlb: MmuGather) -> None:
    """Flush, then free; no page-table lock is held."""
    await tlb_flush_mmu_tlbonly(tlb)
    await tlb_table_flush(tlb)
    if tlb.mm.facts.gather:
        await tlb_batch_pages_flush(tlb)


async def tlb_change_page_size(tlb: MmuGather, pages: int) -> None:
    """The entries cleared next map `pages` pages each: flush and free what has another size; no page-table lock is
    held.

    powerpc flushes its TLB by the size of the entries.
    """
    if not tlb.mm.facts.gather_page_size:
        return
    if tlb.page_size not in (0, pages) and not (tlb.fullmm or tlb.need_flush_all):
        await tlb_flush_mmu(tlb)
    tlb.page_size = pages


@or_c
async def tlb_gather_mmu(mm: Mm, fullmm: bool = False) -> MmuGather:
    """Open a gather. `fullmm` promises that no task runs on the mm any more."""
    tlb = MmuGather(mm, fullmm, [Batch(mm.facts.bundle)])
    reset_range(tlb)
    await log("gather", tlb)
    await inc_tlb_flush_pending(mm)
    return tlb


def force_flush(tlb: MmuGather) -> None:
    """Flush what another gather on the mm may have cleared: everything, including tables.

    Before 7a30df49f63a it flushed the range of the call, whatever had been cleared, and forgot that tables had been
    freed.
    """
    if tlb.mm.era.has("7a30df49f63a"):
        tlb.fullmm = True
        reset_range(tlb)
        tlb.freed_tables = True
    else:
        reset_range(tlb)
        adjust_range(tlb, min(tlb.mm.addrs), max(tlb.mm.addrs) + 1 - min(tlb.mm.addrs))
        tlb.cleared_ptes = True  # in its place the end of the range said that there is something to flush


@or_c
async def tlb_finish_mmu(tlb: MmuGather) -> None:
    """Flush and free what is left, and close the gather.

    If another gather is open on the mm, it may have cleared entries that this operation found empty and is responsible
    for: flush everything (commits 56236a59556c, 99baac21e458, 7a30df49f63a).
    """
    await log("finish")
    if tlb.mm.era.has("56236a59556c") and await mm_tlb_flush_nested():
        force_flush(tlb)
    await tlb_flush_mmu(tlb)
    for _ in tlb.batches[1:]:
        await free_batch(tlb.mm, "batch_free")
    del tlb.batches[1:]
    await dec_tlb_flush_pending(tlb.mm)
