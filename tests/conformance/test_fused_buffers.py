"""Reductions that know store buffers: random programs have the same final outcomes with them and without."""

from __future__ import annotations

from typing import Any

import pytest

from core.conformance.memory_model import memory_model
from core.explore import Limits, partial_order, reductions
from core.explore.errors import NewStore
from core.explore.numeric import available
from core.explore.ordered import again, tables_of
from core.explore.reductions import ALL
from core.explore.reference import Search
from tests.conformance.test_memory_model import Code, litmus, outcomes, programs
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
