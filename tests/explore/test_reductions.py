"""Each reduction: it is used where it may be, refused where it may not, and would be wrong there."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from benchmarks.ladder import POLICIES, Size, ladder
from core.explore import Limits, Model, Property, Thread, bisimulation, check, partial_order, reductions, symmetry
from core.explore.numeric import available
from core.explore.partial_order import Fusible
from core.explore.reductions import ALL, Plan
from core.explore.reference import Search
from core.explore.search_result import SearchResult
from core.explore.symmetry import Symmetry
from core.explore.trace import steps
from core.explore.transition_tables import TransitionTables
from core.machine.op import Cell, Cpu, Op, Outcome, Page
from tests.explore.programs import LOCK_A, X, Y, a_then_b, add, b_then_a, final, model, read, take, write
from tests.explore.random_programs import ACTIONS, CELLS, program

SEARCHERS = ["reference", pytest.param("fast", marks=pytest.mark.skipif(not available(), reason="needs numba"))]

BOTH_SYMMETRIES = {reductions.SYMMETRY, reductions.PAGES}
SETS = [frozenset[str](), *[frozenset({name}) for name in sorted(ALL)], ALL - BOTH_SYMMETRIES, ALL]


def searched(tables: TransitionTables, plan: Plan, searcher: str = "reference", stop: bool = True) -> SearchResult:
    if searcher == "reference":
        return Search(tables, Limits(), stop, plan=plan).run()
    from core.explore.compiled.search import FastSearch

    return FastSearch(tables, Limits(), stop, plan).run()


def learned(one: Model) -> TransitionTables:
    """The tables after a whole search."""
    tables = TransitionTables(one, before=True)
    Search(tables, Limits(), False).run()
    return tables


def planned(
    one: Model, names: frozenset[str], searcher: str, stop: bool = True, first: int = 50
) -> tuple[Plan, SearchResult]:
    """A reduced search as `check` does it, also on models so small that it would not."""
    tables = TransitionTables(one, before=True)
    Search(tables, Limits(), stop, budget=first).run()
    while True:
        plan = reductions.make(tables, names)
        try:
            found = searched(tables, plan, searcher, stop)
        except symmetry.NotSymmetric:
            names -= {reductions.SYMMETRY, reductions.PAGES}
            continue
        if not found.exhaustive or reductions.held(tables, plan):
            steps(tables, found.find_path())  # the way can be walked
            return plan, found


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
    fusions = partial_order.analyse(tables, ALL, reductions.none(tables).same, partial_order.WaitCache())
    assert all(0 in fusible.danger[1] for fusible in fusions[0].values())
    assert check(one).violated == "assertion"
    forced = replace(reductions.none(tables), fusions=({1: Fusible((frozenset(), frozenset()), True)}, {}))
    assert searched(tables, forced).violated == ""  # wrong
    assert partial_order.forbids(fusions, forced.fusions)


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
    assert partial_order.analyse(tables, ALL, reductions.none(tables).same, partial_order.WaitCache())[0] == {}
    free = {n: Fusible((frozenset(),), True) for n in (0, 1, 2)}
    assert searched(tables, replace(reductions.none(tables), fusions=(free,))).violated == ""  # wrong
    assert check(one).violated == "never two"


def test_taking_a_lock_does_not_hurry() -> None:
    """It would hide lock-order deadlocks."""
    one = model(a_then_b, b_then_a)
    tables = learned(one)
    fusions = partial_order.analyse(tables, ALL, reductions.none(tables).same, partial_order.WaitCache())
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


# Symmetry.

MAIL = [Cell("mail", Cpu(0)), Cell("mail", Cpu(1))]


def receiving(number: int) -> Any:
    async def receives() -> None:
        await Op("receive", (MAIL[number],), (), lambda sent: [Outcome(None)] if sent else [])

    return receives


def sending(*order: int) -> Any:
    async def sends_in_order() -> None:
        for number in order:
            await write(MAIL[number], True)

    return sends_in_order


async def sends_at_once() -> None:
    await Op("send", (), tuple(MAIL), lambda: [Outcome(None, (True, True))])


BOTH = frozenset({Thread, Page})


def mailing(sender: Any) -> Model:
    one = model(receiving(0), receiving(1), sender, initial=dict.fromkeys(MAIL, False))
    return replace(one, symmetric=(("t0", "t1"),))


class Same(dict[int, int]):
    """Every number stands for itself."""

    def __missing__(self, key: int) -> int:
        return key


class Trusted(Symmetry):
    """A claim that nobody checks."""

    def close(self) -> None:
        for image in self.images:
            while self._cells(image):
                pass
            image.locals = [Same() for _ in self.tables.rows]


def test_equal_receivers_are_exchanged() -> None:
    plan, found = planned(mailing(sends_at_once), frozenset({reductions.SYMMETRY}), "reference", stop=False, first=3)
    assert plan.used == (reductions.SYMMETRY,)
    assert (found.violated, found.states) == ("", 4)
    assert check(mailing(sends_at_once)).states == 5


def test_an_ordered_sender_is_refused() -> None:
    wrong = []
    for order in ((0, 1), (1, 0)):
        one = mailing(sending(*order))
        tables = learned(one)
        assert symmetry.find(tables, BOTH) is None
        assert check(one, reductions=("symmetry",)).violated == ""
        forced = replace(reductions.none(tables), symmetry=Trusted(tables, [("t0", "t1")]))
        wrong.append(searched(tables, forced).violated)
    assert "deadlock" in wrong  # a false counterexample, where the image that is kept cannot be reached


def test_a_property_that_tells_threads_apart_is_refused() -> None:
    one = replace(mailing(sends_at_once), always=(final("first", lambda sent: not sent, MAIL[0]),))
    with pytest.raises(symmetry.NotSymmetric, match="first looks at some of the members only"):
        Symmetry(learned(one), [("t0", "t1")])


def test_threads_that_differ_are_refused() -> None:
    one = replace(model(a_then_b, b_then_a), symmetric=(("t0", "t1"), ("t0", "nobody")))
    tables = learned(one)
    assert symmetry.find(tables, BOTH) is None
    with pytest.raises(symmetry.NotSymmetric):
        Symmetry(tables, [("t0", "t1")])


# Symmetry of pages.

PAGES = (Page(0), Page(1))


def present(page: int) -> Cell:
    return Cell("present", Page(page))


def dirty(page: int) -> Cell:
    return Cell("dirty", Page(page))


async def stores_twice() -> None:
    """Stores to any page, twice: what it did first it remembers."""
    stores = Op("store", tuple(map(dirty, PAGES)), tuple(map(dirty, PAGES)), _stored)
    first = await stores
    second = await stores
    await write(Cell("last"), (first, second))


def _stored(*pages: bool) -> list[Outcome]:
    return [Outcome(page, tuple(True if p == page else d for p, d in zip(PAGES, pages, strict=True))) for page in PAGES]


def cleaning(*order: int) -> Any:
    async def cleans_in_order() -> None:
        for page in order:
            await write(present(page), False)
            await write(dirty(page), False)

    return cleans_in_order


def paging(*programs: Any, group: Any = PAGES) -> Model:
    cells = {Cell("last"): None, **{present(page): True for page in PAGES}, **{dirty(page): False for page in PAGES}}
    clean = final("clean", lambda *dirt: True, *map(dirty, PAGES))
    gone = final("gone", lambda *there: not all(there), *map(present, PAGES))
    return replace(model(*programs, initial=cells, finally_=(clean, gone)), symmetric=(group,))


TOGETHER = (("t1", Page(0)), ("t2", Page(1)))


@pytest.mark.parametrize("searcher", ["reference", *(["fast"] if available() else [])])
def test_equal_pages_are_exchanged_with_the_threads_that_serve_them(searcher: str) -> None:
    one = paging(stores_twice, cleaning(0), cleaning(1), group=TOGETHER)
    whole = check(one, reductions=())
    plan, found = planned(one, frozenset({reductions.PAGES}), searcher, stop=False, first=3)
    assert plan.used == (reductions.PAGES,)
    assert (found.violated, found.exhaustive) == ("", True)
    assert whole.violated == ""
    assert whole.states / 2 <= found.states < whole.states * 0.6
    assert planned(one, frozenset({reductions.SYMMETRY}), searcher, stop=False, first=3)[0].used == ()


def test_pages_and_threads_are_exchanged_at_once() -> None:
    one = paging(stores_twice, stores_twice, cleaning(0), cleaning(1))
    one = replace(one, symmetric=(("t0", "t1"), (("t2", Page(0)), ("t3", Page(1)))))
    whole = check(one, reductions=())
    counts = set()
    for searcher in ("reference", *(["fast"] if available() else [])):
        plan, found = planned(one, frozenset({reductions.PAGES, reductions.SYMMETRY}), searcher, stop=False, first=3)
        assert plan.used == (reductions.SYMMETRY, reductions.PAGES)
        counts.add(found.states)
    assert len(counts) == 1
    assert whole.states / 4 <= counts.pop() < whole.states * 0.3


def waiting(page: int) -> Any:
    async def waits() -> None:
        await Op("wait", (present(page),), (), lambda there: [] if there else [Outcome(None)])

    return waits


def test_pages_that_are_walked_in_order_are_refused() -> None:
    group = (("t0", Page(0)), ("t1", Page(1)))
    wrong = []
    for order in ((0, 1), (1, 0)):
        one = paging(waiting(0), waiting(1), cleaning(*order), group=group)
        tables = learned(one)
        assert symmetry.find(tables, BOTH) is None
        assert check(one, reductions=(reductions.PAGES,)).violated == ""
        forced = replace(reductions.none(tables), symmetry=Trusted(tables, [group]))
        wrong.append(searched(tables, forced).violated)
    assert "deadlock" in wrong  # a false counterexample, as with the ordered sender


def test_the_pages_of_the_ladder_are_not_equal() -> None:
    """Zapper and cleaner take them in order, as the kernel does."""
    claimed = replace(ladder("DELAYED", Size(1, 2, 1, 1)), symmetric=(PAGES,), finally_=())
    assert symmetry.find(learned(claimed), BOTH) is None


def test_a_page_that_is_named_apart_is_refused() -> None:
    one = replace(
        paging(stores_twice, cleaning(0), cleaning(1), group=TOGETHER),
        always=(final("first", lambda there: True, present(0)),),
    )
    with pytest.raises(symmetry.NotSymmetric, match="first looks at some of the members only"):
        Symmetry(learned(one), [TOGETHER])
    with pytest.raises(symmetry.NotSymmetric, match="no two members of one kind"):
        Symmetry(learned(one), [("t1", Page(0))])
    assert symmetry.find(learned(replace(one, symmetric=(("t0", "t1"), (Page(0), "t1")))), BOTH) is None


# All together, on random programs.


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
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
