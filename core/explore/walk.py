"""Random walks: for models too large to search, and to get to know one before it is searched.

A walk chooses who goes next as PCT does (Burckhardt et al., ASPLOS 2010): every thread and daemon has a random
priority, the highest that can go goes, and at a few random moments the one that goes falls below all others.  A bug
that needs d such changes is found with a probability that falls with the number of steps to the power of d - 1 only,
while a walk that tosses a coin at every step hardly ever lets one thread run far ahead.

A walk that finds a violation is replayed step by step and then shortened: steps are left out, in ever smaller pieces,
as long as what remains can be walked and breaks the same property.  Such a trace is short, but not always shortest.
"""

from __future__ import annotations

import random
import time
from collections.abc import Sequence

from core.explore.found import SENTENCES, deadline
from core.explore.model import Limits, Model, Verdict
from core.explore.place import Broken, Choice, Place, step_broken
from core.explore.tables import Move, Tables
from core.explore.trace import steps

SHUFFLED = 0.1
"""How often `wander` deals the priorities anew."""

CHANGES = 3
"""Priority changes in a walk at most."""


def walk(model: Model, seed: int = 0, walks: int = 1000, depth: int = 1000, limits: Limits = Limits()) -> Verdict:
    """Walk `walks` times at random, up to `depth` steps each, until the timeout; the verdict is always bounded.

    The same seed gives the same walks.  `states` counts the steps taken and `depth` the longest walk; nothing is
    known of distinct states.  Raises an `ExploreError` for what a program may not do.
    """
    tables = Tables(model)
    rng = random.Random(seed)
    taken, longest = 0, 0
    unreached = [prop.name for prop in model.sometimes]
    end = deadline(limits, None)
    bound = f"{walks} random walks of up to {depth} steps, seed {seed}"
    for number in range(walks):
        if end is not None and time.monotonic() > end:
            bound = f"{limits.timeout:g} seconds; {number} of {bound}"
            break
        walked = _Walk(tables, rng, depth, longest or depth)
        broken = walked.run(unreached)
        taken, longest = taken + len(walked.path), max(longest, len(walked.path))
        if broken is not None:
            path = shorten(tables, walked.path, broken)
            return _verdict(tables, broken, path, taken, longest, bound, unreached)
    return _verdict(tables, Broken("", ""), [], taken, longest, bound, unreached)


def wander(tables: Tables, seed: int, count: int) -> None:
    """Take about `count` steps at random, to learn what the programs do in all their parts.

    Priorities are dealt anew at every tenth step or so, which meets more local states than tossing a coin each time.
    """
    rng = random.Random(seed)
    order = list(range(len(tables.rows) + len(tables.daemons)))
    place, threads = Place(tables), len(tables.rows)
    moves: tuple[Move, ...] = ()
    for _ in range(count):
        if rng.random() < SHUFFLED:
            rng.shuffle(order)
        for agent in order:
            moves = place.moves(agent)
            if moves:
                break
        if not moves or (agent >= threads and place.ended()):
            place = Place(tables)
            rng.shuffle(order)
        elif not place.go(agent, rng.choice(moves)):
            rng.shuffle(order)


class _Walk:
    """One walk.  `expected` is how long it may become: the changes of priority are spread over that."""

    def __init__(self, tables: Tables, rng: random.Random, depth: int, expected: int) -> None:
        self.tables, self.rng, self.depth = tables, rng, depth
        self.order = list(range(len(tables.rows) + len(tables.daemons)))
        rng.shuffle(self.order)
        self.changes = {rng.randrange(expected) for _ in range(rng.randrange(CHANGES + 1))}
        self.path: list[Choice] = []
        self.place = Place(tables)

    def run(self, unreached: list[str]) -> Broken | None:
        """What it breaks, if anything. Strikes out of `unreached` what it reaches."""
        broken = self._see(unreached)
        while broken is None and len(self.path) < self.depth:
            agent = self._next()
            if agent is None:
                return None if self.place.ended() else Broken("deadlock", SENTENCES["deadlock"])
            if len(self.path) in self.changes:
                self.order.remove(agent)
                self.order.append(agent)
            moves = self.place.moves(agent)
            move = moves[self.rng.randrange(len(moves))]
            self.path.append(Choice(agent, move.outcome))
            idle = not self.place.go(agent, move)
            broken = step_broken(self.tables, move) or self._see(unreached)
            if idle:  # it polls: let others go
                self.order.remove(agent)
                self.order.append(agent)
                if self._polls():
                    return None
        return broken

    def _next(self) -> int | None:
        return next((agent for agent in self.order if self.place.moves(agent)), None)

    def _polls(self) -> bool:
        """Has nothing happened for as long as everybody needs to have a turn?"""
        return len(self.path) > len(self.order) and self.place.ended()

    def _see(self, unreached: list[str]) -> Broken | None:
        unreached[:] = [name for name in unreached if not self.place.holds(name)]
        return self.place.broken()


def shorten(tables: Tables, path: Sequence[Choice], broken: Broken) -> list[Choice]:
    """Leave out of `path` what is not needed to break the same property."""
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


def _until(tables: Tables, path: Sequence[Choice], broken: Broken) -> list[Choice] | None:
    """The steps of `path` that can be taken, up to where they break the property; None if they do not."""
    place, taken = Place(tables), list[Choice]()
    for choice in path:
        moves = place.moves(choice.agent)
        if choice.outcome >= len(moves):
            continue
        move = moves[choice.outcome]
        place.go(choice.agent, move)
        taken.append(choice)
        now = step_broken(tables, move) or place.broken()
        if now is not None:
            return taken if now.name == broken.name else None
    return taken if broken.name == "deadlock" and _stuck(place) else None


def _stuck(place: Place) -> bool:
    agents = range(len(place.tables.rows) + len(place.tables.daemons))
    return not place.ended() and not any(place.moves(agent) for agent in agents)


def _verdict(
    tables: Tables, broken: Broken, path: Sequence[Choice], taken: int, longest: int, bound: str, unreached: list[str]
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
