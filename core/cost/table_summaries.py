"""What zapping a table does, as forms of the table's numbers; and the summaries that are known.

A summary is made from a walk of the program on symbolic numbers (core/cost/mixed_tables.py).  It holds while the
conditions that the walk has recorded hold.  What the walk depended on besides is the situation and the word, which are
the key of a summary, and what is the same for all zaps that share them (see `TableSummaries`).

Data types
    Sparse            a constant, and the variables on which a number depends
    TableSummary      the summary of a word in a situation
    TableSummaries    all that are known, with their situations
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from core.cost.affine import Conditions, Linear
from core.cost.layout import Stretch
from core.cost.situations import STILL, Situation, Situations
from core.mm.era import Era

TRIED = 16
"""Summaries of one word and situation that are tried: those that were of use last."""

FAILED = 3
"""So often a word is tried that goes another way."""

Terms = tuple[tuple[int, int], ...]
"""(number of the variable, slope), for slopes that are not zero."""


class Sparse(NamedTuple):
    """`constant` plus each slope of `terms` times its variable."""

    constant: int
    terms: Terms

    def at(self, numbers: tuple[int, ...]) -> int:
        """The value where the variables are `numbers`."""
        value = self.constant
        for i, slope in self.terms:
            value += slope * numbers[i]
        return value


@dataclass(frozen=True, eq=False, slots=True)
class TableSummary:
    """What zapping a table does: it leads to the situation `to` with the variables `moved`.

    It applies while each of `bounds` is between its minimum and maximum.  `adds` are the additions to the counts,
    `largest` candidates for a maximum, `asked` the allocations that succeed.
    """

    to: Situation
    moved: tuple[Sparse, ...]
    bounds: tuple[tuple[Terms, int | None, int | None], ...]
    adds: tuple[tuple[str, Sparse], ...]
    largest: tuple[tuple[str, Sparse], ...]
    asked: int

    def takes(self, numbers: tuple[int, ...]) -> bool:
        """Do its conditions hold?"""
        for terms, least, most in self.bounds:
            value = 0
            for i, slope in terms:
                value += slope * numbers[i]
            if (least is not None and value < least) or (most is not None and value > most):
                return False
        return True


class TableSummaries:
    """Summaries by the situation and the word that they are for.

    They also hold for other zaps with the same architecture, facts, era, CPUs, operation, ceilings of small flushes,
    and classes of entries in the layout: a walk records no condition on how many entries there are of a class that the
    layout does not have.
    """

    def __init__(self, era: Era) -> None:
        self.situations = Situations(Stretch(0, (("none", 1),), 1), 1, era)
        self.rooms: dict[Situation, tuple[int, int]] = {}
        self._known: dict[tuple[Situation, str], list[TableSummary]] = {}
        self._alike: dict[tuple[object, str], list[TableSummary]] = {}
        self._failed: dict[tuple[Situation, str], int] = {}
        self._unlocked: set[tuple[object, str]] = set()

    def __len__(self) -> int:
        return len(self._known)

    def find(self, situation: Situation, word: str, numbers: tuple[int, ...]) -> TableSummary | None:
        """A summary whose conditions hold; None if there is none."""
        summaries = self._known.get((situation, word), [])
        for i, summary in enumerate(summaries):
            if summary.takes(numbers):
                if i:
                    summaries.insert(0, summaries.pop(i))
                return summary
        for summary in self._alike.get((situation.alike, word), ()):
            if summary.to is not situation and summary.takes(numbers):
                own = replace(summary, to=situation)
                self._remember(situation, word, own)
                return own
        return None

    def add(self, situation: Situation, word: str, summary: TableSummary) -> None:
        """Remember a summary; if it leads back to where it began, for all situations that are alike (a word fills one
        batch at most)."""
        self._remember(situation, word, summary)
        if summary.to is situation and not summary.asked:
            self._alike.setdefault((situation.alike, word), []).append(summary)

    def _remember(self, situation: Situation, word: str, summary: TableSummary) -> None:
        summaries = self._known.setdefault((situation, word), [])
        summaries.insert(0, summary)
        del summaries[TRIED:]

    def unlocked(self, situation: Situation, begun: str) -> None:
        """The lock was dropped in a table whose word begins so: what follows is another hold, and not in the plan."""
        self._unlocked.add((situation.state, begun))

    def fail(self, situation: Situation, word: str) -> None:
        """A table went another way than its plan."""
        self._failed[situation, word] = self._failed.get((situation, word), 0) + 1

    def may_be_tried(self, situation: Situation, word: str) -> bool:
        """Is another walk worth while?"""
        if self._failed.get((situation, word), 0) == FAILED:
            return False
        return not any((situation.state, word[:at]) in self._unlocked for at in range(1, len(word)))


def table_summary_of(
    numbers: tuple[int, ...],
    conditions: Conditions,
    to: Situation,
    moved: Iterable[Any],
    added: Iterable[tuple[str, Any]],
    candidates: Iterable[tuple[str, Any]],
    asked: int,
    span: int,
) -> TableSummary:
    """The summary of a walk on `numbers` over a table of `span` entries: what it did, as forms of its numbers.

    `candidates` for a maximum are all that the walk has met, symbolic or not: another zap has met none of them.
    """
    bounds = []
    for slopes, (least, most) in conditions.bounds.items():
        terms = _terms(slopes)
        by = Sparse(0, terms).at(numbers)
        low = None if least is None or (least + by <= 0 and _positive(terms)) else least + by
        high = None if most is None or (most + by >= span and _own(terms)) else most + by
        if low is not None or high is not None:
            bounds.append((terms, low, high))
    largest: dict[str, dict[Sparse, None]] = {}
    for name, number in candidates:
        largest.setdefault(name, {})[_sparse(number, numbers)] = None
    return TableSummary(
        to,
        tuple([_sparse(number, numbers) for number in moved]),
        tuple(bounds),
        tuple([(name, _sparse(number, numbers)) for name, number in added if isinstance(number, Linear) or number]),
        tuple(
            [
                (name, one)
                for name, forms in largest.items()
                for one in forms
                if len(forms) == 1 or not any(_exceeds(other, one) for other in forms)
            ]
        ),
        asked,
    )


def _terms(slopes: tuple[int, ...]) -> Terms:
    return tuple([(i, slope) for i, slope in enumerate(slopes) if slope])


def _positive(terms: Terms) -> bool:
    """Is the form never negative?  No number is."""
    return all(slope > 0 for _, slope in terms)


def _own(terms: Terms) -> bool:
    """Is the form a number of the plan, which is at most the size of the table?"""
    return len(terms) == 1 and terms[0][0] >= len(STILL) and terms[0][1] == 1


def _exceeds(one: Sparse, other: Sparse) -> bool:
    """Is a candidate for the same maximum never less, whatever the numbers are?"""
    if one.constant < other.constant or one == other:
        return False
    slopes = dict(one.terms)
    for i, slope in other.terms:
        slopes[i] = slopes.get(i, 0) - slope
    return all(slope >= 0 for slope in slopes.values())


def _sparse(number: Any, numbers: tuple[int, ...]) -> Sparse:
    """A number of a walk as a form of the walk's numbers."""
    if not isinstance(number, Linear):
        return Sparse(number, ())
    terms, constant = _terms(number.slopes), number.value
    for i, slope in terms:
        constant -= slope * numbers[i]
    return Sparse(constant, terms)
