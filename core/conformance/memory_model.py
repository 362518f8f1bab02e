"""Models under the memory model of an architecture: the machine of `core.machine.store_buffers` for the explorer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

from core.explore.errors import NewStore
from core.explore.model import Access, Daemon, MemoryMachine, Model, Property, Thread
from core.machine.meaning import NOTHING, meaning
from core.machine.op import Cell, Cpu, Op
from core.machine.order import Order
from core.machine.store_buffers import BUFFER, KnownStores, buffer_cell, stores, visible, wrapped

MARKED = Cell("mark")
"""What a barrier between stores puts into the buffer."""

Agent = tuple[str, Cpu | None]
"""Who looks at memory by itself: a CPU's kernel code, its walker, or the model, which sees all memory as it is."""


class Buffered:
    """A machine with store buffers: `kind` is 'tso' or 'weak'.

    A store to a cell that nobody else looks at does not wait: when it becomes visible, nobody could tell.  `shared` are
    the cells that a second agent has been met to look at, a daemon changes, or a property reads.  A cell that turns out
    to be shared is one more thing that was not known, so the condition is checked on every operation that the search
    meets.  With `spares` off, every store waits.
    """

    def __init__(self, kind: str, model: Model, spares: bool = True) -> None:
        self.kind, self.spares = kind, spares
        agents: list[Thread | Daemon] = [*model.threads, *model.daemons]
        cpus = sorted({Cpu(agent.cpu) for agent in agents})
        self.known, self.met, self.complete = KnownStores(cpus), KnownStores(cpus), False
        self.shared = {cell for prop in (*model.always, *model.sometimes) for cell in prop.reads}
        self.shared.update(cell for daemon in model.daemons for cell in (*daemon.op.reads, *daemon.op.writes))
        self.agents: dict[Cell, Agent] = {}

    def steps(self, op: Op) -> bool:
        """A barrier is a step where it means something."""
        return op.order is not None and op.order.barrier and meaning(self.kind, op) != NOTHING

    def wrap(self, op: Op, cpu: Cpu) -> Op:
        """The operation with its CPU's buffer. NewStore if it stores to a cell that was not known."""
        if op.reads and op.reads[0].array == BUFFER:
            return op  # a store that becomes visible
        cpu, means = Cpu(cpu), meaning(self.kind, op)
        new = self.met.add(cpu, stores(op, means), means.reserves, self.waits)
        new |= self.met.issuer(cpu, op)
        if (self._looks(op, cpu) or new) and self.complete:
            raise NewStore
        return wrapped(op, cpu, self.kind, self.known)

    def access(self, op: Op, cpu: Cpu) -> Access:
        """How the operation touches memory and its CPU's buffer: as `core.machine.store_buffers.wrapped` makes it."""
        if op.reads and op.reads[0].array == BUFFER:
            return Access(op.reads[0], frozenset(), frozenset({op.writes[1]}), takes=op.writes[1])
        cpu, means = Cpu(cpu), meaning(self.kind, op)
        puts = frozenset(stores(op, means) & self.known.stored.get(cpu, {}).keys())
        if means.marks:
            puts |= {MARKED}
        made = wrapped(op, cpu, self.kind, self.known)
        writes = frozenset(cell for cell in made.writes if cell.array != BUFFER)
        finds = op.order not in (Order.WALK, Order.PRIVATE)
        return Access(
            buffer_cell(cpu), frozenset(op.reads), writes, puts, None, means.reserves and bool(puts), finds, means.waits
        )

    def holds(self, queue: Any, cell: Cell) -> bool:
        """Does a store to `cell` wait in this buffer?"""
        return any(store.cell == cell for store in queue)

    def waits(self, cell: Cell) -> bool:
        """Does a store to the cell wait?"""
        return not self.spares or cell in self.shared

    def _looks(self, op: Op, cpu: Cpu) -> bool:
        """Note who looks at the cells of an operation. True if a cell that somebody stores to is shared from now on."""
        kind = {Order.WALK: "walker", Order.PRIVATE: "model"}.get(op.order or Order.PLAIN, "code")
        agent = kind, None if kind == "model" else cpu
        new = {cell for cell in (*op.reads, *op.writes) if self.agents.setdefault(cell, agent) != agent} - self.shared
        self.shared |= new
        return any(not new.isdisjoint(cells) for cells in self.met.stored.values())

    def extended(self, model: Model) -> Model:
        """With a daemon for each store that may become visible; the end is when all have."""
        drains = [
            Daemon("store buffer", cpu, visible(cpu, cell, self.kind == "tso", self.known))
            for cpu, cells in self.known.stored.items()
            for cell in cells
        ]
        finally_ = tuple(map(self._drained, model.finally_))
        return replace(model, daemons=(*model.daemons, *drains), finally_=finally_)

    def _drained(self, prop: Property) -> Property:
        """The property, asked of states in which no store waits."""
        cpus = [cpu for cpu, cells in self.known.stored.items() if cells]
        number, holds = len(cpus), prop.holds

        def when_drained(*values: Any) -> bool:
            return any(values[:number]) or holds(*values[number:])

        return replace(prop, reads=(*map(buffer_cell, cpus), *prop.reads), holds=when_drained)

    def learned(self) -> None:
        """What was met is known from now on."""
        known = KnownStores(self.met.cpus)
        known.stored = {
            cpu: {cell: None for cell in cells if self.waits(cell)} for cpu, cells in self.met.stored.items()
        }
        known.reserved, known.issuers = dict(self.met.reserved), set(self.met.issuers)
        self.known, self.complete = known, True


def memory_model(kind: str, spares: bool = True) -> Callable[[Model], MemoryMachine] | None:
    """What `Model.memory` is for 'sc', 'tso' or 'weak'; without `spares` every store waits."""
    return None if kind == "sc" else partial(Buffered, kind, spares=spares)
