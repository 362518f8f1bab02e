"""Steps that need not wait: fusing operations into the step before them.

When a thread stands before an operation `a` that no other thread can disturb, or be disturbed by, until `a` is done,
then every order of the other threads' steps around `a` comes to the same, and the search may do `a` at once, alone.
If `a` has a single outcome, the state before it is not even kept.  Two reductions share this:

    fuse_local         no operation that any other thread or daemon is known to do touches what `a` touches
    fuse_left_movers   some do, but none of those can happen before `a` is done: they wait for it (an unlock, the
                       sending of an interrupt), or their threads must first pass an operation that does

Data types
    Fusible   for one local state with such an operation: for each other thread, the local states in which it is too
             late to be sure (`danger`).  The search looks at the states of the others before it hurries
    Fusions    Fusible by thread and local state
    WaitCache    what is known to be blocked by what, so that nothing is asked twice

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

from core.explore.bisimulation import Classes, representative
from core.explore.transition_tables import TransitionRow, TransitionTables, conflict, touched

MAX_ROWS = 4000
"""Rows of all threads beyond which the analysis would take longer than it saves."""

LONGEST = 64
"""Operations done in one go at most."""


@dataclass(frozen=True, slots=True)
class Fusible:
    """`danger[u]` are the local states of thread u that forbid to hurry; `local`: nothing touches its cells."""

    danger: tuple[frozenset[int], ...]
    local: bool

    def allows(self, locals_: list[int]) -> bool:
        """Is no other thread where it could interfere?"""
        return not any(at in danger for at, danger in zip(locals_, self.danger, strict=True))


Fusions = tuple[dict[int, Fusible], ...]


def analyse(tables: TransitionTables, kinds: frozenset[str], same: Classes, wait_cache: WaitCache) -> Fusions:
    """What may hurry, by thread and local state, as far as is known; of the kinds that are wanted.

    `same` are the local states that the search merges: a step to one of them is a step to the one that stands for it.
    `wait_cache` remembers what was asked of these tables before.
    """
    if sum(map(len, tables.rows)) > MAX_ROWS:
        return tuple({} for _ in tables.rows)
    while True:
        before = tables.entries()
        known = _Known(tables, same, wait_cache)
        fusions = tuple(known.thread(thread, kinds) for thread in range(len(tables.rows)))
        if tables.entries() == before:
            return fusions


def forbids(now: Fusions, used: Fusions) -> bool:
    """Does what is known now forbid what was used?"""
    for thread, fusibles in enumerate(used):
        for local, fusible in fusibles.items():
            known = now[thread].get(local)
            if known is None or any(n - u for n, u in zip(known.danger, fusible.danger, strict=True)):
                return True
    return False


class WaitCache:
    """Does an operation wait for another?  What has been asked is remembered; what was learned since is asked besides.

    _rests     by row and places: how many entries of the row were looked at, and their values, without those places
    _blocked   by row, places and values there: how many rests were looked at, and whether it is blocked with all
    _waits     by two rows: how many entries each had, and the answer
    """

    def __init__(self) -> None:
        self._waits: dict[tuple[int, int], tuple[int, int, bool]] = {}
        self._rests: dict[tuple[int, tuple[int, ...]], tuple[int, dict[tuple[int, ...], None]]] = {}
        self._blocked: dict[tuple[int, tuple[int, ...], tuple[int, ...]], tuple[int, bool]] = {}

    def waits(self, tables: TransitionTables, row: TransitionRow, other: TransitionRow) -> bool:
        """Has `other` no outcome, by all that is known, as long as the cells hold what `row` is about to change?"""
        was, had, answer = self._waits.get((id(row), id(other)), (0, 0, True))
        if answer and (was, had) != (len(row.moves), len(other.moves)):
            shared = [(row.reads.index(c), n) for n, c in enumerate(other.reads) if c in row.reads]
            places = tuple([place for _, place in shared])
            pending = {tuple([values[mine] for mine, _ in shared]) for values in row.moves}
            answer = bool(shared) and all(self._is_blocked(tables, other, places, held) for held in pending)
            self._waits[id(row), id(other)] = len(row.moves), len(other.moves), answer
        return answer and bool(other.moves)

    def _is_blocked(
        self, tables: TransitionTables, row: TransitionRow, places: tuple[int, ...], held: tuple[int, ...]
    ) -> bool:
        """Has `row` no outcome with the values `held` in these places of what it reads, by every known entry?"""
        rests = self._without(row, places)
        key = id(row), places, held
        number, answer = self._blocked.get(key, (0, True))
        if not answer or number == len(rests):
            return answer
        for rest in list(rests)[number:]:
            values = list(rest)
            for place, value in zip(places, held, strict=True):
                values[place] = value
            if not tables.blocked(row, tuple(values)):
                answer = False
                break
        self._blocked[key] = len(rests), answer
        return answer

    def _without(self, row: TransitionRow, places: tuple[int, ...]) -> dict[tuple[int, ...], None]:
        """The values that a row is known to have answered, with nothing in some places; each once, in order."""
        number, rests = self._rests.get((id(row), places), (0, {}))
        if number < len(row.moves):
            columns = list(zip(*list(row.moves)[number:], strict=True))
            for place in places:
                columns[place] = (0,) * (len(row.moves) - number)
            rests.update(dict.fromkeys(zip(*columns, strict=True)))
            self._rests[id(row), places] = len(row.moves), rests
        return rests


class _Known:
    """What one pass looks at again and again.

    after     by thread and local state: the local states its operation may lead to;  before: the other way round
    touched   by thread and local state: the cells that the operation reads, and those it writes, as bits
    daemons   the same by daemon;  seen: the cells that an always- or sometimes-property reads
    """

    def __init__(self, tables: TransitionTables, same: Classes, wait_cache: WaitCache) -> None:
        self.tables, self.wait_cache = tables, wait_cache
        self.after = [[_after(row, one) for row in rows] for rows, one in zip(tables.rows, same, strict=True)]
        self.before = [_reversed(after) for after in self.after]
        self.touched = [[touched(row) for row in rows] for rows in tables.rows]
        self.daemons = [touched(row) for row in tables.daemons]
        props = (*tables.model.always, *tables.model.sometimes)
        self.seen = frozenset(cell for prop in props for cell in tables.reads(prop))

    def thread(self, thread: int, kinds: frozenset[str]) -> dict[int, Fusible]:
        """What may hurry in one thread."""
        found: dict[int, Fusible] = {}
        for local, row in enumerate(self.tables.rows[thread]):
            if row is None or not row.moves or not self._eligible(row):
                continue
            fusible = self._fusible(thread, local, row)
            if fusible is not None and ("fuse_local" if fusible.local else "fuse_left_movers") in kinds:
                found[local] = fusible
        _break_loops(found, self.after[thread])
        return found

    def _eligible(self, row: TransitionRow) -> bool:
        """Never blocked, violating nothing, writing nothing that a property looks at."""
        if self.seen.intersection(row.writes):
            return False
        return all(moves and not any(m.violated for m in moves) for moves in row.moves.values())

    def _fusible(self, thread: int, local: int, row: TransitionRow) -> Fusible | None:
        """None if a daemon conflicts, which no local state can exclude."""
        mine, conflicts = self.touched[thread][local], False
        for daemon, theirs in zip(self.tables.daemons, self.daemons, strict=True):
            if conflict(mine, theirs):
                conflicts = True
                if not self._waits(row, daemon):
                    return None
        danger = []
        for other, cells in enumerate(self.touched):
            touching = set() if other == thread else {n for n, theirs in enumerate(cells) if conflict(mine, theirs)}
            conflicts = conflicts or bool(touching)
            danger.append(self._reaching(row, other, touching))
        return Fusible(tuple(danger), not conflicts)

    def _reaching(self, row: TransitionRow, other: int, touching: set[int]) -> frozenset[int]:
        """The local states from which a conflict can be reached without waiting for `row`."""
        waiting = {n for n in touching if self._waits(row, self.tables.rows[other][n])}
        danger = touching - waiting
        todo = list(danger)
        while todo:
            for number in self.before[other][todo.pop()]:
                if number not in danger and number not in waiting:
                    danger.add(number)
                    todo.append(number)
        return frozenset(danger)

    def _waits(self, row: TransitionRow, other: TransitionRow | None) -> bool:
        """Has `other` no outcome as long as the cells hold what `row` is about to change?"""
        assert other is not None
        return self.wait_cache.waits(self.tables, row, other)


def _after(row: TransitionRow | None, same: Sequence[int]) -> frozenset[int]:
    if row is None:
        return frozenset()
    after = {move.after for moves in row.moves.values() for move in moves}
    return frozenset(after | {representative(same, local) for local in after})


def _reversed(after: Sequence[frozenset[int]]) -> list[list[int]]:
    before: list[list[int]] = [[] for _ in after]
    for number, to in enumerate(after):
        for local in to:
            before[local].append(number)
    return before


def _break_loops(found: dict[int, Fusible], after: Sequence[frozenset[int]]) -> None:
    """Take out of `found` what closes a loop of operations that all hurry."""
    done: set[int] = set()
    for start in sorted(found):
        path = [(start, sorted(after[start]))] if start not in done else []
        while path:
            at, todo = path[-1]
            if at not in found or not todo:
                done.add(at)
                path.pop()
                continue
            to = todo.pop()
            if to in found and any(to == on for on, _ in path):
                del found[to]
            elif to in found and to not in done:
                path.append((to, sorted(after[to])))
