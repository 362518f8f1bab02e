"""A summary of a zap's work from one table boundary to the next, as linear forms of the situation's variables.

Data types
    Form         a constant and slopes: how a number depends on the variables
    Summary      from one situation to another: its conditions, the new variables, and what it adds to the counts
    Summaries    the summaries known for one stretch of a layout
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

from core.cost.affine import Conditions, Linear, Slopes
from core.cost.situations import STILL, Situation, Vector

TRIED = 100
"""Summaries of one situation that are tried on new variables: the most recent ones."""

UNBOUNDED = 2**200
"""Larger than any number that occurs: no limit."""


class Form(NamedTuple):
    """`constant` + `slopes` . variables."""

    constant: int
    slopes: Slopes

    def at(self, variables: Vector) -> int:
        """Its value at `variables`."""
        return self.constant + self.along(variables)

    def along(self, way: Vector) -> int:
        """By how much it changes when the variables change by `way`."""
        (a, b, c), (x, y, z) = self.slopes, way
        return a * x + b * y + c * z


@dataclass(frozen=True, eq=False, slots=True)
class Summary:
    """`length` pages further the situation is `to`, its variables are `moved`, and `asked` allocations have succeeded.

    It applies while each form in `bounds` is between its minimum and maximum.  `adds` are the constant additions to the
    counts, `varying` those that depend on the variables.  `largest` are candidates for a maximum: the count's name, the
    form, and an upper bound on the form.
    """

    length: int
    to: Situation
    moved: tuple[Form, Form, Form]
    bounds: tuple[tuple[Form, int, int], ...]
    adds: tuple[tuple[str, int], ...]
    varying: tuple[tuple[str, Form], ...]
    largest: tuple[tuple[str, Form, int], ...]
    asked: int

    def takes(self, variables: Vector) -> bool:
        """Do its conditions hold for these variables?"""
        return all(least <= form.along(variables) <= most for form, least, most in self.bounds)

    def times(self, variables: Vector, drift: Vector) -> int:
        """How often it applies again while its variables drift; 0 if it does not carry the drift on unchanged."""
        if tuple(form.along(drift) for form in self.moved) != drift:
            return 0
        times = UNBOUNDED
        for form, least, most in self.bounds:
            value, by = form.along(variables), form.along(drift)
            if by:
                times = min(times, ((most if by > 0 else least) - value) // by)
        return times


def summary_of(
    length: int,
    to: Situation,
    moved: Iterable[Any],
    added: Iterable[tuple[str, Any]],
    linear: Iterable[tuple[str, Linear]],
    asked: int,
    conditions: Conditions,
    began: Vector,
) -> Summary:
    """The summary of a walk that started with the variables `began`: the walk's numbers as forms of the variables."""
    x, y, z = (form_of(number, began) for number in moved)
    bounds = tuple(_bounds(conditions, began))
    added = [(name, form_of(number, began)) for name, number in added]
    greatest = {(name, form.slopes): form for name, form in sorted((name, form_of(n, began)) for name, n in linear)}
    return Summary(
        length,
        to,
        (x, y, z),
        bounds,
        tuple((name, form.constant) for name, form in added if form.slopes == STILL and form.constant),
        tuple((name, form) for name, form in added if form.slopes != STILL),
        tuple((name, form, _most(form, bounds)) for (name, _), form in greatest.items()),
        asked,
    )


class Summaries:
    """Summaries by the situation they start in."""

    def __init__(self) -> None:
        self._from: dict[Situation, deque[Summary]] = defaultdict(lambda: deque(maxlen=TRIED))
        self._found: dict[tuple[Situation, Vector], Summary] = {}

    def add(self, situation: Situation, variables: Vector, summary: Summary) -> None:
        """Remember the summary of a walk that started in `situation` with `variables`."""
        self._from[situation].appendleft(summary)
        self._found[situation, variables] = summary

    def find(self, situation: Situation, variables: Vector) -> Summary | None:
        """A summary whose conditions hold for `variables`; None if there is none."""
        found = self._found.get((situation, variables))
        if found is None:
            found = next((summary for summary in self._from[situation] if summary.takes(variables)), None)
            if found is not None:
                self._found[situation, variables] = found
        return found


def form_of(number: Any, began: Vector) -> Form:
    """A number of a walk that started with the variables `began`, as a form of the variables."""
    if not isinstance(number, Linear):
        return Form(number, STILL)
    form = Form(0, number.slopes)
    return Form(number.value - form.along(began), number.slopes)


def _bounds(conditions: Conditions, began: Vector) -> Iterable[tuple[Form, int, int]]:
    for slopes, (least, most) in conditions.bounds.items():
        form = Form(0, slopes)
        by = form.along(began)
        yield form, -UNBOUNDED if least is None else least + by, UNBOUNDED if most is None else most + by


def _most(form: Form, bounds: Iterable[tuple[Form, int, int]]) -> int:
    """Upper bound on `form` implied by any single bound; UNBOUNDED if none implies one."""
    for bound, least, most in bounds:
        if form.slopes == bound.slopes:
            return form.constant + most
        if form.slopes == tuple(-slope for slope in bound.slopes):
            return form.constant - least
    return UNBOUNDED
