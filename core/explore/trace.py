"""A path as the reader sees it: who did what, and which cells changed."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

from core.explore.model import Step
from core.explore.tables import Move, Tables


def steps(tables: Tables, path: Sequence[tuple[int, Move]]) -> tuple[Step, ...]:
    """Walk `path` from the initial state.

    Of the moves only the agent and the number of the outcome count: where the search took one local state for another
    that is the same, the walk stays with the program's own.
    """
    now = [0] * len(tables.cells)
    local = [0] * len(tables.automata)
    lines = []
    for agent, move in path:
        cpu, thread, step = _who(tables, agent, local)
        move = _own(tables, agent, local, now, move)
        changes = []
        for cell, value in move.writes:
            if now[cell] != value:
                before, after = tables.values[cell][now[cell]], tables.values[cell][value]
                changes.append((str(list(tables.cells)[cell]), show(before), show(after)))
                now[cell] = value
        if agent < len(local):
            local[agent] = move.after
        lines.append(Step(cpu, thread, step, tuple(changes)))
    return tuple(lines)


def _own(tables: Tables, agent: int, local: list[int], now: list[int], move: Move) -> Move:
    """The move of the local state that the program is really in."""
    if agent >= len(local):
        return move
    row = tables.row(agent, local[agent])
    assert row is not None
    now.extend([0] * (len(tables.cells) - len(now)))
    values = tuple([now[cell] for cell in row.reads])
    moves = row.moves.get(values)
    return (tables.moves(agent, local[agent], row, values) if moves is None else moves)[move.outcome]


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
