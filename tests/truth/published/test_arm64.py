"""Broadcasts of several CPUs at once."""

from __future__ import annotations

from math import log

import pytest

from core.truth.published.arm64 import FITTED, TESTS, Rate, arm64_broadcast, crosstalk, own_times, predicted

BROADCAST, LOCAL = Rate(4796, 286), Rate(14176, 821)


def test_what_a_test_gives_gives_the_test() -> None:
    for own in own_times(LOCAL):
        assert predicted(BROADCAST.busy, own, crosstalk(BROADCAST, own)) == pytest.approx(BROADCAST.real)


def test_without_crosstalk_an_operation_is_the_local_one() -> None:
    assert predicted(BROADCAST.busy, LOCAL.cpu_time, 0) == pytest.approx(BROADCAST.busy * LOCAL.cpu)


def test_every_test_but_those_it_is_from_is_predicted() -> None:
    found = list(arm64_broadcast())
    assert [e.published[0] for e in found] == [TESTS[n][0].real for n in TESTS if n not in FITTED]


@pytest.mark.parametrize("end", [0, 1])
def test_the_law_is_of_the_square(end) -> None:
    """What broadcasts add to an operation, by CPUs busy: 23 times as many, and about 23 * 23 times as much.

    Found from the published times alone, by the slope of their logarithms, without the law, whichever end an
    operation's own time is at.  At the upper end 4 workers are left out: the operation has nothing added there.
    """
    points = [
        (log(broadcast.busy), log(broadcast.cpu_time - own_times(local)[end]))
        for broadcast, local in TESTS.values()
        if broadcast.cpu_time > own_times(local)[end]
    ]
    mean = [sum(axis) / len(points) for axis in zip(*points, strict=True)]
    slope = sum((x - mean[0]) * (y - mean[1]) for x, y in points) / sum((x - mean[0]) ** 2 for x, _ in points)
    assert len(points) == 7 - end
    assert 1.8 < slope < 2.2
