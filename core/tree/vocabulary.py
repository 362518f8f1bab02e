"""The operations of a unit of C, and what each means in the model.

A word is what a thread of C asks for: a kind of access or instruction, and the place that it goes to, by name.  A rule
says what a word means: an operation of the model that returns the answer, or nothing that the model knows (hidden).
What no rule knows is an error: nothing that the C does is silently left out.

Data types
    Word          kind ('read', 'WRITE_ONCE', 'set_bit', 'lock', 'ipte'), place ('mm.context.flush_mm', 'mm_cpumask'),
                  operands: the value of a write, the bits of an atomic
    Rule          kinds and places as fnmatch patterns; all answers that are possible; what is done
    Vocabulary    the rules of an architecture: the first that fits is used
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any, NamedTuple

from core.machine.op import Op


class Word(NamedTuple):
    """What a thread of C asks for."""

    kind: str
    place: str
    a: int = 0
    b: int = 0
    c: int = 0

    def __str__(self) -> str:
        operands = [f"{value:#x}" for value in (self.a, self.b, self.c)]
        while operands and operands[-1] == "0x0":
            operands.pop()
        return " ".join(filter(None, (self.kind, self.place, *operands)))


Do = Callable[[Any, Word], Coroutine[Op, Any, int]]
"""A program: what a word does, on behalf of the hook that is described by the first argument.  Returns the answer."""

Answers = Callable[[Word, int], Iterable[int]]
"""Every answer that a word may get on so many CPUs."""


def nothing(word: Word, cpus: int) -> Iterable[int]:
    """The answer to a word that returns nothing."""
    return (0,)


def masks(word: Word, cpus: int) -> Iterable[int]:
    """Any set of CPUs."""
    return range(1 << cpus)


def truth(word: Word, cpus: int) -> Iterable[int]:
    """0 or 1."""
    return (0, 1)


def just(*values: int) -> Answers:
    """One of these."""
    return lambda word, cpus: values


@dataclass(frozen=True)
class Rule:
    """Words of `kinds` (separated by |) at `place`, if `when` holds.

    `do` is None for a word that the model does not know, and `why` says why it need not.
    """

    kinds: str
    place: str = "*"
    do: Do | None = None
    answers: Answers = nothing
    why: str = ""
    when: Callable[[Word], bool] = lambda word: True

    def fits(self, word: Word) -> bool:
        """Is it about `word`?"""
        kinds = self.kinds.split("|")
        return fnmatchcase(word.place, self.place) and any(fnmatchcase(word.kind, k) for k in kinds) and self.when(word)


def hidden(kinds: str, place: str = "*", why: str = "", answers: Answers = nothing) -> Rule:
    """Words that change nothing that the model knows."""
    return Rule(kinds, place, None, answers, why)


@dataclass(frozen=True, eq=False)
class Vocabulary:
    """All rules of an architecture."""

    __shootdown_entity__ = True

    rules: tuple[Rule, ...]
    _found: dict[Word, Rule | None] = field(default_factory=dict)

    def rule(self, word: Word) -> Rule | None:
        """The first rule that fits, or None: then the model has no meaning for the word."""
        if word not in self._found:
            self._found[word] = next((rule for rule in self.rules if rule.fits(word)), None)
        return self._found[word]


EVERYWHERE = (
    hidden("barrier *", why="the model is sequentially consistent"),
    hidden("preempt_*", why="each task has a CPU of its own"),
    hidden("irq_o*", why="what interrupts may delay is part of the operations that they deliver"),
    hidden("notify", why="there is no second MMU"),
    hidden("cpu_relax", why="a wait is one operation, which is blocked"),
    hidden("trace_*", why="trace points"),
    hidden("WARN_ON", why="a warning changes nothing"),
    hidden("rcu_read_*", why="without it a walker is only more exposed"),
)
"""Rules that every architecture has."""
