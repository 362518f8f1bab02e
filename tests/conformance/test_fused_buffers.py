"""Reductions that know store buffers: random programs have the same final outcomes with them and without."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import pytest

from core.conformance.memory_model import memory_model
from core.explore import Limits, Property, partial_order, reductions
from core.explore.errors import NewStore
from core.explore.numeric import available
from core.explore.ordered import again, tables_of
from core.explore.reductions import ALL
from core.explore.reference import Search
from tests.conformance.test_memory_model import Code, X, Y, litmus, outcomes, programs
from tests.explore.planned import searched

SEARCHERS = ["reference", pytest.param("fast", marks=pytest.mark.skipif(not available(), reason="needs numba"))]


def fused(kind: str, codes: list[Code], checked: bool = True) -> tuple[set[tuple[Any, ...]], reductions.Plan]:
    """The final outcomes of a search with a plan that holds, and the plan; or of the first, unchecked."""
    model = litmus(kind, tuple(codes), lambda *values: True, memory_model(kind, spares=False))
    tables = tables_of(model, before=True)
    while True:
        try:
            Search(tables, Limits(), False, budget=30).run()
            plan = reductions.make(tables, ALL - {reductions.SYMMETRY, reductions.PAGES})
            search = Search(tables, Limits(), False, plan=plan)
            search.run()
        except NewStore:
            tables = again(tables)
            continue
        if not checked or reductions.held(tables, plan):
            break
    (prop,) = tables.model.finally_
    cells = tables.reads(prop)
    ends = [search.values(state, cells) for state in search.states if search._all_ended(state)]
    values = {tuple(tables.values[cell][n] for cell, n in zip(cells, end, strict=True)) for end in ends}
    buffers = len(cells) - len(codes) - 2
    return {end[buffers:] for end in values if not any(end[:buffers])}, plan


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["tso", "weak"])
def test_random_programs_have_the_same_outcomes(kind: str) -> None:
    drains = 0
    for seed in range(80):
        found, plan = fused(kind, programs(seed))
        assert found == outcomes(kind, *programs(seed), machine=memory_model(kind, spares=False)), seed
        drains += any(plan.fusions[len(programs(seed)) :])
    assert drains >= 20


@pytest.mark.parametrize("kind", ["tso", "weak"])
def test_without_the_danger_check_most_differ(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The test of the test: what is eligible is fused wherever it is enabled."""
    every = [outcomes(kind, *programs(seed), machine=memory_model(kind, spares=False)) for seed in range(40)]

    def harmless(self: Any, thread: int, row: Any) -> partial_order.Fusible:
        return partial_order.Fusible(tuple(frozenset() for _ in self.tables.rows), False)

    monkeypatch.setattr(partial_order._Known, "_fusible", harmless)
    differ = sum(fused(kind, programs(seed), checked=False)[0] != all_ for seed, all_ in enumerate(every))
    assert differ > 20


def judged(kind: str, seed: int, reduced: bool) -> tuple[str, frozenset[str], int]:
    """What is violated and reached, and the number of states, where one pair of values must not be, and others should.

    Both properties read cells whose stores wait.
    """
    rng = random.Random(seed)
    bad, good = ((rng.randrange(4), rng.randrange(4)) for _ in range(2))
    model = replace(
        litmus(kind, tuple(programs(seed)), lambda *values: True, memory_model(kind, spares=False)),
        always=(Property("bad", "", (X, Y), lambda *values: values != bad),),
        sometimes=(Property("good", "", (X, Y), lambda *values: values == good),),
    )
    tables = tables_of(model, before=True)
    while True:
        try:
            if not reduced:
                found = Search(tables, Limits(), False).run()
                return found.violated, frozenset(found.reached), found.states
            Search(tables, Limits(), False, budget=30).run()
            plan = reductions.make(tables, ALL - {reductions.SYMMETRY, reductions.PAGES})
            found = Search(tables, Limits(), False, plan=plan).run()
        except NewStore:
            tables = again(tables)
            continue
        if reductions.held(tables, plan):
            return found.violated, frozenset(found.reached), found.states


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["tso", "weak"])
def test_properties_of_what_waits_are_judged_alike(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A store that a property reads is fused only where the property cannot tell; without that check some differ."""
    plain = [judged(kind, seed, False) for seed in range(60)]
    with_ = [judged(kind, seed, True) for seed in range(60)]
    assert [one[:2] for one in with_] == [one[:2] for one in plain]
    monkeypatch.setattr(partial_order, "is_told", lambda tables, row, cells: True)
    never = [judged(kind, seed, True)[2] for seed in range(20)]
    assert sum(one[2] for one in with_[:20]) < sum(never)
    monkeypatch.setattr(partial_order, "is_told", lambda tables, row, cells: False)
    assert sum(judged(kind, seed, True)[:2] != one[:2] for seed, one in enumerate(plain)) >= 3


@pytest.mark.parametrize("kind", ["tso", "weak"])
def test_both_searchers_fuse_alike(kind: str) -> None:
    pytest.importorskip("numba")
    for seed in range(6):
        model = litmus(kind, tuple(programs(seed)), lambda *values: True, memory_model(kind, spares=False))
        tables = tables_of(model, before=True)
        while True:
            try:
                Search(tables, Limits(), False).run()
                break
            except NewStore:
                tables = again(tables)
        plan = reductions.make(tables, ALL - {reductions.SYMMETRY, reductions.PAGES})
        one, two = (searched(tables, plan, searcher, stop=False) for searcher in ("reference", "fast"))
        assert (one.states, one.transitions, one.depth) == (two.states, two.transitions, two.depth), seed
