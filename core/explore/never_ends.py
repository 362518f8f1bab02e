"""Waits without an end: the first state from which the threads can never all end, although somebody goes on for ever.

A state in which nobody can move is a deadlock, which the search finds by itself.  A thread that tries a lock again and
again can move; so can the walker of a CPU whose thread waits.  Then the search ends as if all were well: what is to
hold in the end is asked of the other interleavings.

How it works.  From a state that cannot end one comes to a set of states that is never left, in which some agents move
in circles.  A thread has ended there, or its automaton leads back to its local state, and whatever it can do in this
state stays within the circle; if it is blocked it can do nothing.  Such *waiting* states are few, and from most a step
or two leads out: to the end, or to a state that is not waiting.  A search in depth from each says which cannot be left.
A state that is left to one that is not waiting may still be lost; then it leads to others, which are found themselves.

Why it is exact.  A circle of threads needs a circle in the automaton of one of them, and a circle of daemons alone one
among the values of every cell that they change.  Where there is neither, nothing is searched.  Reductions keep the
states in which nobody can go elsewhere: every step of the reduced search is one of the model.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from core.explore.bisimulation import Classes, representative
from core.explore.transition_tables import Move, TransitionRow, TransitionTables

NAME = "livelock"

State = tuple[tuple[int, ...], tuple[int, ...]]
"""The local state of each thread, and the values of cells without zeros at the end (cells are met one by one)."""

Graph = dict[int, set[int]]
"""The nodes behind each node."""

Behind = dict[int, dict[tuple[int, ...], set[int]]]

Change = tuple[int, int, int]
"""A cell, the value before and the value after."""


class MetState(NamedTuple):
    """A state of a search: its number there, its local states and its cells' value numbers."""

    number: int
    locals: tuple[int, ...]
    cells: tuple[int, ...]


class Stays(NamedTuple):
    """A thread stays in its circle, or where it is, if `cells` have one of `values`; `turns`: there is a circle."""

    cells: tuple[int, ...]
    values: frozenset[tuple[int, ...]]
    turns: bool


Asked = tuple[Stays, ...]
"""What waiting states with the same local states have in common: what each thread that has not ended asks for."""


class WaitingStates:
    """What waiting states look like, by the local states of their threads. `same` are those that the search merged."""

    def __init__(self, tables: TransitionTables, same: Classes) -> None:
        self.tables, self.same = tables, same
        behind = [_behind(rows, alike) for rows, alike in zip(tables.rows, same, strict=True)]
        self.circles = [_circles({n: set().union(*to.values()) for n, to in after.items()}) for after in behind]
        """By thread and local state in a circle, the local states of the circle."""
        self.stays = [_stays(*one) for one in zip(tables.rows, behind, self.circles, strict=True)]
        self.daemons_turn = _daemons_turn(tables.daemons)
        self._asked: dict[tuple[int, ...], Asked | None] = {}

    @property
    def possible(self) -> bool:
        """Can anybody go in a circle at all?"""
        return self.daemons_turn or any(one.turns for stays in self.stays for one in stays.values())

    def asked(self, locals_: Sequence[int]) -> Asked | None:
        """What waiting states with these local states ask for; None if there are none."""
        asked = []
        for rows, stays, local in zip(self.tables.rows, self.stays, locals_, strict=True):
            if rows[local] is not None:
                if local not in stays:
                    return None
                asked.append(stays[local])
        if not asked or not (self.daemons_turn or any(one.turns for one in asked)):
            return None
        return tuple(asked)

    def holds(self, state: State) -> bool:
        """Is this state waiting?"""
        try:
            asked = self._asked[state[0]]
        except KeyError:
            asked = self._asked[state[0]] = self.asked(state[0])
        return asked is not None and holds(asked, state[1])


def holds(asked: Asked, cells: Sequence[int]) -> bool:
    """Is a state with these cells waiting, if its local states ask for this?"""
    return all(_values(one.cells, cells) in one.values for one in asked)


def never_ends(tables: TransitionTables, waiting: WaitingStates, states: Iterable[MetState]) -> int | None:
    """The number of the first of `states` from which the threads never all end; None if there is none.

    `states` are, in the order of a search without a violation, those that it has met: all that are waiting at least.
    """
    good: set[State] = set()
    for found in states:
        start = (found.locals, _stripped(found.cells))
        if start not in good and waiting.holds(start) and not _leaves(tables, waiting, start, good):
            return found.number
    return None


def _leaves(tables: TransitionTables, waiting: WaitingStates, start: State, good: set[State]) -> bool:
    """Does a way lead from `start` to a state that is not waiting, or to the end?  If so its states are `good`."""
    path, seen = [(start, _successors(tables, waiting, start))], {start}
    while path:
        for after in path[-1][1]:
            if after in good or not waiting.holds(after):
                good.update(one for one, _ in path)
                return True
            if after not in seen:
                seen.add(after)
                path.append((after, _successors(tables, waiting, after)))
                break
        else:
            path.pop()
    return False


def _successors(tables: TransitionTables, waiting: WaitingStates, state: State) -> Iterator[State]:
    """By each move of each agent."""
    locals_, cells = state
    for agent in range(len(locals_) + len(tables.daemons)):
        for move in _moves(tables, agent, locals_, cells):
            changed = list(cells) + [0] * (len(tables.cells) - len(cells))
            for cell, value in move.writes:
                changed[cell] = value
            yield _after(waiting, locals_, agent, move), _stripped(changed)


def _after(waiting: WaitingStates, locals_: tuple[int, ...], agent: int, move: Move) -> tuple[int, ...]:
    if agent >= len(locals_):
        return locals_
    return (*locals_[:agent], representative(waiting.same[agent], move.after), *locals_[agent + 1 :])


def _moves(tables: TransitionTables, agent: int, locals_: tuple[int, ...], cells: tuple[int, ...]) -> tuple[Move, ...]:
    number = agent - len(locals_)
    row = tables.daemons[number] if number >= 0 else tables.rows[agent][locals_[agent]]
    if row is None:
        return ()
    values = _values(row.reads, cells)
    moves = row.moves.get(values)
    if moves is not None:
        return moves
    if number >= 0:
        return tables.daemon_moves(tables.model.daemons[number], row, values)
    return tables.moves(agent, locals_[agent], row, values)


def _values(wanted: Sequence[int], cells: Sequence[int]) -> tuple[int, ...]:
    return tuple([cells[cell] if cell < len(cells) else 0 for cell in wanted])


def _stripped(cells: Iterable[int]) -> tuple[int, ...]:
    values = list(cells)
    while values and not values[-1]:
        values.pop()
    return tuple(values)


# ---- circles -------------------------------------------------------------------------------------------------


def _behind(rows: Sequence[TransitionRow | None], same: Sequence[int]) -> Behind:
    """By local state and values, the local states behind it."""
    return {
        n: {values: {representative(same, move.after) for move in moves} for values, moves in row.moves.items()}
        for n, row in enumerate(rows)
        if row is not None
    }


def _stays(rows: Sequence[TransitionRow | None], behind: Behind, circles: Graph) -> dict[int, Stays]:
    """The local states in which a thread can stay: by what values."""
    stays = {}
    for n, to in behind.items():
        row = rows[n]
        values = frozenset(v for v, after in to.items() if after <= circles.get(n, set()))
        if row is not None and values:
            stays[n] = Stays(row.reads, values, n in circles)
    return stays


def _circles(graph: Graph) -> dict[int, set[int]]:
    """Of each node in a circle, all nodes to which it leads and that lead back to it: Tarjan's components."""
    found, number, low = dict[int, set[int]](), dict[int, int](), dict[int, int]()
    open_, opened = list[int](), set[int]()
    for root in graph:
        path = [] if root in number else [(root, iter(sorted(graph[root])))]
        for n, _ in path:
            number[n] = low[n] = len(number)
            open_.append(n)
            opened.add(n)
        while path:
            n, behind = path[-1]
            after = next(behind, None)
            if after is None:
                path.pop()
                if path:
                    low[path[-1][0]] = min(low[path[-1][0]], low[n])
                if low[n] == number[n]:
                    circle = set(open_[open_.index(n) :])
                    del open_[-len(circle) :]
                    opened -= circle
                    if len(circle) > 1 or n in graph.get(n, set()):
                        found.update((one, circle) for one in circle)
            elif after not in number:
                number[after] = low[after] = len(number)
                open_.append(after)
                opened.add(after)
                path.append((after, iter(sorted(graph.get(after, set())))))
            elif after in opened:
                low[n] = min(low[n], number[after])
    return found


def _in_circles(graph: Graph) -> set[int]:
    """The nodes that are in a circle or between two."""
    left = set(graph)
    while True:
        reached = set().union(*(graph[n] & left for n in left)) if left else set()
        kept = {n for n in left if n in reached and graph[n] & left}
        if kept == left:
            return left
        left = kept


def _daemons_turn(daemons: list[TransitionRow]) -> bool:
    """Can daemons alone come back to a state that they have left?

    A move that changes a cell to a value from which no daemon leads back is made once.  A cell that a daemon writes
    without looking may have any value again.
    """
    blind = {cell for row in daemons for cell in set(row.writes) - set(row.reads)}
    left = []
    for row in daemons:
        for values, moves in row.moves.items():
            before = dict(zip(row.reads, values, strict=True))
            for move in moves:
                changes = [(c, before[c], v) for c, v in move.writes if c not in blind and before[c] != v]
                if not changes and any(cell in blind for cell, _ in move.writes):
                    return True
                left.append(changes)
    return _turning([changes for changes in left if changes])


def _turning(moves: list[list[Change]]) -> bool:
    """Are there some of `moves` each of whose changes can be undone by others of them?"""
    while moves:
        graphs: dict[int, Graph] = {}
        for changes in moves:
            for cell, before, value in changes:
                graphs.setdefault(cell, {}).setdefault(before, set()).add(value)
        turning = {cell: _in_circles(graph) for cell, graph in graphs.items()}
        kept = [c for c in moves if all(before in turning[cell] for cell, before, _ in c)]
        if len(kept) == len(moves):
            return True
        moves = kept
    return False
