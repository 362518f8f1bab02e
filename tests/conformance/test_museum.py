"""Historic bugs: found with the fix taken out, proved absent with it in."""

from __future__ import annotations

import pytest

from core.conformance.exhibit import Exhibit
from core.conformance.museum import EXHIBITS, show

LENGTHS = {"B-01": 30, "B-19": 16}
"""The length of a shortest trace, pinned."""


@pytest.mark.parametrize("exhibit", EXHIBITS, ids=lambda exhibit: exhibit.id)
def test_the_bug_is_found_and_the_fix_is_proved(exhibit: Exhibit) -> None:
    showing = show(exhibit)
    assert (showing.bug.verdict, showing.bug.reason) == ("fail", showing.bug.violated)
    assert showing.fixed.verdict == "pass", showing.fixed.reason
    assert showing.fixed.exhaustive
    assert showing.holds
    if exhibit.id in LENGTHS:
        assert len(showing.bug.trace) == LENGTHS[exhibit.id]


def test_ids_are_in_order_and_unique() -> None:
    numbers = [int("".join(c for c in e.id if c.isdigit())) for e in EXHIBITS]
    assert numbers == sorted(numbers)
    assert len({e.id for e in EXHIBITS}) == len(EXHIBITS)
    assert set(LENGTHS) <= {e.id for e in EXHIBITS}
