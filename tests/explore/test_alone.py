"""When other workers are started, and that none is waited for that does not come."""

from __future__ import annotations

from typing import Any

import pytest

from benchmarks.ladder import Size, ladder
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
