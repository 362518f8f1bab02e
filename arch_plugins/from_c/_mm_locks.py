"""Whose lock it takes: C that changes an entry must hold the lock of the table in which the entry is.

With a lock left out an entry may still come out right in every scenario, because nobody there is in the way.  So it is
asked at each change, as rmap-under-ptl is of the reverse map: the operation reads the lock besides.
"""

from __future__ import annotations

from collections.abc import Coroutine, Sequence
from typing import Any

from core.machine.op import Cell, Op, Outcome, doing
from core.mm.mm import Mm, pmd_ptl_cell, ptl_cell
from core.mm.pgtable import ENTRY_WITHOUT_LOCK


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

    def step(*values: Any) -> Sequence[Outcome]:
        outcomes = op.step(*values[:number])
        if all(owner == tid for owner in values[number:]):
            return outcomes
        return [one._replace(violated=one.violated or ENTRY_WITHOUT_LOCK) for one in outcomes]

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
    return (pmd_ptl_cell(mm, cell.index * mm.span[0]),) if cell.array == "pmd" else ()  # type: ignore[operator]
