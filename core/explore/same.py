"""Are the programs of two models the same?  Thread by thread, and with them the daemons.

How it works.  The first model is searched through, without reductions, so that for each local state of each of its
threads every memory is known in which a thread is ever there.  Then both threads are walked together, from their
starts.  In a pair of local states both operations are evaluated in each of those memories.  Where they change the same
cells to the same values, violate the same, and block alike, both may go on; what each returned leads to the next pair,
and need not be equal.  Where one of them changes nothing, it may also go on alone: a silent step, which is listed.
What the second program has read so it `knows`, for as long as no other agent can change it.

A pair is equal if in every memory some such way leads to equal pairs only, and not to silent steps without end, unless
the first program waits there.  That is computed from above: all pairs are equal until shown otherwise (`_equal`).

Why that is a proof.  From a state that both models can be in, in an equal pair, each step of one is matched by a step
of the other with the same effect, before or behind silent ones, into a state that both can be in.  So by induction both
reach the same memories in the same orders, though only the first was searched.  A search that was bounded gives
memories up to its bound: then the comparison is one of samples, and `exhaustive` is False.

Events that touch no cell (counts of instructions) are no operations here at all.  Under a memory model the machine of
the first model says what each operation means, so an order that is weaker or stronger is a difference wherever it means
something.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, NamedTuple

from core.explore.errors import NewStore, ProgramError
from core.explore.frames import place
from core.explore.learn import Automaton, LocalState, outcomes_of, patience
from core.explore.model import Limits, Model
from core.explore.ordered import again, tables_of
from core.explore.reached import Memory, Reached
from core.explore.search_result import SearchResult
from core.explore.transition_tables import TransitionTables
from core.explore.typed import shown
from core.machine.op import Cell, Cpu, Op

Changes = frozenset[tuple[Cell, Hashable]]


class OpEffect(NamedTuple):
    """What an outcome changes, and the property that it violates, or ''."""

    changes: Changes
    violated: str

    def __str__(self) -> str:
        said = ", ".join(sorted(f"{cell} = {shown(value)}" for cell, value in self.changes)) or "changes nothing"
        return f"{said} (violates {self.violated})" if self.violated else said


NOTHING = OpEffect(frozenset(), "")


class Answered(NamedTuple):
    """A step of both programs, or a silent one of one of them: the operation, and what it changed or returned."""

    step: str
    answer: str


@dataclass(frozen=True)
class Difference:
    """After the answers of `history`, the shortest such, the programs of `thread` differ: `why`, and what each does.

    `first` and `second` are 'operation (file:line)', or 'the end'.
    """

    thread: str
    history: tuple[Answered, ...]
    first: str
    second: str
    why: str


@dataclass(frozen=True)
class Sameness:
    """What a comparison has found: nothing in `differences` means equal.

    `states` of the first model were visited, all of them if `exhaustive`, or as far as `bounds` says; `pairs` of local
    states were compared on `combinations` of values.  `silent` are operations that only one side has, and that change
    nothing.
    """

    exhaustive: bool
    bounds: str
    states: int
    pairs: int
    combinations: int
    silent: tuple[str, ...]
    differences: tuple[Difference, ...]


Key = tuple[int, int, Changes]


class Pair(NamedTuple):
    """Local states of the two programs, what the second `knows` of memory, and how both came there."""

    first: LocalState
    second: LocalState
    knows: Changes
    history: tuple[Answered, ...]

    @property
    def key(self) -> Key:
        """What tells it from others."""
        return self.first.number, self.second.number, self.knows


def same(first: Model, second: Model, *, limits: Limits = Limits()) -> Sameness:
    """Compare two models that have the same threads, cells and daemons. ExploreError if a program does what it may not.

    The first is searched within `limits`.
    """
    with patience():
        tables = tables_of(first)
        while True:
            try:
                reached = Reached(tables, limits)
                return _Comparison(tables, reached, second).result(reached.found)
            except NewStore:  # of the first or the second
                tables = again(tables)


class Way(NamedTuple):
    """How both may go on in a memory: `together`, or one of them alone; `to` are the pairs that follow.

    Not `alike`: together by accident, for they look at different cells.
    """

    together: bool
    to: tuple[Key, ...]
    silent: str = ""
    alike: bool = True


class InMemory(NamedTuple):
    """A memory in which a pair may be: does the first program `wait` there, and the ways on, the best first."""

    memory: Memory
    waits: bool
    ways: tuple[Way, ...]


@dataclass
class _Comparison:
    tables: TransitionTables
    reached: Reached
    second: Model
    pairs: int = 0
    combinations: int = 0
    silent: dict[str, None] = field(default_factory=dict)

    @cached_property
    def automata(self) -> list[Automaton]:
        """Of the second model."""
        machine = self.tables.machine
        steps = (lambda op: False) if machine is None else machine.steps
        return [Automaton(thread, steps) for thread in self.second.threads]

    def result(self, found: SearchResult) -> Sameness:
        """Compare everything."""
        numbers = range(len(self.automata))
        differences = [one for number in numbers if (one := self._difference(number))]
        differences += self._daemons()
        return Sameness(
            found.exhaustive,
            found.bounds,
            found.states,
            self.pairs,
            self.combinations,
            tuple(self.silent),
            tuple(differences),
        )

    def _difference(self, number: int) -> Difference | None:
        """Of the threads of this number. One that is there whichever reads of the two are taken for the same."""
        first = _Threads(self, number).difference()
        if first is None:
            return None
        with suppress(ProgramError):  # of one that goes where it never is, in a pair that is not equal
            if _Threads(self, number, thorough=True).difference() is None:
                return None
        return first

    def wrapped(self, op: Op, cpu: Cpu) -> Op:
        """The operation of the second model as the machine of the first executes it."""
        machine = self.tables.machine
        return op if machine is None else machine.wrap(op, cpu if op.cpu is None else op.cpu)

    # ---- daemons -------------------------------------------------------------------------------------------------

    def _daemons(self) -> Iterator[Difference]:
        rows = zip(self.tables.plain.daemons, self.tables.daemons, strict=False)
        for (mine, row), its in zip(rows, self.second.daemons, strict=True):
            op = self.wrapped(its.op, its.cpu)
            cells = tuple(dict.fromkeys((*row.op.reads, *row.op.writes, *op.reads, *op.writes)))
            for memory in self.reached.memories(None, 0, cells, frozenset()):
                self.combinations += 1
                ours, theirs = _effects(row.op, memory, mine.name), _effects(op, memory, its.name)
                if not _same(ours, theirs):
                    yield Difference(mine.name, (), mine.op.name, its.op.name, _why(ours, theirs, memory))
                    break


@dataclass
class _Threads:
    """One thread of each model.

    Where both look at the same cells they go on together; if they are `thorough` also one by one, for one may look more
    often than the other.
    """

    whole: _Comparison
    number: int
    thorough: bool = False

    def __post_init__(self) -> None:
        self.first, self.second = self.whole.tables.automata[self.number], self.whole.automata[self.number]
        self.name, self.cpu = self.first.thread.name, self.second.thread.cpu
        self.pairs: dict[Key, Pair] = {}
        self.memories: dict[Key, list[InMemory]] = {}

    def difference(self) -> Difference | None:
        """The first difference; None if the threads are equal."""
        start = Pair(self.first.start, self.second.start, frozenset(), ())
        self.pairs[start.key] = start
        todo = [start]
        for at in todo:  # grows
            self.memories[at.key] = list(self._in_memories(at, todo))
        self.whole.pairs += len(todo)
        self.whole.combinations += sum(map(len, self.memories.values()))
        equal = self._equal()
        if start.key in equal:
            self._list_silent(start.key, equal)
            return None
        return self._shown(start.key, equal)

    # ---- the ways on ---------------------------------------------------------------------------------------------

    def _in_memories(self, at: Pair, todo: list[Pair]) -> Iterator[InMemory]:
        ops = self._op(at.first), self._op(at.second)
        cells = [cell for op in ops if op is not None for cell in (*op.reads, *op.writes)]
        if ops == (None, None) and bool(at.first.asserts) == bool(at.second.asserts):
            return
        reached = self.whole.reached
        for memory in reached.memories(self.number, at.first.number, tuple(dict.fromkeys(cells)), at.knows):
            ours, theirs = (None if op is None else _effects(op, memory, self.name) for op in ops)
            ways = tuple(self._ways(at, ops, memory, (ours, theirs), todo))
            yield InMemory(memory, ours == [], ways)

    def _op(self, state: LocalState) -> Op | None:
        return None if state.op is None else self.whole.wrapped(state.op, self.cpu)

    def _ways(
        self,
        at: Pair,
        ops: tuple[Op | None, Op | None],
        memory: Memory,
        effects: tuple[OpEffects | None, OpEffects | None],
        todo: list[Pair],
    ) -> Iterator[Way]:
        """The ways on; new pairs are appended to `todo`."""
        (ours, theirs), (first, second) = effects, ops
        if ours is not None and theirs is not None and _same(ours, theirs):
            assert first is not None
            assert second is not None
            to = [self._both(at, first, mine, its) for mine, its in zip(ours, theirs, strict=True)]
            alike = first.reads == second.reads and first.writes == second.writes
            yield Way(True, tuple(self._met(pair, todo) for pair in to), alike=alike)
            if alike and not (self.thorough and _silent(ours)):
                return
        if theirs is not None and _silent(theirs):
            assert second is not None
            pair = self._second_alone(at, second, memory, theirs[0][1])
            yield Way(False, (self._met(pair, todo),), f"only the second: {_said(self.second, at.second)}")
        if ours is not None and _silent(ours):
            assert first is not None
            history = (*at.history, Answered(f"the first alone: {first.name}", f"returns {shown(ours[0][1])}"))
            pair = Pair(self.first.after(at.first, ours[0][1]), at.second, frozenset(), history)
            yield Way(False, (self._met(pair, todo),), f"only the first: {_said(self.first, at.first)}")

    def _met(self, pair: Pair, todo: list[Pair]) -> Key:
        if pair.key not in self.pairs:
            self.pairs[pair.key] = pair
            todo.append(pair)
        return pair.key

    def _both(self, at: Pair, op: Op, ours: tuple[OpEffect, Any], theirs: tuple[OpEffect, Any]) -> Pair:
        effect, returned = ours
        step = Answered(op.name, str(effect) if effect != NOTHING else f"returns {shown(returned)}")
        first, second = self.first.after(at.first, returned), self.second.after(at.second, theirs[1])
        return Pair(first, second, frozenset(), (*at.history, step))

    def _second_alone(self, at: Pair, op: Op, memory: Memory, returned: Any) -> Pair:
        stays = {(cell, memory[cell]) for cell in op.reads}
        stays -= self.whole.reached.changed_by_others(self.number, at.first.number)
        history = (*at.history, Answered(f"the second alone: {op.name}", f"returns {shown(returned)}"))
        return Pair(at.first, self.second.after(at.second, returned), at.knows | stays, history)

    # ---- which pairs are equal -----------------------------------------------------------------------------------

    def _equal(self) -> set[Key]:
        """The greatest set in which every pair goes on to its pairs, by finitely many silent steps at a time."""
        equal = set(self.pairs)
        while True:
            kept: set[Key] = set()
            grown = True
            while grown:
                more = {key for key in equal - kept if all(self._goes_on(m, equal, kept) for m in self.memories[key])}
                kept |= more
                grown = bool(more)
            if kept == equal:
                return equal
            equal = kept

    def _goes_on(self, at: InMemory, equal: set[Key], kept: set[Key]) -> bool:
        return any(equal.issuperset(w.to) if w.together or at.waits else kept.issuperset(w.to) for w in at.ways)

    def _list_silent(self, start: Key, equal: set[Key]) -> None:
        """Note the silent steps that were needed."""
        todo, met = [start], {start}
        for key in todo:  # grows
            for at in self.memories[key]:
                way = next(w for w in at.ways if equal.issuperset(w.to))
                if way.silent:
                    self.whole.silent[way.silent] = None
                todo += [to for to in way.to if to not in met]
                met.update(way.to)

    # ---- what differs --------------------------------------------------------------------------------------------

    def _shown(self, start: Key, equal: set[Key]) -> Difference:
        """The nearest pair that cannot go on, where each time the best way is taken that there is."""
        todo, met = [start], {start}
        last: tuple[Key, Memory] = start, {}
        for key in todo:  # grows
            for at in self.memories[key]:
                if any(equal.issuperset(way.to) for way in at.ways):
                    continue
                if not at.ways:
                    return self._described(self.pairs[key], at.memory)
                last = key, at.memory
                best = next((way for way in at.ways if way.alike), at.ways[0])
                following = [to for to in best.to if to not in equal and to not in met]
                met.update(following)
                todo += following
        key, memory = last  # every way goes on in silence without end
        return replace(self._described(self.pairs[key], memory), why="one of them goes on in silence without end")

    def _described(self, at: Pair, memory: Memory) -> Difference:
        sides = [None if op is None else _effects(op, memory, self.name) for op in map(self._op, (at.first, at.second))]
        why = _why(sides[0], sides[1], memory)
        return Difference(self.name, at.history, _said(self.first, at.first), _said(self.second, at.second), why)


# ---- operations on values ----------------------------------------------------------------------------------------

OpEffects = list[tuple[OpEffect, Any]]


def _effects(op: Op, memory: Mapping[Cell, Hashable], where: str) -> OpEffects:
    """Each outcome in this memory: what it changes, and what it returns."""
    found = []
    for outcome in outcomes_of(op, tuple(memory[cell] for cell in op.reads), where):
        written = zip(op.writes, outcome.written, strict=True)
        changes = frozenset((cell, value) for cell, value in written if memory[cell] != value)
        found.append((OpEffect(changes, outcome.violated), outcome.value))
    return found


def _same(ours: OpEffects, theirs: OpEffects) -> bool:
    return [effect for effect, _ in ours] == [effect for effect, _ in theirs]


def _silent(effects: OpEffects) -> bool:
    return len(effects) == 1 and effects[0][0] == NOTHING


def _why(ours: OpEffects | None, theirs: OpEffects | None, memory: Memory) -> str:
    """How effects differ, in words."""
    mine, its = (
        "has ended" if side is None else "; or ".join(str(effect) for effect, _ in side) or "is blocked"
        for side in (ours, theirs)
    )
    changed = {cell for side in (ours, theirs) for effect, _ in side or () for cell, _ in effect.changes}
    where = ", ".join(f"{cell} {shown(value)}" for cell, value in memory.items() if cell in changed)
    return f"{f'where {where}: ' if where else ''}the first: {mine}; the second: {its}"


def _said(automaton: Automaton, state: LocalState) -> str:
    if state.op is None:
        return f"the end ({state.asserts})" if state.asserts else "the end"
    return f"{state.op.name} ({place(automaton.suspended(state))})"
