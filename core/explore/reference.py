"""Breadth-first search in plain Python: every interleaving, shortest counterexample first.

The search goes level by level.  A state is expanded by each thread's pending operation and each daemon, in the order
of the model, outcome by outcome; so the first violation found is a shortest one, and the same one on every run.

With a plan (`core.explore.plan`) local states that are the same are one, and a thread that may hurry goes alone; what
it does after a step of its own without a choice is part of that step.
"""

from __future__ import annotations

import time
from functools import partial

from core.explore.found import Choice, Found, first_violation
from core.explore.fuse import LONGEST
from core.explore.model import Limits, Model, Property
from core.explore.path import concrete
from core.explore.place import Place
from core.explore.plan import Plan, representative
from core.explore.plan import none as no_plan
from core.explore.symmetry import Image
from core.explore.tables import Move, Tables

CHECK_EVERY = 1 << 10
"""States between two looks at the clock."""

BYTES_PER_STATE = 200
"""What a state costs here, measured: its bytes object, the dictionary entry, the list entries."""


class Search:
    """One search. Agents are the threads, then the daemons."""

    def __init__(
        self,
        tables: Tables,
        limits: Limits,
        stop_at_violation: bool,
        budget: int | None = None,
        plan: Plan | None = None,
    ) -> None:
        self.tables, self.limits, self.stop = tables, limits, stop_at_violation
        self.budget, self.gave_up = budget, False
        self.plan = no_plan(tables) if plan is None else plan
        self.hurries = any(self.plan.hurry)
        self.model: Model = tables.model
        self.threads = len(tables.automata)
        self.found = Found()
        self.states: list[bytes] = []
        self.index: dict[bytes, int] = {}
        self.parents: list[tuple[int, int, Move] | None] = []
        self.sometimes = list(self.model.sometimes)
        self.deadline = None if limits.timeout is None else time.monotonic() + limits.timeout

    def run(self) -> Found:
        """Search until everything is seen, a violation is found, or a limit is hit.

        With a budget of states it may instead give up (`gave_up`), for the other searcher to begin anew.
        """
        try:
            self._run()
        except KeyboardInterrupt:
            self._bound("interrupted")
        self.found.states = len(self.states)
        return self.found

    def _run(self) -> None:
        if self._visit(b"", None):
            return
        at = 0
        while at < len(self.states):
            end = len(self.states)
            while at < end:
                if self._expand(at):
                    return
                at += 1
                if at % CHECK_EVERY == 0 and self._limited(end, at):
                    return
            self.found.depth += 1
            if self._limited(end, at):
                return
        self.found.depth -= 1

    def _expand(self, at: int) -> bool:
        """Visit all successors of state number `at`. True if the search is over."""
        state = self.states[at]
        moved = False
        for agent, moves in self._enabled(state):
            for move in moves:
                self.found.transitions += 1
                successor = self.successor(state, agent, move)
                moved |= successor != state
                if move.violated and self._violation(move.violated, at, (agent, move)):
                    return True
                if successor not in self.index and self._visit(successor, (at, agent, move)):
                    return True
        return not moved and not self._all_ended(state) and self._violation("deadlock", at, None)

    def _enabled(self, state: bytes) -> list[tuple[int, tuple[Move, ...]]]:
        tables, size, first = self.tables, len(state), self.tables.first_cell
        enabled = []
        for thread in range(self.threads):
            at = 2 * thread
            local = (state[at] if at < size else 0) | (state[at + 1] << 8 if at + 1 < size else 0)
            row = tables.rows[thread][local]
            if row is None:
                continue
            values = tuple([state[first + c] if first + c < size else 0 for c in row.reads])
            moves = row.moves.get(values)
            if moves is None:
                moves = self._learned(tables.moves(thread, local, row, values))
            if moves:
                if self.hurries and self._may_hurry(state, thread, local):
                    return [(thread, moves)]
                enabled.append((thread, moves))
        for number, row in enumerate(tables.daemons):
            values = tuple([state[first + c] if first + c < size else 0 for c in row.reads])
            moves = row.moves.get(values)
            if moves is None:
                moves = self._learned(tables.daemon_moves(self.model.daemons[number], row, values))
            if moves:
                enabled.append((self.threads + number, moves))
        return enabled

    def _learned(self, moves: tuple[Move, ...]) -> tuple[Move, ...]:
        """What has just been learned is checked for symmetry."""
        if self.plan.symmetry is not None:
            self.plan.symmetry.close()
        return moves

    def _may_hurry(self, state: bytes, thread: int, local: int) -> bool:
        urgent = self.plan.hurry[thread].get(local)
        return urgent is not None and urgent.allows([self.local(state, t) for t in range(self.threads)])

    def successor(self, state: bytes, agent: int, move: Move) -> bytes:
        """The state after `move` of `agent`, and after what it hurries to do behind it."""
        state = self.apply(state, agent, move)
        if not self.hurries or agent >= self.threads:
            return self.canonical(state)
        for _ in range(LONGEST):
            local = self.local(state, agent)
            row = self.tables.rows[agent][local]
            if row is None or not self._may_hurry(state, agent, local):
                break
            values = self.values(state, row.reads)
            moves = row.moves.get(values)
            if moves is None:
                moves = self._learned(self.tables.moves(agent, local, row, values))
            if len(moves) != 1:
                break
            state = self.apply(state, agent, moves[0])
        return self.canonical(state)

    def canonical(self, state: bytes) -> bytes:
        """What is explored in place of `state`: the least of its images under the symmetry."""
        if self.plan.symmetry is None:
            return state
        return min([state, *[self._image(state, image) for image in self.plan.symmetry.images]])

    def _image(self, state: bytes, image: Image) -> bytes:
        first, same = self.tables.first_cell, self.plan.same
        new = bytearray(first + len(self.tables.cells))
        for thread, to in enumerate(image.threads):
            local = representative(same[to], image.locals[thread][self.local(state, thread)])
            new[2 * to], new[2 * to + 1] = local & 255, local >> 8
        for cell, value in enumerate(state[first:]):
            new[first + image.cells[cell]] = image.values[cell][value]
        return bytes(new).rstrip(b"\0")

    def values(self, state: bytes, cells: tuple[int, ...]) -> tuple[int, ...]:
        """The cells' value numbers in `state`."""
        first, size = self.tables.first_cell, len(state)
        return tuple([state[first + c] if first + c < size else 0 for c in cells])

    def apply(self, state: bytes, agent: int, move: Move) -> bytes:
        """The state after `move` of `agent`."""
        first = self.tables.first_cell
        need = first + max([c for c, _ in move.writes], default=0) + 1
        new = bytearray(state)
        if len(new) < need:
            new.extend(bytes(need - len(new)))
        if agent < self.threads:
            after = representative(self.plan.same[agent], move.after)
            new[2 * agent] = after & 255
            new[2 * agent + 1] = after >> 8
        for cell, value in move.writes:
            new[first + cell] = value
        return bytes(new).rstrip(b"\0")

    def _visit(self, state: bytes, parent: tuple[int, int, Move] | None) -> bool:
        number = self.index[state] = len(self.states)
        self.states.append(state)
        self.parents.append(parent)
        for thread in range(self.threads):
            message = self.tables.asserts(thread, self.local(state, thread))
            if message and self._violation("assertion", number, None, message):
                return True
        for prop in self.model.always:
            if not self._holds(prop, state) and self._violation(prop.name, number, None, prop.sentence):
                return True
        if self.model.finally_ and self._all_ended(state):
            for prop in self.model.finally_:
                if not self._holds(prop, state) and self._violation(prop.name, number, None, prop.sentence):
                    return True
        for prop in [p for p in self.sometimes if self._holds(p, state)]:
            self.found.reached.add(prop.name)
            self.sometimes.remove(prop)
        return False

    def local(self, state: bytes, thread: int) -> int:
        """The thread's local state in `state`."""
        pair = state[2 * thread : 2 * thread + 2]
        return int.from_bytes(pair, "little")

    def _all_ended(self, state: bytes) -> bool:
        return all(self.tables.rows[t][self.local(state, t)] is None for t in range(self.threads))

    def _holds(self, prop: Property, state: bytes) -> bool:
        cells = self.tables.reads(prop)
        return self.tables.holds(prop, cells, self.values(state, cells))

    def _violation(self, name: str, at: int, last: tuple[int, Move] | None, sentence: str = "") -> bool:
        """Remember the first violation; True if the search stops at it."""
        if not self.found.violated:
            first_violation(self.found, self.model, name, sentence, self.stop)
            self.found.find_path = partial(self._path, at, last[1].violated if last else "")
        return self.stop

    def _path(self, at: int, violated: str) -> list[Choice]:
        """The way to state number `at`, and the step from there that violates `violated` ('' for none)."""
        numbers = []
        while (parent := self.parents[at]) is not None:
            numbers.append(at)
            at = parent[0]
        way = [self.states[number] for number in reversed(numbers)]
        return concrete(self.tables, way, self._key, self.hurries, violated)

    def _key(self, place: Place) -> bytes | None:
        """The state that is explored in place of this one; None if no image of it is known."""
        locals_ = [representative(same, local) for same, local in zip(self.plan.same, place.locals, strict=True)]
        state = b"".join(local.to_bytes(2, "little") for local in locals_) + bytes(place.cells)
        try:
            return self.canonical(state.rstrip(b"\0"))
        except (KeyError, IndexError):
            return None

    def _limited(self, level_end: int, at: int) -> bool:
        limits, states = self.limits, len(self.states)
        if self.budget is not None and states > self.budget:
            self.gave_up = True
            return True
        if limits.max_states is not None and states >= limits.max_states:
            return self._bound(f"{limits.max_states} states", at)
        if limits.max_memory is not None and states * BYTES_PER_STATE > limits.max_memory:
            return self._bound(f"{limits.max_memory} bytes of memory", at)
        if self.deadline is not None and time.monotonic() > self.deadline:
            return self._bound(f"{limits.timeout:g} seconds", at)
        return False

    def _bound(self, what: str, at: int = 0) -> bool:
        self.found.exhaustive = False
        frontier = len(self.states) - at
        self.found.bounds = f"{what}; depth {self.found.depth} completed, {frontier} states on the frontier"
        return True
