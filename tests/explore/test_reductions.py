"""Each reduction: it is used where it may be, refused where it may not, and would be wrong there."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from benchmarks.ladder import POLICIES, Size, ladder
from core.cli.resolve_arch import choose
from core.conformance import SCENARIOS
from core.explore import Limits, Model, Property, bisimulation, check, partial_order, reductions
from core.explore.numeric import available
from core.explore.ordered import tables_of
from core.explore.partial_order import Fusible
from core.explore.reductions import ALL
from core.explore.reference import Search
from core.explore.transition_tables import TransitionTables
from core.explore.wait_cache import WaitCache
from core.machine.op import Cell, Op, Outcome
from tests.explore.planned import learned, planned, searched
from tests.explore.programs import LOCK_A, X, Y, a_then_b, add, b_then_a, final, model, read, take, write
from tests.explore.random_programs import ACTIONS, CELLS, program

SEARCHERS = ["reference", pytest.param("fast", marks=pytest.mark.skipif(not available(), reason="needs numba"))]

BOTH_SYMMETRIES = {reductions.SYMMETRY, reductions.PAGES}
SETS = [frozenset[str](), *[frozenset({name}) for name in sorted(ALL)], ALL - BOTH_SYMMETRIES, ALL]


@pytest.mark.parametrize("searcher", SEARCHERS)
@pytest.mark.parametrize("names", SETS, ids=lambda names: "+".join(sorted(names)) or "none")
@pytest.mark.parametrize("policy", POLICIES)
def test_the_ladder_keeps_its_verdict_and_loses_states(policy: str, names: frozenset[str], searcher: str) -> None:
    size = Size(2, 1, 1, 1)
    whole = check(ladder(policy, size), searcher="reference", reductions=(), stop_at_violation=False)
    plan, found = planned(ladder(policy, size), names, searcher, stop=False, first=300)
    assert found.violated == whole.violated
    assert found.states <= whole.states
    if reductions.FUSE_LEFT_MOVERS in plan.used:
        assert found.states < whole.states
    if reductions.SYMMETRY in plan.used:
        assert found.states < 0.7 * whole.states
    if names == ALL and policy != "UP":
        assert {reductions.FUSE_LEFT_MOVERS, reductions.SYMMETRY} <= set(plan.used)


@pytest.mark.parametrize("searcher", SEARCHERS)
@pytest.mark.parametrize("names", SETS, ids=lambda names: "+".join(sorted(names)) or "none")
def test_traces_are_shortest_whatever_is_reduced(names: frozenset[str], searcher: str) -> None:
    verdict = check(ladder("EARLY", Size(2, 1, 2, 2)), searcher=searcher, reductions=names)
    assert (verdict.violated, len(verdict.trace)) == ("saved 0", 29)


def test_both_searchers_reduce_alike() -> None:
    pytest.importorskip("numba")
    for policy in POLICIES:
        one, two = (
            planned(ladder(policy, Size(2, 1, 1, 1)), ALL, searcher, stop=False, first=300)[1]
            for searcher in ("reference", "fast")
        )
        assert (one.states, one.transitions, one.depth) == (two.states, two.transitions, two.depth)


def test_unknown_reductions_are_refused() -> None:
    with pytest.raises(ValueError, match="reduction 'magic', expected one of fuse_left_movers"):
        check(model(a_then_b), reductions=("magic",))
    with pytest.raises(ValueError, match="expected 'default' or names"):
        check(model(a_then_b), reductions="minimise")


# Minimisation.


def choosing() -> Model:
    async def chooses() -> None:
        if await Op("coin", (), (), lambda: [Outcome(0), Outcome(1)]):
            await Op("look", (X,), (Y,), lambda x: [Outcome(None, (x,))])
        else:
            await Op("look", (X,), (Y,), lambda x: [Outcome(None, (0,))])

    async def sets() -> None:
        await write(X, 1)

    return model(chooses, sets, finally_=(final("quiet", lambda y: y == 0, Y),))


def test_minimisation_merges_what_behaves_alike() -> None:
    async def twice() -> None:
        kept = await Op("coin", (), (), lambda: [Outcome(0), Outcome(1)])
        await add(X)
        assert kept in (0, 1)

    tables = learned(model(twice))
    assert bisimulation.classes(tables)[0] == (0, 1, 1, 3)
    assert not bisimulation.wrong(tables, bisimulation.classes(tables))


def test_minimisation_refuses_what_only_looks_alike() -> None:
    tables = learned(choosing())
    same = bisimulation.classes(tables)
    assert same[0][:3] == (0, 1, 2)
    assert check(choosing()).violated == "quiet"
    forced = replace(reductions.none(tables), same=((0, 1, 1), ()))
    assert searched(tables, forced).violated == ""  # wrong
    assert bisimulation.wrong(tables, forced.same)


def test_a_merger_of_what_was_known_too_little_is_found_out() -> None:
    """With x still 0 both look alike: the plan made then does not hold."""
    tables = TransitionTables(choosing(), before=True)
    Search(tables, Limits(), False, budget=1).run()
    for values in ((0, 0),):
        for local in (1, 2):
            row = tables.rows[0][local]
            assert row is not None
            tables.moves(0, local, row, values)
    plan = reductions.make(tables, frozenset({reductions.MINIMISE}))
    assert plan.same[0][:3] == (0, 1, 1)
    searched(tables, plan, stop=False)
    assert not reductions.held(tables, plan)
    assert planned(choosing(), ALL, "reference", first=1)[1].violated == "quiet"


# Fusion.


def peeking() -> Model:
    async def locks() -> None:
        await take(LOCK_A)
        await Op("drop", (LOCK_A,), (LOCK_A,), lambda held: [Outcome(None, (False,))])

    async def peeks() -> None:
        assert not await read(LOCK_A), "it was held"

    return model(locks, peeks)


def passing_on() -> Model:
    async def flickers() -> None:
        await write(X, 1)
        await write(X, 0)

    async def peeks() -> None:
        assert not await read(X), "it was set"

    return model(flickers, peeks)


@pytest.mark.parametrize("one", [peeking(), passing_on()], ids=["left mover", "local"])
def test_nobody_hurries_past_one_who_looks(one: Model) -> None:
    tables = learned(one)
    fusions = partial_order.analyse(tables, ALL, reductions.none(tables).same, WaitCache())
    assert all(0 in fusible.danger[1] for fusible in fusions[0].values())
    assert check(one).violated == "assertion"
    forced = replace(reductions.none(tables), fusions=({1: Fusible((frozenset(), frozenset()), True)}, {}))
    assert searched(tables, forced).violated == ""  # wrong
    assert partial_order.forbids(fusions, forced.fusions)


@pytest.mark.parametrize("row", ["smp-6.2-fix", "s390"])
def test_operations_that_touch_the_same_are_asked_once(row: str) -> None:
    """What the analysis keeps by kind of operation is what it would find of each, also under a memory model."""
    chosen = choose(row)
    tables = tables_of(SCENARIOS["lost-dirty-dontneed"].build(chosen.arch(), chosen.era), before=True)
    Search(tables, Limits(), False, budget=500).run()
    known = partial_order._Known(tables, reductions.none(tables).same, WaitCache())
    conflicts = 0
    for one in [row for rows in tables.rows for row in rows if row is not None]:
        for other, rows in enumerate(tables.rows):
            each = {n for n, theirs in enumerate(rows) if theirs is not None and known._conflict(one, theirs)}
            assert known._touching(one, other) == each
            conflicts += len(each)
    assert conflicts > 200


def test_what_nobody_touches_is_local() -> None:
    async def alone() -> None:
        for _ in range(3):
            await add(X)

    async def other() -> None:
        for _ in range(3):
            await add(Y)

    plan, found = planned(model(alone, other), frozenset({reductions.FUSE_LOCAL}), "reference", stop=False, first=5)
    assert plan.used == (reductions.FUSE_LOCAL,)
    assert found.states < 16


def test_what_a_property_looks_at_does_not_hurry() -> None:
    async def alone() -> None:
        await add(X)
        await add(X)
        await add(X)

    one = model(alone, always=(Property("never two", "", (X,), lambda x: x != 2),))
    tables = learned(one)
    assert partial_order.analyse(tables, ALL, reductions.none(tables).same, WaitCache())[0] == {}
    free = {n: Fusible((frozenset(),), True) for n in (0, 1, 2)}
    assert searched(tables, replace(reductions.none(tables), fusions=(free,))).violated == ""  # wrong
    assert check(one).violated == "never two"


def test_taking_a_lock_does_not_hurry() -> None:
    """It would hide lock-order deadlocks."""
    one = model(a_then_b, b_then_a)
    tables = learned(one)
    fusions = partial_order.analyse(tables, ALL, reductions.none(tables).same, WaitCache())
    assert all(tables.rows[t][n].op.name.startswith("drop") for t in (0, 1) for n in fusions[t])  # type: ignore[union-attr]
    free = Fusible((frozenset(), frozenset()), True)
    forced = replace(reductions.none(tables), fusions=({0: free, 1: free}, {0: free, 1: free}))
    assert searched(tables, forced).violated == ""  # wrong
    for searcher in ("reference", *(["fast"] if available() else [])):
        assert planned(one, ALL, searcher, first=3)[1].violated == "deadlock"


def test_a_loop_of_steps_that_hurry_is_broken() -> None:
    """A thread that polls for ever must not keep the others from going on."""

    async def polls() -> None:
        while True:
            await add_mod(Y)

    async def works() -> None:
        await add(X)
        assert await read(X) == 0, "x moved"

    one = model(polls, works)
    for searcher in ("reference", *(["fast"] if available() else [])):
        plan, found = planned(one, ALL, searcher, first=4)
        assert found.violated == "assertion"
        assert len(plan.fusions[0]) == 0


def add_mod(cell: Cell) -> Op:
    return Op("tick", (cell,), (cell,), lambda v: [Outcome(None, ((v + 1) % 3,))])


# All together, on random programs.


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(st.lists(ACTIONS, max_size=4), min_size=2, max_size=3),
    st.sampled_from(SETS),
    st.booleans(),
    st.integers(2, 30),
)
def test_random_programs_keep_their_verdict(
    threads: list[list[tuple[str, int, int]]], names: frozenset[str], twins: bool, first: int
) -> None:
    if twins:
        threads = [threads[0], *threads]
    groups = (("t0", "t1"),) if twins else ()
    odd = final("odd", lambda a, b, c: a + b + c != 4, *CELLS)
    one = replace(model(*map(program, threads), initial=dict.fromkeys(CELLS, 0), finally_=(odd,)), symmetric=groups)
    whole = check(one, searcher="reference", reductions=())
    for searcher in ("reference", *(["fast"] if available() else [])):
        found = planned(one, names, searcher, first=first)[1]
        assert bool(found.violated) == bool(whole.violated)
        assert found.exhaustive == whole.exhaustive
    reduced = check(one, searcher="reference", reductions=names)
    assert len(reduced.trace) == len(whole.trace)
