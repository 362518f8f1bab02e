"""A plan that is mended during a search is as if it had been so from the beginning."""

from __future__ import annotations

import pytest

from benchmarks.ladder import Size, ladder
from core.explore import Limits, Model
from core.explore.cursor import Cursor
from core.explore.partial_order import Fusible, extended
from core.explore.reductions import ALL, PAGES, SYMMETRY, held, make
from core.explore.reference import Search
from core.explore.transition_tables import TransitionTables
from core.explore.walk import ahead
from tests.explore.programs import LOCK_A, X, drop, model, take, write


def known(*danger: int) -> Fusible:
    return Fusible((frozenset(), frozenset(danger)), local=False)


def test_only_new_local_states_come_into_danger_and_only_new_operations_are_fused() -> None:
    used = ({1: known(0)}, {})
    now = ({1: known(1, 5), 2: known(), 7: known()}, {3: known()})
    assert extended(used, now, [7, 4]) == ({1: known(0, 5), 7: known()}, {})


def test_an_operation_that_may_not_be_fused_any_more_is_left_as_it_was() -> None:
    assert extended(({1: known(0)}, {}), ({}, {}), [7, 4]) == ({1: known(0)}, {})


async def long() -> None:
    await write(X, 1)
    await take(LOCK_A)
    await write(X, 2)
    await drop(LOCK_A)


def test_a_thread_is_learned_ahead_to_its_end() -> None:
    tables = TransitionTables(model(long, long))
    ahead(Cursor(tables), 0, 1)
    assert [row is None for row in tables.rows[0]] == [False, False, False, False, True]
    assert len(tables.rows[1]) == 1


def test_a_thread_is_learned_ahead_to_where_it_is_blocked() -> None:
    tables = TransitionTables(model(long, long))
    at = Cursor(tables)
    for _ in range(2):
        at.go(1, at.moves(1)[0])
    ahead(at, 0, 1)
    assert len(tables.rows[0]) == 2


def little_known(one: Model) -> TransitionTables:
    """The tables after a search of 60 states: a plan that is made now does not hold."""
    tables = TransitionTables(one, before=True)
    Search(tables, Limits(), False, 60).run()
    return tables


def test_a_mended_plan_finds_what_it_finds_from_the_beginning() -> None:
    pytest.importorskip("numba", reason="the compiled searcher needs numba")
    from core.explore.compiled.search import FastSearch

    tables = little_known(ladder("DELAYED", Size(2, 2, 2, 1)))
    plan = make(tables, ALL - {SYMMETRY, PAGES})
    first = FastSearch(tables, Limits(), False, plan)
    found = first.run()
    again = FastSearch(tables, Limits(), False, first.plan).run()
    assert (found.states, found.transitions, found.depth) == (again.states, again.transitions, again.depth)
    assert found.states == 116_507
    assert not held(tables, plan)
