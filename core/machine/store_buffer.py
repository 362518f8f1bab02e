"""x86-TSO: a plain store waits in its CPU's buffer, where no other CPU sees it, until it drains or a fence makes it.

A model without these words is sequentially consistent.  With them, one cell at a time: the order of a CPU's stores to
different cells is not what such a model is about.

Data types
    cell ('store_buffer', cpu)    the values that are on their way to the cell, oldest first
"""

from __future__ import annotations

from collections.abc import Hashable

from core.machine.op import Cell, Cpu, Op, Outcome


def store_buffer_cell(cpu: Cpu) -> Cell:
    """The stores of `cpu` that have not reached memory."""
    return Cell("store_buffer", cpu)


def buffered_store(cpu: Cpu, name: str, value: Hashable) -> Op:
    """A plain store: into the buffer."""
    cell = store_buffer_cell(cpu)
    return Op(f"{name} (buffered)", (cell,), (cell,), lambda waiting: [Outcome(None, ((*waiting, value),))])


def drain(cpu: Cpu, cell: Cell) -> Op:
    """The environment's step: the oldest store reaches `cell`."""
    buffer = store_buffer_cell(cpu)
    return Op(
        f"store buffer drains to {cell}",
        (buffer,),
        (buffer, cell),
        lambda waiting: [Outcome(None, (waiting[1:], waiting[0]))] if waiting else [],
    )


def mfence(cpu: Cpu, name: str = "smp_mb") -> Op:
    """Wait until everything has drained; an atomic read-modify-write is one too."""
    return Op(name, (store_buffer_cell(cpu),), (), lambda waiting: [] if waiting else [Outcome(None)])
