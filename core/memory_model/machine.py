"""What every litmus machine is, and the final states that it ends in."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple, Protocol, TypeVar

from core.memory_model.program import Cell, Register
from core.memory_model.values import Value

State = TypeVar("State")

LOCAL_STEPS = 2000
"""Instructions that one CPU executes without any other taking part, before the machine calls it an endless loop."""


class Fault(NamedTuple):
    """`thread` faulted on `page`, at an instruction behind `labels`; `kind` is translation, permission or
    accessflag."""

    thread: int
    labels: tuple[str, ...]
    page: str
    kind: str


@dataclass(frozen=True)
class Final:
    """A final state.  A register that was never written, or a cell that is not in `memory`, is 0."""

    registers: Mapping[tuple[int, Register], Value]
    memory: Mapping[Cell, Value]
    faults: frozenset[Fault] = frozenset()
    unbroken: bool = False
    """Whether a cacheable entry replaced a conflicting one without break-before-make."""


class LitmusMachine(Protocol[State]):
    """States and the steps between them.  A state is a value: a step makes a new one."""

    def initial(self) -> State:
        """The state before any instruction."""

    def steps(self, state: State) -> Iterator[tuple[str, State]]:
        """Every step that is possible in `state`, with what a trace says of it."""

    def key(self, state: State) -> Hashable:
        """Equal for two states only if the same final states can be reached from both."""

    def final(self, state: State) -> Final | None:
        """The final state, if all threads have ended and nothing is under way any more; else None."""
