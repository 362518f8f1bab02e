"""Giving up: in time, within the memory allowed, and on Ctrl-C, with what has been found until then."""

from __future__ import annotations

import time
from typing import Any

import pytest

from benchmarks.ladder import Size, ladder
from core.explore import Limits, check
from core.explore.errors import ExploreError
from core.explore.numeric import available
from core.explore.reference import Search

SEARCHERS = ["reference", pytest.param("fast", marks=pytest.mark.skipif(not available(), reason="needs numba"))]

LARGE = ladder("DELAYED", Size(3, 2, 3, 2))


@pytest.mark.parametrize("searcher", SEARCHERS)
@pytest.mark.parametrize("reductions", [(), "default"], ids=["plain", "reduced"])
def test_a_search_ends_in_time(searcher: str, reductions: object) -> None:
    check(ladder("DELAYED", Size(1, 1, 1, 1)), searcher=searcher, reductions=reductions)  # the machine code is loaded
    started = time.monotonic()
    verdict = check(LARGE, searcher=searcher, reductions=reductions, limits=Limits(timeout=1.0))
    assert time.monotonic() - started < 6
    assert not verdict.exhaustive
    assert verdict.bounds.startswith("1 seconds; depth ")


@pytest.mark.parametrize("searcher", SEARCHERS)
def test_memory_is_bounded(searcher: str) -> None:
    verdict = check(LARGE, searcher=searcher, reductions=(), limits=Limits(max_memory=8_000_000))
    assert verdict.bounds.startswith("8000000 bytes of memory; depth ")
    assert 1_000 < verdict.states < 8_000_000 // 16


@pytest.mark.parametrize("searcher", SEARCHERS)
def test_states_are_bounded(searcher: str) -> None:
    verdict = check(LARGE, searcher=searcher, reductions=(), limits=Limits(max_states=30_000))
    assert verdict.bounds.startswith("30000 states; depth ")
    assert 30_000 <= verdict.states < 34_000


@pytest.mark.parametrize("searcher", SEARCHERS)
def test_an_interrupt_leaves_what_has_been_found(searcher: str, monkeypatch: pytest.MonkeyPatch) -> None:
    searches: list[Any] = [Search]
    if searcher == "fast":
        from core.explore.compiled.search import FastSearch

        searches = [FastSearch]
    looks = iter(range(1000))
    limited = searches[0]._limited

    def interrupted(self: Any, *rest: Any) -> bool:
        if next(looks) == 20:
            raise KeyboardInterrupt
        return bool(limited(self, *rest))

    monkeypatch.setattr(searches[0], "_limited", interrupted)
    verdict = check(LARGE, searcher=searcher, reductions=())
    assert verdict.bounds.startswith("interrupted; depth ")
    assert not verdict.exhaustive
    assert verdict.states > 100


def test_the_compiled_searcher_is_missed_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.explore.numeric.available", lambda: False)
    small = ladder("DELAYED", Size(1, 1, 1, 1))
    with pytest.raises(ExploreError, match=r"needs numba: pip install shootdown\[fast\]"):
        check(small, searcher="fast")
    assert check(small).searcher == "reference"
    with pytest.raises(ValueError, match="searcher 'magic', expected one of auto, reference, fast"):
        check(small, searcher="magic")
