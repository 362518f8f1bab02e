"""Who goes next in a random walk.  Several published ways of choosing take turns, for each finds what others miss.

    Priorities   PCT (Burckhardt et al., ASPLOS 2010): the highest priority goes; at d - 1 accesses, chosen at random,
                 whoever is about to make one falls below all others.  A bug that needs d such orderings is found with a
                 probability of 1/(n k^(d-1)) at least, with n agents and k places for a change
    Weighted     SURW (Zhao et al., ASPLOS 2025): an access is meant for each agent in proportion to how many it has
                 left, which makes all interleavings of these accesses about equally likely, however unlike in length
                 the threads are; nobody else makes one meanwhile
    Races        POS (Yuan et al., CAV 2018): every pending operation has a priority of its own, drawn anew when an
                 operation goes that conflicts with it, so that of all orders of the conflicting ones each is likely

All three choose by shared accesses alone: a cell counts only if two agents touch it and one of them writes.  The first
two may look at some of these cells only, drawn anew for each walk: the fewer places there are for a change, the sooner
the right one is drawn, and most bugs are about the order of accesses to very few cells.

The environment is treated fairly: what a daemon does next has nothing to do with what it did last, so its priority is
drawn anew whenever it has gone; whoever changes nothing falls below all others, and who has waited long goes first.

Data types
    Knowledge    which accesses are shared, and how many of them there are in a walk, from the walks so far
    Scheduler    chooses among the agents that can go, and is told how it went
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from typing import Protocol

from core.explore.cursor import Cursor
from core.explore.transition_tables import TransitionRow, TransitionTables, conflict, touched

DEPTHS = 4
"""PCT's d goes from 1 to this."""

SOME = (1, 3, 6, 1 << 16)
"""How many shared cells a walk looks at: one walk after the other has one of these."""

GUESS = 50
"""Accesses of a walk before any is known."""

LONGEST_WAIT = 200
"""Steps that whoever can go waits at most: a thread that polls in several steps keeps nobody waiting for ever."""


class Knowledge:
    """What is known of a model's accesses. Agents are numbered as in `Choice`."""

    def __init__(self, tables: TransitionTables) -> None:
        self.tables = tables
        self.threads = len(tables.rows)
        self.agents = self.threads + len(tables.daemons)
        self.walks = 0
        self._made: Counter[tuple[int, int]] = Counter()
        self._others: list[tuple[int, int]] = []
        self._shared: dict[tuple[int, int], int] = {}
        self._known = -1

    def refresh(self) -> None:
        """Look again who touches what, if more is known since."""
        known = sum(map(len, self.tables.rows))
        if known == self._known:
            return
        self._known = known
        self._shared.clear()
        agents: list[Sequence[TransitionRow | None]] = [
            *self.tables.rows,
            *[[daemon] for daemon in self.tables.daemons],
        ]
        own = [_union([touched(row) for row in rows]) for rows in agents]
        self._others = [_union([*own[:agent], *own[agent + 1 :]]) for agent in range(self.agents)]

    def touched(self, cursor: Cursor, agent: int) -> tuple[int, int]:
        """The cells that an agent's pending operation reads and writes, as bits."""
        if agent < self.threads:
            return touched(self.tables.rows[agent][cursor.locals[agent]])
        return touched(self.tables.daemons[agent - self.threads])

    def shared(self, cursor: Cursor, agent: int) -> int:
        """The cells among these that another agent touches as well, and one of the two writes; as bits."""
        key = agent, cursor.locals[agent] if agent < self.threads else 0
        found = self._shared.get(key)
        if found is None:
            reads, writes = self.touched(cursor, agent)
            others_read, others_write = self._others[agent]
            found = self._shared[key] = writes & (others_read | others_write) | reads & others_write
        return found

    def learn(self, made: Counter[tuple[int, int]]) -> None:
        """Take note of a whole walk: how often each agent touched which shared cells."""
        self.walks += 1
        self._made.update(made)

    def accesses(self, cells: int) -> list[float]:
        """For each agent, how many of its accesses to any of `cells` there are in a walk."""
        made = [0] * self.agents
        for (agent, shared), count in self._made.items():
            if shared & cells:
                made[agent] += count
        return [count / self.walks if self.walks else GUESS / self.agents for count in made]

    def some(self, rng: random.Random, number: int) -> int:
        """Any `number` of the shared cells, as bits; all of them if there are no more."""
        every = _bits(self._made)
        return sum(1 << cell for cell in rng.sample(every, number)) if number < len(every) else -1


class Scheduler(Protocol):
    """One walk's choices."""

    def choose(self, cursor: Cursor, able: Sequence[int]) -> int:
        """Which of the agents that can go goes."""

    def gone(self, cursor: Cursor, agent: int, able: Sequence[int], changed: bool) -> None:
        """It has gone; `able` are those that could; `changed`: anything is different now."""


class _Ranked:
    """Priorities, drawn at random, and fair to all."""

    def __init__(self, know: Knowledge, rng: random.Random) -> None:
        self.know, self.rng = know, rng
        self.priority = [rng.random() for _ in range(know.agents)]
        self.waited = [0] * know.agents
        self.lowest, self.highest = -1.0, 1.0

    def choose(self, cursor: Cursor, able: Sequence[int]) -> int:
        """Who has waited for too long, else who is picked."""
        late = next((agent for agent in able if self.waited[agent] >= LONGEST_WAIT), None)
        if late is None:
            return self.pick(cursor, able)
        self.highest += 1
        self.priority[late] = self.highest
        return late

    def pick(self, cursor: Cursor, able: Sequence[int]) -> int:
        """The highest."""
        return self.first(able)

    def first(self, agents: Sequence[int]) -> int:
        """The highest of these."""
        return max(agents, key=self.priority.__getitem__)

    def gone(self, cursor: Cursor, agent: int, able: Sequence[int], changed: bool) -> None:
        """Draw anew, or lower, the priority of what must not go on for ever."""
        for other in able:
            self.waited[other] += 1
        self.waited[agent] = 0
        if not changed:
            self.lowest -= 1
            self.priority[agent] = self.lowest
        elif agent >= self.know.threads:
            self.priority[agent] = self.rng.random()


class Priorities(_Ranked):
    """PCT with `changes` changes of priority, each at an access to one of `cells`."""

    def __init__(self, know: Knowledge, rng: random.Random, cells: int, changes: int) -> None:
        super().__init__(know, rng)
        places = max(round(sum(know.accesses(cells))), changes)
        self.cells, self.changes, self.seen = cells, set(rng.sample(range(places), changes)), -1

    def pick(self, cursor: Cursor, able: Sequence[int]) -> int:
        """The highest, unless it is lowered at this access."""
        agent = self.first(able)
        while self.know.shared(cursor, agent) & self.cells:
            self.seen += 1
            if self.seen not in self.changes:
                break
            self.priority[agent] = -self.rng.random()
            agent = self.first(able)
        return agent


class Weighted(_Ranked):
    """SURW over the accesses to `cells`; in between, priorities say who goes."""

    def __init__(self, know: Knowledge, rng: random.Random, cells: int) -> None:
        super().__init__(know, rng)
        self.cells, self.left, self.meant = cells, know.accesses(cells), -1

    def pick(self, cursor: Cursor, able: Sequence[int]) -> int:
        """The highest of those whose turn the next access is, or who are about to make none."""
        if self.meant not in able:
            self.meant = self.rng.choices(able, [max(self.left[agent], 0.5) for agent in able])[0]
        agent = self.first([a for a in able if a == self.meant or not self.know.shared(cursor, a) & self.cells])
        if self.know.shared(cursor, agent) & self.cells:
            self.left[agent] -= 1
            self.meant = -1
        return agent


class Races(_Ranked):
    """POS: a priority for each pending operation. `going` is what the one that goes touches."""

    going = (0, 0)

    def choose(self, cursor: Cursor, able: Sequence[int]) -> int:
        """Also remember what goes."""
        agent = super().choose(cursor, able)
        self.going = self.know.touched(cursor, agent)
        return agent

    def gone(self, cursor: Cursor, agent: int, able: Sequence[int], changed: bool) -> None:
        """Draw anew what comes next and what lost the race."""
        for other in able:
            if other == agent or conflict(self.going, self.know.touched(cursor, other)):
                self.priority[other] = self.rng.random()
        super().gone(cursor, agent, able, changed)


KINDS = (Priorities, Weighted, Priorities, Weighted, Races)
"""The order in which they take turns."""


def scheduler(number: int, know: Knowledge, rng: random.Random) -> Scheduler:
    """Who chooses in walk `number`."""
    turn, place = divmod(number, len(KINDS))
    kind, some = KINDS[place], SOME[turn // DEPTHS % len(SOME)]
    if kind is Races:
        return Races(know, rng)
    cells = know.some(rng, some)
    return Weighted(know, rng, cells) if kind is Weighted else Priorities(know, rng, cells, turn % DEPTHS)


def _union(touching: Sequence[tuple[int, int]]) -> tuple[int, int]:
    reads = writes = 0
    for one in touching:
        reads, writes = reads | one[0], writes | one[1]
    return reads, writes


def _bits(made: Counter[tuple[int, int]]) -> list[int]:
    every = 0
    for _, shared in made:
        every |= shared
    return [cell for cell in range(every.bit_length()) if every >> cell & 1]
