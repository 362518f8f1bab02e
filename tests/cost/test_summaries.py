"""How long a step goes on being the same as its variables drift."""

from __future__ import annotations

import pytest

from core.cost.affine import Conditions, Linear
from core.cost.summaries import UNBOUNDED, summary_of


def step(moved, *conditions):
    """A step walked from entries 10, a range that starts 100 pages back, and ends here."""
    under = Conditions()
    entries, start = Linear(10, (1, 0, 0), under), Linear(100, (0, 1, 0), under)
    for holds in conditions:
        assert holds(entries, start)
    numbers = {"entries": entries, "start": start, "more": entries + 3}
    went = [numbers.get(name, name) for name in moved]
    return summary_of(
        512, None, went, [("holds", 1), ("held", entries)], [("max_held", entries)], 0, under, (10, 100, 0)
    )


def test_as_long_as_the_conditions_hold() -> None:
    fuller = step(("more", "start", 0), lambda entries, start: entries + 3 <= 40)
    assert fuller.takes((37, 5, 0))
    assert not fuller.takes((38, 5, 0))
    assert fuller.times((10, 100, 0), (3, 0, 0)) == 9
    assert fuller.times((10, 100, 0), (-3, 0, 0)) > 2**100
    assert [form.at((10, 100, 0)) for form in fuller.moved] == [13, 100, 0]


def test_not_at_all_where_the_drift_is_not_carried_along() -> None:
    """The batch holds 5 entries afterwards, whatever it held: from the next time on nothing drifts."""
    assert step((5, "start", 0)).times((10, 100, 0), (3, 0, 0)) == 0
    assert step((5, "start", 0)).times((10, 100, 0), (0, 7, 0)) == UNBOUNDED


def test_a_condition_on_two_variables_bounds_what_drifts_apart() -> None:
    apart = step(("entries", "start", 0), lambda entries, start: start - entries < 100)
    assert apart.times((10, 100, 0), (1, 1, 0)) == UNBOUNDED
    assert apart.times((10, 100, 0), (0, 2, 0)) == 4


def test_what_it_adds() -> None:
    fuller = step(("more", "start", 0), lambda entries, start: entries <= 40)
    assert fuller.adds == (("holds", 1),)
    (name, held), ((largest, form, most),) = fuller.varying[0], fuller.largest
    assert (name, held.at((12, 0, 0)), largest, form.at((12, 0, 0)), most) == ("held", 12, "max_held", 12, 40)


@pytest.mark.parametrize("variables", [(10, 100, 0), (40, 0, 0), (-5, 7, 9)])
def test_one_without_conditions_is_always_taken(variables) -> None:
    assert step(("entries", "start", 0)).takes(variables)
