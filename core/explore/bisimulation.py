"""Merging local states that behave alike (bisimulation).

How it works.  Two local states of a thread are equivalent if their operations read and write the same cells, have the
same outcomes on all values, and lead to equivalent local states.  Names, returned values and local variables do not
matter.  The classes are found by partition refinement: local states with equal entries start in one class, and a class
is split while its members lead to different classes.

Why it is sound.  The tables have only the entries that the search has reached.  Local states are merged only if the
same entries are known of all of them and agree.  The search then learns entries of each class's representative alone,
so afterwards the others are evaluated on the same values (`wrong`).  If one differs, or raises, the merge was wrong and
the search is repeated with what is known then.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence

from core.explore.errors import ExploreError
from core.explore.transition_tables import Move, TransitionRow, TransitionTables

Classes = tuple[tuple[int, ...], ...]
"""For each thread and local state: its representative, the smallest equivalent local state."""


def classes(tables: TransitionTables) -> Classes:
    """The equivalence classes of all threads, by the entries known so far."""
    return tuple(_thread(tables, thread) for thread in range(len(tables.rows)))


def wrong(tables: TransitionTables, used: Classes) -> bool:
    """Was a merge in `used` wrong?  Evaluates every entry of a representative on all members of its class."""
    return any(
        _differs(tables, thread, local, to, same) for thread, same in enumerate(used) for local, to in enumerate(same)
    )


def representative(same: Sequence[int], local: int) -> int:
    """The representative of `local`; a local state that was learned after the merge represents itself."""
    return same[local] if local < len(same) else local


def _thread(tables: TransitionTables, thread: int) -> tuple[int, ...]:
    rows = tables.rows[thread]
    split = [_outside(tables, thread, n, row) for n, row in enumerate(rows)]
    names = _numbered(split)
    while True:
        finer = _numbered([(names[n], _goes(row, names)) for n, row in enumerate(rows)])
        if len(set(finer)) == len(set(names)):
            break
        names = finer
    first: dict[int, int] = {}
    return tuple(first.setdefault(name, n) for n, name in enumerate(names))


def _outside(tables: TransitionTables, thread: int, local: int, row: TransitionRow | None) -> Hashable:
    """What the local state does, without where it leads."""
    if row is None:
        return ("ended", tables.asserts(thread, local))
    if not row.moves:
        return ("unknown", local)
    return (row.reads, row.writes, frozenset((values, _seen(moves)) for values, moves in row.moves.items()))


def _seen(moves: Sequence[Move]) -> Hashable:
    return tuple((move.writes, move.violated) for move in moves)


def _goes(row: TransitionRow | None, names: Sequence[int]) -> Hashable:
    if row is None:
        return ()
    return frozenset((values, tuple(names[m.after] for m in moves)) for values, moves in row.moves.items())


def _numbered(things: Sequence[Hashable]) -> list[int]:
    numbers: dict[Hashable, int] = {}
    return [numbers.setdefault(thing, len(numbers)) for thing in things]


def _differs(tables: TransitionTables, thread: int, local: int, to: int, same: Sequence[int]) -> bool:
    one, other = tables.rows[thread][local], tables.rows[thread][to]
    if local == to or one is None or other is None:
        return False
    for values, moves in list(other.moves.items()):
        mine = one.moves.get(values)
        try:
            mine = tables.moves(thread, local, one, values) if mine is None else mine
        except ExploreError:
            return True
        if _seen(mine) != _seen(moves) or _classes_of(mine, same) != _classes_of(moves, same):
            return True
    return False


def _classes_of(moves: Sequence[Move], same: Sequence[int]) -> list[int]:
    return [representative(same, move.after) for move in moves]
