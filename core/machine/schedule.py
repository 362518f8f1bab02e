"""One schedule: run a single program to its end against a dictionary of cells.

The reader for traces.  Every operation is *executed*, so a wrong one (an unlock of another table's lock) is caught
rather than logged; an operation with several outcomes is a question, answered by `answer`.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Hashable, Sequence
from typing import Any

from core.machine.op import Cell, Op, Outcome

Answer = Callable[[Op, Sequence[Outcome]], Outcome]
Emit = Callable[[tuple[Any, ...]], None]


class ScheduleError(Exception):
    """The program cannot go on alone: an operation is blocked, breaks a property, or is no operation."""


def run(
    program: Coroutine[Op, Any, Any],
    cells: dict[Cell, Hashable],
    answer: Answer,
    emit: Emit,
    environment: Sequence[Op] = (),
) -> Any:
    """Run `program`, reading and writing `cells` (every cell it reads must be there), and return its result.

    `emit` gets the event of each operation that has one, as it happens.  Where the program is blocked, the
    operations of the `environment` (an interrupt taken elsewhere) are done first.
    """
    value: Any = None
    send = program.send
    while True:
        try:
            op = send(value)
        except StopIteration as stop:
            return stop.value
        if not isinstance(op, Op):
            raise ScheduleError(f"awaited {op!r}, which is no operation")
        reads = op.reads  # most read one cell or none: this loop is what counting takes
        outcomes = op.step(*[cells[cell] for cell in reads]) if reads else op.step()
        one = outcomes[0] if len(outcomes) == 1 else _chosen(op, outcomes, cells, answer, environment)
        value, written, violated = one
        if violated:
            raise ScheduleError(f"{op.name} violates {violated}")
        if op.writes:
            for cell, new in zip(op.writes, written, strict=True):
                cells[cell] = new
        if op.event is not None:
            emit(op.event)


def _chosen(
    op: Op, outcomes: Sequence[Outcome], cells: dict[Cell, Hashable], answer: Answer, environment: Sequence[Op]
) -> Outcome:
    """The outcome of an operation that has not just one: of a blocked one after what the environment does."""
    if not outcomes:
        for other in environment:
            for outcome in _outcomes(other, cells):
                _write(other, outcome, cells)
        outcomes = _outcomes(op, cells)
    if not outcomes:
        raise ScheduleError(f"{op.name} is blocked and nobody else runs")
    return outcomes[0] if len(outcomes) == 1 else answer(op, outcomes)


def _outcomes(op: Op, cells: dict[Cell, Hashable]) -> Sequence[Outcome]:
    return op.step(*[cells[cell] for cell in op.reads])


def _write(op: Op, outcome: Outcome, cells: dict[Cell, Hashable]) -> None:
    for cell, written in zip(op.writes, outcome.written, strict=True):
        cells[cell] = written
