"""Every memory in which a thread is ever in a given local state: what a search without reductions has visited."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping
from functools import cached_property

from core.base import available_memory
from core.explore.model import Limits
from core.explore.reference import LOCAL_BITS, Search
from core.explore.transition_tables import TransitionTables
from core.machine.op import Cell

Memory = Mapping[Cell, Hashable]
"""The values of some cells."""


class Reached:
    """A model searched through: it goes on behind violations, so that everything is reached."""

    def __init__(self, tables: TransitionTables, limits: Limits) -> None:
        if limits.max_memory is None:
            limits = Limits(limits.max_states, limits.timeout, available_memory.available())
        self.tables = tables
        self.search = Search(tables, limits, stop_at_violation=False)
        self.found = self.search.run()
        self._changed: dict[tuple[int, int], frozenset[tuple[Cell, Hashable]]] = {}

    def memories(
        self, thread: int | None, local: int, cells: tuple[Cell, ...], knows: frozenset[tuple[Cell, Hashable]]
    ) -> Iterator[Memory]:
        """The values of `cells` where `thread` is in local state `local` (anywhere, for None) and `knows` holds.

        A cell that nothing in this model touches has its initial value.
        """
        known = {cell: number for cell in cells if (number := self.tables.cells.get(cell)) is not None}
        fixed = {cell: self.tables.model.initial[cell] for cell in cells if cell not in known}
        held = [(self.tables.cells[cell], value) for cell, value in knows if cell in self.tables.cells]
        numbers = tuple(known.values())
        values = self.tables.values
        met = set()
        for state in self.search.states if thread is None else self._there(thread, local):
            found = self.search.values(state, numbers)
            if found in met:
                continue
            if all(values[cell][self.search.values(state, (cell,))[0]] == value for cell, value in held):
                met.add(found)
                yield {**fixed, **{cell: values[n][v] for (cell, n), v in zip(known.items(), found, strict=True)}}

    def changed_by_others(self, thread: int, local: int) -> frozenset[tuple[Cell, Hashable]]:
        """Cells and values that another agent changes to something else while `thread` is in local state `local`."""
        key = thread, local
        if key not in self._changed:
            self._changed[key] = frozenset(self._changes(thread, local))
        return self._changed[key]

    def _changes(self, thread: int, local: int) -> Iterator[tuple[Cell, Hashable]]:
        names = list(self.tables.cells)
        for state in self._there(thread, local):
            for agent, updates in self.search.enabled(state):
                for update in updates if agent != thread else ():
                    for cell, value in update.move.writes:
                        before = self.search.values(state, (cell,))[0]
                        if before != value:
                            yield names[cell], self.tables.values[cell][before]

    def _there(self, thread: int, local: int) -> list[int]:
        return self._states[thread].get(local, [])

    @cached_property
    def _states(self) -> list[dict[int, list[int]]]:
        """The states by the local state of each thread."""
        found: list[dict[int, list[int]]] = [{} for _ in self.tables.automata]
        for state in self.search.states:
            for thread, states in enumerate(found):
                states.setdefault(state >> LOCAL_BITS * thread & (1 << LOCAL_BITS) - 1, []).append(state)
        return found
