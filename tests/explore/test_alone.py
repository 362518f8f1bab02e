"""When other workers are started, on which cores, and that none is waited for that does not come."""

from __future__ import annotations

from typing import Any

import pytest

from benchmarks.ladder import Size, ladder
from core.base.cores import CoresOfRun
from core.cli.resolve_arch import choose
from core.conformance import SCENARIOS
from core.explore import check

pytest.importorskip("numba", reason="the compiled searcher needs numba")

from core.explore.compiled import search as search_module
from core.explore.compiled.team import Team


@pytest.fixture
def teams(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Gets for each team that is made the number of its workers."""
    found: list[int] = []
    made = Team.__init__

    def counted(self: Any, store: Any, workers: int, *rest: Any) -> None:
        found.append(workers)
        made(self, store, workers, *rest)

    monkeypatch.setattr(Team, "__init__", counted)
    return found


@pytest.mark.parametrize("size", [Size(2, 1, 2, 2), Size(2, 2, 2, 1)])
def test_a_small_search_has_one_worker(size: Size, teams: list[int]) -> None:
    """All is as with one worker then, for no level is worth starting others: these have 19 650 and 77 180 states."""
    assert check(ladder("DELAYED", size), workers=2).states > 19_000
    assert not teams


@pytest.mark.parametrize("row", ["smp-6.2-fix", "s390"])
def test_a_cell_of_the_suite_has_one_worker(row: str, teams: list[int]) -> None:
    chosen = choose(row)
    for scenario in ("lost-dirty-dontneed", "numa-hint", "exit-mmap"):
        check(SCENARIOS[scenario].build(chosen.arch(), chosen.era), workers=2)
    assert not teams


@pytest.mark.slow
def test_a_large_search_has_them(teams: list[int]) -> None:
    assert check(ladder("DELAYED", Size(2, 2, 2, 1)), reductions=(), workers=2).states == 292_256
    assert teams
    assert set(teams) == {2}


def test_nobody_is_waited_for(teams: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers that never get a core have claimed nothing, so the others do it all."""
    monkeypatch.setattr(search_module, "LEAST_TOGETHER", 2)
    monkeypatch.setattr(search_module, "LEAST_ONWARD", 2)
    alone = check(ladder("DELAYED", Size(2, 1, 2, 2)), searcher="fast", reductions=(), workers=1)
    monkeypatch.setattr(Team, "_start", lambda self: None)
    assert check(ladder("DELAYED", Size(2, 1, 2, 2)), searcher="fast", reductions=(), workers=5) == alone
    assert teams


def test_a_search_uses_the_cores_that_are_idle_and_leaves_them(
    teams: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One core is idle at first, and two more from some level on."""
    monkeypatch.setattr(search_module, "LEAST_TOGETHER", 64)
    alone = check(ladder("DELAYED", Size(2, 1, 2, 2)), searcher="fast", reductions=(), workers=1)
    cores = CoresOfRun(4, at_once=3, each=1)
    limited, levels = search_module.FastSearch._limited, []

    def job_ends(self: Any) -> bool:
        levels.append(len(self.levels))
        if levels[-1] == 30 and levels.count(30) == 1:
            cores.done()
            cores.done()
        return limited(self)

    monkeypatch.setattr(search_module.FastSearch, "_limited", job_ends)
    cores.begin(3)
    model = ladder("DELAYED", Size(2, 1, 2, 2))
    assert check(model, searcher="fast", reductions=(), workers=1, idle=cores.idle) == alone
    assert teams == [2, 4]
    assert len(cores.idle.take(4)) == 3
    cores.close()


def test_a_search_without_idle_cores_has_one_worker(teams: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search_module, "LEAST_TOGETHER", 64)
    alone = check(ladder("DELAYED", Size(2, 1, 2, 2)), searcher="fast", reductions=(), workers=1)
    cores = CoresOfRun(2, at_once=2, each=1)
    model = ladder("DELAYED", Size(2, 1, 2, 2))
    assert check(model, searcher="fast", reductions=(), workers=1, idle=cores.idle) == alone
    assert not teams
    cores.close()
