"""mm/swap.c: giving pages back, and those that wait in a CPU's batch for the LRU list.

A page that is new is put on the LRU list later, with others: until then a batch of the CPU that mapped it holds a
reference.  Whoever drops the last mapping meanwhile does not free the page; the CPU does when it drains its batches.
That another CPU's batch has the page nobody can tell from any other reference.  Only the pages of `Mm.lru_batched` go
through a batch; a batch that is full (PAGEVEC_SIZE), which is drained at once, no model has.
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
