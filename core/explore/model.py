"""What the explorer is given and what it answers.  It knows operations, cells and threads, and nothing else.

Data types
    Thread      a program and the CPU column in which its steps are shown
    Daemon      one operation that the environment may do at any time, again and again (an interrupt delivered,
                a speculative fill); it has no local state and never counts as unfinished work
    Property    a named condition over cells
    Model       threads + daemons + initial cells + properties
    Limits      when to give up; Step: one line of a trace; Verdict: the answer
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Hashable, Mapping
from dataclasses import dataclass, field
from typing import Any

from core.machine.op import Cell, Cpu, Op, Page, Tid

END = "the end"
"""What a model with finally-properties must reach, as every sometimes-property: that all threads have ended."""

Member = str | Page | tuple[str | Page, ...]
"""What changes places with others of its kind."""

Program = Callable[[], Coroutine[Op, Any, Any]]


@dataclass(frozen=True, slots=True)
class Thread:
    """A program with the name and CPU under which a trace shows it. `tid` is how cell values name it."""

    name: str
    cpu: Cpu
    tid: Tid
    program: Program


@dataclass(frozen=True, slots=True)
class Daemon:
    """An operation the environment may do whenever it is enabled, shown in the column of `cpu`."""

    name: str
    cpu: Cpu
    op: Op


@dataclass(frozen=True, slots=True)
class Property:
    """`holds(*values of reads)`; `sentence` says what it means that it does not hold."""

    name: str
    sentence: str
    reads: tuple[Cell, ...]
    holds: Callable[..., bool]


@dataclass(frozen=True, slots=True)
class Model:
    """`always` holds in every reachable state, `finally_` whenever every thread has ended, `sometimes` in at
    least one reachable state.  A state where some thread has not ended and none can step is a deadlock.
    `initial` must have a value for every cell any operation or property touches.
    `sentences` explains the properties that steps themselves violate (`Outcome.violated`), by name.
    `symmetric` lists groups of members claimed to be interchangeable: a claim that is checked.  A member is a thread
    (by name), a `Page`, or several of these that change places together."""

    name: str
    threads: tuple[Thread, ...]
    initial: Mapping[Cell, Hashable]
    daemons: tuple[Daemon, ...] = ()
    always: tuple[Property, ...] = ()
    finally_: tuple[Property, ...] = ()
    sometimes: tuple[Property, ...] = ()
    sentences: Mapping[str, str] = field(default_factory=dict)
    symmetric: tuple[tuple[Member, ...], ...] = ()


@dataclass(frozen=True, slots=True)
class Limits:
    """`max_states` and `timeout` (seconds of search): None is no limit. `max_memory` (bytes of states): None is what
    the machine has to spare."""

    max_states: int | None = None
    timeout: float | None = None
    max_memory: int | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """One line of a trace: who did what, and which cells changed, as (cell, before, after).

    `finds` are cells that are as they were at the start, where that is not empty, and nobody has looked at before."""

    cpu: int
    thread: str
    step: str
    changes: tuple[tuple[str, str, str], ...]
    finds: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Verdict:
    """`violated` is the name of the property a shortest trace breaks ('' if none was found), 'deadlock',
    'assertion' (an assert in a program) included; `sentence` explains it.  `exhaustive` says that every reachable
    state was visited; otherwise `bounds` names the limit that was hit, the depth completed and the frontier.
    `unreached` lists the sometimes-properties no visited state satisfied, and, behind an exhaustive search without a
    violation, `END` if the model says what must hold when all threads have ended and they never have.  `states` and
    `transitions` are counts of distinct global states and of edges, `depth` is the number of breadth-first levels
    explored."""

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
