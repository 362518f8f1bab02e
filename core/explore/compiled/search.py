"""The compiled search as seen from Python: level by level, and the checks of single states.

States, edges, depth and traces are exactly those of the reference searcher: states are found in the same order, and the
path back from a state takes the first predecessor in that order.

Python is called only for what is not known yet.  The loops return at the first state that lacks an answer; all missing
answers in the rest of the level are collected, `TransitionTables` learns them, and the loops continue.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from functools import partial

from core.base.cores import IdleCores
from core.explore.compiled import arrays, shared
from core.explore.compiled.loaded_model import LoadedModel
from core.explore.compiled.store import OutOfMemory
from core.explore.compiled.team import MOST_WORKERS, NoTeam, Team, part_bits
from core.explore.counterexample import concrete
from core.explore.model import Limits
from core.explore.never_ends import MetState, WaitingStates
from core.explore.reductions import Plan, PlanBroken, held
from core.explore.reductions import none as no_plan
from core.explore.search_result import Choice, SearchResult, deadline, first_violation
from core.explore.transition_tables import TransitionTables

PAUSE = 1 << 17
"""New states between two checks of the limits: some hundredths of a second."""

LEAST_TOGETHER = 1 << 13
"""States left in a level that are worth starting other workers for, and loading their machine code."""

LEAST_ONWARD = 1 << 11
"""States left in a level that are worth waking workers for who have been started."""

FIRST_CHECK = 1 << 17
"""States after which a plan is first checked; then again whenever there are four times as many."""


class FastSearch:
    """One search in machine code, by `workers` threads at most, and by more as long as there are `idle` cores."""

    def __init__(
        self,
        tables: TransitionTables,
        limits: Limits,
        stop_at_violation: bool,
        plan: Plan | None = None,
        started: float | None = None,
        workers: int = 1,
        idle: IdleCores | None = None,
    ) -> None:
        self.tables, self.limits, self.stop = tables, limits, stop_at_violation
        self.found = SearchResult()
        self.deadline = deadline(limits, started)
        model = tables.model
        watched = [
            *[(p, arrays.ALWAYS) for p in model.always],
            *[(p, arrays.FINALLY) for p in model.finally_],
            *[(p, arrays.SOMETIMES) for p in model.sometimes],
        ]
        self.workers = self.allowed = min(workers, MOST_WORKERS)
        self.idle, self.taken, self.may_join = idle, list[int](), idle is not None
        self.most_workers = min(MOST_WORKERS, workers + (0 if idle is None else idle.number))
        self.compiled = LoadedModel(
            tables, no_plan(tables) if plan is None else plan, watched, limits.max_memory, part_bits(self.most_workers)
        )
        self.store, self.control = self.compiled.store, self.compiled.store.control
        self.levels = [0]
        self.team: Team | None = None
        self.alone_to = 0
        self.one_by_one = self.in_step = False
        self.check_at, self.entries = FIRST_CHECK, tables.entries()

    @property
    def plan(self) -> Plan:
        """The plan as it is now: it is mended on the way."""
        return self.compiled.plan

    def run(self) -> SearchResult:
        """Search until every state is visited, a violation is found, or a limit is hit."""
        try:
            self._run()
        except OutOfMemory:
            self._bound(f"{self.limits.max_memory} bytes of memory")
        except KeyboardInterrupt:
            self.found.interrupt(self._frontier())
        finally:
            self._dismiss()
        self.found.states = self.store.count
        self.found.transitions = int(self.control[arrays.EDGES]) - self._ahead()
        left = {prop.name for prop, _ in self.compiled.unticked()}
        self.found.reached = {p.name for p in self.tables.model.sometimes} - left
        return self.found

    def _run(self) -> None:
        if self._look(0):
            return
        while self.control[arrays.NEXT] < self.store.count:
            self.levels.append(self.store.count)
            self._join()
            if self._level():
                return
            self.found.depth += 1
        self.found.depth -= 1

    def _level(self) -> bool:
        """Expand one level. True if the search is over."""
        end = self.levels[-1]
        while True:
            why = self.step()
            if why == arrays.DONE and self.control[arrays.NEXT] >= end:
                self._planned()
                return self._limited()
            if why == arrays.MISS:
                self._learn(int(self.control[arrays.NEXT]), end)
            elif why == arrays.FUSION_MISS:
                self.compiled.learn_fused()
            elif why in (arrays.GROW, arrays.CRAMPED):
                self._grow(cramped=why == arrays.CRAMPED)
            elif self._said(why) or self._limited():
                return True

    def step(self) -> int:
        """Run the loops until they return; the reason, as in `arrays`.

        However many workers there are, a search ends at `max_states` behind the first state with whose successors there
        are as many: before that it goes one by one.
        """
        next_, end, states = int(self.control[arrays.NEXT]), self.levels[-1], self.store.count
        most = None if self.limits.max_states is None else self.limits.max_states - self.compiled.most_buffered
        one = self.one_by_one or (most is not None and states >= most)
        pause = states + PAUSE
        self.control[arrays.PAUSE_AT] = pause if most is None else max(min(pause, most), states + 1)
        self.control[arrays.LEVEL_END] = end
        least = LEAST_TOGETHER if self.team is None else LEAST_ONWARD
        if not one and next_ >= self.alone_to and end - next_ >= least and not self.control[arrays.BUFFERED]:
            team = self._together()
            if team is not None:
                return self._expand(team, most)
        if one:
            self.control[arrays.LEVEL_END] = min(end, next_ + 1)
        elif next_ < self.alone_to:
            self.control[arrays.LEVEL_END] = min(end, self.alone_to)
        return self.store.loops.expand(self.store.context.address)

    # Several workers.

    def _together(self) -> Team | None:
        """The team, if there are several workers."""
        if self.workers == 1:
            return None
        moves = self.compiled.packed.most_moves()
        if self.team is not None and not self.team.fits(moves):
            self._end_team()
        if self.team is None:
            try:
                self.team = Team(self.store, self.workers, self.compiled.packed.running, 2 * moves)
            except NoTeam:
                self._dismiss()
                return None
            self.store.unfold = self.team.unfold
        return self.team

    def _join(self) -> None:
        """Let a worker join for each core that is idle now, if the level is worth it."""
        if self.idle is None or not self.may_join or self.levels[-1] - self.levels[-2] < LEAST_TOGETHER:
            return
        more = self.idle.take(self.most_workers - self.workers)
        if more:
            self.taken += more
            self._end_team()
            self.workers += len(more)

    def _dismiss(self) -> None:
        """From now on there is one worker."""
        self._end_team()
        self.workers, self.may_join = 1, False
        while self.taken:
            os.close(self.taken.pop())

    def _end_team(self) -> None:
        if self.team is not None:
            self.team.close()
            self.team = None
            self.store.unfold = None

    def _expand(self, team: Team, most: int | None) -> int:
        """Let all workers expand what they can of the level; the reason as in `arrays` why Python must go on."""
        why = team.expand(most)
        if why == shared.NEAR_LIMIT:
            self._dismiss()
        elif why in (arrays.GROW, arrays.CRAMPED):
            try:
                if why == arrays.GROW:
                    self.store.grow(team.entries)
                else:
                    self.store.refill()
            except OutOfMemory:  # a single worker needs less at once
                self._dismiss()
        elif why == shared.ALONE:
            self.alone_to = int(self.control[arrays.NEXT]) + 1
        elif why == arrays.LOOK:
            return shared.LOOK_BEHIND
        else:
            return why
        return arrays.PAUSED

    def _learn(self, first: int, end: int) -> None:
        """Learn what is missing in the rest of a level, which all workers look through if they are there."""
        team = self.team
        if team is not None and (end - first < LEAST_ONWARD or not team.fits(self.compiled.packed.most_moves())):
            team = None
        self.compiled.learn(first, end, team)

    def _look_behind(self, team: Team) -> bool:
        """Check the new states of the last block from the first that did not pass on. True if the search is over."""
        state = team.first_look
        while True:
            state = self.store.loops.looks(self.store.context.address, state, self.store.count)
            if state == self.store.count:
                return False
            if self._look(state):
                self.control[arrays.EDGES] = team.edges_to(state)
                self.control[arrays.COUNT] = state + 1
                return True
            state += 1

    # Room.

    def _grow(self, cramped: bool) -> None:
        """Make room. Where there is none, go on one by one, up to the first state whose successors do not fit."""
        try:
            self.compiled.grow(cramped)
        except OutOfMemory:
            self._rewind()
            if self.one_by_one:
                raise
            self.one_by_one = True

    def _rewind(self) -> None:
        """Forget the successors in the buffer from the first state on that has not all of its successors inserted."""
        notes, drained = self.compiled.buffered(), int(self.control[arrays.DRAINED])
        if drained < len(notes):
            source = int(notes[drained, 1])
            self.control[arrays.NEXT] = source
            self.control[arrays.EDGES] -= int(((notes[:, 1] >= source) & (notes[:, 0] != arrays.DEADLOCK_FLAG)).sum())
        self.control[arrays.BUFFERED] = self.control[arrays.DRAINED] = 0

    def _ahead(self) -> int:
        """The edges in the buffer that a search has not come to which was over before."""
        notes = self.compiled.buffered()[int(self.control[arrays.DRAINED]) :]
        return int((notes[:, 0] != arrays.DEADLOCK_FLAG).sum()) - self.in_step

    def _planned(self) -> None:
        """Check the plan now and then, so that little is searched in vain. PlanBroken if it does not hold any more."""
        if self.store.count < self.check_at or not self.plan.wanted:
            return
        self.check_at = 4 * self.store.count
        entries = self.tables.entries()
        if entries != self.entries and not held(self.tables, self.plan):
            raise PlanBroken
        self.entries = self.tables.entries()

    def waiting(self, waiting: WaitingStates) -> Iterator[MetState]:
        """The waiting states of those visited, in order; idle cores help to look for them."""
        large = self.idle is not None and self.store.count >= PAUSE
        taken = self.idle.take(self.most_workers - self.allowed) if self.idle is not None and large else []
        try:
            yield from self.compiled.waiting(waiting, self.allowed + len(taken))
        finally:
            for core in taken:
                os.close(core)

    def path_to(self, number: int) -> Callable[[], list[Choice]]:
        """What computes the path to a state."""
        return partial(self._path, number, "")

    # Checking a state.

    def _said(self, why: int) -> bool:
        """Handle a deadlock, a violating step, or a new state that Python must check. True if the search is over."""
        source = int(self.control[arrays.SOURCE])
        if why == arrays.LOOK:
            return self._look(self.store.count - 1)
        if why == shared.LOOK_BEHIND and self.team is not None:
            return self._look_behind(self.team)
        if why == arrays.DEADLOCK:
            return self._violation("deadlock", source)
        if why == arrays.VIOLATED_STEP:
            return self._violation(self.compiled.violated_step(source), source, step=True)
        return False

    def _look(self, state: int) -> bool:
        """Check a new state as the reference searcher does. True if the search is over."""
        quiet = bool(self.control[arrays.QUIET])
        for thread, local in enumerate(self.compiled.state(state)[0]):
            message = self.tables.asserts(thread, local)
            if message and not quiet and self._violation("assertion", state, message):
                return True
        for prop in self.compiled.broken(state):
            if not quiet and self._violation(prop.name, state, prop.sentence):
                return True
        return False

    def _violation(self, name: str, state: int, sentence: str = "", step: bool = False) -> bool:
        """Record the first violation, in a state or (with `step`) by a step from it. True if the search is over."""
        if not self.found.violated:
            first_violation(self.found, self.tables.model, name, sentence, self.stop)
            self.found.find_path = partial(self._path, state, name if step else "")
            self.control[arrays.QUIET] = 0 if self.stop else 1
            self.in_step = step and self.stop
        return self.stop

    def _path(self, state: int, violated: str) -> list[Choice]:
        """The path to a state, and the step from there that violates `violated` ('' for none)."""
        level = max(n for n, first in enumerate(self.levels) if first <= state)
        way = []
        while level:
            way.append(tuple(self.store.words(state)))
            level -= 1
            state = self.compiled.predecessor(self.levels[level], self.levels[level + 1], state)
        return concrete(self.tables, way[::-1], self.compiled.key, any(self.plan.fusions), violated)

    def _limited(self) -> bool:
        if self.limits.max_states is not None and self.store.count >= self.limits.max_states:
            return self._bound(f"{self.limits.max_states} states")
        if self.deadline is not None and time.monotonic() > self.deadline:
            return self._bound(f"{self.limits.timeout:g} seconds")
        return False

    def _bound(self, what: str) -> bool:
        return self.found.bound(what, self._frontier())

    def _frontier(self) -> int:
        return self.store.count - int(self.control[arrays.NEXT])
