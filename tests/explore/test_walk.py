"""Random walks: bounded, reproducible, and what they find is real and short."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import Any

import pytest

from benchmarks.ladder import Size, ladder
from core.explore import Daemon, Model, check, walk
from core.explore.cursor import Broken, Choice, Cursor
from core.explore.schedulers import Knowledge, Priorities, Scheduler, Weighted
from core.explore.transition_tables import TransitionTables
from core.explore.walk import many, shorten, wander
from core.machine.op import Cpu, Op, Outcome
from tests.explore.programs import (
    LOCK_A,
    LOCK_B,
    X,
    Y,
    a_then_b,
    add,
    b_then_a,
    final,
    increment_torn,
    model,
    read,
    write,
)


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

    tables = TransitionTables(model(breaks, increment_torn))
    way = [Choice(1, 0), Choice(0, 0), Choice(1, 0), Choice(0, 0)]
    assert shorten(tables, way, Broken("first", "")) == [Choice(0, 0), Choice(0, 0)]


def test_wandering_learns_what_lies_deep() -> None:
    tables = TransitionTables(ladder("DELAYED", Size(2, 1, 2, 2)))
    wander(tables, 1, 5000)
    whole = TransitionTables(ladder("DELAYED", Size(2, 1, 2, 2)))
    cursor = Cursor(whole)
    assert not cursor.ended()
    assert all(any(row is None for row in rows) for rows in tables.rows)


def exact_switches(steps: int, wanted: str) -> Model:
    """Threads a and b of some steps each, which is wrong if they begin in exactly that order."""

    def goes(name: str) -> Callable[[], Coroutine[Op, Any, None]]:
        def step(seen: str) -> list[Outcome]:
            now = wanted if seen == wanted else seen + name if wanted.startswith(seen + name) else "no"
            return [Outcome(None, (now,), "exact" if now == wanted != seen else "")]

        async def program() -> None:
            for _ in range(steps):
                await Op(f"{name} goes", (X,), (X,), step)

        return program

    return model(goes("a"), goes("b"), initial={X: ""})


def walk_by(tables: TransitionTables, chooses: Scheduler) -> Cursor:
    """Where a walk ends in which every operation has one outcome."""
    cursor = Cursor(tables)
    while able := [agent for agent in range(len(tables.rows)) if cursor.moves(agent)]:
        agent = chooses.choose(cursor, able)
        cursor.go(agent, cursor.moves(agent)[0])
        chooses.gone(cursor, agent, able, True)
    return cursor


def three_switches() -> Model:
    """One thread must get through thirty accesses to y while the other stands between two to x; twice they return."""

    def step(name: str) -> Op:
        def goes(seen: str) -> list[Outcome]:
            return [Outcome(None, (seen + name,), "exact" if seen + name == "baba" else "")]

        return Op(f"{name} goes", (X,), (X,), goes)

    async def long() -> None:
        for _ in range(30):
            await write(Y, 1)
        await step("a")
        await step("a")

    async def short() -> None:
        for _ in range(4):
            await step("b")
        await read(Y)

    return model(long, short, initial={X: "", Y: 0})


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_bug_that_needs_three_exact_switches_is_found(seed: int) -> None:
    """Of 37 accesses PCT has to choose three, which it does once in 2 * 37**3 walks; of the six to x it is easy."""
    verdict = walk(three_switches(), seed=seed, walks=1000)
    assert (verdict.violated, len(verdict.trace)) == ("exact", 34)


@pytest.mark.parametrize(("wanted", "changes"), [("aaab", 1), ("aabba", 2)])
def test_changes_of_priority_keep_the_bound_of_pct(wanted: str, changes: int) -> None:
    """1/(n k^(d-1)) of walks: n = 2 threads, k = 6 + 6 accesses, d - 1 changes; less three standard deviations."""
    tables, rng, hits, walks = TransitionTables(exact_switches(6, wanted)), random.Random(1), 0, 3000
    know = Knowledge(tables)
    know.refresh()
    know.learn(Counter({(0, 1): 6, (1, 1): 6}))
    for _ in range(walks):
        cursor = walk_by(tables, Priorities(know, rng, -1, changes))
        hits += tables.values[0][cursor.cells[0]] == wanted
    bound = walks / (2 * 12**changes)
    assert hits >= bound - 3 * bound**0.5


def test_weighted_walks_are_uniform_over_threads_of_unlike_length() -> None:
    """One access among nine: a coin at each step has it behind the ninth once in 512 walks, this once in ten."""

    async def nine() -> None:
        for _ in range(9):
            await add(X)

    async def one() -> None:
        await Op("see", (X,), (Y,), lambda x: [Outcome(None, (x,))])

    know, rng, seen = Knowledge(TransitionTables(model(nine, one))), random.Random(1), Counter[int]()
    know.refresh()
    know.learn(Counter({(0, 1): 9, (1, 1): 1}))
    for _ in range(2000):
        cursor = walk_by(know.tables, Weighted(know, rng, -1))
        seen[know.tables.values[1][cursor.cells[1]]] += 1
    assert set(seen) == set(range(10))
    assert all(140 <= count <= 260 for count in seen.values())


def test_only_cells_that_somebody_else_touches_and_somebody_writes_are_shared() -> None:
    async def first() -> None:
        await Op("mine, common, yours", (X, Y), (LOCK_A,), lambda x, y: [Outcome(None, (True,))])

    async def second() -> None:
        await Op("", (Y, LOCK_A), (LOCK_B,), lambda y, held: [Outcome(None, (held,))])

    know = Knowledge(TransitionTables(model(first, second)))
    know.refresh()
    cursor, lock = Cursor(know.tables), 1 << know.tables.cell(LOCK_A)
    assert [know.shared(cursor, agent) for agent in (0, 1)] == [lock, lock]


def test_nobody_is_starved_by_one_who_polls_in_several_steps_or_by_a_daemon() -> None:
    async def polls() -> None:
        while await read(X) == 0:
            await add(Y)
            await write(Y, 0)

    async def sets() -> None:
        await add(X)

    flips = Daemon("flip", Cpu(0), Op("flip", (LOCK_A,), (LOCK_A,), lambda held: [Outcome(None, (not held,))]))
    tables = TransitionTables(replace(model(polls, sets), daemons=(flips,)))
    for walked in many(tables, 1, 60, 1000, []):
        assert {agent for agent, _ in walked.path} >= {0, 1}, walked.kind


def test_every_way_to_choose_takes_its_turn() -> None:
    kinds = Counter(
        walked.kind for walked in many(TransitionTables(model(increment_torn, increment_torn)), 1, 100, 10, [])
    )
    assert kinds == {"Priorities": 40, "Weighted": 40, "Races": 20}
