"""mm/swap.c: giving pages back, and those that wait in a CPU's batch for the LRU list.

A page that is new is put on the LRU list later, with others: until then a batch of the CPU that mapped it holds a
reference.  Whoever drops the last mapping meanwhile does not free the page; the CPU does when it drains its batches.
That another CPU's batch has the page nobody can tell from any other reference.  Only the pages of `Mm.lru_batched` go
through a batch; a batch that is full (PAGEVEC_SIZE), which is drained at once, no model has.

Whoever isolates a page takes it off its list, by PG_lru, with a reference; one does at a time.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from core.machine.memory import declare
from core.machine.op import Cell, Cpu, Op, Outcome
from core.machine.order import Order
from core.mm.encoded_page import (
    ENCODED_PAGE_BIT_NR_PAGES_NEXT,
    encoded_page_flags,
    encoded_page_ptr,
    page_to_pfn,
)
from core.mm.mm import Mm, log, smp_processor_id
from core.mm.page import FREED_TWICE, get_page, put_page
from core.mm.swapfile import pg_swapcache_cell


class Table(NamedTuple):
    """A page-table page: its level ('pte', 'pmd' or 'pud') and its number in that level."""

    level: str
    index: int  # type: ignore[assignment]  # the field, not tuple.index()


class Slot(NamedTuple):
    """What one call of tlb_remove_page() queued: `entries` equal entries, or a table.

    `encoded` is the pointer of the first entry; the others follow it page by page.  An entry stands for `pages` pages
    of one folio; if that is more than one, it takes a second slot for the number.
    """

    encoded: int
    entries: int
    pages: int = 1
    table: Table | None = None

    @property
    def each(self) -> int:
        """Slots that one entry takes: 1, or 2 for a large folio."""
        return 1 if self.pages == 1 else 2

    @property
    def nr(self) -> int:
        """Slots that all entries take."""
        return self.entries * self.each


def first_page(slot: Slot) -> int:
    """The first page of a slot."""
    return page_to_pfn(encoded_page_ptr(slot.encoded))


def refs(slot: Slot) -> tuple[int | Table, int]:
    """(first page or table, references that the slot holds), with the flags taken out of the pointer."""
    if slot.table is not None:
        return slot.table, 1
    each = slot.pages if encoded_page_flags(slot.encoded) & ENCODED_PAGE_BIT_NR_PAGES_NEXT else 1
    return first_page(slot), slot.entries * each


async def release_pages(pages: Sequence[Slot]) -> None:
    """Drop the references of an array of encoded pages; before v6.9."""
    await folios_put_refs([refs(slot) for slot in pages])


async def folios_put_refs(folios: Sequence[tuple[int | Table, int]]) -> None:
    """Drop references: (first page or table, how many), one of each page that follows.

    The kernel puts them into batches (PAGEVEC_SIZE), for the LRU lock; that decides nothing that another CPU could see.
    """
    for page, nr in folios:
        if isinstance(page, Table):
            await free_table_page(page)
        else:
            await put_page(page, nr)


async def free_table(table: Table) -> None:
    """__tlb_remove_table(): free a table that is in no array."""
    await log("table_free", table.level, table.index)
    await free_table_page(table)


TABLE = declare("table", True, "ghost", panel="tables")


def table_cell(table: Table) -> Cell:
    """Is the page a page table?  False once it has been freed."""
    return Cell(TABLE, table)


def free_table_page(table: Table) -> Op:
    """Free the table's page; freeing it a second time violates freed-once."""
    cell = table_cell(table)
    return Op(
        f"free {table.level} table {table.index}",
        (cell,),
        (cell,),
        lambda there: [Outcome(None, (False,), "" if there else FREED_TWICE)],
        order=Order.PRIVATE,
    )


# ---- the batches of a CPU ------------------------------------------------------------------------------------

LRU_ADD = declare("lru_add", ())


def lru_add_cell(cpu: Cpu) -> Cell:
    """cpu_fbatches.lru_add of `cpu`: the pages that wait there, the first one first."""
    return Cell(LRU_ADD, cpu)


PG_LRU = declare("PG_lru", True, panel="page")


def pg_lru_cell(page: int) -> Cell:
    """PG_lru: is the page on an LRU list?"""
    return Cell(PG_LRU, page)


def folio_test_lru(page: int) -> Op:
    """folio_test_lru(): read PG_lru."""
    return Op(f"folio_test_lru(page{page})", (pg_lru_cell(page),), (), lambda on: [Outcome(on)], order=Order.PLAIN)


async def folio_add_lru(mm: Mm, page: int) -> None:
    """Leave a new page to the batch of this CPU, which takes a reference. folio_add_lru(), folio_add_lru_vma()."""
    if page not in mm.lru_batched:
        return
    await get_page(page)
    cell = lru_add_cell(await smp_processor_id(mm))  # local_lock(): the task stays here
    name = f"add page{page} to {cell}"
    await Op(name, (cell,), (cell,), lambda now: [Outcome(None, ((*now, page),))], order=Order.PLAIN)


async def lru_add_drain(mm: Mm) -> None:
    """Put the pages of this CPU's batch on their LRU lists, and then drop its references: folio_batch_move_lru()."""
    if not mm.lru_batched:
        return
    cell = lru_add_cell(await smp_processor_id(mm))
    waiting = Op(f"empty {cell}", (cell,), (cell,), lambda now: [Outcome(now, ((),))], order=Order.PLAIN)
    pages = await waiting
    for page in pages:
        await folio_set_lru(page)
    for page in pages:
        await put_page(page)


def folio_set_lru(page: int) -> Op:
    """folio_set_lru(), with lru_add() and its lock."""
    cell = pg_lru_cell(page)
    return Op(f"folio_set_lru(page{page})", (), (cell,), lambda: [Outcome(None, (True,))], order=Order.FULL)


# ---- isolated pages, and pages of MADV_FREE ------------------------------------------------------------------


async def folio_isolate_lru(mm: Mm, page: int) -> bool:
    """Take the folio off its LRU list, with a reference to each of its pages. False if it is on none.

    mm/vmscan.c:folio_isolate_lru().
    """
    cell = pg_lru_cell(page)
    name = f"folio_test_clear_lru(page{page})"
    if not await Op(name, (cell,), (cell,), lambda on: [Outcome(on, (False,))], order=Order.FULL):
        return False
    for at in range(mm.folio(page)[1]):
        await get_page(page + at)
    return True


async def folio_putback_lru(mm: Mm, page: int) -> None:
    """Put an isolated folio back on a list, and drop the references; its batch is drained at once.

    mm/vmscan.c:folio_putback_lru().
    """
    await folio_set_lru(page)
    await put_page(page, mm.folio(page)[1])


PG_SWAPBACKED = declare("PG_swapbacked", False, panel="page")


def pg_swapbacked_cell(page: int) -> Cell:
    """PG_swapbacked of a page of `Mm.lazyfree`: is it to be written to swap, and not discarded?"""
    return Cell(PG_SWAPBACKED, page)


def folio_test_swapbacked(page: int) -> Op:
    """folio_test_swapbacked() of a page of `Mm.lazyfree`."""
    name = f"folio_test_swapbacked(page{page})"
    return Op(name, (pg_swapbacked_cell(page),), (), lambda backed: [Outcome(backed)], order=Order.PLAIN)


def folio_set_swapbacked(page: int) -> Op:
    """folio_set_swapbacked(): a bit operation without order."""
    cell = pg_swapbacked_cell(page)
    name = f"folio_set_swapbacked(page{page})"
    return Op(name, (cell,), (cell,), lambda backed: [Outcome(None, (True,))], order=Order.ATOMIC)


async def folio_mark_lazyfree(mm: Mm, page: int) -> None:
    """folio_mark_lazyfree() of an anonymous page: from now on reclaim may discard it, if it is clean.

    Not if it is in the swap cache, or if somebody has isolated it.  lru_lazyfree() looks again, with the page taken off
    its list; the CPU's batch, which holds a reference until then, is emptied at once, so both are one step.
    """
    if page not in mm.lazyfree:
        return
    cells = (pg_lru_cell(page), pg_swapcache_cell(page), pg_swapbacked_cell(page))

    def step(listed: bool, cached: bool, backed: bool) -> list[Outcome]:
        return [Outcome(None, (backed and (cached or not listed),))]

    await Op(f"folio_mark_lazyfree(page{page})", cells, cells[2:], step, order=Order.FULL)
