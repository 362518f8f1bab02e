"""Operations on runs of cells, for a reader that keeps each cell by itself.

A word that takes `nr` names a run by one cell (`Cell.nr`): the accountant keeps it so, because to it a run of equal
entries is one thing.  In the kernel it is a loop.  So where every interleaving is explored, each entry of a page table
is an access of its own; what belongs to one folio (the references of its pages) changes in one step, as its counter.
"""

from __future__ import annotations

from collections.abc import Coroutine, Hashable
from copy import copy
from typing import Any

from core.machine.op import Cell, Op, Outcome, doing


def behind(cell: Cell, by: int) -> Cell:
    """The cell `by` places behind the first of a run."""
    return Cell(cell.array, cell.index + by) if cell.nr > 1 else cell  # type: ignore[operator]


def length(op: Op) -> int:
    """How many cells the longest run has that the operation names."""
    return max((cell.nr for cell in (*op.reads, *op.writes)), default=1)


async def one_by_one(program: Coroutine[Op, Any, Any]) -> Any:
    """Run `program`, with its operations on runs made of operations on cells."""
    return await doing(program, _done)


async def _done(op: Op) -> Any:
    nr = length(op)
    if nr == 1:
        return await op
    if not any(cell.array == "pte" for cell in (*op.reads, *op.writes)):
        return await together(op, nr)
    first = await single(op, 0)
    for at in range(1, nr):
        await single(op, at)
    return first


def single(op: Op, at: int) -> Op:
    """The operation on the cells `at` places behind the first of each run; its event is the run's, and told once."""
    made = copy(op)
    if at:
        made.name, made.event = f"{op.name}, entry {at}", None
    made.reads, made.writes = (tuple(behind(cell, at) for cell in cells) for cells in (op.reads, op.writes))
    return made


def together(op: Op, nr: int) -> Op:
    """The operation on all cells of its runs in one step. ValueError if it has several outcomes on one of them."""
    parts = [single(op, at) for at in range(nr)]
    reads = tuple(dict.fromkeys(cell for part in parts for cell in part.reads))
    writes = tuple(dict.fromkeys(cell for part in parts for cell in part.writes))

    def step(*values: Hashable) -> list[Outcome]:
        now, outcomes = dict(zip(reads, values, strict=True)), []
        for part in parts:
            (outcome,) = part.step(*[now[cell] for cell in part.reads])
            now.update(zip(part.writes, outcome.written, strict=True))
            outcomes.append(outcome)
        violated = next((outcome.violated for outcome in outcomes if outcome.violated), "")
        return [Outcome(outcomes[0].value, tuple(now[cell] for cell in writes), violated)]

    made = copy(op)
    made.reads, made.writes, made.step = reads, writes, step
    return made
