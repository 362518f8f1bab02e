"""The model as the inner loops see it, kept in step with the transition tables, which learn what the loops lack.

When a value or a local state no longer fits its field, the layout is widened and all states found so far are
translated; the search then continues.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from core.explore.compiled.arrays import ACTIVE, BATCH, BUFFERED, FINALLY, QUEUE, SOMETIMES, ArrayContext
from core.explore.compiled.exchange import exchange, no_exchange
from core.explore.compiled.packed import Packed
from core.explore.compiled.store import Store
from core.explore.compiled.team import Team, in_turn
from core.explore.compiled.word_layout import LayoutFull, WordLayout, lay_out, width
from core.explore.cursor import Cursor
from core.explore.model import Property
from core.explore.never_ends import MetState, WaitingStates
from core.explore.numeric import numpy
from core.explore.reductions import Plan, mended, representative
from core.explore.transition_tables import Move, TransitionTables
from core.explore.walk import ahead

np = numpy()

AT_ONCE = 1 << 16
"""States that are looked through at once."""

MAX_HOLES = 1 << 12
"""Missing answers that are collected before Python learns them."""

Learned = tuple[int, int, tuple[int, ...], tuple[Move, ...]]
"""An agent, its local state, value numbers and the moves on them."""

WatchedProperties = list[tuple[Property, int]]
"""Properties, each with its kind: ALWAYS, FINALLY or SOMETIMES."""


class LoadedModel:
    """The arrays of one model under a plan, and the states found."""

    def __init__(
        self,
        tables: TransitionTables,
        plan: Plan,
        watched: WatchedProperties,
        max_memory: int | None,
        part_bits: int = 0,
    ) -> None:
        self.tables, self.plan, self.watched = tables, plan, watched
        for prop, _ in watched:
            tables.reads(prop)
        self.store = Store(self._layout(None), max_memory, part_bits)
        self._wanted = np.zeros((MAX_HOLES, 2), np.int64)
        self._pack()

    # The arrays.

    def _layout(self, before: WordLayout | None) -> WordLayout:
        """A layout for everything known and, if that needs no further word, for twice as much.

        A further word costs more than translating the states again.  Room for local states has priority, because they
        are learned longest.  If not all can have room, the fields that overflowed in the layout `before` get it.
        """
        threads, cells = [len(rows) for rows in self.tables.rows], [len(values) for values in self.tables.values]
        tight = lay_out([width(n) for n in threads], [width(n) for n in cells])
        roomy = [
            lay_out([width(2 * n) for n in threads], [width(2 * n) for n in cells]),
            lay_out([width(2 * n) for n in threads], [width(n) for n in cells]),
        ]
        if before is not None:
            old = [*[f.bits for f in before.cells], *[0] * (len(cells) - len(before.cells))]
            widened = [_widened(n, f.bits) for n, f in zip(threads, before.threads, strict=True)]
            roomy.append(lay_out(widened, [_widened(n, bits) for n, bits in zip(cells, old, strict=True)]))
        return next((layout for layout in roomy if layout.size == tight.size), tight)

    def _pack(self) -> None:
        """Make the arrays for the store's layout."""
        self._mended = False
        self.packed = Packed(self.tables, self.store.layout, self.plan)
        self.packed.watch(self.watched)
        self.room = self.packed.room()
        self.store.context.put(self.room)
        self._permutations()
        self._show()

    def _show(self) -> None:
        """Pass the addresses of the arrays to the loops: growing may have moved them."""
        self.store.context.put(self.packed.arrays())

    def _permutations(self) -> None:
        """Pass the permutations to the loops. LayoutFull if an image does not fit its field."""
        layout, symmetry = self.store.layout, self.plan.symmetry
        found = no_exchange(layout) if symmetry is None else exchange(layout, symmetry, self.plan.same)
        self.store.context.put(found)
        self._extent = 0 if symmetry is None else symmetry.extent()

    def _refresh(self) -> None:
        """Update the arrays after learning. LayoutFull if something does not fit its field."""
        if self.plan.symmetry is not None:
            self.plan.symmetry.close()
        self.packed.grow()
        if self._mended:
            self.packed.place_fusions()
            self._mended = False
        if self.plan.symmetry is not None and self.plan.symmetry.extent() != self._extent:
            self._permutations()
        if len(self.room["notes"]) // 4 < BATCH + self.packed.most_moves():
            self.room = self.packed.room()
            self.store.context.put(self.room)
        self._show()

    def _widen(self) -> None:
        """Make a wider layout, after a number did not fit its field, and translate all states."""
        if self.plan.symmetry is not None:
            self.plan.symmetry.close()
        self.watched = self.unticked()
        before = self.store.layout
        after = self._layout(before)
        threads = zip(before.threads, after.threads, strict=True)
        self.store.widen(after, [*threads, *zip(before.cells, after.cells, strict=False)])
        self._pack()

    @property
    def most_buffered(self) -> int:
        """Successors in a full buffer, at most."""
        return len(self.room["notes"]) // 4

    def grow(self, cramped: bool = False) -> None:
        """Make room for another buffer of successors; in a larger table if `cramped`. OutOfMemory if not allowed."""
        self.store.grow(self.most_buffered, cramped)

    def buffered(self) -> Any:
        """The `notes` of all successors in the buffer: violation, source and hash of each."""
        return self.room["notes"].reshape(-1, 4)[: int(self.store.control[BUFFERED])]

    # Learning.

    def learn(self, first: int, end: int, team: Team | None = None) -> None:
        """Learn what the agents do in states first..end, where that is not known; a team finds out faster where."""
        ranges = np.array([(first, end)]) if team is None else team.missing(first, end)
        where = (self.store.context.address, ranges.ctypes.data, len(ranges))
        holes = self.store.loops.misses(*where, self._wanted.ctypes.data, MAX_HOLES)
        states, agents = self._wanted[:holes].T
        self._ask_all(list(zip(agents.tolist(), self.store.words_of(states), strict=True)))

    def learn_fused(self) -> None:
        """Learn the moves of a fused operation that was not known; its state is in `scratch`."""
        *words, agent = self.room["scratch"].tolist()
        self._ask_all([(agent, words)])

    def _ask_all(self, questions: Sequence[tuple[int, Sequence[int]]]) -> None:
        known = self.packed.known()
        learned = [self._ask(agent, words, known) for agent, words in questions]
        self._mend(known)
        try:
            self.packed.grow()
            for agent, local, values, moves in learned:
                self.packed.add_moves(agent, local, values, moves)
            self._refresh()
        except LayoutFull:
            self._widen()

    def _ask(self, agent: int, words: Sequence[int], known: Sequence[int]) -> Learned:
        """Learn what an agent does in a state.

        Where it comes to a local state that is not `known`, what it does there alone is learned too, for the plan.
        """
        local, values, moves = self._moves(agent, words)
        if agent < len(known) and any(move.after >= known[agent] for move in moves):
            at = Cursor(self.tables)
            at.locals, at.cells = self.packed.unpack(words)
            ahead(at, agent, known[agent])
        return agent, local, values, moves

    def _mend(self, known: Sequence[int]) -> None:
        """Mend the plan as long as there are more local states, behind number known[t] of thread t."""
        if not any(self.plan.fusions):
            return
        looked = list(known)
        while True:
            if self.plan.symmetry is not None:
                self.plan.symmetry.close()
            rows = [len(rows) for rows in self.tables.rows]
            if rows == looked:
                return
            self.plan, looked = mended(self.tables, self.plan, known), rows
            self.packed.plan, self._mended = self.plan, True

    def _moves(self, agent: int, words: Sequence[int]) -> tuple[int, tuple[int, ...], tuple[Move, ...]]:
        """An agent's local state (0 of a daemon), the value numbers that it reads there, and its moves on them."""
        tables, daemon = self.tables, agent - self.packed.running
        local = self.packed.local_of(agent, words)
        row = tables.daemons[daemon] if daemon >= 0 else tables.rows[agent][local]
        if row is None:
            return local, (), ()
        values = self.packed.values_of(agent, local, words)
        moves = row.moves.get(values)
        if moves is None and daemon >= 0:
            moves = tables.daemon_moves(tables.model.daemons[daemon], row, values)
        elif moves is None:
            moves = tables.moves(agent, local, row, values)
        return local, values, moves

    # Looking at a state from Python.

    def state(self, number: int) -> tuple[list[int], list[int]]:
        """The local states and the cells' value numbers of state number `number`."""
        return self.packed.unpack(self.store.words(number))

    def waiting(self, waiting: WaitingStates, workers: int) -> Iterator[MetState]:
        """The waiting states (core.explore.never_ends), in order, but those that a few steps leave."""
        self._complete()
        self.store.context.put({"circles": self.packed.circles(waiting.circles)})
        loop, turning = self.store.loops.waiting, waiting.daemons_turn

        def some(first: int) -> list[int]:
            context, found = ArrayContext(), np.zeros(AT_ONCE, np.int64)
            context.take(self.store.context)
            context.put({"queue": np.zeros(QUEUE * self.store.layout.words, np.int64)})
            end = min(first + AT_ONCE, self.store.count)
            held = loop(context.address, first, end, turning, found.ctypes.data)
            numbers: list[int] = found[:held].tolist()
            return numbers

        for numbers in in_turn(some, range(0, self.store.count, AT_ONCE), workers):
            for number in numbers:
                locals_, cells = self.state(number)
                yield MetState(number, tuple(locals_), tuple(cells))

    def _complete(self) -> None:
        """Make the arrays again from all that is known: what was learned in plans and elsewhere is not in them."""
        self.watched = self.unticked()
        try:
            self._pack()
        except LayoutFull:
            self._widen()

    def violated_step(self, state: int) -> str:
        """The property violated by the first violating step from a state."""
        words = self.store.words(state)
        moves = [move for agent in range(len(self.packed.threads)) for move in self._moves(agent, words)[2]]
        return next(move.violated for move in moves if move.violated)

    def broken(self, state: int) -> Iterator[Property]:
        """The properties that a state violates, in order; deactivates the sometimes-properties that hold."""
        locals_, cells = self.state(state)
        ended = all(self.tables.rows[t][n] is None for t, n in enumerate(locals_))
        for number, (prop, kind) in enumerate(self.watched):
            if not self.packed.props[number, ACTIVE] or (kind == FINALLY and not ended):
                continue
            reads = self.tables.reads(prop)
            values = tuple([cells[c] for c in reads])
            holds = self.tables.holds(prop, reads, values)
            self.packed.add_property(number, values, holds)
            self._show()
            if kind == SOMETIMES:
                self.packed.props[number, ACTIVE] = not holds
            elif not holds:
                yield prop

    def unticked(self) -> WatchedProperties:
        """The properties still checked: all but the sometimes-properties that have held."""
        return [one for one, active in zip(self.watched, self.packed.props[:, ACTIVE].tolist(), strict=True) if active]

    def predecessor(self, first: int, end: int, state: int) -> int:
        """The first state in first..end with a step to state number `state`; -1 if there is none."""
        return self.store.loops.predecessor(self.store.context.address, first, end, state)

    def key(self, cursor: Cursor) -> tuple[int, ...] | None:
        """The words of the representative of the cursor's state; None if the state does not fit the layout."""
        layout, same = self.store.layout, self.plan.same
        words = [0] * layout.words
        locals_ = [representative(same[thread], local) for thread, local in enumerate(cursor.locals)]
        known = len(layout.cells)
        if any(cursor.cells[known:]):
            return None
        for field, number in zip((*layout.threads, *layout.cells), (*locals_, *cursor.cells[:known]), strict=False):
            if number > field.mask:
                return None
            words[field.word] |= number << field.shift
        array = np.array(words, np.int64)
        if self.plan.symmetry is not None:
            self.store.loops.canonical(self.store.context.address, array.ctypes.data, 0)
        return tuple(array.tolist())


def _widened(known: int, bits: int) -> int:
    """The width of a field for `known` numbers: `bits` if they fit, else enough for twice as many."""
    return bits if width(known) <= bits else width(2 * known)
