"""A recorded trace walked again: does it still happen, and if not, at which step does it end?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from core.explore.cursor import Cursor, step_broken
from core.explore.errors import NewStore
from core.explore.model import Model
from core.explore.ordered import again, tables_of
from core.explore.recording import agent_name
from core.explore.trace import said
from core.explore.transition_tables import Move, TransitionTables
from core.explore.typed import shown

Data = Mapping[str, Any]


def rewalk(model: Model, trace: Data) -> str:
    """'' if `trace` (core.explore.recording.trace_data) happens in `model`, else at which step it does not, and why.

    Agents and cells are found by their names, so a model that has more of both may still have the trace.
    """
    tables = tables_of(model)
    while True:
        try:
            return _walked(tables, trace)
        except NewStore:
            tables = again(tables)


def _walked(tables: TransitionTables, trace: Data) -> str:
    cursor, last = Cursor(tables), None
    agents = {agent_name(tables, agent): agent for agent in range(len(tables.rows) + len(tables.daemons))}
    for number, step in enumerate(trace["steps"], 1):
        recorded = trace["agents"][step["agent"]]
        name = recorded["name"], recorded["cpu"], recorded.get("does", "")
        if name not in agents:
            return f"step {number}: there is no {recorded['name']} on CPU{recorded['cpu']}"
        try:
            last = _step(cursor, agents[name], step, recorded["name"])
        except OtherStep as other:
            return f"step {number}: {other}"
        wrong = _other_value(cursor, trace["cells"], step["state"])
        if wrong:
            return f"step {number}: {wrong}"
    return _other_end(cursor, last, trace["violated"])


class OtherStep(Exception):
    """A step that cannot be taken as recorded; the message says why."""


def _step(cursor: Cursor, agent: int, step: Data, name: str) -> Move:
    tables, local = cursor.tables, cursor.locals[agent] if agent < len(cursor.locals) else 0
    row = tables.rows[agent][local] if agent < len(cursor.locals) else tables.daemons[agent - len(cursor.locals)]
    if row is None:
        raise OtherStep(f"{name} has ended; the trace has '{step['step']}'")
    moves = cursor.moves(agent)
    if step["outcome"] >= len(moves):
        blocked = "is blocked" if not moves else f"has {len(moves)} outcomes"
        raise OtherStep(
            f"{name}: '{row.op.name}' {blocked}; the trace has outcome {step['outcome']} of '{step['step']}'"
        )
    move, before = moves[step["outcome"]], list(cursor.cells)
    cursor.go(agent, move)
    now = said(row.op.name, tables.answered(row, before, move))
    if now != step["step"]:
        raise OtherStep(f"{name} does '{now}'; the trace has '{step['step']}'")
    return move


def _other_value(cursor: Cursor, cells: Sequence[Data], state: Sequence[int]) -> str:
    """The first cell whose value is not the recorded one, in words; ''."""
    tables = cursor.tables
    numbers = {str(cell): number for cell, number in tables.cells.items()}
    for recorded, value in zip(cells, state, strict=True):
        number = numbers.get(recorded["shown"])
        want = recorded["values"][value]["shown"]
        if number is not None:
            have = shown(tables.values[number][cursor.cells[number]])
            if have != want:
                return f"{recorded['shown']} is {have}; the trace has {want}"
    return ""


def _other_end(cursor: Cursor, last: Move | None, violated: Data | None) -> str:
    """Why the property that the trace violates is not violated where the cursor stands; ''."""
    if violated is None:
        return ""
    kind, name = violated["kind"], violated["name"]
    if kind == "deadlock":
        agents = range(len(cursor.locals) + len(cursor.tables.daemons))
        stuck = not cursor.ended() and not any(cursor.moves(agent) for agent in agents)
        return "" if stuck else "the end: it is no deadlock"
    broken = (step_broken(cursor.tables, last) if last is not None else None) or cursor.broken()
    return "" if broken is not None and broken.name == name else f"the end: {name} is not violated"
