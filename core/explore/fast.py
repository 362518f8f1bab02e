"""The compiled searcher: the reference's breadth-first search with its inner loops in machine code.

States, edges, depth and traces are those of the reference, to the letter: the order in which states are found is the
same, and the way back to a state takes the first predecessor in that order.

Python is asked only for what is not known yet.  The loops leave at the first state that lacks an answer, all holes in
the rest of the level are collected, `Tables` learns them, and the loops go on.  When a value or a local state no longer
fits its field, the layout is widened and the states found so far are translated; the search goes on where it was.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import partial
from typing import Any

from core.explore import kernel
from core.explore.found import Choice, Found, deadline, first_violation
from core.explore.layout import TAKEN, Layout, LayoutFull, lay_out, width
from core.explore.model import Limits, Property
from core.explore.numeric import numpy
from core.explore.packed import Packed
from core.explore.path import concrete
from core.explore.place import Place
from core.explore.plan import Plan, PlanBroken, held, representative
from core.explore.plan import none as no_plan
from core.explore.tables import Move, Tables

np = numpy()

FULL = 0.6
"""How full the hash table may get."""

PAUSE = 1 << 17
"""New states between two looks at the clock: some hundredths of a second."""

QUICK = 1 << 24
"""Below this size the table grows fourfold, because memory is not the worry and time is."""

FIRST_CHECK = 1 << 15
"""States after which a plan is checked for the first time; then whenever there are twice as many."""

WANTED = 1 << 12


class FastSearch:
    """One search in machine code."""

    def __init__(
        self,
        tables: Tables,
        limits: Limits,
        stop_at_violation: bool,
        plan: Plan | None = None,
        started: float | None = None,
    ) -> None:
        self.tables, self.limits, self.stop = tables, limits, stop_at_violation
        self.plan = no_plan(tables) if plan is None else plan
        self.model = tables.model
        self.found = Found()
        self.sometimes = list(self.model.sometimes)
        self.packed: Packed = None  # type: ignore[assignment]  # until the first layout
        self.deadline = deadline(limits, started)
        self.control = np.zeros(kernel.CONTROL_SIZE, np.int64)
        self.levels = [0]
        self.check_at, self.entries = FIRST_CHECK, tables.entries()
        for prop in (*self.model.always, *self.model.finally_, *self.model.sometimes):
            tables.reads(prop)
        self._translate(self._layout(None))
        words = self.packed.layout.words
        self.states = np.zeros((1 << 14) * words, np.int64)
        self.table = np.zeros((1 << 15) * words, np.int64)
        self._room()

    # What the arrays are, and how they grow.

    def _layout(self, before: Layout | None) -> Layout:
        """Room for everything known; a field of `before` that is too small gets room for twice as much.

        Unless that takes another word: words cost more than translating once more.
        """
        threads = [len(rows) for rows in self.tables.rows]
        cells = [len(values) for values in self.tables.values]
        tight = lay_out([width(n) for n in threads], [width(n) for n in cells])
        if before is None:
            return tight
        old_cells = [*[f.bits for f in before.cells], *[0] * (len(cells) - len(before.cells))]
        roomy = lay_out(
            [_widened(n, f.bits) for n, f in zip(threads, before.threads, strict=True)],
            [_widened(n, bits) for n, bits in zip(cells, old_cells, strict=True)],
        )
        return tight if tight.words < roomy.words else roomy

    def _translate(self, layout: Layout) -> None:
        """Make the arrays for `layout`."""
        if self.packed is not None:
            self._tick()
        self.packed = Packed(self.tables, layout, self.plan)
        model = self.model
        watched = [
            *[(p, kernel.ALWAYS) for p in model.always],
            *[(p, kernel.FINALLY) for p in model.finally_],
            *[(p, kernel.SOMETIMES) for p in self.sometimes],
        ]
        self.watched: list[Property] = [prop for prop, _ in watched]
        self.packed.watch(watched)
        self.exchange = self.packed.exchange()
        self.work = self.packed.work()
        self.machine = self.packed.machine()

    def _refresh(self) -> None:
        """After learning: the arrays may be others now. LayoutFull if something has no room."""
        if self.plan.symmetry is not None:
            self.plan.symmetry.close()
            self.packed.grow()
            self.exchange = self.packed.exchange()
        if len(self.work.notes) // 4 < kernel.BATCH + self.packed.most_moves():
            self.work = self.packed.work()
        self.machine = self.packed.machine()

    def _room(self) -> None:
        """How many states fit."""
        words = self.packed.layout.words
        self.control[kernel.LIMIT] = min(self.states.size, int(self.table.size * FULL)) // words

    def _grow(self) -> bool:
        """Make room for more states. False if the memory allowed does not suffice."""
        words, count = self.packed.layout.words, int(self.control[kernel.COUNT])
        need = count + len(self.work.notes) // 4
        states, table = self.states.size, self.table.size
        while states < need * words:
            states = states * 3 // 2
        while int(table * FULL) < need * words:
            table *= 4 if table < QUICK else 2
        if self.limits.max_memory is not None and 8 * (states + table) > self.limits.max_memory:
            return False
        if states != self.states.size:
            self.states = _resized(self.states, states)
        if table != self.table.size:
            self._rehash(table)
        self._room()
        return True

    def _rehash(self, size: int) -> None:
        words, buffered = self.packed.words, int(self.control[kernel.BUFFERED])
        self.table = np.zeros(0, np.int64)
        self.table = np.zeros(size, np.int64)
        kernel.rehash(words, self.states, int(self.control[kernel.COUNT]), self.table)
        kernel.place_again(words, self.work, buffered, self.table)

    def _widen(self) -> None:
        """A number did not fit: translate everything into a wider layout."""
        before = self.packed
        if self.plan.symmetry is not None:
            self.plan.symmetry.close()
        self._translate(self._layout(before.layout))
        after, count = self.packed.layout, int(self.control[kernel.COUNT])
        old = self.states[: count * before.layout.words].reshape(count, before.layout.words)
        states = np.zeros(len(self.states) // before.layout.words * after.words, np.int64)
        new = states.reshape(-1, after.words)
        new[:count, 0] = TAKEN
        pairs = [
            *zip(before.layout.threads, after.threads, strict=True),
            *zip(before.layout.cells, after.cells, strict=False),
        ]
        for source, target in pairs:
            if source.bits:
                new[:count, target.word] |= ((old[:, source.word] >> source.shift) & source.mask) << target.shift
        self.states = states
        self._rehash(self.table.size // before.layout.words * after.words)
        self._room()

    # The search.

    def run(self) -> Found:
        """Search until everything is seen, a violation is found, or a limit is hit."""
        try:
            self._run()
        except KeyboardInterrupt:
            self._bound("interrupted")
        self.found.states = int(self.control[kernel.COUNT])
        self.found.transitions = int(self.control[kernel.EDGES])
        self._tick()
        return self.found

    def _tick(self) -> None:
        """Note which sometimes-properties have held."""
        for number, prop in enumerate(self.watched):
            _, kind, active = self.packed.props[number].tolist()
            if kind == kernel.SOMETIMES and not active:
                self.found.reached.add(prop.name)
                self.sometimes.remove(prop)

    def _run(self) -> None:
        self.states[0] = TAKEN
        self.control[kernel.COUNT] = 1
        self._rehash(self.table.size)
        if self._look(0):
            return
        while self.control[kernel.NEXT] < self.control[kernel.COUNT]:
            self.control[kernel.LEVEL_END] = self.control[kernel.COUNT]
            self.levels.append(int(self.control[kernel.LEVEL_END]))
            if self._level():
                return
            self.found.depth += 1
        self.found.depth -= 1

    def _planned(self) -> None:
        """Now and then: is the plan still right?  PlanBroken if not, so that little is searched in vain."""
        if self.control[kernel.COUNT] < self.check_at or not self.plan.wanted:
            return
        self.check_at = 2 * int(self.control[kernel.COUNT])
        entries = self.tables.entries()
        if entries != self.entries and not held(self.tables, self.plan):
            raise PlanBroken
        self.entries = self.tables.entries()

    def _level(self) -> bool:
        """Expand one level. True if the search is over."""
        while True:
            why = self._step()
            if why == kernel.DONE:
                self._planned()
                return self._limited()
            if why == kernel.MISS:
                self._learn()
            elif why == kernel.ASK:
                *words, agent = self.work.asked.tolist()
                self._ask_all([(agent, words)])
            elif why == kernel.GROW:
                if not self._grow():
                    return self._bound(f"{self.limits.max_memory} bytes of memory")
            elif self._said(why) or self._limited():
                return True

    def _said(self, why: int) -> bool:
        """Deal with a state or step that has something to say. True if the search is over."""
        source = int(self.control[kernel.SOURCE])
        if why == kernel.LOOK:
            return self._look(int(self.control[kernel.COUNT]) - 1)
        if why == kernel.DEADLOCK:
            return self._violation("deadlock", source)
        if why == kernel.VIOLATED_STEP:
            violated = [move.violated for _, move in self._successors(self._words(source)) if move.violated]
            return self._violation(violated[0], source, step=True)
        return False

    def _step(self) -> int:
        packed, states = self.packed, int(self.control[kernel.COUNT])
        pause = states + PAUSE
        if self.limits.max_states is not None:
            pause = min(pause, max(self.limits.max_states, states + 1))
        self.control[kernel.PAUSE_AT] = pause
        return int(
            kernel.expand(packed.words, self.control, self.states, self.table, self.machine, self.exchange, self.work)
        )

    def _learn(self) -> None:
        """Learn what the rest of the level lacks."""
        wanted = np.zeros((WANTED, 2), np.int64)
        first, end = int(self.control[kernel.NEXT]), int(self.control[kernel.LEVEL_END])
        holes = kernel.misses(self.packed.words, first, end, self.states, self.machine, wanted)
        self._ask_all([(agent, self._words(state)) for state, agent in wanted[:holes].tolist()])

    def _ask_all(self, questions: Sequence[tuple[int, Sequence[int]]]) -> None:
        full = False
        for agent, words in questions:
            full |= self._ask(agent, words)
        try:
            if not full:
                self._refresh()
        except LayoutFull:
            full = True
        if full:
            self._widen()

    def _ask(self, agent: int, words: Sequence[int]) -> bool:
        """Learn what an agent does in a state. True if the layout has no room for it."""
        packed, tables = self.packed, self.tables
        locals_, cells = packed.unpack(words)
        row = tables.rows[agent][locals_[agent]] if agent < packed.running else tables.daemons[agent - packed.running]
        assert row is not None
        values = tuple([cells[c] for c in row.reads])
        moves = row.moves.get(values)
        if moves is None:
            moves = self._moves(agent, locals_, values)
        number = packed.row_of[packed.threads[agent, 3] + (locals_[agent] if agent < packed.running else 0)]
        try:
            packed.grow()
            packed.add_moves(agent, int(number), values, moves)
        except LayoutFull:
            return True
        return False

    def _moves(self, agent: int, locals_: Sequence[int], values: tuple[int, ...]) -> tuple[Move, ...]:
        tables = self.tables
        if agent < len(locals_):
            row = tables.rows[agent][locals_[agent]]
            assert row is not None
            return tables.moves(agent, locals_[agent], row, values)
        number = agent - len(locals_)
        return tables.daemon_moves(self.model.daemons[number], tables.daemons[number], values)

    def _words(self, state: int) -> list[int]:
        words = self.packed.layout.words
        return [int(w) for w in self.states[state * words : (state + 1) * words]]

    def _successors(self, words: Sequence[int]) -> list[tuple[int, Move]]:
        """All moves in a state, in order."""
        locals_, cells = self.packed.unpack(words)
        rows = [self.tables.rows[t][n] for t, n in enumerate(locals_)] + list(self.tables.daemons)
        found = []
        for agent, row in enumerate(rows):
            if row is not None:
                values = tuple([cells[c] for c in row.reads])
                moves = row.moves.get(values)
                found += [(agent, m) for m in (self._moves(agent, locals_, values) if moves is None else moves)]
        return found

    # What is said about a state.

    def _look(self, state: int) -> bool:
        """Look at a new state as the reference does, learning properties. True if the search is over."""
        locals_, cells = self.packed.unpack(self._words(state))
        quiet = bool(self.control[kernel.QUIET])
        for thread, local in enumerate(locals_):
            message = self.tables.asserts(thread, local)
            if message and not quiet and self._violation("assertion", state, message):
                return True
        ended = all(self.tables.rows[t][n] is None for t, n in enumerate(locals_))
        for number, prop in enumerate(self.watched):
            row, kind, active = self.packed.props[number].tolist()
            if not active or (kind == kernel.FINALLY and not ended):
                continue
            reads = self.tables.reads(prop)
            values = tuple([cells[c] for c in reads])
            holds = self.tables.holds(prop, reads, values)
            self.packed.add_property(row, values, holds)
            self.machine = self.packed.machine()
            if kind == kernel.SOMETIMES:
                if holds:
                    self.packed.props[number, 2] = 0
            elif not holds and not quiet and self._violation(prop.name, state, prop.sentence):
                return True
        return False

    def _violation(self, name: str, state: int, sentence: str = "", step: bool = False) -> bool:
        """Note the first violation, in a state or (with `step`) in a step from it. True if the search is over."""
        if not self.found.violated:
            first_violation(self.found, self.model, name, sentence, self.stop)
            self.found.find_path = partial(self._path, state, name if step else "")
            self.control[kernel.QUIET] = 0 if self.stop else 1
        return self.stop

    def _path(self, state: int, violated: str) -> list[Choice]:
        """The way to a state, and the step from there that violates `violated` ('' for none)."""
        level = max(n for n, first in enumerate(self.levels) if first <= state)
        way = []
        while level:
            way.append(tuple(self._words(state)))
            level -= 1
            state = kernel.predecessor(
                self.packed.words, self.levels[level], self.levels[level + 1], state, self.states, self.machine,
                self.exchange, self.work,
            )  # fmt: skip
        return concrete(self.tables, way[::-1], self._key, any(self.plan.hurry), violated)

    def _key(self, place: Place) -> tuple[int, ...] | None:
        """The words of the state that is explored in place of this one; None if it does not fit them."""
        packed, same = self.packed, self.plan.same
        words = [TAKEN, *[0] * (packed.layout.words - 1)]
        locals_ = [representative(same[thread], local) for thread, local in enumerate(place.locals)]
        known = len(packed.layout.cells)
        fields = zip((*packed.layout.threads, *packed.layout.cells), (*locals_, *place.cells[:known]), strict=False)
        if any(place.cells[known:]):
            return None
        for field, number in fields:
            if number > field.mask:
                return None
            words[field.word] |= number << field.shift
        if self.plan.symmetry is None:
            return tuple(words)
        array = np.array(words, np.int64)
        kernel.canonical(packed.words, self.exchange, self.work, array, 0)
        return tuple(int(word) for word in array)

    def _limited(self) -> bool:
        if self.limits.max_states is not None and self.control[kernel.COUNT] >= self.limits.max_states:
            return self._bound(f"{self.limits.max_states} states")
        if self.deadline is not None and time.monotonic() > self.deadline:
            return self._bound(f"{self.limits.timeout:g} seconds")
        return False

    def _bound(self, what: str) -> bool:
        frontier = int(self.control[kernel.COUNT] - self.control[kernel.NEXT])
        self.found.exhaustive = False
        self.found.bounds = f"{what}; depth {self.found.depth} completed, {frontier} states on the frontier"
        return True


def _widened(known: int, bits: int) -> int:
    """Bits for `known` numbers in a field of `bits`: those, or room for twice as many if they do not fit."""
    return bits if width(known) <= bits else width(2 * known)


def _resized(array: Any, size: int) -> Any:
    """`array` with another size, without a copy where the system can do that."""
    array.resize(size, refcheck=False)
    return array
