"""Does a property tell the states in which a store waits from those in which it has become visible?

A search that fuses the store with the step before it visits the second kind only.  It misses nothing if a property that
is violated before the store is so behind it too, and a sometimes-property that is reached before it as well.  That is
asked of each known state behind the store, with what the store overwrites put in, until nothing new turns up; and
again after the search, when more is known.
"""

from __future__ import annotations

from collections.abc import Iterable

from core.explore.model import Property
from core.explore.transition_tables import TransitionRow, TransitionTables


def is_told(tables: TransitionTables, row: TransitionRow, cells: Iterable[int]) -> bool:
    """Would some property miss the states before `row`, which writes these cells?"""
    kinds = ((tables.model.always, True), (tables.model.sometimes, False))
    return any(
        _misses(tables, prop, row, cell, violated)
        for cell in cells
        for props, violated in kinds
        for prop in props
        if cell in tables.reads(prop)
    )


def _misses(tables: TransitionTables, prop: Property, row: TransitionRow, cell: int, violated: bool) -> bool:
    """Is the property violated, or a sometimes-property reached, before the store and not behind it?"""
    cells = tables.reads(prop)
    at, stored, todo = cells.index(cell), _stored(row, cell), dict.fromkeys(tables.answers(prop))
    while todo:
        values, _ = todo.popitem()
        behind = tables.holds(prop, cells, values)
        for old, new in stored:
            if values[at] != new or old == new:
                continue
            there = (*values[:at], old, *values[at + 1 :])
            if there not in tables.answers(prop):
                todo[there] = None
            if tables.holds(prop, cells, there) != behind and behind == violated:
                return True
    return False


def _stored(row: TransitionRow, cell: int) -> set[tuple[int, int]]:
    """What is in the cell before the store and behind it, by all that is known."""
    at = row.reads.index(cell)
    return {
        (values[at], new)
        for values, moves in row.moves.items()
        for move in moves
        for written, new in move.writes
        if written == cell
    }
