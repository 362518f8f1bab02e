"""Breadth-first search in plain Python: every interleaving, shortest counterexample first.

The search goes level by level.  From each state it takes every move of every agent (threads, then daemons) in the order
of the model.  The first violation found is therefore a shortest one, and the same one on every run.

A state is one integer: 16 bits for each thread's local state and 8 for each cell, in the order in which cells are first
touched.  What an agent does next depends on a few of these bits, which are masked out and looked up.  A cell that is
first touched late is 0 in all earlier states, so nothing has to be done about it.

With a plan (`core.explore.reductions`) equivalent local states are merged, a thread with a fusible operation goes
alone, and the operations fused to a step are part of it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple

from core.explore.counterexample import concrete
from core.explore.cursor import Cursor
from core.explore.model import Limits, Model, Property
from core.explore.never_ends import Asked, MetState, WaitingStates, holds
from core.explore.partial_order import LONGEST, Fusible
from core.explore.reductions import Plan, representative
from core.explore.reductions import none as no_plan
from core.explore.search_result import Choice, SearchResult, deadline, first_violation
from core.explore.symmetry import Image
from core.explore.transition_tables import Move, TransitionRow, TransitionTables

CHECK_EVERY = 1 << 10
"""States expanded between two checks of the limits."""

BYTES_PER_STATE = 250
"""Memory of a state, measured: its integer, its dictionary entry and its list entries."""

LOCAL_BITS, CELL_BITS = 16, 8


class StateUpdate(NamedTuple):
    """A move as arithmetic on a state: the next state is (state | mask) ^ flip."""

    mask: int
    flip: int
    move: Move


@dataclass(slots=True)
class Pending:
    """An agent's pending operation: its row, the bits of a state that it reads, and its updates by those bits."""

    row: TransitionRow
    local: int
    reads: int
    fusible: Fusible | None
    updates: dict[int, tuple[StateUpdate, ...]] = field(default_factory=dict)


@dataclass(slots=True)
class Watched:
    """A property, the bits of a state that it reads, and its results by those bits."""

    prop: Property
    reads: int
    answers: dict[int, bool] = field(default_factory=dict)


class Search:
    """One search. Agents are numbered as in `Choice`: the threads, then the daemons."""

    def __init__(
        self,
        tables: TransitionTables,
        limits: Limits,
        stop_at_violation: bool,
        budget: int | None = None,
        plan: Plan | None = None,
        started: float | None = None,
    ) -> None:
        self.tables, self.limits, self.stop = tables, limits, stop_at_violation
        self.budget, self.gave_up = budget, False
        self.plan = no_plan(tables) if plan is None else plan
        self.fuses = any(self.plan.fusions)
        self.plain = not self.fuses and self.plan.symmetry is None
        self.model: Model = tables.model
        self.threads = len(tables.automata)
        self.first = LOCAL_BITS * self.threads
        self.found = SearchResult()
        self.states: list[int] = []
        self.index: dict[int, int] = {}
        self.at = 0
        self.parents: list[int] = []
        self.always = [self._watch(prop) for prop in self.model.always]
        self.finally_ = [self._watch(prop) for prop in self.model.finally_]
        self.sometimes = [self._watch(prop) for prop in self.model.sometimes]
        self.pending: list[dict[int, Pending | None]] = [{} for _ in range(self.threads)]
        self.local_bits = [((1 << LOCAL_BITS) - 1) << LOCAL_BITS * t for t in range(self.threads)]
        fusibles = [*self.plan.fusions[self.threads :], *({} for _ in tables.daemons)]
        self.daemons = [
            Pending(row, 0, self._bits(row.reads), fusible.get(0))
            for row, fusible in zip(tables.daemons, fusibles, strict=False)
        ]
        self.fused_daemons = [(n, one) for n, one in enumerate(self.daemons, self.threads) if one.fusible is not None]
        self.deadline = deadline(limits, started)

    def run(self) -> SearchResult:
        """Search until every state is visited, a violation is found, or a limit is hit.

        With a `budget` of states it stops beyond that and sets `gave_up`: the caller then starts a better search.
        """
        try:
            self._run()
        except KeyboardInterrupt:
            self.found.interrupt(len(self.states) - self.at)
        self.found.states = len(self.states)
        return self.found

    def _run(self) -> None:
        if self._visit(0, -1):
            return
        while self.at < len(self.states):
            end = len(self.states)
            while self.at < end:
                if self._expand(self.at):
                    return
                self.at += 1
                if self.at % CHECK_EVERY == 0 and self._limited():
                    return
            self.found.depth += 1
            if self._limited():
                return
        self.found.depth -= 1

    def _expand(self, at: int) -> bool:
        """Visit all successors of state number `at`. True if the search is over."""
        state, index, plain = self.states[at], self.index, self.plain
        moved = False
        for agent, updates in self.enabled(state):
            for mask, flip, move in updates:
                self.found.transitions += 1
                successor = (state | mask) ^ flip
                if not plain:
                    successor = self._reduced(successor, agent)
                moved |= successor != state
                if move.violated and self._violation(move.violated, at, step=True):
                    return True
                if successor not in index and self._visit(successor, at):
                    return True
        return not moved and not self._all_ended(state) and self._violation("deadlock", at)

    def enabled(self, state: int) -> list[tuple[int, tuple[StateUpdate, ...]]]:
        """The updates of each agent that is not blocked, by its number; if one may be fused, of that one alone."""
        enabled = []
        for thread, bits in enumerate(self.local_bits):
            try:
                pending = self.pending[thread][state & bits]
            except KeyError:
                pending = self._pending(state, thread)
            if pending is None:
                continue
            updates = pending.updates.get(state & pending.reads)
            if updates is None:
                updates = self._ask(state, thread, pending)
            if updates:
                if pending.fusible is not None and self._may_fuse(state, pending.fusible):
                    return [(thread, updates)]
                enabled.append((thread, updates))
        for number, pending in enumerate(self.daemons, self.threads):
            updates = pending.updates.get(state & pending.reads)
            if updates is None:
                updates = self._ask(state, number, pending)
            if updates:
                if pending.fusible is not None and self._may_fuse(state, pending.fusible):
                    return [(number, updates)]
                enabled.append((number, updates))
        return enabled

    def _pending(self, state: int, thread: int) -> Pending | None:
        """The thread's pending operation; None if it has ended."""
        known, bits = self.pending[thread], state & self.local_bits[thread]
        try:
            return known[bits]
        except KeyError:
            local = bits >> LOCAL_BITS * thread
            row = self.tables.rows[thread][local]
            fusible = self.plan.fusions[thread].get(local)
            found = known[bits] = None if row is None else Pending(row, local, self._bits(row.reads), fusible)
            return found

    def _ask(self, state: int, agent: int, pending: Pending) -> tuple[StateUpdate, ...]:
        """Look the agent's moves up in the tables; if they had to be learned, check the symmetry on them."""
        row, values = pending.row, self.values(state, pending.row.reads)
        moves = row.moves.get(values)
        if moves is None:
            if agent < self.threads:
                moves = self.tables.moves(agent, pending.local, row, values)
            else:
                moves = self.tables.daemon_moves(self.model.daemons[agent - self.threads], row, values)
            if self.plan.symmetry is not None:
                self.plan.symmetry.close()
        found = pending.updates[state & pending.reads] = tuple([self._update(agent, move) for move in moves])
        return found

    def _update(self, agent: int, move: Move) -> StateUpdate:
        mask = put = 0
        if agent < self.threads:
            mask = self.local_bits[agent]
            put = representative(self.plan.same[agent], move.after) << LOCAL_BITS * agent
        for cell, value in move.writes:
            bits, shift = self._bits((cell,)), self.first + CELL_BITS * cell
            mask, put = mask | bits, put & ~bits | value << shift
        return StateUpdate(mask, mask ^ put, move)

    def _bits(self, cells: tuple[int, ...]) -> int:
        """The bits of these cells in a state."""
        bits = 0
        for cell in cells:
            bits |= ((1 << CELL_BITS) - 1) << self.first + CELL_BITS * cell
        return bits

    def values(self, state: int, cells: tuple[int, ...]) -> tuple[int, ...]:
        """The cells' value numbers in `state`."""
        return tuple([state >> self.first + CELL_BITS * cell & (1 << CELL_BITS) - 1 for cell in cells])

    # Reductions.

    def _may_fuse(self, state: int, fusible: Fusible) -> bool:
        for cell, allowed in fusible.guards:
            if state >> self.first + CELL_BITS * cell & (1 << CELL_BITS) - 1 not in allowed:
                return False
        return fusible.allows([(state & b) >> LOCAL_BITS * t for t, b in enumerate(self.local_bits)])

    def _reduced(self, state: int, agent: int) -> int:
        """The representative of `state`, after the operations that are fused to the agent's step into it."""
        if self.fuses:
            for _ in range(LONGEST):
                update = self._fused(state, agent)
                if update is None:
                    break
                state = (state | update.mask) ^ update.flip
        return self.canonical(state)

    def _fused(self, state: int, agent: int) -> StateUpdate | None:
        """What is fused to the agent's step into `state`: its next operation, or a daemon of the memory model."""
        if agent < self.threads:
            pending = self._pending(state, agent)
            if pending is not None and (update := self._only(state, agent, pending)) is not None:
                return update
        for number, daemon in self.fused_daemons:
            if (update := self._only(state, number, daemon)) is not None:
                return update
        return None

    def _only(self, state: int, agent: int, pending: Pending) -> StateUpdate | None:
        """The only update of an operation that may be fused; None if it may not, or has none or several."""
        if pending.fusible is None or not self._may_fuse(state, pending.fusible):
            return None
        updates = pending.updates.get(state & pending.reads)
        if updates is None:
            updates = self._ask(state, agent, pending)
        return updates[0] if len(updates) == 1 else None

    def canonical(self, state: int) -> int:
        """The state that is explored instead of `state`: the smallest of its images under the symmetry."""
        if self.plan.symmetry is None:
            return state
        return min([state, *[self._image(state, image) for image in self.plan.symmetry.images]])

    def _image(self, state: int, image: Image) -> int:
        new, same = 0, self.plan.same
        for thread, to in enumerate(image.threads):
            local = (state & self.local_bits[thread]) >> LOCAL_BITS * thread
            new |= representative(same[to], image.locals[thread][local]) << LOCAL_BITS * to
        rest = state >> self.first
        cells = rest.to_bytes((rest.bit_length() + 7) // 8, "little")
        for cell, value in enumerate(cells):
            new |= image.values[cell][value] << self.first + CELL_BITS * image.cells[cell]
        return new

    def waiting(self, waiting: WaitingStates) -> Iterator[MetState]:
        """The waiting states of those visited, in order."""
        known: dict[int, Asked | None] = {}
        low = (1 << self.first) - 1
        for number, state in enumerate(self.states):
            try:
                asked = known[state & low]
            except KeyError:
                asked = known[state & low] = waiting.asked(self._locals(state))
            if asked is not None:
                rest = state >> self.first
                cells = tuple(rest.to_bytes((rest.bit_length() + 7) // 8, "little"))
                if holds(asked, cells):
                    yield MetState(number, self._locals(state), cells)

    def _locals(self, state: int) -> tuple[int, ...]:
        return tuple([(state & bits) >> LOCAL_BITS * thread for thread, bits in enumerate(self.local_bits)])

    def path_to(self, number: int) -> Callable[[], list[Choice]]:
        """What computes the path to a state."""
        return partial(self._path, number, "")

    # Checking a state.

    def _visit(self, state: int, parent: int) -> bool:
        """Store a new state and check its properties. True if the search is over."""
        number = self.index[state] = len(self.states)
        self.states.append(state)
        self.parents.append(parent)
        if self.tables.any_asserts and self._asserts(state, number):
            return True
        for watched in self.always:
            if not self._holds(watched, state) and self._broken(watched.prop, number):
                return True
        if self.finally_ and self._all_ended(state):
            for watched in self.finally_:
                if not self._holds(watched, state) and self._broken(watched.prop, number):
                    return True
        if self.sometimes:
            self._tick(state)
        return False

    def _tick(self, state: int) -> None:
        for watched in [w for w in self.sometimes if self._holds(w, state)]:
            self.found.reached.add(watched.prop.name)
            self.sometimes.remove(watched)

    def _asserts(self, state: int, number: int) -> bool:
        for thread, bits in enumerate(self.local_bits):
            message = self.tables.asserts(thread, (state & bits) >> LOCAL_BITS * thread)
            if message and self._violation("assertion", number, message):
                return True
        return False

    def _all_ended(self, state: int) -> bool:
        for thread, bits in enumerate(self.local_bits):
            known = self.pending[thread]
            local = state & bits
            if (known[local] if local in known else self._pending(state, thread)) is not None:
                return False
        return True

    def _watch(self, prop: Property) -> Watched:
        return Watched(prop, self._bits(self.tables.reads(prop)))

    def _holds(self, watched: Watched, state: int) -> bool:
        answer = watched.answers.get(state & watched.reads)
        if answer is None:
            cells = self.tables.reads(watched.prop)
            answer = self.tables.holds(watched.prop, cells, self.values(state, cells))
            watched.answers[state & watched.reads] = answer
        return answer

    def _broken(self, prop: Property, at: int) -> bool:
        return self._violation(prop.name, at, prop.sentence)

    def _violation(self, name: str, at: int, sentence: str = "", step: bool = False) -> bool:
        """Record the first violation, in state `at` or (with `step`) by a step from it. True if the search is over."""
        if not self.found.violated:
            first_violation(self.found, self.model, name, sentence, self.stop)
            self.found.find_path = partial(self._path, at, name if step else "")
        return self.stop

    def _path(self, at: int, violated: str) -> list[Choice]:
        """The path to state number `at`, and the step from there that violates `violated` ('' for none)."""
        way = []
        while at:
            way.append(self.states[at])
            at = self.parents[at]
        return concrete(self.tables, way[::-1], self._key, self.fuses, violated)

    def _key(self, cursor: Cursor) -> int | None:
        """The representative of the cursor's state; None if one of its images is not known."""
        state = 0
        for thread, local in enumerate(cursor.locals):
            state |= representative(self.plan.same[thread], local) << LOCAL_BITS * thread
        state |= int.from_bytes(bytes(cursor.cells), "little") << self.first
        try:
            return self.canonical(state)
        except (KeyError, IndexError):
            return None

    def _limited(self) -> bool:
        limits, states = self.limits, len(self.states)
        if self.budget is not None and states > self.budget:
            self.gave_up = True
            return True
        if limits.max_states is not None and states >= limits.max_states:
            return self._bound(f"{limits.max_states} states")
        if limits.max_memory is not None and states * BYTES_PER_STATE > limits.max_memory:
            return self._bound(f"{limits.max_memory} bytes of memory")
        if self.deadline is not None and time.monotonic() > self.deadline:
            return self._bound(f"{limits.timeout:g} seconds")
        return False

    def _bound(self, what: str) -> bool:
        return self.found.bound(what, len(self.states) - self.at)
