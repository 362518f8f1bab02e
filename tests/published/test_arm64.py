"""Broadcasts of several CPUs at once."""

from __future__ import annotations

import pytest

from core.published.arm64 import FITTED, TESTS, Rate, arm64_broadcast, crosstalk, predicted

BROADCAST, LOCAL = Rate(4796, 286), Rate(14176, 821)


def test_what_a_test_gives_gives_the_test() -> None:
    assert predicted(BROADCAST, LOCAL, crosstalk(BROADCAST, LOCAL)) == pytest.approx(BROADCAST.real)


def test_without_crosstalk_an_operation_is_the_local_one() -> None:
    assert predicted(BROADCAST, LOCAL, 0) == pytest.approx(BROADCAST.busy * LOCAL.cpu)


def test_every_test_but_those_it_is_from_is_predicted() -> None:
    found = list(arm64_broadcast())
    assert [e.published[0] for e in found] == [TESTS[n][0].real for n in TESTS if n not in FITTED]


def test_the_law_is_of_the_square() -> None:
    """What broadcasts add to an operation, by CPUs busy: 25 times as many, and about 625 times as much.

    Found from the published times alone, by the slope of their logarithms, without the law.
    """
    from math import log

    points = [
        (log(broadcast.busy), log(broadcast.cpu_time - local.cpu_time))
        for broadcast, local in TESTS.values()
        if broadcast.cpu < local.cpu
    ]
    mean = [sum(axis) / len(points) for axis in zip(*points, strict=True)]
    slope = sum((x - mean[0]) * (y - mean[1]) for x, y in points) / sum((x - mean[0]) ** 2 for x, _ in points)
    assert len(points) == 6
    assert 1.8 < slope < 2.2
