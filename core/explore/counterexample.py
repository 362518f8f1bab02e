"""From what a search keeps of a way to the steps that the programs really take.

A search keeps states that stand for others: local states that are the same are one, equal threads are exchanged, and
what is hurried is not kept at all.  `concrete` walks through the model itself, and at each state on the way takes the
first step (and what its thread hurries to do behind it) that comes to a state for which the next one stands.  There
is always one, and it is the same one on every run.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence

from core.explore.cursor import Choice, Place
from core.explore.partial_order import LONGEST
from core.explore.tables import Tables


def concrete(
    tables: Tables, way: Sequence[Hashable], key: Callable[[Place], Hashable], hurries: bool, violated: str
) -> list[Choice]:
    """The choices that lead along `way`, and to the step that then violates `violated` ('' for none).

    `key` says what the search explores in place of a state; None for one that it does not know.
    """
    place, path = Place(tables), list[Choice]()
    agents = range(len(tables.rows) + len(tables.daemons))
    for target in way:
        place, steps = _step_to(place, target, key, hurries)
        path += steps
    if violated:
        choices = (Choice(a, m.outcome) for a in agents for m in place.moves(a) if m.violated == violated)
        path.append(next(choices))
    return path


def _step_to(
    place: Place, target: Hashable, key: Callable[[Place], Hashable], hurries: bool
) -> tuple[Place, list[Choice]]:
    tables = place.tables
    for agent in range(len(tables.rows) + len(tables.daemons)):
        for move in place.moves(agent):
            at, steps = place.copy(), [Choice(agent, move.outcome)]
            at.go(agent, move)
            while key(at) != target and hurries and len(steps) <= LONGEST:
                own = at.moves(agent)
                if agent >= len(tables.rows) or len(own) != 1:
                    break
                at.go(agent, own[0])
                steps.append(Choice(agent, own[0].outcome))
            if key(at) == target:
                return at, steps
    raise AssertionError("a state on the way has no successor on the way")
