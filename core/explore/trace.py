"""A path in readable form: who took each step, which initial values it was the first to read, what it changed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from core.explore.cursor import Choice, Cursor
from core.explore.model import Step
from core.explore.transition_tables import TransitionRow, TransitionTables
from core.explore.typed import shown
from core.machine.op import Tid

EMPTY = ("-", "False", "0", "()", "{}", "''")
"""How empty cells are shown; a trace does not mention that a step found one."""

NOTHING_SPECIAL = "ok"
"""A returned string that a trace does not show; any other is appended to the operation's name."""


def steps(tables: TransitionTables, path: Sequence[Choice]) -> tuple[Step, ...]:
    """The lines of a trace: `path` walked from the initial state."""
    cursor = Cursor(tables)
    lines, seen = [], set[int]()
    for agent, outcome in path:
        cpu, thread, row = who(cursor, agent)
        move = cursor.moves(agent)[outcome]
        before = list(cursor.cells)
        cursor.go(agent, move)
        changes = [(cell, before[cell], cursor.cells[cell]) for cell, _ in move.writes]
        changed = {cell for cell, old, new in changes if old != new}
        found = [(cell, before[cell]) for cell in row.reads if cell not in seen | changed]
        seen |= changed.union(row.reads)
        name = said(row.op.name, tables.answered(row, before, move))
        lines.append(Step(cpu, thread, name, _shown(tables, changes), _found(tables, found)))
    return tuple(lines)


def who_waits(tables: TransitionTables, path: Sequence[Choice]) -> str:
    """Where `path` ends in a deadlock: what each thread that has not ended waits for, and who holds it."""
    cursor = Cursor(tables)
    for agent, outcome in path:
        cursor.go(agent, cursor.moves(agent)[outcome])
    names = {thread.tid: thread.name for thread in tables.model.threads}
    waits = []
    for number, thread in enumerate(tables.model.threads):
        row = tables.row(number, cursor.locals[number])
        if row is not None:
            cursor.moves(number)  # so that the cursor has every cell that the operation reads
            values = [tables.values[cell][cursor.cells[cell]] for cell in row.reads]
            holders = [names[value] for value in values if isinstance(value, Tid) and value in names]
            held = f", which {' and '.join(holders)} holds" if holders else ""
            waits.append(f"{thread.name} waits in '{row.op.name}'{held}")
    return "; ".join(waits)


def said(name: str, answer: Any) -> str:
    """The operation's name, with what it has returned where that is a word."""
    return f"{name}: {answer}" if isinstance(answer, str) and answer != NOTHING_SPECIAL else name


def _shown(tables: TransitionTables, changes: Sequence[tuple[int, int, int]]) -> tuple[tuple[str, str, str], ...]:
    names, values = list(tables.cells), tables.values
    different = dict.fromkeys(change for change in changes if change[1] != change[2])
    return tuple((str(names[c]), shown(values[c][old]), shown(values[c][new])) for c, old, new in different)


def _found(tables: TransitionTables, found: Sequence[tuple[int, int]]) -> tuple[tuple[str, str], ...]:
    names = list(tables.cells)
    told = ((str(names[cell]), shown(tables.values[cell][value])) for cell, value in found)
    return tuple((name, value) for name, value in told if value not in EMPTY)


def who(cursor: Cursor, agent: int) -> tuple[int, str, TransitionRow]:
    """Of the agent's next step: the CPU, the thread or daemon, and the row of its operation."""
    model = cursor.tables.model
    if agent < len(cursor.locals):
        thread = model.threads[agent]
        row = cursor.tables.row(agent, cursor.locals[agent])
        assert row is not None
        return int(thread.cpu if row.op.cpu is None else row.op.cpu), thread.name, row
    daemon = model.daemons[agent - len(cursor.locals)]
    return int(daemon.cpu), daemon.name, cursor.tables.daemons[agent - len(cursor.locals)]
