"""Which agent goes next in a random walk.  Several published schedulers take turns, because each finds bugs that others
miss.

    Priorities   PCT (Burckhardt et al., ASPLOS 2010): the agent with the highest priority goes; at d - 1 randomly
                 chosen accesses, the agent about to make one is put below all others.  A bug that needs d such
                 orderings is found with probability at least 1/(n k^(d-1)), for n agents and k accesses
    Weighted     SURW (Zhao et al., ASPLOS 2025): the next access is assigned to an agent with a probability
                 proportional to the accesses that it has left, so all interleavings of these accesses are about equally
                 likely, however different in length the threads are; no other agent makes an access meanwhile
    Races        POS (Yuan et al., CAV 2018): every pending operation has a random priority, drawn again when a
                 conflicting operation is executed, so that every order of conflicting operations is likely

All three consider shared accesses only: to a cell that two agents touch and at least one of them writes.  The first two
may consider a random subset of these cells, drawn for each walk: with fewer accesses the right one is chosen sooner,
and most bugs are about the order of accesses to very few cells.

The environment is treated fairly.  What a daemon does next does not depend on what it did last, so its priority is
drawn again after each of its steps.  An agent whose step changes nothing falls below all others, and an agent that has
waited for LONGEST_WAIT steps goes first.

Data types
    Knowledge    which accesses are shared, and how many a walk makes, as known from the walks so far
    Scheduler    chooses among the agents that can go, and is told the result
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
"""How many shared cells a walk considers; walks take these numbers in turn."""

GUESS = 50
"""Assumed accesses of a walk, before one has been made."""

LONGEST_WAIT = 200
"""Steps that an enabled agent waits at most, so that a thread that polls in a loop does not starve the others."""


class Knowledge:
    """What is known about a model's accesses. Agents are numbered as in `Choice`; sets of cells are bit masks."""

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
        """Recompute which cells are shared, if the tables have grown."""
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
        """The cells that an agent's pending operation reads, and those that it writes."""
        if agent < self.threads:
            return touched(self.tables.rows[agent][cursor.locals[agent]])
        return touched(self.tables.daemons[agent - self.threads])

    def shared(self, cursor: Cursor, agent: int) -> int:
        """The shared cells among those that an agent's pending operation touches."""
        key = agent, cursor.locals[agent] if agent < self.threads else 0
        found = self._shared.get(key)
        if found is None:
            reads, writes = self.touched(cursor, agent)
            others_read, others_write = self._others[agent]
            found = self._shared[key] = writes & (others_read | others_write) | reads & others_write
        return found

    def learn(self, made: Counter[tuple[int, int]]) -> None:
        """Add a complete walk: how often each agent accessed which shared cells."""
        self.walks += 1
        self._made.update(made)

    def accesses(self, cells: int) -> list[float]:
        """For each agent, the mean number of its accesses to any of `cells` in a walk."""
        made = [0] * self.agents
        for (agent, shared), count in self._made.items():
            if shared & cells:
                made[agent] += count
        return [count / self.walks if self.walks else GUESS / self.agents for count in made]

    def some(self, rng: random.Random, number: int) -> int:
        """A random subset of `number` shared cells; all of them if there are no more."""
        every = _bits(self._made)
        return sum(1 << cell for cell in rng.sample(every, number)) if number < len(every) else -1


class Scheduler(Protocol):
    """Chooses the agents of one walk."""

    def choose(self, cursor: Cursor, able: Sequence[int]) -> int:
        """The agent that goes next, out of `able`, those that can."""

    def gone(self, cursor: Cursor, agent: int, able: Sequence[int], changed: bool) -> None:
        """`agent` has taken a step, while `able` could; `changed` says whether the state is different now."""


class _Ranked:
    """Random priorities that starve no agent."""

    def __init__(self, know: Knowledge, rng: random.Random) -> None:
        self.know, self.rng = know, rng
        self.priority = [rng.random() for _ in range(know.agents)]
        self.waited = [0] * know.agents
        self.lowest, self.highest = -1.0, 1.0

    def choose(self, cursor: Cursor, able: Sequence[int]) -> int:
        """An agent that has waited too long, else the one that `pick` chooses."""
        late = next((agent for agent in able if self.waited[agent] >= LONGEST_WAIT), None)
        if late is None:
            return self.pick(cursor, able)
        self.highest += 1
        self.priority[late] = self.highest
        return late

    def pick(self, cursor: Cursor, able: Sequence[int]) -> int:
        """The agent with the highest priority; subclasses choose differently."""
        return self.first(able)

    def first(self, agents: Sequence[int]) -> int:
        """The one of `agents` with the highest priority."""
        return max(agents, key=self.priority.__getitem__)

    def gone(self, cursor: Cursor, agent: int, able: Sequence[int], changed: bool) -> None:
        """Lower the priority of an agent that changed nothing; draw a daemon's priority again."""
        for other in able:
            self.waited[other] += 1
        self.waited[agent] = 0
        if not changed:
            self.lowest -= 1
            self.priority[agent] = self.lowest
        elif agent >= self.know.threads:
            self.priority[agent] = self.rng.random()


class Priorities(_Ranked):
    """PCT: `changes` priority changes, each at a random access to one of `cells`."""

    def __init__(self, know: Knowledge, rng: random.Random, cells: int, changes: int) -> None:
        super().__init__(know, rng)
        places = max(round(sum(know.accesses(cells))), changes)
        self.cells, self.changes, self.seen = cells, set(rng.sample(range(places), changes)), -1

    def pick(self, cursor: Cursor, able: Sequence[int]) -> int:
        """The agent with the highest priority, after the priority change that is due at this access, if any."""
        agent = self.first(able)
        while self.know.shared(cursor, agent) & self.cells:
            self.seen += 1
            if self.seen not in self.changes:
                break
            self.priority[agent] = -self.rng.random()
            agent = self.first(able)
        return agent


class Weighted(_Ranked):
    """SURW over the accesses to `cells`; between these accesses, priorities decide."""

    def __init__(self, know: Knowledge, rng: random.Random, cells: int) -> None:
        super().__init__(know, rng)
        self.cells, self.left, self.meant = cells, know.accesses(cells), -1

    def pick(self, cursor: Cursor, able: Sequence[int]) -> int:
        """The highest-priority agent, out of those that make no access now and the one whose access is next."""
        if self.meant not in able:
            self.meant = self.rng.choices(able, [max(self.left[agent], 0.5) for agent in able])[0]
        agent = self.first([a for a in able if a == self.meant or not self.know.shared(cursor, a) & self.cells])
        if self.know.shared(cursor, agent) & self.cells:
            self.left[agent] -= 1
            self.meant = -1
        return agent


class Races(_Ranked):
    """POS: a priority for each pending operation. `going` are the cells touched by the operation that goes."""

    going = (0, 0)

    def choose(self, cursor: Cursor, able: Sequence[int]) -> int:
        """As the base class; also note which cells the operation touches."""
        agent = super().choose(cursor, able)
        self.going = self.know.touched(cursor, agent)
        return agent

    def gone(self, cursor: Cursor, agent: int, able: Sequence[int], changed: bool) -> None:
        """Draw new priorities for the agent that went and for those whose pending operation conflicts with its step."""
        for other in able:
            if other == agent or conflict(self.going, self.know.touched(cursor, other)):
                self.priority[other] = self.rng.random()
        super().gone(cursor, agent, able, changed)


KINDS = (Priorities, Weighted, Priorities, Weighted, Races)
"""The order in which schedulers take turns."""


def scheduler(number: int, know: Knowledge, rng: random.Random) -> Scheduler:
    """The scheduler of walk `number`."""
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
