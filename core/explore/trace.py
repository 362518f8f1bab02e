"""A path as the reader sees it: who did what, and which cells changed."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

from core.explore.model import Step
from core.explore.tables import Move, Tables
from core.machine.op import Cell


def steps(tables: Tables, path: Sequence[tuple[int, Move]]) -> tuple[Step, ...]:
    """Walk `path` from the initial state."""
    names: Sequence[Cell] = list(tables.cells)
    now = [0] * len(names)
    local = [0] * len(tables.automata)
    lines = []
    for agent, move in path:
        cpu, thread, step = _who(tables, agent, local)
        changes = []
        for cell, value in move.writes:
            if now[cell] != value:
                before, after = tables.values[cell][now[cell]], tables.values[cell][value]
                changes.append((str(names[cell]), show(before), show(after)))
                now[cell] = value
        if agent < len(local):
            local[agent] = move.after
        lines.append(Step(cpu, thread, step, tuple(changes)))
    return tuple(lines)


def _who(tables: Tables, agent: int, local: list[int]) -> tuple[int, str, str]:
    if agent < len(local):
        thread = tables.model.threads[agent]
        row = tables.row(agent, local[agent])
        assert row is not None
        return int(thread.cpu), thread.name, row.op.name
    daemon = tables.model.daemons[agent - len(local)]
    return int(daemon.cpu), daemon.name, daemon.op.name


def show(value: Hashable) -> str:
    """A value for a person: None is '-', a set in order."""
    if value is None:
        return "-"
    if isinstance(value, frozenset):
        return "{" + ",".join(sorted(map(str, value))) + "}"
    return str(value)
