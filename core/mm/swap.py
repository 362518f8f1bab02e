"""mm/swap_state.c, mm/swap.c: freeing pages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from core.machine.memory import declare
from core.machine.op import Cell, Op, Outcome
from core.mm.mm import log
from core.mm.page import FREED_TWICE, put_page


class Table(NamedTuple):
    """A page-table page: its level ('pte', 'pmd' or 'pud') and its number in that level."""

    level: str
    index: int  # type: ignore[assignment]  # the field, not tuple.index()


async def free_pages_and_swap_cache(pages: Sequence[tuple[int | Table, int]], entries: int) -> None:
    """release_pages() on one array. `pages` are runs of pages, or tables; `entries` is the number of slots that they
    took.
    """
    await log("free", entries, tuple(pages))
    for page, nr in pages:
        if isinstance(page, Table):
            await free_table_page(page)
        else:
            await put_page(page, nr)


async def free_table(table: Table) -> None:
    """__tlb_remove_table(): free a table that is in no array."""
    await log("table_free", table.level, table.index)
    await free_table_page(table)


TABLE = declare("table", True)


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
    )
