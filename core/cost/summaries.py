"""A step: the way of a zap from one table's end to the next, as far as a walk on linear numbers speaks for it.

Data types
    Form     a constant and slopes: a number as it depends on the variables
    Step     from one situation to another: under which conditions, what becomes of the variables, what it adds
    Steps    those that are known in one stretch of a layout
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

from core.cost.affine import Conditions, Linear, Slopes
from core.cost.situations import STILL, Situation, Vector

TRIED = 100
"""Steps from one situation that are tried on new variables: those last walked."""

UNBOUNDED = 2**200
"""More than any number here."""


class Form(NamedTuple):
    """`constant` plus `slopes` times the variables."""

    constant: int
    slopes: Slopes

    def at(self, variables: Vector) -> int:
        """Its value."""
        return self.constant + self.along(variables)

    def along(self, way: Vector) -> int:
        """How much it changes along `way`."""
        (a, b, c), (x, y, z) = self.slopes, way
        return a * x + b * y + c * z


@dataclass(frozen=True, eq=False, slots=True)
class Step:
    """`length` pages on: to the situation `to`, with variables `moved`; `asked` allocations were granted.

    `bounds` are forms with the least and the most they may be.  The step `adds` to the counts, some of which go by the
    variables (`varying`), and brings about what may be `largest`: by its bounds no more than the number told.
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
        """Do its conditions hold?"""
        return all(least <= form.along(variables) <= most for form, least, most in self.bounds)

    def times(self, variables: Vector, drift: Vector) -> int:
        """How often it can be taken again as its variables drift; never if it does not carry the drift along."""
        if tuple(form.along(drift) for form in self.moved) != drift:
            return 0
        times = UNBOUNDED
        for form, least, most in self.bounds:
            value, by = form.along(variables), form.along(drift)
            if by:
                times = min(times, ((most if by > 0 else least) - value) // by)
        return times


def step_of(
    length: int,
    to: Situation,
    moved: Iterable[Any],
    added: Iterable[tuple[str, Any]],
    linear: Iterable[tuple[str, Linear]],
    asked: int,
    conditions: Conditions,
    began: Vector,
) -> Step:
    """The step that a walk from the variables `began` has been: its numbers, made forms of the variables."""
    x, y, z = (form_of(number, began) for number in moved)
    bounds = tuple(_bounds(conditions, began))
    added = [(name, form_of(number, began)) for name, number in added]
    greatest = {(name, form.slopes): form for name, form in sorted((name, form_of(n, began)) for name, n in linear)}
    return Step(
        length,
        to,
        (x, y, z),
        bounds,
        tuple((name, form.constant) for name, form in added if form.slopes == STILL and form.constant),
        tuple((name, form) for name, form in added if form.slopes != STILL),
        tuple((name, form, _most(form, bounds)) for (name, _), form in greatest.items()),
        asked,
    )


class Steps:
    """The steps that are known, by the situation they begin in."""

    def __init__(self) -> None:
        self._from: dict[Situation, deque[Step]] = defaultdict(lambda: deque(maxlen=TRIED))
        self._found: dict[tuple[Situation, Vector], Step] = {}

    def add(self, situation: Situation, variables: Vector, step: Step) -> None:
        """A step has been walked."""
        self._from[situation].appendleft(step)
        self._found[situation, variables] = step

    def find(self, situation: Situation, variables: Vector) -> Step | None:
        """One whose conditions hold."""
        found = self._found.get((situation, variables))
        if found is None:
            found = next((step for step in self._from[situation] if step.takes(variables)), None)
            if found is not None:
                self._found[situation, variables] = found
        return found


def form_of(number: Any, began: Vector) -> Form:
    """A number of a walk that began with the variables `began`, as it depends on them."""
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
    """More than which `form` cannot be within the bounds, as far as one of them says so by itself."""
    for bound, least, most in bounds:
        if form.slopes == bound.slopes:
            return form.constant + most
        if form.slopes == tuple(-slope for slope in bound.slopes):
            return form.constant - least
    return UNBOUNDED
