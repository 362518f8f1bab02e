"""A program as one step: what memory holds after it, where nobody else comes between."""

from __future__ import annotations

from collections.abc import Coroutine, Hashable
from typing import Any

from core.machine.op import Cell, Op


def values_after(program: Coroutine[Op, Any, Any], values: dict[Cell, Hashable]) -> dict[Cell, Hashable]:
    """Run `program`, of which every operation has one outcome, on memory with `values`, which are changed."""
    answer: Any = None
    while True:
        try:
            op = program.send(answer)
        except StopIteration:
            return values
        (outcome,) = op.step(*(values[cell] for cell in op.reads))
        if outcome.violated:
            raise AssertionError(f"{op.name} violates {outcome.violated}")
        values.update(zip(op.writes, outcome.written, strict=True))
        answer = outcome.value
