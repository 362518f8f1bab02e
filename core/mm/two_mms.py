"""Two address spaces in one model: programs are written of `mm`, and `of_second` runs them for the other mm.

What belongs to an mm is said where its cells are declared (`declare(..., of_mm=True)`): mm_cpumask, mmap_lock, a
generation, what a CPU notes about the mm.  The second mm has another set of these cells, and requests of its own
(csd).  All other words are the machine's, or the CPU's, and serve both: a policy that keeps in such a word what it
should know of each mm is refuted here.  Pages are told apart by their addresses, which no two mms share.

A switch from one to the other is two calls of switch_mm(), each with the mm that it is about, and None for the other.
"""

from __future__ import annotations

from collections.abc import Coroutine
from copy import copy
from dataclasses import replace
from functools import cache
from typing import Any

from core.machine.ipi import CSD
from core.machine.memory import OF_MM
from core.machine.op import Cell, Op, doing
from core.mm.mm import Mm


@cache
def second_mm(mm: Mm) -> Mm:
    """The second mm, as the task of `mm` sees it.  One object, because an Mm is compared by identity."""
    return replace(mm, addrs=mm.second, second=())


def second_cell(cell: Cell) -> Cell:
    """The second mm's cell in the place of the first one's."""
    return Cell(cell.array, ("mm2", cell.index), cell.nr) if cell.array in OF_MM or cell.array == CSD else cell


def second_op(op: Op) -> Op:
    """`op` on the cells of the second mm."""
    there = copy(op)
    there.reads, there.writes = tuple(map(second_cell, op.reads)), tuple(map(second_cell, op.writes))
    if (there.reads, there.writes) != (op.reads, op.writes):
        there.name = f"{op.name}, mm2"
    return there


async def of_second(program: Coroutine[Op, Any, Any]) -> Any:
    """Run `program`, which is of `second_mm()`, on the cells of the second mm."""

    async def do(op: Op) -> Any:
        return await second_op(op)

    return await doing(program, do)
