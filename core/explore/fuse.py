"""Steps that need not wait: fusing operations into the step before them.

When a thread stands before an operation `a` that no other thread can disturb, or be disturbed by, until `a` is done,
then every order of the other threads' steps around `a` comes to the same, and the search may do `a` at once, alone.
If `a` has a single outcome, the state before it is not even kept.  Two reductions share this:

    fuse_local         no operation that any other thread or daemon is known to do touches what `a` touches
    fuse_left_movers   some do, but none of those can happen before `a` is done: they wait for it (an unlock, the
                       sending of an interrupt), or their threads must first pass an operation that does

Data types
    Urgent   for one local state with such an operation: for each other thread, the local states in which it is too
             late to be sure (`danger`).  The search looks at the states of the others before it hurries
    Hurry    Urgent by thread and local state

Why it is sound.  Let `a` of thread t be pending in state s, and take any path of other agents' steps b1 ... bn from
s. `danger` holds every local state of another thread from which it can reach, by steps that do not wait for `a`, a
step that conflicts with `a` (one writes what the other touches).  No thread is there, so by induction each b neither
changes what `a` reads nor sees what `a` writes: the path a b1 ... bn exists, ends in the same state but for `a`, and
the b's answer the same.  What `a` writes no `always` or `sometimes` property reads, so nothing that is wanted is seen
only in between; `finally` and deadlocks are about states in which `a`, which is never blocked, has been done.  In
every loop of a thread some operation is left that does not hurry, so nobody is kept waiting for ever.

How it is checked.  "Waits for `a`" is asked of the tables: with the values that `a` has been done on, the other
operation must have no outcome.  The tables only know what the search has reached, and a reduced search reaches less.
So the question is asked for every known entry of the other operation with the values of `a` put in, again and again
until nothing new turns up, and the whole analysis is repeated after the search: what it finds then must not forbid
what was done.  By the argument above a path of the full search is, but for hurried steps done early, a path of the
reduced one, so its entries are among those asked about.  If the check fails the search is repeated with what is known
now.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from core.explore.minimise import Classes, representative
from core.explore.tables import Row, Tables

MAX_ROWS = 4000
"""Rows of all threads beyond which the analysis would take longer than it saves."""

LONGEST = 64
"""Operations done in one go at most."""


@dataclass(frozen=True, slots=True)
class Urgent:
    """`danger[u]` are the local states of thread u that forbid to hurry; `local`: nothing touches its cells."""

    danger: tuple[frozenset[int], ...]
    local: bool

    def allows(self, locals_: list[int]) -> bool:
        """Is no other thread where it could interfere?"""
        return not any(at in danger for at, danger in zip(locals_, self.danger, strict=True))


Hurry = tuple[dict[int, Urgent], ...]


def analyse(tables: Tables, kinds: frozenset[str], same: Classes) -> Hurry:
    """What may hurry, by thread and local state, as far as is known; of the kinds that are wanted.

    `same` are the local states that the search merges: a step to one of them is a step to the one that stands for it.
    """
    if sum(map(len, tables.rows)) > MAX_ROWS:
        return tuple({} for _ in tables.rows)
    while True:
        before = tables.entries()
        hurry = tuple(_thread(tables, thread, kinds, same) for thread in range(len(tables.rows)))
        if tables.entries() == before:
            return hurry


def forbids(now: Hurry, used: Hurry) -> bool:
    """Does what is known now forbid what was used?"""
    for thread, urgents in enumerate(used):
        for local, urgent in urgents.items():
            known = now[thread].get(local)
            if known is None or any(n - u for n, u in zip(known.danger, urgent.danger, strict=True)):
                return True
    return False


def _thread(tables: Tables, thread: int, kinds: frozenset[str], same: Classes) -> dict[int, Urgent]:
    seen = _visible(tables)
    found: dict[int, Urgent] = {}
    for local, row in enumerate(tables.rows[thread]):
        if row is None or not row.moves or not _eligible(row, seen):
            continue
        urgent = _urgent(tables, thread, row, same)
        if urgent is not None and ("fuse_local" if urgent.local else "fuse_left_movers") in kinds:
            found[local] = urgent
    _break_loops(found, tables.rows[thread], same[thread])
    return found


def _visible(tables: Tables) -> frozenset[int]:
    props = (*tables.model.always, *tables.model.sometimes)
    return frozenset(cell for prop in props for cell in tables.reads(prop))


def _eligible(row: Row, seen: frozenset[int]) -> bool:
    """Never blocked, violating nothing, writing nothing that a property looks at."""
    if seen.intersection(row.writes):
        return False
    return all(moves and not any(m.violated for m in moves) for moves in row.moves.values())


def _urgent(tables: Tables, thread: int, row: Row, same: Classes) -> Urgent | None:
    """None if a daemon conflicts, which no local state can exclude."""
    conflicts = False
    for daemon in tables.daemons:
        if _touch(row, daemon):
            conflicts = True
            if not _waits(tables, row, daemon):
                return None
    danger = []
    for other, rows in enumerate(tables.rows):
        if other == thread:
            danger.append(frozenset[int]())
            continue
        touching = {n for n, r in enumerate(rows) if r is not None and _touch(row, r)}
        conflicts = conflicts or bool(touching)
        danger.append(_reaching(tables, row, rows, touching, same[other]))
    return Urgent(tuple(danger), not conflicts)


def _touch(one: Row, two: Row) -> bool:
    """Does one write what the other touches?  (`one` also reads what it writes.)"""
    return any(c in two.reads for c in one.writes) or any(c in one.reads for c in two.writes)


def _reaching(
    tables: Tables, row: Row, rows: list[Row | None], touching: set[int], same: Sequence[int]
) -> frozenset[int]:
    """The local states from which a conflict can be reached without waiting for `row`."""
    waiting = {n for n in touching if _waits(tables, row, rows[n])}
    danger = touching - waiting
    if not danger:
        return frozenset()
    before: dict[int, set[int]] = {}
    for number, other in enumerate(rows):
        if other is not None and number not in waiting:
            for after in _after(other, same):
                before.setdefault(after, set()).add(number)
    todo = list(danger)
    while todo:
        for number in before.get(todo.pop(), ()):
            if number not in danger:
                danger.add(number)
                todo.append(number)
    return frozenset(danger)


def _after(row: Row, same: Sequence[int]) -> set[int]:
    after = {move.after for moves in row.moves.values() for move in moves}
    return after | {representative(same, local) for local in after}


def _waits(tables: Tables, row: Row, other: Row | None) -> bool:
    """Has `other` no outcome as long as the cells hold what `row` is about to change?"""
    assert other is not None
    shared = [(row.reads.index(c), n) for n, c in enumerate(other.reads) if c in row.reads]
    if not shared or not other.moves:
        return False
    pending = {tuple(values[mine] for mine, _ in shared) for values in row.moves}
    for values in list(other.moves):
        for held in pending:
            asked = list(values)
            for (_, place), value in zip(shared, held, strict=True):
                asked[place] = value
            if not tables.blocked(other, tuple(asked)):
                return False
    return True


def _break_loops(found: dict[int, Urgent], rows: list[Row | None], same: Sequence[int]) -> None:
    """Take out of `found` what closes a loop of operations that all hurry."""
    done: set[int] = set()
    for start in sorted(found):
        path: list[tuple[int, list[int]]] = [(start, _next(rows, start, same))] if start not in done else []
        while path:
            at, todo = path[-1]
            if at not in found or not todo:
                done.add(at)
                path.pop()
                continue
            after = todo.pop()
            if after in found and any(after == on for on, _ in path):
                del found[after]
            elif after in found and after not in done:
                path.append((after, _next(rows, after, same)))


def _next(rows: list[Row | None], local: int, same: Sequence[int]) -> list[int]:
    row = rows[local]
    return [] if row is None else sorted(_after(row, same))
