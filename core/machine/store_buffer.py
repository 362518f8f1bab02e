"""x86-TSO: a plain store waits in its CPU's store buffer, invisible to other CPUs, until it drains or a fence drains
it.

A model without these operations is sequentially consistent.  The buffer is for one cell: such a model is not about the
order of a CPU's stores to different cells.

Data types
    cell ('store_buffer', cpu)    the stored values that have not reached the cell, oldest first
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

from core.machine.op import Cell, Cpu, Op, Outcome
from core.machine.order import Order


def store_buffer_cell(cpu: Cpu) -> Cell:
    """The stores of `cpu` that have not reached memory."""
    return Cell("store_buffer", cpu)


def buffered_store(cpu: Cpu, name: str, value: Hashable) -> Op:
    """A plain store: its value enters the buffer."""
    cell = store_buffer_cell(cpu)
    return Op(
        f"{name} (buffered)",
        (cell,),
        (cell,),
        lambda waiting: [Outcome(None, ((*waiting, value),))],
        order=Order.PRIVATE,
    )


def plain_store(cpu: Cpu, op: Op) -> Op:
    """`op`, whose one write `cpu` makes by a plain store. With nothing in the buffer before: it reads from memory."""
    cell = store_buffer_cell(cpu)

    def step(waiting: tuple[Hashable, ...], *values: Any) -> list[Outcome]:
        return [o._replace(written=((*waiting, *o.written),)) for o in op.step(*values)]

    return Op(f"{op.name} (buffered)", (cell, *op.reads), (cell,), step, event=op.event, order=Order.PRIVATE)


def drain(cpu: Cpu, cell: Cell) -> Op:
    """Daemon: the oldest buffered store reaches `cell`."""
    buffer = store_buffer_cell(cpu)
    return Op(
        f"store buffer drains to {cell}",
        (buffer,),
        (buffer, cell),
        lambda waiting: [Outcome(None, (waiting[1:], waiting[0]))] if waiting else [],
        order=Order.PRIVATE,
    )


def mfence(cpu: Cpu, name: str = "smp_mb") -> Op:
    """Wait until the buffer has drained; an atomic read-modify-write does the same."""
    return Op(
        name, (store_buffer_cell(cpu),), (), lambda waiting: [] if waiting else [Outcome(None)], order=Order.PRIVATE
    )
