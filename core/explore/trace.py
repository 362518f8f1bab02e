"""A path as the reader sees it: who did what, and which cells changed."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

from core.explore.model import Step
from core.explore.place import Choice, Place
from core.explore.tables import Tables


def steps(tables: Tables, path: Sequence[Choice]) -> tuple[Step, ...]:
    """Walk `path` from the initial state."""
    place = Place(tables)
    lines = []
    for agent, outcome in path:
        cpu, thread, step = _who(place, agent)
        move = place.moves(agent)[outcome]
        before = list(place.cells)
        place.go(agent, move)
        changes = [(cell, before[cell], place.cells[cell]) for cell, _ in move.writes]
        lines.append(Step(cpu, thread, step, _shown(tables, changes)))
    return tuple(lines)


def _shown(tables: Tables, changes: Sequence[tuple[int, int, int]]) -> tuple[tuple[str, str, str], ...]:
    names, values = list(tables.cells), tables.values
    different = dict.fromkeys(change for change in changes if change[1] != change[2])
    return tuple((str(names[c]), show(values[c][old]), show(values[c][new])) for c, old, new in different)


def _who(place: Place, agent: int) -> tuple[int, str, str]:
    model = place.tables.model
    if agent < len(place.locals):
        thread = model.threads[agent]
        row = place.tables.row(agent, place.locals[agent])
        assert row is not None
        return int(thread.cpu), thread.name, row.op.name
    daemon = model.daemons[agent - len(place.locals)]
    return int(daemon.cpu), daemon.name, daemon.op.name


def show(value: Hashable) -> str:
    """A value for a person: None is '-', a set in order."""
    if value is None:
        return "-"
    if isinstance(value, frozenset):
        return "{" + ",".join(sorted(map(str, value))) + "}"
    return str(value)
