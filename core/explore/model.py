"""What the explorer is given and what it returns.  It knows operations, cells and threads, and nothing else.

Data types
    Thread      a program, and the CPU column in which a trace shows its steps
    Daemon      one operation that the environment may execute whenever it is enabled, any number of times (an interrupt
                is delivered, a translation is fetched speculatively); it has no local state and is never unfinished
    Property    a named condition on cells
    Model       threads, daemons, initial cells and properties
    Limits      when to stop early
    Step        one line of a trace
    Verdict     the result of a search
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Hashable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from core.machine.op import Cell, Cpu, Op, Page, Tid

END = "the end"
"""The name under which `Verdict.unreached` says that the threads never all end, in a model with finally-properties."""

Member = str | Page | tuple[str | Page, ...]
"""A member of a symmetric group: a thread by its name, a page, or several of these that are exchanged together."""

Program = Callable[[], Coroutine[Op, Any, Any]]


@dataclass(frozen=True, slots=True)
class Thread:
    """A program, and the name and CPU under which a trace shows it. `tid` is its number in cells: a lock's owner."""

    name: str
    cpu: Cpu
    tid: Tid
    program: Program


@dataclass(frozen=True, slots=True)
class Daemon:
    """An operation that the environment may execute whenever it is enabled; a trace shows it in the column of `cpu`."""

    name: str
    cpu: Cpu
    op: Op


@dataclass(frozen=True, slots=True)
class Property:
    """A condition `holds(*values of reads)`; `sentence` is printed when it is violated."""

    name: str
    sentence: str
    reads: tuple[Cell, ...]
    holds: Callable[..., bool]


class Access(NamedTuple):
    """What a memory model makes of an operation: how it touches memory, and the queue of its CPU's stores that wait.

    queue      the cell of that queue; None for an operation that the machine does not know of
    reads, writes   the cells that it reads and writes at once, the queue apart
    puts       the cells of which it puts a store into the queue; `reserves`: nobody else may write them meanwhile
    takes      the cell of which it takes a store out of the queue and writes it: the machine's own daemons
    finds      it finds the stores of its own CPU that wait: an older one of a cell is as good as memory
    waits      it is blocked until the queue is empty
    """

    queue: Cell | None
    reads: frozenset[Cell]
    writes: frozenset[Cell]
    puts: frozenset[Cell] = frozenset()
    takes: Cell | None = None
    reserves: bool = False
    finds: bool = False
    waits: bool = False


class MemoryMachine(Protocol):
    """A memory model at work on one model: what it makes of operations, and the daemons that it adds.

    It may have to learn which cells are stored to.  `wrap` raises `NewStore` for one that is new; after `learned` the
    tables are made again.
    """

    def steps(self, op: Op) -> bool:
        """Is this operation, which touches no cell, a step all the same?"""

    def wrap(self, op: Op, cpu: Cpu) -> Op:
        """The operation as `cpu` executes it."""

    def access(self, op: Op, cpu: Cpu) -> Access:
        """How the operation touches memory, and the queue of `cpu`."""

    def holds(self, queue: Any, cell: Cell) -> bool:
        """Does a store to `cell` wait in a queue with this value?"""

    def extended(self, model: Model) -> Model:
        """The model with what the machine does by itself, and the properties as it has them."""

    def learned(self) -> None:
        """From now on everything that was met is known."""


@dataclass(frozen=True, slots=True)
class Model:
    """`always` must hold in every reachable state, `finally_` whenever all threads have ended, `sometimes` in at least
    one reachable state.  A state in which some thread has not ended and no agent can change anything is a deadlock.
    `initial` must have a value for every cell that an operation or property touches.
    `sentences` explain, by name, the properties that a step itself violates (`Outcome.violated`).
    `symmetric` lists groups of members that are claimed to be interchangeable; the explorer checks the claim.
    `memory` makes the machine whose memory model the operations are subject to; None is sequential consistency.
    ValueError if two properties share a name: a verdict names the one that is violated."""

    name: str
    threads: tuple[Thread, ...]
    initial: Mapping[Cell, Hashable]
    daemons: tuple[Daemon, ...] = ()
    always: tuple[Property, ...] = ()
    finally_: tuple[Property, ...] = ()
    sometimes: tuple[Property, ...] = ()
    sentences: Mapping[str, str] = field(default_factory=dict)
    symmetric: tuple[tuple[Member, ...], ...] = ()
    memory: Callable[[Model], MemoryMachine] | None = None

    def __post_init__(self) -> None:
        names = [prop.name for prop in (*self.always, *self.finally_, *self.sometimes)]
        if len({*names}) < len(names):
            twice = next(name for name in names if names.count(name) > 1)
            raise ValueError(f"model {self.name}: two properties are called {twice!r}")


@dataclass(frozen=True, slots=True)
class Limits:
    """When a search stops early: `max_states`, `timeout` in seconds, `max_memory` in bytes for the states.

    None is no limit, except for `max_memory`: what the machine has to spare (core/base/available_memory.py)."""

    max_states: int | None = None
    timeout: float | None = None
    max_memory: int | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """One line of a trace: the CPU, the thread or daemon, the operation, and `changes` as (cell, before, after).

    `finds` are cells that the step is the first to read, if they still hold a non-empty initial value."""

    cpu: int
    thread: str
    step: str
    changes: tuple[tuple[str, str, str], ...]
    finds: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Verdict:
    """The result of a search.

    `violated` is the property that the trace violates, 'deadlock', 'assertion' (an assert in a program failed), or ''
    if no violation was found; `sentence` explains it, and `trace` is a shortest one.
    `exhaustive` says that every reachable state was visited; otherwise `bounds` says which limit was hit, how many
    levels were completed, and how many states were on the frontier.
    `unreached` lists the sometimes-properties that held in no visited state.  After an exhaustive search without a
    violation it also has `END` if the model has finally-properties and the threads never all end.
    `states` and `transitions` count distinct global states and edges, `depth` breadth-first levels.
    `searcher` and `reductions` name what was used."""

    violated: str
    sentence: str
    trace: tuple[Step, ...]
    states: int
    transitions: int
    depth: int
    exhaustive: bool
    bounds: str
    unreached: tuple[str, ...]
    searcher: str
    reductions: tuple[str, ...]
