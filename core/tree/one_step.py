"""A program as one step: what memory holds after it, where nobody else comes between."""

from __future__ import annotations

from collections.abc import Coroutine, Hashable, Iterable
from typing import Any

from core.machine.op import Cell, Op
from core.tree.errors import TreeError


def values_after(
    program: Coroutine[Op, Any, Any], values: dict[Cell, Hashable], of_others: Iterable[Cell] = ()
) -> dict[Cell, Hashable]:
    """Run `program`, of which every operation has one outcome, on memory with `values`, which are changed.

    Cells `of_others` may be changed by others in between, so that to look twice is no single step: TreeError.
    """
    answer: Any = None
    shared, seen = set(of_others), set[Cell]()
    while True:
        try:
            op = program.send(answer)
        except StopIteration:
            return values
        again = seen & shared & set(op.reads)
        if again:
            raise TreeError(f"{op.name}: the second look at {min(again)}; the model has this function as one step")
        seen |= set(op.reads)
        (outcome,) = op.step(*(values[cell] for cell in op.reads))
        if outcome.violated:
            raise AssertionError(f"{op.name} violates {outcome.violated}")
        values.update(zip(op.writes, outcome.written, strict=True))
        answer = outcome.value
