"""Partial-order reduction: fusing an operation with the step before it.

How it works.  Let `a` be the pending operation of a thread.  If no other thread can interfere with `a` before `a` is
done, every order of the others' steps around `a` leads to the same states.  The search then executes `a` at once,
alone, and if `a` has a single outcome the state before it is not even stored.  Two reductions share this:

    fuse_local         no operation that another thread or daemon is known to execute touches a cell of `a`
    fuse_left_movers   some do, but none of them can happen before `a` is done: they are blocked until then (`a` is an
                       unlock, or sends an interrupt), or their threads must first pass an operation that is blocked

Data types
    Fusible      for one local state whose operation may be fused: for each other thread, the local states in which it
                 might interfere (`danger`).  The search looks at where the other threads are before it fuses
    Fusions      Fusible by thread and local state
    WaitCache    which operations are blocked by which, so that nothing is evaluated twice

Why it is sound.  Let `a` of thread t be pending in state s, and take any sequence b1 ... bn of other agents' steps from
s. `danger` has every local state of another thread from which that thread can reach a step that conflicts with `a` (one
writes what the other touches) by steps that are not blocked until `a`.  No thread is in such a state, so by induction
no b changes what `a` reads or sees what `a` writes.  The path a b1 ... bn therefore exists, each b has the same
outcome, and the final state is the same with `a` done.  `a` writes no cell that an `always` or `sometimes` property
reads, so no property can differ only in between; `finally` properties and deadlocks are about states in which `a`,
which is never blocked, has been done.  A store that becomes visible may write such a cell if no property tells
(`core.explore.told`).  In every loop of a thread at least one operation is not fused, so no thread is postponed for
ever.

How it is checked.  "Blocked until `a`" is evaluated on the tables: with the values on which `a` has been executed, the
other operation must have no outcome.  The tables know only what the search has reached, and a reduced search reaches
less. So each known entry of the other operation is evaluated with the values of `a` put in, repeatedly until nothing
new turns up, and the whole analysis is repeated after the search: it must still allow what was done.  By the argument
above a path of the full search is a path of the reduced one with fused steps moved forward, so its entries are among
those that were evaluated.  If the check fails, the search is repeated with what is known then.

Under a memory model every operation touches the queue of its CPU's stores, and so do the daemons by which they leave
it.  Most of these pass each other, whatever is in the queue: a store that enters at the end and an older one that
leaves, a load that finds the store in the queue or in memory.  Which do says `_passes`, from what the machine tells of
each (`Access`), not from values.  An operation may then be blocked by the queue of its own CPU: it is fused only where
it is enabled, and what passes it does not block it.  Such a daemon may be fused itself, as a store that becomes visible
at once; it ends, for it makes a queue shorter.  Where a store of the same cell by another CPU conflicts, a guard says
that none waits there now, and threads that can put one there are in danger.

What was rejected.  Persistent sets computed from the programs' text, and sleep sets: the first need a static analysis
of Python, the second save transitions but no states.  Open: a conflict with a daemon rules a fusion out altogether
unless the daemon is blocked, because a daemon has no local state that could exclude it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass, replace

from core.explore.bisimulation import Classes, representative
from core.explore.model import Access
from core.explore.told import is_told
from core.explore.transition_tables import TransitionRow, TransitionTables, conflict, touched
from core.explore.wait_cache import WaitCache
from core.machine.op import Cell

MAX_ROWS = 4000
"""With more rows than this in all threads, the analysis takes longer than it saves and is not done."""

LONGEST = 64
"""Operations fused into one step at most."""


@dataclass(frozen=True, slots=True)
class Fusible:
    """An operation that may be fused.

    `danger[u]` are the local states of thread u in which it must not be fused.  `local` says that no other agent
    touches its cells.  `guards` are cells with the value numbers that they must have.
    """

    danger: tuple[frozenset[int], ...]
    local: bool
    guards: tuple[tuple[int, frozenset[int]], ...] = ()

    def allows(self, locals_: list[int]) -> bool:
        """May it be fused while the threads are in these local states?"""
        return not any(at in danger for at, danger in zip(locals_, self.danger, strict=True))


Fusions = tuple[dict[int, Fusible], ...]
"""By agent, the threads and then the daemons, and local state; that of a daemon is 0."""


def analyse(tables: TransitionTables, kinds: frozenset[str], same: Classes, wait_cache: WaitCache) -> Fusions:
    """The operations that may be fused, by thread and local state, as far as is known.

    `kinds` are the names of the reductions requested.  `same` are the local states that the search merges: a step to
    one of them is a step to its representative.  `wait_cache` has the results of earlier analyses of these tables.
    """
    if sum(map(len, tables.rows)) > MAX_ROWS:
        return tuple({} for _ in (*tables.rows, *tables.daemons))
    while True:
        before = tables.entries()
        known = _Known(tables, same, wait_cache)
        fusions = tuple(known.thread(thread, kinds) for thread in range(len(tables.rows)))
        fusions += tuple(known.daemon(daemon, kinds) for daemon in range(len(tables.daemons)))
        if tables.entries() == before:
            return fusions


def forbids(now: Fusions, used: Fusions) -> bool:
    """Does the analysis `now` forbid a fusion that was `used`?"""
    for thread, fusibles in enumerate(used):
        for local, fusible in fusibles.items():
            known = now[thread].get(local)
            if known is None or any(n - u for n, u in zip(known.danger, fusible.danger, strict=True)):
                return True
            guards = dict(fusible.guards)
            if any(cell not in guards or guards[cell] - allowed for cell, allowed in known.guards):
                return True
    return False


def extended(used: Fusions, now: Fusions, known: Sequence[int]) -> Fusions:
    """The fusions `used`, with what an analysis says `now` of local states from number known[t] of thread t on."""
    found = []
    for agent, (fusibles, others) in enumerate(zip(used, now, strict=True)):
        first = known[agent] if agent < len(known) else 1
        new = {local: fusible for local, fusible in others.items() if local >= first}
        old = {
            local: _in_danger(one, others[local], known) if local in others else one for local, one in fusibles.items()
        }
        found.append(old | new)
    return tuple(found)


def _in_danger(used: Fusible, now: Fusible, known: Sequence[int]) -> Fusible:
    """`used`, which is in danger in those new local states in which `now` is."""
    new = [{local for local in danger if local >= first} for danger, first in zip(now.danger, known, strict=True)]
    return replace(used, danger=tuple(old | more for old, more in zip(used.danger, new, strict=True)))


Touch = tuple[tuple[int, int], Access | None]
"""The cells that an operation touches, as from `touched`, and what the memory model says of it, if that is asked."""


class _Known:
    """The tables in the form that one analysis needs.

    after     by thread and local state: the local states to which its operation may lead;  before: the reverse
    alike     by thread and `_touch` of an operation: the local states with such an operation, and a row of one
    touching  by `_touch` of an operation and thread: the local states of the thread that are in conflict with it
    putting   by guarded cells and thread: what `_putting` has found;  reaching: what `_closed` has, by its arguments
    seen      the cells that an always- or sometimes-property reads
    drains    the daemons by which stores become visible, by id;  queues: the cells in which they wait
    """

    def __init__(self, tables: TransitionTables, same: Classes, wait_cache: WaitCache) -> None:
        self.tables, self.wait_cache = tables, wait_cache
        self.after = [[_after(row, one) for row in rows] for rows, one in zip(tables.rows, same, strict=True)]
        self.before = [_reversed(after) for after in self.after]
        self.touching: dict[tuple[Touch, int], set[int]] = {}
        self.putting: dict[tuple[frozenset[tuple[Cell, Cell]], int], set[int]] = {}
        self.reaching: dict[tuple[frozenset[int], frozenset[int], int], frozenset[int]] = {}
        props = (*tables.model.always, *tables.model.sometimes)
        self.seen = frozenset(cell for prop in props for cell in tables.reads(prop))
        drains = [row for row in tables.daemons if row.access is not None and row.access.takes is not None]
        self.drains = frozenset(map(id, drains))
        self.queues = frozenset(tables.cell(row.access.queue) for row in drains if row.access and row.access.queue)
        self.alike = [self._alike(rows) for rows in tables.rows]

    def _alike(self, rows: Sequence[TransitionRow | None]) -> dict[Touch, tuple[TransitionRow, list[int]]]:
        found: dict[Touch, tuple[TransitionRow, list[int]]] = {}
        for number, row in enumerate(rows):
            if row is not None:
                found.setdefault(self._touch(row), (row, []))[1].append(number)
        return found

    def _touch(self, row: TransitionRow) -> Touch:
        """All that `_conflict` asks of an operation."""
        return touched(row), row.access if self.drains else None

    def thread(self, thread: int, kinds: frozenset[str]) -> dict[int, Fusible]:
        """The operations of one thread that may be fused, by local state."""
        found: dict[int, Fusible] = {}
        for local, row in enumerate(self.tables.rows[thread]):
            if row is None or not row.moves or not self._eligible(row):
                continue
            fusible = self._fusible(thread, row)
            if fusible is not None and ("fuse_local" if fusible.local else "fuse_left_movers") in kinds:
                found[local] = fusible
        _break_loops(found, self.after[thread])
        return found

    def daemon(self, number: int, kinds: frozenset[str]) -> dict[int, Fusible]:
        """That of a daemon of the memory model, if it may be fused."""
        row = self.tables.daemons[number]
        if id(row) not in self.drains or "fuse_left_movers" not in kinds or not self._eligible(row):
            return {}
        fusible = self._fusible(-1, row)
        return {} if fusible is None else {0: fusible}

    def _eligible(self, row: TransitionRow) -> bool:
        """Is it without violations, told by no property and, but under a memory model (see the head), never blocked?"""
        seen = self.seen.intersection(row.writes)
        if seen and (id(row) not in self.drains or is_told(self.tables, row, seen)):
            return False
        if self.drains:
            return any(row.moves.values()) and not any(m.violated for moves in row.moves.values() for m in moves)
        return all(moves and not any(m.violated for m in moves) for moves in row.moves.values())

    def _fusible(self, thread: int, row: TransitionRow) -> Fusible | None:
        """The conditions for fusing; None if a daemon conflicts, which has no local state that could exclude it."""
        conflicts, guarded = False, dict[tuple[Cell, Cell], None]()
        for daemon in self.tables.daemons:
            if daemon is not row and self._conflict(row, daemon):
                conflicts = True
                if self._waits(row, daemon):
                    continue
                access = daemon.access
                if access is None or access.takes is None or access.queue is None or id(daemon) not in self.drains:
                    return None
                guarded[access.queue, access.takes] = None
        danger = []
        for other in range(len(self.tables.rows)):
            touching: Set[int] = frozenset()
            if other != thread:
                touching = self._touching(row, other)
            if other != thread and guarded:
                touching = touching | self._putting(frozenset(guarded), other)
            conflicts = conflicts or bool(touching)
            danger.append(self._reaching(row, other, touching))
        return Fusible(tuple(danger), not conflicts, self._guards(guarded))

    def _touching(self, row: TransitionRow, other: int) -> set[int]:
        """The local states of thread `other` whose operations are in conflict with `row`."""
        key = self._touch(row), other
        found = self.touching.get(key)
        if found is None:
            groups = self.alike[other].values()
            found = {n for theirs, numbers in groups if self._conflict(row, theirs) for n in numbers}
            self.touching[key] = found
        return found

    def _putting(self, guarded: frozenset[tuple[Cell, Cell]], other: int) -> Set[int]:
        """The local states of thread `other` whose operations put a store of a guarded cell into its queue."""
        found = self.putting.get((guarded, other))
        if found is None:
            found = {n for n, row in enumerate(self.tables.rows[other]) if _puts(row, guarded)}
            self.putting[guarded, other] = found
        return found

    def _guards(self, guarded: Iterable[tuple[Cell, Cell]]) -> tuple[tuple[int, frozenset[int]], ...]:
        """By queue the numbers of those of its values in which none of these cells waits."""
        found: dict[int, frozenset[int]] = {}
        machine = self.tables.machine
        for queue, cell in guarded:
            assert machine is not None
            number = self.tables.cell(queue)
            free = frozenset(n for n, value in enumerate(self.tables.values[number]) if not machine.holds(value, cell))
            found[number] = found.get(number, free) & free
        return tuple(sorted(found.items()))

    def _conflict(self, row: TransitionRow, other: TransitionRow) -> bool:
        """May it matter which of the two is done first?"""
        if row.access is None or other.access is None or not self.drains:
            return conflict(touched(row), touched(other))
        return not _passes(row.access, other.access)

    def _reaching(self, row: TransitionRow, other: int, touching: Set[int]) -> frozenset[int]:
        """The local states of thread `other` from which it can reach a conflict before `row` is done."""
        waiting = frozenset([n for n in touching if self._waits(row, self.tables.rows[other][n])])
        key = frozenset(touching - waiting), waiting, other
        found = self.reaching.get(key)
        if found is None:
            found = self.reaching[key] = self._closed(*key)
        return found

    def _closed(self, conflicts: frozenset[int], waiting: frozenset[int], other: int) -> frozenset[int]:
        """The local states of thread `other` from which it comes to one of `conflicts` without one of `waiting`."""
        danger, todo = set(conflicts), list(conflicts)
        while todo:
            for number in self.before[other][todo.pop()]:
                if number not in danger and number not in waiting:
                    danger.add(number)
                    todo.append(number)
        return frozenset(danger)

    def _waits(self, row: TransitionRow, other: TransitionRow | None) -> bool:
        """Is `other` blocked until `row` is done?"""
        assert other is not None
        mine, theirs = row.access, other.access
        leaves = mine is not None and theirs is not None and mine.takes is not None and mine.queue == theirs.queue
        if leaves and theirs is not None and theirs.waits:
            return True  # until the store has left the queue
        return self.wait_cache.waits(self.tables, row, other, self.queues)


def _puts(row: TransitionRow | None, guarded: Iterable[tuple[Cell, Cell]]) -> bool:
    """Does the operation put a store of a guarded cell into its queue?"""
    access = None if row is None else row.access
    return access is not None and any(queue == access.queue and cell in access.puts for queue, cell in guarded)


def _passes(row: Access, other: Access) -> bool:
    """Is all the same whether `row`, which is enabled, is done before `other` or behind it, if `other` can be done?"""
    if row.queue != other.queue:
        return not (_in_memory(row, other) or _reserved(row, other) or _reserved(other, row))
    if other.takes is not None and row.takes is None:  # an older store of its own leaves
        return other.takes not in row.writes and (row.finds or other.takes not in row.reads)
    if row.takes is not None and other.takes is None:
        return row.takes not in other.writes and (other.finds or row.takes not in other.reads) and not other.waits
    if row.takes is not None:
        return row.takes != other.takes  # two stores of one CPU leave the queue
    return not (_in_memory(row, other) or _queued(row, other) or _queued(other, row))


def _queued(row: Access, other: Access) -> bool:
    """Two programs of one CPU, or its interrupt handler: does it matter to the other what the one puts in the queue?"""
    return bool(row.puts) and (other.waits or bool(other.puts) or not row.puts.isdisjoint(other.reads))


def _in_memory(row: Access, other: Access) -> bool:
    """Does one write at once what the other reads or writes at once?"""
    return not row.writes.isdisjoint(other.reads | other.writes) or not row.reads.isdisjoint(other.writes)


def _reserved(row: Access, other: Access) -> bool:
    """Does the one, once it is done, keep the other from writing?"""
    return row.reserves and not row.puts.isdisjoint(other.writes)


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
    """Remove from `found` one operation of each loop in which all operations would be fused."""
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
