"""A path, or a whole model, as plain data: what a picture, a page or another tool needs to show every state.

`trace_data` is about one path.  It has the choices (agent, outcome), from which the path can be walked again, and every
cell's value in every state on it.  `model_data` is about all paths: the learned tables of every thread, from which a
reader that knows nothing of the programs computes every state and every step.  That is much smaller than the graph of
states, and lets whoever looks at it take another step than the trace does.

A state's cells are numbers of values: cell 3 with value 0 has `cells[3].values[0]`; everything starts as 0.  The tables
of a model are made without reductions and behind the first violation too, so their states are not those that a verdict
counts.

Data types
    Annotate   what a reader of data is told of a local state: kernel functions, and what is in no cell
    Choice     see core.explore.cursor
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from types import FrameType
from typing import Any, NamedTuple

from core.explore.cursor import Choice, Cursor, step_broken
from core.explore.errors import NewStore
from core.explore.frames import frames
from core.explore.learn import outcomes_of
from core.explore.model import Limits, Property
from core.explore.ordered import again
from core.explore.reference import Search
from core.explore.trace import NOTHING_SPECIAL, said, who
from core.explore.transition_tables import Move, TransitionRow, TransitionTables
from core.explore.typed import shown, typed

Data = dict[str, Any]


class Note(NamedTuple):
    """Of a local state: the functions that it stands in, innermost first, and (name, value) pairs of the caller's."""

    functions: tuple[str, ...] = ()
    own: tuple[tuple[str, Hashable], ...] = ()


Annotate = Callable[[Sequence[FrameType]], Note]


def trace_data(tables: TransitionTables, path: Sequence[Choice], violated: str, annotate: Annotate) -> Data:
    """`path` from the initial state, which violates `violated` at its end ('' for nothing)."""
    cursor, noted = Cursor(tables), _Notes(tables, annotate)
    lines: list[Data] = []
    for agent, outcome in path:
        cpu, _, row = who(cursor, agent)
        note = noted.of(agent, cursor.locals[agent]) if agent < len(cursor.locals) else Note()
        move, before = cursor.moves(agent)[outcome], list(cursor.cells)
        cursor.go(agent, move)
        name = said(row.op.name, tables.answered(row, before, move))
        line: Data = {"agent": agent, "outcome": outcome, "cpu": cpu, "step": name}
        told = {"functions": list(note.functions), "gather": dict(note.own), "reads": sorted(set(row.reads))}
        lines.append(line | told | {"state": list(cursor.cells)})
    broken = _violated(cursor, move if path else None, violated)
    for line in lines:
        line["state"] += [0] * (len(tables.cells) - len(line["state"]))
    return {"agents": _agents(tables), "cells": _cells(tables), "violated": broken, "steps": lines}


def model_data(tables: TransitionTables, path: Sequence[Choice], annotate: Annotate, max_states: int) -> Data | None:
    """The tables of the whole model, and `path` in them; None if it has more than `max_states` states."""
    names = [agent_name(tables, choice.agent) for choice in path]
    found = _explored(tables, max_states)
    if found is None:
        return None
    whole, states, transitions = found
    agents = {agent_name(whole, agent): agent for agent in range(len(whole.rows) + len(whole.daemons))}
    coder = _Coder(whole, annotate)
    rows = [[coder.row(agent, local) for local in range(len(own))] for agent, own in enumerate(whole.rows)]
    rows += [[coder.code(row, [])] for row in whole.daemons]
    return {
        "states": states,
        "transitions": transitions,
        "agents": _agents(whole),
        "cells": _cells(whole),
        "rows": rows,
        "strings": list(coder.strings),
        "notes": [[list(note.functions), dict(note.own)] for note in coder.notes],
        "asserts": [[state.asserts for state in automaton.states] for automaton in whole.automata],
        "properties": _properties(whole),
        "sentences": {name: text for name, text in whole.model.sentences.items() if name in coder.strings},
        "trace": [[agents[name], choice.outcome] for name, choice in zip(names, path, strict=True)],
    }


def _explored(tables: TransitionTables, max_states: int) -> tuple[TransitionTables, int, int] | None:
    """Tables in which every move of every state is known, with the numbers of states and transitions."""
    whole = TransitionTables(tables.plain, machine=tables.machine, automata=tables.automata)
    while True:
        try:
            found = Search(whole, Limits(max_states=max_states), False).run()
        except NewStore:  # behind the violation a store is met that the search had no need to know
            whole = again(whole)
        else:
            return (whole, found.states, found.transitions) if found.exhaustive else None


class _Notes:
    """What `annotate` says of local states, asked once for each."""

    def __init__(self, tables: TransitionTables, annotate: Annotate) -> None:
        self.tables, self.annotate = tables, annotate
        self.known: dict[tuple[int, int], Note] = {}

    def of(self, thread: int, local: int) -> Note:
        if (thread, local) not in self.known:
            automaton = self.tables.automata[thread]
            state = automaton.states[local]
            note = Note() if state.op is None else self.annotate(list(frames(automaton.suspended(state))))
            self.known[thread, local] = note
        return self.known[thread, local]


class _Coder:
    """Rows as lists; what is said again and again stands once, in `strings` and `notes`."""

    def __init__(self, tables: TransitionTables, annotate: Annotate) -> None:
        self.tables, self.noted = tables, _Notes(tables, annotate)
        self.strings: dict[str, int] = {}
        self.notes: dict[Note, int] = {}

    def row(self, thread: int, local: int) -> list[Any] | None:
        """The row of a local state: [operation, cells read, moves, note, CPU]; None if the thread has ended."""
        row = self.tables.row(thread, local)
        if row is None:
            return None
        note = self.notes.setdefault(self.noted.of(thread, local), len(self.notes))
        cpu = [] if row.op.cpu is None else [int(row.op.cpu)]
        return self.code(row, [note, *cpu])

    def code(self, row: TransitionRow, more: list[int]) -> list[Any]:
        """[operation, cells read, moves, *more]; moves are [values read, move ...] for each known tuple of values."""
        moves = [
            [list(values), *(self._move(row, values, move) for move in known)] for values, known in row.moves.items()
        ]
        return [self._string(row.op.name), list(row.reads), moves, *more]

    def _move(self, row: TransitionRow, values: tuple[int, ...], move: Move) -> list[Any]:
        """[local state after, [cell, value, ...]], and where there is something to say [what it returns, violated]."""
        read = [self.tables.values[cell][value] for cell, value in zip(row.reads, values, strict=True)]
        answer = outcomes_of(row.op, tuple(read[: len(row.op.reads)]), row.op.name)[move.outcome].value
        tells = isinstance(answer, str) or (not row.writes and answer is not None and type(answer) is not tuple)
        word = shown(answer) if tells and answer != NOTHING_SPECIAL else ""
        writes = [number for pair in move.writes for number in pair]
        told = [self._string(word), self._string(move.violated)] if word or move.violated else []
        return [move.after, writes, *told]

    def _string(self, text: str) -> int:
        return self.strings.setdefault(text, len(self.strings))


def _agents(tables: TransitionTables) -> list[Data]:
    threads = [
        {"name": thread.name, "cpu": int(thread.cpu), "task": int(thread.tid), "kind": "thread"}
        for thread in tables.model.threads
    ]
    hardware = [
        {"name": one.name, "cpu": int(one.cpu), "kind": "hardware", "does": row.op.name}
        for one, row in zip(tables.model.daemons, tables.daemons, strict=True)
    ]
    return threads + hardware


def agent_name(tables: TransitionTables, agent: int) -> tuple[str, int, str]:
    """What tells an agent from all others, in tables that have other daemons too."""
    threads = tables.model.threads
    if agent < len(threads):
        return threads[agent].name, int(threads[agent].cpu), ""
    daemon = tables.model.daemons[agent - len(threads)]
    return daemon.name, int(daemon.cpu), tables.daemons[agent - len(threads)].op.name


def _cells(tables: TransitionTables) -> list[Data]:
    described = []
    for cell, values in zip(tables.cells, tables.values, strict=True):
        index = cell.index if isinstance(cell.index, tuple) else () if cell.index is None else (cell.index,)
        told = [{"shown": shown(value), "value": typed(value)} for value in values]
        described.append({"array": cell.array, "index": list(map(typed, index)), "shown": str(cell), "values": told})
    return described


def _properties(tables: TransitionTables) -> list[Data]:
    model = tables.model
    kinds = (("always", model.always), ("at the end", model.finally_), ("sometimes", model.sometimes))
    return [_property(tables, prop, kind) for kind, props in kinds for prop in props]


def _property(tables: TransitionTables, prop: Property, kind: str) -> Data:
    """With the values on which it does not hold; of a window, those on which it does."""
    decisive = kind == "sometimes"
    answers = sorted(values for values, holds in tables.answers(prop).items() if holds is decisive)
    told = {"name": prop.name, "kind": kind, "sentence": prop.sentence, "reads": list(tables.reads(prop))}
    return told | {"true_on" if decisive else "false_on": list(map(list, answers))}


def _violated(cursor: Cursor, last: Move | None, name: str) -> Data | None:
    """What is violated where the cursor stands, behind the move `last`, with the cells that the property reads."""
    if not name:
        return None
    model, tables = cursor.tables.model, cursor.tables
    if last is not None and (broken := step_broken(tables, last)) is not None:
        return {"name": broken.name, "kind": "step", "sentence": broken.sentence, "reads": []}
    for kind, props in (("always", model.always), ("at the end", model.finally_)):
        for prop in props:
            if prop.name == name and not cursor.has(prop):
                return {"name": name, "kind": kind, "sentence": prop.sentence, "reads": sorted(set(tables.reads(prop)))}
    return {"name": name, "kind": name, "sentence": "", "reads": []}
