"""Giving up: in time, within the memory allowed, and on Ctrl-C, with what has been found until then."""

from __future__ import annotations

import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from benchmarks.ladder import Size, ladder
from core.base import available_memory
from core.explore import Limits, check
from core.explore.errors import ExploreError
from core.explore.numeric import available
from core.explore.reference import Search

SEARCHERS = ["reference", pytest.param("fast", marks=pytest.mark.skipif(not available(), reason="needs numba"))]

ROOT = Path(__file__).parents[2]

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


PEAK = """
import resource, sys
from benchmarks.ladder import Size, ladder
from core.explore import Limits, check
verdict = check(
    ladder("DELAYED", Size(3, 2, 3, 2)), searcher=sys.argv[1], reductions=(), limits=Limits(max_memory=int(sys.argv[2]))
)
print(verdict.states, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10)
"""


@pytest.mark.parametrize("searcher", SEARCHERS)
def test_the_process_takes_no_more_than_that(searcher: str) -> None:
    def peak(max_memory: int) -> tuple[int, int]:
        command = [sys.executable, "-c", PEAK, searcher, str(max_memory)]
        states, size = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
        return int(states), int(size)

    allowed = 40_000_000
    (few, little), (many, much) = peak(2_000_000), peak(allowed)
    assert many > 5 * few
    assert much - little < 1.2 * allowed


def test_what_the_machine_has_is_the_limit_when_nobody_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    meminfo, cgroup = tmp_path / "meminfo", tmp_path / "memory.max"
    monkeypatch.setattr(available_memory, "MEMINFO", meminfo)
    monkeypatch.setattr(available_memory, "CGROUP", cgroup)
    monkeypatch.setattr(resource, "getrlimit", lambda what: (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    assert available_memory.available() is None
    meminfo.write_text("MemTotal:       99 kB\nMemAvailable:    4000 kB\n")
    assert available_memory.available() == 3000 << 10
    cgroup.write_text("max\n")
    assert available_memory.available() == 3000 << 10
    cgroup.write_text("2048000\n")
    assert available_memory.available() == 1536000
    verdict = check(LARGE, searcher="reference", reductions=())
    assert verdict.bounds.startswith("1536000 bytes of memory; depth ")
    monkeypatch.setattr(resource, "getrlimit", lambda what: (1024000, 1024000))
    assert available_memory.available() == 768000


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
    assert int(verdict.bounds.split()[-5]) < verdict.states
    assert not verdict.exhaustive
    assert verdict.states > 100


@pytest.mark.parametrize("searcher", SEARCHERS)
def test_an_interrupt_between_two_searches_leaves_what_the_first_has_found(
    searcher: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*rest: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(sys.modules["core.explore.check"], "wander", interrupted)
    verdict = check(LARGE, searcher=searcher)
    assert verdict.bounds.startswith("interrupted; depth ")
    assert (verdict.exhaustive, verdict.states > 1000) == (False, True)


def test_the_compiled_searcher_is_missed_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.explore.numeric.available", lambda: False)
    small = ladder("DELAYED", Size(1, 1, 1, 1))
    with pytest.raises(ExploreError, match=r"needs numba: pip install shootdown\[fast\]"):
        check(small, searcher="fast")
    assert check(small).searcher == "reference"
    with pytest.raises(ValueError, match="searcher 'magic', expected one of auto, reference, fast"):
        check(small, searcher="magic")
