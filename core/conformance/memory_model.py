"""Models under the memory model of an architecture: the machine of `core.machine.store_buffers` for the explorer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

from core.explore.errors import NewStore
from core.explore.model import Daemon, MemoryMachine, Model, Property, Thread
from core.machine.meaning import NOTHING, meaning
from core.machine.op import Cpu, Op
from core.machine.store_buffers import BUFFER, KnownStores, buffer_cell, stores, visible, wrapped


class Buffered:
    """A machine with store buffers: `kind` is 'tso' or 'weak'."""

    def __init__(self, kind: str, model: Model) -> None:
        self.kind = kind
        agents: list[Thread | Daemon] = [*model.threads, *model.daemons]
        cpus = sorted({Cpu(agent.cpu) for agent in agents})
        self.known, self.met, self.complete = KnownStores(cpus), KnownStores(cpus), False

    def steps(self, op: Op) -> bool:
        """A barrier is a step where it means something."""
        return op.order is not None and op.order.barrier and meaning(self.kind, op) != NOTHING

    def wrap(self, op: Op, cpu: Cpu) -> Op:
        """The operation with its CPU's buffer. NewStore if it stores to a cell that was not known."""
        if op.reads and op.reads[0].array == BUFFER:
            return op  # a store that becomes visible
        cpu, means = Cpu(cpu), meaning(self.kind, op)
        if self.met.add(cpu, stores(op, means), means.reserves) and self.complete:
            raise NewStore
        return wrapped(op, cpu, self.kind, self.known)

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
        known.stored = {cpu: dict(cells) for cpu, cells in self.met.stored.items()}
        known.reserved = dict(self.met.reserved)
        self.known, self.complete = known, True


def memory_model(kind: str) -> Callable[[Model], MemoryMachine] | None:
    """What `Model.memory` is for 'sc', 'tso' or 'weak'."""
    return None if kind == "sc" else partial(Buffered, kind)
