"""Every state that a litmus machine can reach.

A depth-first walk with a set of visited keys.  Why not the search of `core/explore`: that one is for programs whose
text is not known.  It learns them, keeps one small number per cell, and finds shortest traces.  A litmus test is the
opposite: its text is known, so that a machine drops what no remaining instruction can ask for, and renumbers times in
every state (`weak/canonical.py`).  As a cell of the explorer such a state would be one value among thousands, which
every operation reads and writes: nothing would be shared or reduced, and the tables would be as large as the search.

The walk is exhaustive: it ends when every reached state has been expanded, or says that the limit was hit.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Generic

from core.memory_model.machine import Final, LitmusMachine, State

LIMIT = 400_000
"""States after which a search gives up."""


@dataclass(frozen=True)
class Found:
    """All final states, the number of states, and whether every one was visited."""

    finals: tuple[Final, ...]
    states: int
    exhaustive: bool


def explore(machine: LitmusMachine[State], limit: int = LIMIT) -> Found:
    """Visit every state of `machine`.  Raises what the machine raises (values.NotExpressible)."""
    first = machine.initial()
    seen = {machine.key(first)}
    todo = [first]
    finals: list[Final] = []
    while todo:
        state = todo.pop()
        final = machine.final(state)
        if final is not None:
            finals.append(final)
        for _, after in machine.steps(state):
            key = machine.key(after)
            if key in seen:
                continue
            if len(seen) >= limit:
                return Found(tuple(finals), len(seen), False)
            seen.add(key)
            todo.append(after)
    return Found(tuple(finals), len(seen), True)


@dataclass
class _Node(Generic[State]):
    state: State
    parent: _Node[State] | None
    step: str


def witness(
    machine: LitmusMachine[State], wanted: Callable[[Final], bool], limit: int = LIMIT
) -> tuple[str, ...] | None:
    """The steps of a shortest execution whose final state is `wanted`; None if there is none within `limit` states."""
    first = machine.initial()
    seen: set[Hashable] = {machine.key(first)}
    level = [_Node(first, None, "")]
    while level and len(seen) <= limit:
        below = []
        for node in level:
            final = machine.final(node.state)
            if final is not None and wanted(final):
                return _path(node)
            for step, after in machine.steps(node.state):
                key = machine.key(after)
                if key not in seen:
                    seen.add(key)
                    below.append(_Node(after, node, step))
        level = below
    return None


def _path(node: _Node[State]) -> tuple[str, ...]:
    steps = []
    here: _Node[State] | None = node
    while here is not None:
        if here.step:
            steps.append(here.step)
        here = here.parent
    return tuple(reversed(steps))
