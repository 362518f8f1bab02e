"""A variable of a policy's own: plain loads and stores of a cell that its module has declared."""

from __future__ import annotations

from core.machine.op import Cell, Op, Outcome
from core.machine.order import Order


def read_once(cell: Cell) -> Op:
    """READ_ONCE(): returns the value."""
    return Op(f"read {cell}", (cell,), (), lambda value: [Outcome(value)], order=Order.PLAIN)


def write_once(cell: Cell, value: object) -> Op:
    """WRITE_ONCE()."""
    return Op(f"{cell} = {value}", (), (cell,), lambda: [Outcome(None, (value,))], order=Order.PLAIN)
