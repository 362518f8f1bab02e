"""Random walks: bounded, reproducible, and what they find is real and short."""

from __future__ import annotations

from benchmarks.ladder import Size, ladder
from core.explore import check, walk
from core.explore.place import Broken, Choice, Place
from core.explore.tables import Tables
from core.explore.walk import shorten, wander
from core.machine.op import Op, Outcome
from tests.explore.programs import X, a_then_b, add, b_then_a, final, increment_torn, model, read


def test_a_walk_finds_lost_data_and_shortens_the_way() -> None:
    verdict = walk(ladder("EARLY", Size(2, 1, 2, 1)), seed=1, walks=5000, depth=300)
    shortest = check(ladder("EARLY", Size(2, 1, 2, 1)))
    assert verdict.violated == "saved 0"
    assert not verdict.exhaustive
    assert verdict.bounds == "5000 random walks of up to 300 steps, seed 1"
    assert len(shortest.trace) <= len(verdict.trace) <= len(shortest.trace) + 8


def test_the_same_seed_walks_the_same_way() -> None:
    one, two = (walk(ladder("NOFLUSH", Size(2, 1, 2, 1)), seed=7, walks=300) for _ in range(2))
    assert one == two
    assert one.violated == "use-after-free"


def test_a_walk_that_finds_nothing_is_bounded_all_the_same() -> None:
    verdict = walk(model(increment_torn), walks=5, depth=10)
    assert (verdict.violated, verdict.exhaustive, verdict.searcher) == ("", False, "walk")


def test_walks_find_deadlocks_and_assertions() -> None:
    deadlock = walk(model(a_then_b, b_then_a), walks=200)
    assert (deadlock.violated, len(deadlock.trace)) == ("deadlock", 2)

    async def careful() -> None:
        assert await read(X) == 0, "x moved"

    found = walk(model(careful, increment_torn), walks=200)
    assert (found.violated, found.sentence) == ("assertion", "x moved")


def test_a_sometimes_property_is_ticked_off() -> None:
    two, nine = final("two", lambda x: x == 2, X), final("nine", lambda x: x == 9, X)
    verdict = walk(model(increment_torn, increment_torn, sometimes=(two, nine)), walks=100)
    assert verdict.unreached == ("nine",)


def test_polling_daemons_do_not_keep_a_walk_busy() -> None:
    async def polls() -> None:
        while await read(X) == 0:
            pass

    async def sets() -> None:
        await add(X)

    assert walk(model(polls, sets), walks=20, depth=100).states < 20 * 100


def test_shortening_keeps_the_property_that_was_broken() -> None:
    async def breaks() -> None:
        await add(X)
        await Op("boom", (), (X,), lambda: [Outcome(None, (9,), "first")])
        await Op("boom", (), (X,), lambda: [Outcome(None, (9,), "second")])

    tables = Tables(model(breaks, increment_torn))
    way = [Choice(1, 0), Choice(0, 0), Choice(1, 0), Choice(0, 0)]
    assert shorten(tables, way, Broken("first", "")) == [Choice(0, 0), Choice(0, 0)]


def test_wandering_learns_what_lies_deep() -> None:
    tables = Tables(ladder("DELAYED", Size(2, 1, 2, 2)))
    wander(tables, 1, 5000)
    whole = Tables(ladder("DELAYED", Size(2, 1, 2, 2)))
    place = Place(whole)
    assert not place.ended()
    assert all(any(row is None for row in rows) for rows in tables.rows)
