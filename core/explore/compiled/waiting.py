"""Waiting states (core.explore.never_ends) among many packed ones, by comparing columns of numbers.

Most waiting states are left by a few steps.  These are sorted out here too, many at once: to search in depth from each
would take longer than the search that has found them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from core.explore.bisimulation import representative
from core.explore.compiled.word_layout import Field, WordLayout, width
from core.explore.never_ends import Stays, WaitingStates
from core.explore.numeric import numpy
from core.explore.transition_tables import Move, TransitionRow, TransitionTables

np = numpy()

MOST_BITS = 62
"""Of the values that are compared at once."""


class Questions(NamedTuple):
    """Local states of a thread that ask for the same cells: which they are, and (local state, values) to stay with."""

    cells: tuple[int, ...]
    locals: Any
    keys: Any


class PackedWaiting:
    """What waiting states look like in this layout. A state is a row of words."""

    def __init__(self, tables: TransitionTables, layout: WordLayout, waiting: WaitingStates) -> None:
        self.tables, self.layout, self.waiting = tables, layout, waiting
        self._ended = [np.array([row is None for row in rows]) for rows in tables.rows]
        self._turns = [
            np.array([n in stays and stays[n].turns for n in range(len(rows))])
            for stays, rows in zip(waiting.stays, tables.rows, strict=True)
        ]
        self._asked = [
            list(self._groups(stays, len(rows))) for stays, rows in zip(waiting.stays, tables.rows, strict=True)
        ]

    def _groups(self, stays: Mapping[int, Stays], number: int) -> Iterator[Questions]:
        """The local states, of so many, in which a thread can stay, by the cells that they ask for."""
        by_cells: dict[tuple[int, ...], list[int]] = {}
        for local, one in stays.items():
            by_cells.setdefault(one.cells, []).append(local)
        for cells, locals_ in by_cells.items():
            here = np.zeros(number, bool)
            here[locals_] = True
            keys = [
                self._together(cells, values) << width(number) | local
                for local in locals_
                for values in stays[local].values
            ]
            yield Questions(cells, here, np.array(sorted(keys) if self._fit(cells, width(number)) else [], np.int64))

    def among(self, states: Any) -> Any:
        """Which of the states are waiting, as far as a comparison of numbers tells: of the others none is."""
        wanted, turns = np.arange(len(states)), np.full(len(states), self.waiting.daemons_turn)
        for thread, field in enumerate(self.layout.threads):
            some = states[wanted]
            locals_ = column(some, field)
            held = self._ended[thread][locals_]
            for asked in self._asked[thread]:
                there = np.flatnonzero(asked.locals[locals_])
                if len(there):
                    held[there] = self._hold(asked, locals_[there], some[there])
            wanted = wanted[held]
            turns[wanted] |= self._turns[thread][locals_[held]]
        found = np.zeros(len(states), bool)
        found[wanted] = turns[wanted]
        return found

    def _hold(self, asked: Questions, locals_: Any, states: Any) -> Any:
        """Which of the states, in which the thread is in one of these local states, have values to stay with?"""
        bits = self._bits(asked.cells, states, width(len(asked.locals)))
        if bits is None:
            return np.ones(len(states), bool)  # too many to compare at once: never_ends() looks more closely
        wanted = bits << width(len(asked.locals)) | locals_
        places = np.searchsorted(asked.keys, wanted)
        return asked.keys[np.minimum(places, len(asked.keys) - 1)] == wanted

    def _together(self, cells: Sequence[int], values: Sequence[int]) -> int:
        """The value numbers of some cells in one number."""
        number = shift = 0
        for cell, value in zip(cells, values, strict=True):
            number |= value << shift
            shift += width(len(self.tables.values[cell]))
        return number

    def _fit(self, cells: Sequence[int], more: int = 0) -> bool:
        """Do `_together` of the cells and so many bits more fit into one number?"""
        return more + sum(width(len(self.tables.values[cell])) for cell in cells) <= MOST_BITS

    def _bits(self, cells: Sequence[int], states: Any, more: int = 0) -> Any:
        """`_together` of the cells in each of the states; None if they do not fit."""
        if not self._fit(cells, more):
            return None
        bits, shift = np.zeros(len(states), np.int64), 0
        for cell in cells:
            if cell < len(self.layout.cells):
                bits |= column(states, self.layout.cells[cell]) << shift
            shift += width(len(self.tables.values[cell]))
        return bits

    def left(self, states: Any, steps: int) -> Any:
        """From which of these waiting states do at most so many known steps lead to one that is not waiting?"""
        left, after = np.zeros(len(states), bool), list[tuple[Any, Any]]()
        for thread, field in enumerate(self.layout.threads):
            locals_ = column(states, field)
            for local in np.unique(locals_).tolist():
                row = self.tables.rows[thread][local]
                if row is not None:
                    after += self._step(thread, row, states, np.flatnonzero((locals_ == local) & ~left), left)
        for daemon, row in enumerate(self.tables.daemons, len(self.layout.threads)):
            after += self._step(daemon, row, states, np.flatnonzero(~left), left)
        if steps > 1 and after:
            source, behind = (np.concatenate(parts) for parts in zip(*after, strict=True))
            open_ = ~left[source]
            if open_.any():
                some, which = np.unique(behind[open_], axis=0, return_inverse=True)
                left[source[open_][self.left(some, steps - 1)[which.reshape(-1)]]] = True
        return left

    def _step(self, agent: int, row: TransitionRow, states: Any, there: Any, left: Any) -> Iterator[tuple[Any, Any]]:
        """Note in `left` which of the states `there` are left by a step of an agent that is in one local state.

        Of the others, their numbers and the waiting states to which it leads.
        """
        bits = self._bits(row.reads, states[there])
        if bits is None:
            return
        for number in np.unique(bits).tolist():
            same = there[bits == number]
            values = tuple(self._values(row.reads, states[same[0]]))
            for move in row.moves.get(values, ()):
                after = self._after(agent, move, states[same])
                if after is not None:
                    waits = self.among(after)
                    left[same[~waits]] = True
                    yield same[waits], after[waits]

    def _values(self, cells: Sequence[int], state: Any) -> Iterator[int]:
        known, words = self.layout.cells, state.tolist()
        return (known[cell].get(words) if cell < len(known) else 0 for cell in cells)

    def _after(self, agent: int, move: Move, states: Any) -> Any:
        """The states after a move; None if it does not fit the layout."""
        writes = list[tuple[Field, int]]()
        if agent < len(self.layout.threads):
            writes.append((self.layout.threads[agent], representative(self.waiting.same[agent], move.after)))
        for cell, value in move.writes:
            if cell >= len(self.layout.cells):
                return None
            writes.append((self.layout.cells[cell], value))
        after = states.copy()
        for field, value in writes:
            if value > field.mask:
                return None
            after[:, field.word] = after[:, field.word] & ~(field.mask << field.shift) | value << field.shift
        return after

    def unpacked(self, states: Any) -> tuple[list[tuple[int, ...]], list[tuple[int, ...]]]:
        """Of each state the local states, and the cells' value numbers."""
        nothing: list[tuple[int, ...]] = [()] * len(states)
        threads = [column(states, field).tolist() for field in self.layout.threads]
        cells = [column(states, field).tolist() for field in self.layout.cells]
        return list(zip(*threads, strict=True)) or nothing, list(zip(*cells, strict=True)) or nothing


def column(states: Any, field: Field) -> Any:
    """One field of many states."""
    return states[:, field.word] >> field.shift & field.mask
