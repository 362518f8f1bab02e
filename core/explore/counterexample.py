"""From what a search keeps of a way to the steps that the programs really take.

A search keeps states that stand for others: local states that are the same are one, equal threads are exchanged, and
what is hurried is not kept at all.  `concrete` walks through the model itself, and at each state on the way takes the
first step (and what its thread hurries to do behind it) that comes to a state for which the next one stands.  There
is always one, and it is the same one on every run.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence

from core.explore.cursor import Choice, Cursor
from core.explore.partial_order import LONGEST
from core.explore.transition_tables import TransitionTables


def concrete(
    tables: TransitionTables, way: Sequence[Hashable], key: Callable[[Cursor], Hashable], fuses: bool, violated: str
) -> list[Choice]:
    """The choices that lead along `way`, and to the step that then violates `violated` ('' for none).

    `key` says what the search explores in place of a state; None for one that it does not know.
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
            at, steps = cursor.copy(), [Choice(agent, move.outcome)]
            at.go(agent, move)
            while key(at) != target and fuses and len(steps) <= LONGEST:
                own = at.moves(agent)
                if agent >= len(tables.rows) or len(own) != 1:
                    break
                at.go(agent, own[0])
                steps.append(Choice(agent, own[0].outcome))
            if key(at) == target:
                return at, steps
    raise AssertionError("a state on the way has no successor on the way")
