"""One global state at a time, for code that walks through a model instead of searching it.

Data types
    Cursor   the local state of each thread and the value number of each cell
    Choice   an agent and one outcome of its operation, by number: enough to repeat a walk
"""

from __future__ import annotations

from typing import NamedTuple

from core.explore.model import Property
from core.explore.search_result import SENTENCES, Choice
from core.explore.transition_tables import Move, TransitionTables

__all__ = ["Broken", "Choice", "Cursor", "step_broken"]


class Broken(NamedTuple):
    """A violated property and the sentence that explains it."""

    name: str
    sentence: str


class Cursor:
    """The current state of a walk; it starts in the initial state."""

    def __init__(self, tables: TransitionTables) -> None:
        self.tables = tables
        self.locals = [0] * len(tables.automata)
        self.cells = [0] * len(tables.cells)

    def copy(self) -> Cursor:
        """An independent cursor in the same state."""
        other = Cursor(self.tables)
        other.locals, other.cells = list(self.locals), list(self.cells)
        return other

    def moves(self, agent: int) -> tuple[Move, ...]:
        """The moves that an agent can make now; none if it is blocked or has ended."""
        tables = self.tables
        threads = len(self.locals)
        row = tables.rows[agent][self.locals[agent]] if agent < threads else tables.daemons[agent - threads]
        if row is None:
            return ()
        if len(self.cells) < len(tables.cells):
            self.cells.extend([0] * (len(tables.cells) - len(self.cells)))
        cells = self.cells
        values = tuple([cells[cell] for cell in row.reads])
        moves = row.moves.get(values)
        if moves is not None:
            return moves
        if agent < threads:
            return tables.moves(agent, self.locals[agent], row, values)
        return tables.daemon_moves(tables.model.daemons[agent - threads], row, values)

    def go(self, agent: int, move: Move) -> bool:
        """Make a move. True if it changed the state."""
        if len(self.cells) < len(self.tables.cells):
            self.cells.extend([0] * (len(self.tables.cells) - len(self.cells)))
        cells, changed = self.cells, False
        for cell, value in move.writes:
            changed |= cells[cell] != value
            cells[cell] = value
        if agent < len(self.locals):
            changed |= self.locals[agent] != move.after
            self.locals[agent] = move.after
        return changed

    def ended(self) -> bool:
        """Have all threads ended?"""
        return all(self.tables.rows[thread][local] is None for thread, local in enumerate(self.locals))

    def broken(self) -> Broken | None:
        """The first property that does not hold in this state; None if all hold."""
        model = self.tables.model
        for thread, local in enumerate(self.locals):
            message = self.tables.asserts(thread, local)
            if message:
                return Broken("assertion", message)
        for prop in (*model.always, *(model.finally_ if self.ended() else ())):
            if not self.has(prop):
                return Broken(prop.name, prop.sentence)
        return None

    def holds(self, name: str) -> bool:
        """Does the property of that name hold in this state?"""
        model = self.tables.model
        return self.has(next(p for p in (*model.always, *model.finally_, *model.sometimes) if p.name == name))

    def has(self, prop: Property) -> bool:
        """Does the property hold in this state?"""
        reads = self.tables.reads(prop)
        self.cells.extend([0] * (len(self.tables.cells) - len(self.cells)))
        return self.tables.holds(prop, reads, tuple([self.cells[cell] for cell in reads]))


def step_broken(tables: TransitionTables, move: Move) -> Broken | None:
    """The property that the move itself violates; None if it violates none."""
    if not move.violated:
        return None
    name, _, message = move.violated.partition(": ")
    if name == "assertion":
        return Broken(name, message or SENTENCES[name])
    return Broken(move.violated, tables.model.sentences.get(move.violated, ""))
