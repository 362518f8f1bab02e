"""The waiting states that the compiled searcher leaves out are those from which a few steps lead out."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.base.cores import CoresOfRun
from core.explore import Daemon, Limits
from core.explore.never_ends import WaitingStates, never_ends
from core.explore.reductions import none as no_plan
from core.explore.reference import Search
from core.explore.transition_tables import TransitionTables
from core.machine.op import Cpu, Op, Outcome
from tests.explore.programs import a_then_b, b_then_a, model
from tests.explore.random_programs import CELLS
from tests.explore.test_never_ends import SHORT, spinning, ticking

pytest.importorskip("numba", reason="the compiled searcher needs numba")

TICK = Daemon("clock", Cpu(9), Op("tick", (CELLS[0],), (CELLS[0],), lambda v: [Outcome(None, ((v + 1) % 3,))]))


def compare(threads: list[Any], daemons: tuple[Daemon, ...]) -> int:
    """How many waiting states are left out: all of them are left, and those that are kept are the same."""
    from core.explore.compiled.search import FastSearch

    one = model(*[spinning(*t) for t in threads], initial=dict.fromkeys(CELLS, 0), daemons=daemons)
    tables = TransitionTables(one)
    searches = Search(tables, Limits(), False), FastSearch(tables, Limits(), False)
    for search in searches:
        search.run()
    waiting = WaitingStates(tables, no_plan(tables).same)
    every, kept = (
        [s for s in search.waiting(waiting) if waiting.holds((s.locals, _stripped(s.cells)))] for search in searches
    )
    numbers = {state.number for state in kept}
    assert [(s.number, s.locals, _stripped(s.cells)) for s in kept] == [
        (s.number, s.locals, _stripped(s.cells)) for s in every if s.number in numbers
    ]
    rest = [state for state in every if state.number not in numbers]
    assert never_ends(tables, waiting, rest) is None
    return len(rest)


def _stripped(cells: tuple[int, ...]) -> tuple[int, ...]:
    values = list(cells)
    while values and not values[-1]:
        values.pop()
    return tuple(values)


@settings(max_examples=40)
@given(
    st.lists(st.tuples(SHORT.filter(lambda a: len(a) < 4), st.integers(0, 2)), min_size=1, max_size=3), st.booleans()
)
def test_of_random_programs_that_spin(threads: list[Any], ticks: bool) -> None:
    compare(threads, (TICK,) if ticks else ())


def test_idle_cores_help_and_are_left(monkeypatch: pytest.MonkeyPatch) -> None:
    from core.explore.compiled import search as search_module
    from core.explore.compiled.loaded_model import LoadedModel

    monkeypatch.setattr(search_module, "PAUSE", 1)
    numbers, every = [], LoadedModel.waiting

    def counted(self: Any, waiting: WaitingStates, workers: int) -> Any:
        numbers.append(workers)
        return every(self, waiting, workers)

    monkeypatch.setattr(LoadedModel, "waiting", counted)
    cores = CoresOfRun(3, at_once=1, each=1)
    cores.begin(1)
    one = model(spinning([("add", 1, 0)], 0), initial=dict.fromkeys(CELLS, 0))
    tables = TransitionTables(one)
    search = search_module.FastSearch(tables, Limits(), False, idle=cores.idle)
    search.run()
    list(search.waiting(WaitingStates(tables, no_plan(tables).same)))
    assert numbers == [3]
    assert len(cores.idle.take(3)) == 2
    cores.close()


def test_several_workers_find_the_same_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    from core.explore.compiled import loaded_model
    from core.explore.compiled.search import FastSearch

    monkeypatch.setattr(loaded_model, "AT_ONCE", 3)
    tables = TransitionTables(model(a_then_b, b_then_a, daemons=(ticking(),)))
    search = FastSearch(tables, Limits(), False)
    search.run()
    waiting = WaitingStates(tables, no_plan(tables).same)
    found = [list(search.compiled.waiting(waiting, workers)) for workers in (1, 2, 5)]
    assert search.store.count > 3
    assert found[0]
    assert found[0] == found[1] == found[2]


def test_some_are_left_out() -> None:
    """One spins until another, which takes a few steps before, has set the cell."""
    assert compare([([("add", 1, 0)], 0), ([("copy", 1, 2), ("write", 0, 1)], 2)], ()) > 0
