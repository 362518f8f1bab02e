"""IPIs that are acknowledged before they are served, and served before the CPU returns to user mode.

The sender continues as soon as it has the acknowledgement.  The target still has its TLB entries then, but it is in its
interrupt handler, and user code runs there again only after the handler has flushed.  The hardware walker is not
stopped by a handler: it may use what it has cached.  In this model other kernel code on that CPU may run as well, which
is more than really happens: an interrupted task stands still.

Data types
    EarlyRequest              a request that may be acknowledged first; all others are acknowledged once served
    cell ('handler', cpu)     the request that the CPU's handler of several steps is at, None outside of it: here the
                              EarlyRequest that it has acknowledged and not served; of C it is how far it has come
                              (core.tree.stretch), and the interrupted task stands still (`interrupted`)
"""

from __future__ import annotations

from collections.abc import Coroutine, Sequence
from copy import copy
from dataclasses import dataclass
from typing import Any

from core.machine.ipi import csd_cell, irqs_off_cell, take_ipi
from core.machine.memory import declare
from core.machine.op import Cell, Cpu, Op, Outcome, Tid, doing
from core.machine.order import Order
from core.machine.tlb import tlb_cell


@dataclass(frozen=True, slots=True)
class EarlyRequest:
    """Flush virtual pages `start` to `end` (exclusive; None is everything); acknowledged before that is done."""

    start: int = 0
    end: int | None = None

    def covers(self, addr: int) -> bool:
        """Does it flush virtual page `addr`?"""
        return self.end is None or self.start <= addr < self.end

    def forgets(self, addr: int, entry: object) -> bool:
        """Does it flush this entry of `addr`?  It flushes entries of every level."""
        return self.covers(addr)

    def __str__(self) -> str:
        return f"answer, then flush {'all' if self.end is None else f'[{self.start}, {self.end})'}"


HANDLER = declare("handler", None, "ghost")


def handler_cell(cpu: Cpu) -> Cell:
    """The request that a handler of several steps on `cpu` is at; None outside of it."""
    return Cell(HANDLER, cpu)


def take_or_answer(sender: Tid, cpu: Cpu, addrs: Sequence[int]) -> Op:
    """Daemon: `cpu` is interrupted and serves the request, or acknowledges an early one and stays in the handler."""
    serve, handler = take_ipi(sender, cpu, addrs), handler_cell(cpu)
    kept = [serve.reads.index(cell) for cell in serve.writes]

    def step(inside: EarlyRequest | None, *values: Any) -> list[Outcome]:
        request, irqs_off, *_ = values
        if not isinstance(request, EarlyRequest):
            return [o._replace(written=(inside, irqs_off, *o.written)) for o in serve.step(*values)]
        if irqs_off:
            return []
        return [Outcome(None, (request, True, None, *(values[i] for i in kept[1:])))]

    irqs_off = irqs_off_cell(cpu)
    assert serve.reads[:2] == (csd_cell(sender, cpu), irqs_off)
    assert serve.writes[0] == serve.reads[0]
    return Op(serve.name, (handler, *serve.reads), (handler, irqs_off, *serve.writes), step, order=serve.order)


def leave_handler(cpu: Cpu, addrs: Sequence[int]) -> Op:
    """Daemon: the handler flushes and returns."""
    handler, entries = handler_cell(cpu), tuple(tlb_cell(cpu, addr) for addr in addrs)

    def step(request: EarlyRequest | None, *tlb: object) -> list[Outcome]:
        if request is None:
            return []
        kept = tuple(None if request.forgets(addr, e) else e for addr, e in zip(addrs, tlb, strict=True))
        return [Outcome(None, (None, False, *kept))]

    return Op(
        f"CPU{cpu} flushes and leaves its handler",
        (handler, *entries),
        (handler, irqs_off_cell(cpu), *entries),
        step,
        order=Order.HANDLER,
    )


async def outside_handlers(program: Coroutine[Op, Any, Any], cpu: Cpu) -> Any:
    """Run `program`; its operations of user mode are blocked while `cpu` is in a handler."""

    async def do(op: Op) -> Any:
        return await (_outside(op, handler_cell(cpu)) if op.may_schedule == "user" else op)

    return await doing(program, do)


async def interrupted(program: Coroutine[Op, Any, Any], cpu: Cpu) -> Any:
    """Run `program`, which stands still while `cpu` is in a handler."""

    async def do(op: Op) -> Any:
        return await (op if op.silent else _outside(op, handler_cell(cpu)))

    return await doing(program, do)


def _outside(op: Op, handler: Cell) -> Op:
    def step(inside: object, *values: object) -> Sequence[Outcome]:
        return [] if inside is not None else op.step(*values)

    there = copy(op)
    there.reads, there.step = (handler, *op.reads), step
    return there
