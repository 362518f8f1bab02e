"""Learning the automaton of a thread of C: every answer to every request, from every state.

A state is a snapshot: registers, stack and arena, byte by byte.  Equal bytes go on alike, so nothing is merged that
differs; bytes that no longer matter only split states, which minimising puts together again.  That is sound as far as
all of the thread's state is in the snapshot.  So random histories are replayed from the start: a thread that comes
elsewhere than the automaton says has state that nobody sees.
"""

from __future__ import annotations

import random

from core.tree.automaton import LearnedState
from core.tree.errors import TreeError
from core.tree.unit import CRequest, LoadedUnit, Snapshot
from core.tree.vocabulary import Rule, Vocabulary, Word

MOST_STATES = 200_000
HISTORIES, LONGEST = 100, 400
"""Random histories that are replayed, and the steps of each at most."""


class Unlearned(TreeError):
    """The thread does something at `site` that cannot be learned; `what` says what."""

    def __init__(self, site: int, what: str) -> None:
        super().__init__(what)
        self.site, self.what = site, what


def word_of(asked: CRequest) -> Word:
    """A request as a word: sizes are left out, for a place has one."""
    return Word(asked.kind, asked.place, asked.a, asked.b, asked.c)


class Learner:
    """The automaton of the function `entry`, called with `args` on a machine of `cpus` CPUs."""

    def __init__(self, unit: LoadedUnit, vocabulary: Vocabulary, cpus: int) -> None:
        self.unit, self.vocabulary, self.cpus = unit, vocabulary, cpus
        unit.set("NCPU", cpus)

    def learn(self, entry: str, args: tuple[int, ...]) -> list[LearnedState]:
        """All states, the start first. Unlearned if the thread asks what no rule answers, or has too many states."""
        snapshots = [self.unit.start(entry, args)]
        numbers = {snapshots[0]: 0}
        states: list[LearnedState] = []
        while len(states) < len(snapshots):
            at = snapshots[len(states)]
            state = self._state(at)
            states.append(state)
            if at.asked is not None:
                rule = self._rule(at.asked)
                for answer in rule.answers(word_of(at.asked), self.cpus):
                    after = self.unit.resume(at, answer)
                    if after not in numbers:
                        numbers[after] = len(snapshots)
                        snapshots.append(after)
                    state.next[answer] = numbers[after]
            if len(snapshots) > MOST_STATES:
                raise Unlearned(at.asked.site if at.asked else 0, f"{entry}() has more than {MOST_STATES} local states")
        self._replay(entry, args, states, snapshots)
        return states

    def _rule(self, asked: CRequest) -> Rule:
        word = word_of(asked)
        if asked.kind == "wide":
            raise Unlearned(asked.site, f"an access of {asked.size} bytes to {asked.place}; the model has words of 8")
        rule = self.vocabulary.rule(word)
        if rule is None:
            raise Unlearned(asked.site, f"the model has no meaning for: {word}")
        return rule

    def _state(self, at: Snapshot) -> LearnedState:
        if at.asked is None:
            return LearnedState(None, 0, False, at.result)
        return LearnedState(word_of(at.asked), at.asked.site, self._rule(at.asked).do is None)

    def _replay(
        self, entry: str, args: tuple[int, ...], states: list[LearnedState], snapshots: list[Snapshot], seed: int = 1
    ) -> None:
        """Random histories from the start must meet the states that were learned. Unlearned otherwise."""
        dice = random.Random(seed)
        for _ in range(HISTORIES):
            now, at = self.unit.start(entry, args), 0
            for _ in range(LONGEST):
                if now != snapshots[at]:
                    site = now.asked.site if now.asked else 0
                    raise Unlearned(site, f"{entry}() has state outside of its stack: a replayed history differs")
                if now.asked is None:
                    break
                answer = dice.choice(list(states[at].next))
                now, at = self.unit.resume(now, answer), states[at].next[answer]
