"""mm/gup.c: taking a reference to a user's page without any lock (GUP-fast).

Only disabled interrupts keep the page tables from being freed: whoever frees one must wait for the walker, either with
an IPI, which the walker takes only afterwards, or with an RCU grace period (mm/mmu_gather.c, "Semi RCU freeing of the
page directories").  The page itself may be freed at any time: its reference is taken only if it still has one, and
dropped again if the entry has changed meanwhile.
"""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any

from core.machine.op import Cell, Op, Outcome, doing
from core.machine.order import Order
from core.machine.pte import Pte
from core.machine.tlb import ref_cell
from core.mm.kthread import local_irq_disable, local_irq_enable
from core.mm.mm import Mm
from core.mm.page import put_page
from core.mm.pgtable import read_upper
from core.mm.swap import Table, table_cell

FREED_TABLE = "gup-in-freed-table"


async def gup_fast(mm: Mm, addr: int) -> int | None:
    """The page that `addr` maps, with a reference for the caller; None where the slow path has to be taken.

    gup_fast_fallback() around gup_fast() and gup_fast_pte_range(); no lock is held.
    """
    await local_irq_disable(mm.task.cpu)
    page = await gup_fast_pte_range(mm, addr)
    await local_irq_enable(mm.task.cpu)
    return page


async def gup_fast_pte_range(mm: Mm, addr: int) -> int | None:
    """gup_fast_pte_range() on one entry. Interrupts are off.

    The pmd is read again since 70cbc3cc78a9: khugepaged empties it, and leaves the entries below as they are.
    """
    table: Any = await read_upper(mm, 0, addr)
    if not isinstance(table, int):
        return None  # nothing, or a huge page
    pte: Any = await ptep_get_lockless(mm, addr, Table("pte", table))
    if not isinstance(pte, Pte) or not await try_get_folio(pte.frame):
        return None
    same_table = not mm.era.has("70cbc3cc78a9") or await read_upper(mm, 0, addr) == table
    if not same_table or await mm.hook.ptep_get(mm=mm, addr=addr) != pte:
        await put_page(pte.frame)
        return None
    return pte.frame


async def gup_fast_huge(mm: Mm, addr: int) -> int | None:
    """gup_fast() where the upper-level entry of `addr` leads to a table of huge leaves: gup_fast_pmd_leaf() or similar.

    Unlike gup_fast_pte_range() it reads again the leaf, and not the upper-level entry that led to it.
    """
    await local_irq_disable(mm.task.cpu)
    page = await gup_fast_pmd_leaf(mm, addr)
    await local_irq_enable(mm.task.cpu)
    return page


async def gup_fast_pmd_leaf(mm: Mm, addr: int) -> int | None:
    """gup_fast_pmd_leaf() on one huge entry. Interrupts are off."""
    table: Any = await read_upper(mm, 0, addr)
    if table is None:
        return None
    leaf: Any = await ptep_get_lockless(mm, addr, Table("pmd", table))
    if not isinstance(leaf, Pte) or not await try_get_folio(leaf.frame):
        return None
    if await mm.hook.ptep_get(mm=mm, addr=addr) != leaf:
        await put_page(leaf.frame)
        return None
    return leaf.frame


def ptep_get_lockless(mm: Mm, addr: int, table: Table) -> Coroutine[Op, Any, Any]:
    """ptep_get_lockless(): read an entry in a table that may have been freed, which violates gup-in-freed-table."""

    async def read(op: Op) -> Any:
        def step(*values: Any) -> list[Outcome]:
            *now, there = values
            return [one._replace(violated="" if there else FREED_TABLE) for one in op.step(*now)]

        return await Op(op.name, (*op.reads, table_cell(table)), op.writes, step, order=op.order)

    return doing(mm.hook.ptep_get_lockless(mm=mm, addr=addr), read)


def try_get_folio(page: int) -> Op:
    """folio_ref_try_add(): take one more reference unless there is none left. Returns whether it was taken."""
    cell: Cell = ref_cell(page)
    return Op(
        f"try_get_folio(page{page})",
        (cell,),
        (cell,),
        lambda ref: [Outcome(ref > 0, (ref + (ref > 0),))],
        order=Order.FULL,
    )
