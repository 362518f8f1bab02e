"""The one thing that a program can await: an atomic operation on shared cells.

Data types
    Cell      a shared word, e.g. Cell('pte', 4096) or Cell('tlb', (Cpu(1), 4096)); `nr` > 1 names a run of
              consecutive equal cells, which only the accountant makes
    Outcome   one result of an operation: the value returned to the program, and the values written
    Op        the cells that it reads and writes, and a function from the values read to the list of outcomes

A program is an `async def` function.  It awaits one Op for everything that another CPU could see or disturb, and
changes only its own locals in between.  What an Op does is a pure function of the values that it reads.  So the reader
of the program (explorer, accountant, recorder) decides where the cells are stored and which program goes next, and no
reader needs to know any operation by name.  An operation without an outcome is blocked (a lock that is held); with
several outcomes the machine chooses, not the program (an allocation that may fail); the first one is the ordinary case,
which a reader with one schedule takes.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Generator, Hashable, Sequence
from copy import copy
from typing import Any, NamedTuple

from core.machine.order import Order


class Cpu(int):
    """The number of a CPU in a cell's index or value.

    It has a type of its own so that the explorer finds it there and can exchange equal CPUs.
    """

    __slots__ = ()


class Tid(int):
    """The number of a thread in a cell's index or value (a lock's owner); exchanged like `Cpu`."""

    __slots__ = ()


class Page(int):
    """The number of a page in a cell's index or value, in models that claim equal pages; exchanged like `Cpu`."""

    __slots__ = ()


class Cell(NamedTuple):
    """A shared word: `array` is its kind and `index` which one it is; `nr` > 1 stands for consecutive equal cells."""

    array: str
    index: Hashable = None  # type: ignore[assignment]  # the field, not tuple.index()
    nr: int = 1

    def __str__(self) -> str:
        if self.index is None:
            return self.array
        index = self.index if isinstance(self.index, tuple) else (self.index,)
        return f"{self.array}[{','.join(str(i) for i in index)}]"


class Outcome(NamedTuple):
    """One way in which an operation may happen.

    `value` is returned to the program; `written` has one value per cell in `Op.writes`; `violated` names the property
    that the step itself violates, or is '' (for properties that are about a step and not about a state).

    Two things matter to a memory model alone.  `stored`: of the cells of user memory that the operation writes, those
    that it stores to, each with the TLB entry by which; the others it writes as it has read them.  `awaits`: TLB
    entries; the step waits until no other CPU's store through one of them is on its way.
    """

    value: Any
    written: tuple[Hashable, ...] = ()
    violated: str = ""
    stored: tuple[tuple[Cell, Cell], ...] = ()
    awaits: frozenset[Cell] = frozenset()


def barrier(order: Order) -> Op:
    """A memory barrier: a step only where a memory model gives it a meaning."""
    return Op(order.value, (), (), lambda: [Outcome(None)], order=order)


async def doing(program: Coroutine[Op, Any, Any], do: Callable[[Op], Coroutine[Op, Any, Any]]) -> Any:
    """Run `program`, but await `do(op)` instead of each of its operations; its result is returned to the program."""
    value: Any = None
    while True:
        try:
            op = program.send(value)
        except StopIteration as stop:
            return stop.value
        value = await do(op)


async def executed_on(cpu: Cpu, program: Coroutine[Op, Any, Any]) -> Any:
    """Run `program` on `cpu`, where that is not the CPU of its thread: the task has been moved.

    Traces and store buffers go by it; words go by the CPU of their mm, so the program is one of `mm.on(task)` with that
    CPU: `mm.on(replace(mm.task, cpu=cpu))`, made once, because an Mm is compared by identity.
    """

    async def do(op: Op) -> Any:
        there = copy(op)
        there.cpu = cpu
        return await there

    return await doing(program, do)


class Op:
    """An atomic operation: `step(*values of reads)` returns the outcomes; a trace shows `name`.

    `event`, a tuple whose first item is its kind, is for logs and counts and has no effect on the model.

    `preempt` and `may_schedule` are for the scheduler of a shared CPU (core.machine.sched).  `preempt` is the change of
    preempt_count.  `may_schedule` says why the task may lose its CPU here: '' (it may not), 'cond_resched',
    'might_sleep', 'block' (a sleeping lock), 'spinlock' (spinlock_t, which sleeps on PREEMPT_RT alone), 'user' (user
    mode, which also waits for the CPU's interrupt handler: core.machine.early_ack), 'walk' (hardware walks for user
    mode).

    `order` is what the operation promises about the order of memory accesses.  None, which no word of the kernel has,
    is derived: one that reads and writes a cell is FULL, any other PLAIN.  `cpu` is the CPU that executes it, None for
    that of its thread; only a task that moves says so.
    """

    __slots__ = ("cpu", "event", "may_schedule", "name", "order", "preempt", "reads", "step", "writes")

    def __init__(
        self,
        name: str,
        reads: tuple[Cell, ...],
        writes: tuple[Cell, ...],
        step: Callable[..., Sequence[Outcome]],
        *,
        event: tuple[Any, ...] | None = None,
        preempt: int = 0,
        may_schedule: str = "",
        order: Order | None = None,
        cpu: Cpu | None = None,
    ) -> None:
        self.name, self.reads, self.writes, self.step = name, reads, writes, step
        self.event, self.preempt, self.may_schedule, self.order, self.cpu = event, preempt, may_schedule, order, cpu

    def __await__(self) -> Generator[Op, Any, Any]:
        return (yield self)

    def __repr__(self) -> str:
        return f"<Op {self.name}>"

    @property
    def silent(self) -> bool:
        """Does it touch no cell?  Then it is executed on the spot and is no step of its own."""
        return not self.reads and not self.writes
