"""From a path of the search to the steps that the programs really take.

A search stores representatives: equivalent local states are one, equal threads are exchanged, and states within a fused
step are not stored at all.  `concrete` replays the model itself.  From each state on the path it takes the first step,
with the operations fused to it, that leads to a state whose representative is the next one.  There always is one, and
it is the same on every run.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence

from core.explore.cursor import Choice, Cursor
from core.explore.partial_order import LONGEST
from core.explore.transition_tables import TransitionTables


def concrete(
    tables: TransitionTables, way: Sequence[Hashable], key: Callable[[Cursor], Hashable], fuses: bool, violated: str
) -> list[Choice]:
    """The choices that lead along `way`, and then the step that violates `violated` ('' for none).

    `way` are the states that the search stored, `key` gives the stored representative of a state (None if unknown), and
    `fuses` says that the search fused operations.
    """
    cursor, path = Cursor(tables), list[Choice]()
    agents = range(len(tables.rows) + len(tables.daemons))
    for target in way:
        cursor, steps = _step_to(cursor, target, key, fuses)
        path += steps
    if violated:
        choices = (Choice(a, m.outcome) for a in agents for m in cursor.moves(a) if m.violated == violated)
        path.append(next(choices))
    return path


def _step_to(
    cursor: Cursor, target: Hashable, key: Callable[[Cursor], Hashable], fuses: bool
) -> tuple[Cursor, list[Choice]]:
    tables = cursor.tables
    for agent in range(len(tables.rows) + len(tables.daemons)):
        for move in cursor.moves(agent):
            at = cursor.copy()
            at.go(agent, move)
            found = _fused_to(at, [Choice(agent, move.outcome)], target, key, LONGEST if fuses else 0)
            if found is not None:
                return found
    raise AssertionError("a state on the path has no successor on the path")


def _fused_to(
    at: Cursor, steps: list[Choice], target: Hashable, key: Callable[[Cursor], Hashable], most: int
) -> tuple[Cursor, list[Choice]] | None:
    """The first way from `at` to `target` by at most so many steps that may be fused to the first of `steps`.

    These are the next operations of its agent, if that is a thread, and the daemons of the memory model.
    """
    tables, agent = at.tables, steps[0].agent
    fusing = [agent] if agent < len(tables.rows) else []
    fusing += range(len(tables.rows) + len(tables.plain.daemons), len(tables.rows) + len(tables.daemons))
    todo, seen = [(at, steps)], set[tuple[int, ...]]()
    for here, way in todo:
        if key(here) == target:
            return here, way
        if len(way) > most:
            continue
        for other in fusing:
            own = here.moves(other)
            if len(own) == 1:
                there = here.copy()
                there.go(other, own[0])
                state = (*there.locals, -1, *there.cells)
                if state not in seen:
                    seen.add(state)
                    todo.append((there, [*way, Choice(other, own[0].outcome)]))
    return None
