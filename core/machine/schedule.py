"""One schedule: run a single program to its end on a dictionary of cells.

The reader behind traces and counts.  Every operation is executed, so a wrong one (an unlock of another table's lock) is
caught and not just logged.  Where an operation has several outcomes, `answer` chooses.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Hashable, Sequence
from typing import Any

from core.machine.op import Cell, Op, Outcome

Answer = Callable[[Op, Sequence[Outcome]], Outcome]
Emit = Callable[[tuple[Any, ...]], None]


MOST_STEPS = 1000
"""Steps of each part of the environment while one operation waits: what moves on forever helps nobody."""


class ScheduleError(Exception):
    """The program cannot continue: an operation is blocked, violates a property, or is not an Op."""


def run(
    program: Coroutine[Op, Any, Any],
    cells: dict[Cell, Hashable],
    answer: Answer,
    emit: Emit,
    environment: Sequence[Op] = (),
) -> Any:
    """Run `program` on `cells`, which must have every cell that it reads, and return its result.

    `emit` is called with the event of each operation that has one, in order.  When the program is blocked, the
    operations of the `environment` (an interrupt taken on another CPU) are executed first.  Raises ScheduleError.
    """
    value: Any = None
    send = program.send
    while True:
        try:
            op = send(value)
        except StopIteration as stop:
            return stop.value
        if not isinstance(op, Op):
            raise ScheduleError(f"awaited {op!r}, expected an operation (core.machine.op.Op)")
        reads = op.reads  # most operations read at most one cell; counting spends its time in this loop
        outcomes = op.step(*[cells[cell] for cell in reads]) if reads else op.step()
        one = outcomes[0] if len(outcomes) == 1 else _chosen(op, outcomes, cells, answer, environment)
        value = one.value
        if one.violated:
            raise ScheduleError(f"{op.name} violates {one.violated}")
        if op.writes:
            for cell, new in zip(op.writes, one.written, strict=True):
                cells[cell] = new
        if op.event is not None:
            emit(op.event)


def _chosen(
    op: Op, outcomes: Sequence[Outcome], cells: dict[Cell, Hashable], answer: Answer, environment: Sequence[Op]
) -> Outcome:
    """The outcome of an operation with none or several: a blocked one is tried again after the environment's steps.

    Handlers may take several steps, and `MOST_STEPS` rounds of them.
    """
    for _ in range(MOST_STEPS):
        if outcomes or not _advance(cells, environment):
            break
        outcomes = _outcomes(op, cells)
    if not outcomes:
        raise ScheduleError(f"{op.name} is blocked and no other thread runs that could unblock it")
    return outcomes[0] if len(outcomes) == 1 else answer(op, outcomes)


def _advance(cells: dict[Cell, Hashable], environment: Sequence[Op]) -> bool:
    """One step of everything in the environment that can move. Returns whether anything could."""
    moved = False
    for other in environment:
        outcomes = _outcomes(other, cells)
        if outcomes:  # of several the first, which is the ordinary case
            _write(other, outcomes[0], cells)
            moved = True
    return moved


def _outcomes(op: Op, cells: dict[Cell, Hashable]) -> Sequence[Outcome]:
    return op.step(*[cells[cell] for cell in op.reads])


def _write(op: Op, outcome: Outcome, cells: dict[Cell, Hashable]) -> None:
    for cell, written in zip(op.writes, outcome.written, strict=True):
        cells[cell] = written
