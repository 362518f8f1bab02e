"""Random walks: for models too large to search, and to learn a model's tables before it is searched.

Which agent goes next is chosen by several schedulers in turn (`core.explore.schedulers`): a walk that picks uniformly
at every step hardly ever lets one thread run far ahead.  The schedulers use which accesses are shared and how many
there are, as learned from the walks before.  Among several outcomes of an operation one is picked at random.

When a walk finds a violation, its path is shortened: steps are left out, in ever smaller groups, as long as the rest
can be walked and violates the same property (delta debugging).  The trace is short, but not always shortest.

Data types
    Walked   one walk: its steps, and what it violated
"""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from core.explore.cursor import Broken, Choice, Cursor, step_broken
from core.explore.model import Limits, Model, Verdict
from core.explore.schedulers import Knowledge, Scheduler, scheduler
from core.explore.search_result import SENTENCES, deadline
from core.explore.trace import steps
from core.explore.transition_tables import Move, TransitionTables

SHUFFLED = 0.1
"""Probability, at each step of `wander`, that the agents' priorities are shuffled."""

AHEAD = 500
"""Local states that `ahead` goes to, at most."""


class Walked(NamedTuple):
    """One walk. `kind` is its scheduler's class name, `shared` how many of its accesses were to shared cells."""

    kind: str
    shared: int
    path: list[Choice]
    broken: Broken | None


def walk(model: Model, seed: int = 0, walks: int = 1000, depth: int = 1000, limits: Limits = Limits()) -> Verdict:
    """Walk `walks` times at random, up to `depth` steps each, until the timeout.  The verdict is never exhaustive.

    The same seed gives the same walks.  In the verdict `states` and `transitions` count the steps taken, and `depth` is
    the length of the longest walk.  Raises ExploreError if a program does what it may not.
    """
    tables = TransitionTables(model)
    taken, longest = 0, 0
    unreached = [prop.name for prop in model.sometimes]
    end = deadline(limits, None)
    bound = f"{walks} random walks of up to {depth} steps, seed {seed}"
    for number, walked in enumerate(many(tables, seed, walks, depth, unreached), 1):
        taken, longest = taken + len(walked.path), max(longest, len(walked.path))
        if walked.broken is not None:
            path = shorten(tables, walked.path, walked.broken)
            return _verdict(tables, walked.broken, path, taken, longest, bound, unreached)
        if end is not None and time.monotonic() > end and number < walks:
            bound = f"{limits.timeout:g} seconds; {number} of {bound}"
            break
    return _verdict(tables, Broken("", ""), [], taken, longest, bound, unreached)


def many(tables: TransitionTables, seed: int, walks: int, depth: int, unreached: list[str]) -> Iterator[Walked]:
    """All walks, including those that violate something. Removes from `unreached` the properties that they reach."""
    rng, know = random.Random(seed), Knowledge(tables)
    for number in range(walks):
        know.refresh()
        chooses = scheduler(number, know, rng)
        walk = _Walk(know, rng, chooses, depth)
        broken = walk.run(unreached)
        if broken is None:
            know.learn(walk.made)
        shared = sum(count for (_, cells), count in walk.made.items() if cells)
        yield Walked(type(chooses).__name__, shared, walk.path, broken)


def wander(tables: TransitionTables, seed: int, count: int) -> None:
    """Take about `count` random steps, to fill the tables.

    The agent with the highest priority goes, and priorities are shuffled now and then: that reaches more local states
    than picking an agent uniformly at each step.
    """
    rng = random.Random(seed)
    order = list(range(len(tables.rows) + len(tables.daemons)))
    cursor, threads = Cursor(tables), len(tables.rows)
    moves: tuple[Move, ...] = ()
    for _ in range(count):
        if rng.random() < SHUFFLED:
            rng.shuffle(order)
        for agent in order:
            moves = cursor.moves(agent)
            if moves:
                break
        if not moves or (agent >= threads and cursor.ended()):
            cursor = Cursor(tables)
            rng.shuffle(order)
        elif not cursor.go(agent, rng.choice(moves)):
            rng.shuffle(order)


def ahead(start: Cursor, thread: int, known: int) -> None:
    """Learn the local states, of those from number `known` on, that a thread reaches alone from here."""
    todo, seen = [start], set[int]()
    while todo:
        at = todo.pop()
        for move in at.moves(thread):
            if move.after >= known and move.after not in seen and len(seen) < AHEAD:
                seen.add(move.after)
                after = at.copy()
                after.go(thread, move)
                todo.append(after)


class _Walk:
    """One walk in progress. `made` counts its accesses by agent and shared cells (a bit mask)."""

    def __init__(self, know: Knowledge, rng: random.Random, chooses: Scheduler, depth: int) -> None:
        self.know, self.rng, self.chooses, self.depth = know, rng, chooses, depth
        self.path: list[Choice] = []
        self.made: Counter[tuple[int, int]] = Counter()
        self.cursor = Cursor(know.tables)

    def run(self, unreached: list[str]) -> Broken | None:
        """Walk to the end; the violation, or None. Removes from `unreached` the properties that hold on the way."""
        broken, idle = self._see(unreached), 0
        while broken is None and len(self.path) < self.depth:
            able = [agent for agent in range(self.know.agents) if self.cursor.moves(agent)]
            if not able:
                return None if self.cursor.ended() else Broken("deadlock", SENTENCES["deadlock"])
            agent = self.chooses.choose(self.cursor, able)
            move, changed = self._go(agent)
            broken = step_broken(self.know.tables, move) or self._see(unreached)
            self.chooses.gone(self.cursor, agent, able, changed)
            idle = 0 if changed else idle + 1
            if idle > self.know.agents and self.cursor.ended():  # every daemon has had a turn and changed nothing
                return None
        return broken

    def _go(self, agent: int) -> tuple[Move, bool]:
        """Let the agent take a step. Returns its move, and whether it changed the state."""
        self.made[agent, self.know.shared(self.cursor, agent)] += 1
        move = self.rng.choice(self.cursor.moves(agent))
        self.path.append(Choice(agent, move.outcome))
        return move, self.cursor.go(agent, move)

    def _see(self, unreached: list[str]) -> Broken | None:
        unreached[:] = [name for name in unreached if not self.cursor.holds(name)]
        return self.cursor.broken()


def shorten(tables: TransitionTables, path: Sequence[Choice], broken: Broken) -> list[Choice]:
    """`path` without the steps that are not needed to violate the same property."""
    path = _until(tables, path, broken) or list(path)
    size = max(len(path) // 2, 1)
    while size:
        at = 0
        while at < len(path):
            shorter = _until(tables, [*path[:at], *path[at + size :]], broken)
            if shorter is not None and len(shorter) < len(path):
                path = shorter
            else:
                at += size
        size //= 2
    return path


def _until(tables: TransitionTables, path: Sequence[Choice], broken: Broken) -> list[Choice] | None:
    """Those steps of `path` that can be taken, up to the violation of the property; None if it is not violated."""
    cursor, taken = Cursor(tables), list[Choice]()
    for choice in path:
        moves = cursor.moves(choice.agent)
        if choice.outcome >= len(moves):
            continue
        move = moves[choice.outcome]
        cursor.go(choice.agent, move)
        taken.append(choice)
        now = step_broken(tables, move) or cursor.broken()
        if now is not None:
            return taken if now.name == broken.name else None
    return taken if broken.name == "deadlock" and _stuck(cursor) else None


def _stuck(cursor: Cursor) -> bool:
    agents = range(len(cursor.tables.rows) + len(cursor.tables.daemons))
    return not cursor.ended() and not any(cursor.moves(agent) for agent in agents)


def _verdict(
    tables: TransitionTables,
    broken: Broken,
    path: Sequence[Choice],
    taken: int,
    longest: int,
    bound: str,
    unreached: list[str],
) -> Verdict:
    return Verdict(
        violated=broken.name,
        sentence=broken.sentence,
        trace=steps(tables, path),
        states=taken,
        transitions=taken,
        depth=longest,
        exhaustive=False,
        bounds=bound,
        unreached=tuple(unreached),
        searcher="walk",
        reductions=(),
    )
