"""Kernel C on one path: threads that are resumed with the answers that they get, in place of all that there may be.

Counting has one schedule.  So a function need not be learned, and may have thousands of states.  A word that the model
does not know is answered in every way, as in learning, and must not decide what is asked for next.
"""

from __future__ import annotations

from itertools import islice
from typing import NamedTuple

from core.tree.learn import Unlearned, word_of
from core.tree.unit import LoadedUnit, Snapshot
from core.tree.vocabulary import Vocabulary, Word

MOST_HIDDEN = 10_000
"""States that follow one another with words that the model does not know."""

MOST_WORDS = 1_000_000
"""That a thread asks for in one step."""


class StepOfC(NamedTuple):
    """What the thread number `call` asks for, in order: for the answer to the last of `words` it waits.

    The others have one answer each, `said`.  A thread that has returned `result` has `ended`, and waits for none.
    """

    call: int
    words: tuple[Word, ...]
    said: tuple[int, ...]
    ended: bool
    result: int = 0


class Stepper:
    """The threads of a unit that have started and not ended, by number: C calls the model, which calls C again."""

    def __init__(self, unit: LoadedUnit, vocabulary: Vocabulary) -> None:
        self.unit, self.vocabulary = unit, vocabulary
        self._started = 0
        self._waiting: dict[int, tuple[Snapshot, int]] = {}

    def start(self, entry: str, args: tuple[int, ...], cpus: int) -> StepOfC:
        """Call `entry`. Unlearned if it asks for what no rule knows."""
        self.unit.set("NCPU", cpus)
        self._started += 1
        return self._at(self._started, self.unit.start(entry, args), cpus)

    def answer(self, call: int, value: int) -> StepOfC:
        """Go on with a thread. Unlearned as of `start`."""
        at, cpus = self._waiting.pop(call)
        self.unit.set("NCPU", cpus)
        return self._at(call, self.unit.resume(at, value), cpus)

    def _at(self, call: int, reached: Snapshot, cpus: int) -> StepOfC:
        """Run on until the model has to say something."""
        words: list[Word] = []
        said: list[int] = []
        while True:
            at = self._visible(reached, cpus)
            if at.asked is None:
                return StepOfC(call, tuple(words), tuple(said), True, at.result)
            words.append(word_of(at.asked))
            answers = self._answers(words[-1], cpus)
            if len(answers) > 1:
                self._waiting[call] = at, cpus
                return StepOfC(call, tuple(words), tuple(said), False)
            if len(words) > MOST_WORDS:
                raise Unlearned(at.asked.site, f"asks without end: {words[-1]}")
            said += answers
            reached = self.unit.resume(at, answers[0])

    def _answers(self, word: Word, cpus: int) -> list[int]:
        rule = self.vocabulary.rule(word)
        assert rule is not None
        return list(islice(rule.answers(word, cpus), 2))

    def _visible(self, start: Snapshot, cpus: int) -> Snapshot:
        """The first state with a word that the model knows. Unlearned if there are several, of which one is asked."""
        if not self._hidden(start):
            return start
        found: Snapshot | None = None
        todo, met = [start], {start}
        while todo:
            at = todo.pop()
            if not self._hidden(at):
                if found is not None and (at.asked, at.result) != (found.asked, found.result):
                    raise Unlearned(_site(start), f"the hidden word {_said(start)} decides what is done next")
                found = at
                continue
            assert at.asked is not None
            rule = self.vocabulary.rule(word_of(at.asked))
            assert rule is not None
            for answer in rule.answers(word_of(at.asked), cpus):
                after = self.unit.resume(at, answer)
                if after not in met:
                    met.add(after)
                    todo.append(after)
            if len(met) > MOST_HIDDEN:
                raise Unlearned(_site(at), f"waits in a loop for which no answer is an end: {_said(at)}")
        if found is None:
            raise Unlearned(_site(start), f"waits in a loop for which no answer is an end: {_said(start)}")
        return found

    def _hidden(self, at: Snapshot) -> bool:
        if at.asked is None:
            return False
        rule = self.vocabulary.rule(word_of(at.asked))
        if at.asked.kind == "wide" or rule is None:
            raise Unlearned(at.asked.site, f"the model has no meaning for: {word_of(at.asked)}")
        return rule.do is None


def _site(at: Snapshot) -> int:
    return at.asked.site if at.asked else 0


def _said(at: Snapshot) -> str:
    return str(word_of(at.asked)) if at.asked else "none"
