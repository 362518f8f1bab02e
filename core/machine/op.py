"""The one thing a program can await: an atomic operation on shared cells.

Data types
    Cell      a shared word, e.g. Cell('pte', 4096) or Cell('tlb', (Cpu(1), 4096)); `nr` > 1 names a run of
              consecutive equal cells, which only the accountant ever makes
    Outcome   what one way of doing the operation returns to the program and writes: Outcome(value, written)
    Op        reads, writes, and a function from the values read to the list of outcomes

A program is an `async def` function that awaits one Op for everything another CPU could see or disturb, and
changes only its own locals in between.  What an Op *does* is a pure function of the values it reads, so whoever
runs the program (explorer, accountant, recorder) decides where the cells live and who goes first, and none of
them needs to know any operation by name.  No outcome means that the operation is blocked (a held lock); several
mean that the machine, not the program, chooses (an allocation that may fail).
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Generator, Hashable, Sequence
from typing import Any, NamedTuple


class Cpu(int):
    """The number of a CPU, where it stands in a cell's index or value.

    A type of its own, so that the explorer can exchange equal CPUs wherever they are named.
    """

    __slots__ = ()


class Tid(int):
    """The number of a thread where it stands in a cell's value (a lock's owner): exchanged like `Cpu`."""

    __slots__ = ()


class Page(int):
    """The number of a page where it stands in a cell's index or value, for models that claim equal pages: likewise."""

    __slots__ = ()


class Cell(NamedTuple):
    """A shared word: `array` names what it is, `index` which one; `nr` consecutive equal ones from there on."""

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

    `value` goes back to the program; `written` has one value per cell in `Op.writes`; `violated` names the
    property that this very step breaks ('' when none), for properties that are about a step, not a state.
    """

    value: Any
    written: tuple[Hashable, ...] = ()
    violated: str = ""


async def doing(program: Coroutine[Op, Any, Any], do: Callable[[Op], Coroutine[Op, Any, Any]]) -> Any:
    """Run `program`, with `do` in the place of each of its operations; what `do` returns goes back to the program."""
    value: Any = None
    while True:
        try:
            op = program.send(value)
        except StopIteration as stop:
            return stop.value
        value = await do(op)


class Op:
    """An atomic operation: `step(*values of reads)` gives the outcomes, `name` says it as a trace line does.

    `event` is for logs and counts only (a tuple whose first item is its kind): it touches no cell and takes no
    part in the meaning.  `preempt` is by how much the operation changes preempt_count, and `may_schedule` is why
    the task may give up its CPU here ('' not at all, 'cond_resched', 'might_sleep', 'block' on a sleeping lock,
    'user' mode): the business of `core.machine.sched` alone.
    """

    __slots__ = ("event", "may_schedule", "name", "preempt", "reads", "step", "writes")

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
    ) -> None:
        self.name, self.reads, self.writes, self.step = name, reads, writes, step
        self.event, self.preempt, self.may_schedule = event, preempt, may_schedule

    def __await__(self) -> Generator[Op, Any, Any]:
        return (yield self)

    def __repr__(self) -> str:
        return f"<Op {self.name}>"

    @property
    def silent(self) -> bool:
        """Touches no cell: executed where it stands, never a step of its own."""
        return not self.reads and not self.writes
