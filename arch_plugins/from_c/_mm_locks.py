"""Whose lock it takes: C that changes an entry must hold the lock of the table in which the entry is.

And C that takes a folio out of the swap cache, or puts it in, that of the folio, which Linux asks too
(VM_BUG_ON_FOLIO(!folio_test_locked(folio))).

With a lock left out an entry may still come out right in every scenario, because nobody there is in the way.  So it is
asked at each change, as rmap-under-ptl is of the reverse map: the operation reads the lock besides.
"""

from __future__ import annotations

from collections.abc import Coroutine, Sequence
from typing import Any

from core.machine.op import Cell, Op, Outcome, doing
from core.mm.mm import Mm, pmd_ptl_cell, ptl_cell
from core.mm.page import FOLIO_WITHOUT_LOCK, pg_locked_cell
from core.mm.pgtable import ENTRY_WITHOUT_LOCK
from core.mm.swapfile import PG_SWAPCACHE


async def under_its_lock(mm: Mm, program: Coroutine[Op, Any, int]) -> int:
    """Run `program`, in which a change of an entry violates entry-without-lock if the task has not locked its table."""

    async def do(op: Op) -> Any:
        return await _locked(mm, op)

    found: int = await doing(program, do)
    return found


def _locked(mm: Mm, op: Op) -> Op:
    locks = tuple(dict.fromkeys(lock for cell in op.writes for lock in _lock_of(mm, cell)))
    if not locks:
        return op
    number, tid = len(op.reads), mm.task.tid
    folio = any(cell.array == PG_SWAPCACHE for cell in op.writes)
    wrong = FOLIO_WITHOUT_LOCK if folio else ENTRY_WITHOUT_LOCK

    def step(*values: Any) -> Sequence[Outcome]:
        outcomes = op.step(*values[:number])
        if all(owner == tid for owner in values[number:]):
            return outcomes
        return [one._replace(violated=one.violated or wrong) for one in outcomes]

    return Op(
        op.name,
        (*op.reads, *locks),
        op.writes,
        step,
        event=op.event,
        preempt=op.preempt,
        may_schedule=op.may_schedule,
        order=op.order,
        cpu=op.cpu,
    )


def _lock_of(mm: Mm, cell: Cell) -> tuple[Cell, ...]:
    if cell.array == "pte":
        return tuple(ptl_cell(mm, cell.index + at) for at in range(cell.nr))  # type: ignore[operator]
    if cell.array == PG_SWAPCACHE:
        return (pg_locked_cell(cell.index),)  # type: ignore[arg-type]
    return (pmd_ptl_cell(mm, cell.index * mm.span[0]),) if cell.array == "pmd" else ()  # type: ignore[operator]
