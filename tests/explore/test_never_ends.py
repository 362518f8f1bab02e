"""A wait without an end on some interleavings is found, and nothing else is called one."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.explore import Daemon, Model, check
from core.explore.cursor import Cursor
from core.explore.model import END
from core.explore.transition_tables import TransitionTables
from core.machine.op import Cell, Cpu, Op, Outcome
from tests.explore.programs import LOCK_A, LOCK_B, X, a_then_b, b_then_a, drop, final, model, read, take, write
from tests.explore.random_programs import CELLS, program

ENDS = (final("any", lambda x: True, X),)


def try_lock(cell: Cell) -> Op:
    return Op(f"try {cell}", (cell,), (cell,), lambda held: [Outcome(not held, (True,))])


async def b_then_tries_a() -> None:
    """Holds one lock while it tries for the other again and again: with `a_then_b` it may try for ever."""
    await take(LOCK_B)
    while not await try_lock(LOCK_A):
        pass
    await drop(LOCK_A)
    await drop(LOCK_B)


async def b_until_a() -> None:
    """Right: gives the one back before it tries again."""
    while True:
        await take(LOCK_B)
        if await try_lock(LOCK_A):
            break
        await drop(LOCK_B)
    await drop(LOCK_A)
    await drop(LOCK_B)


def ticking() -> Daemon:
    """A daemon that never stops."""
    return Daemon("clock", Cpu(9), Op("tick", (X,), (X,), lambda x: [Outcome(None, (1 - x,))]))


@pytest.mark.parametrize("searcher", ["reference", "fast"])
def test_a_lock_that_is_tried_for_ever_has_a_trace(searcher: str) -> None:
    one = replace(model(a_then_b, b_then_tries_a), finally_=ENDS)
    verdict = check(one, searcher=searcher)
    assert verdict.violated == "deadlock"  # who tries once more is where it was: nobody moves
    assert [step.step for step in verdict.trace][:2] == ["take lock[a]", "take lock[b]"]
    assert "t0 waits in 'take lock[b]'" in verdict.sentence
    assert "t1 waits in 'try lock[a]'" in verdict.sentence


async def ping() -> None:
    """Waits for an answer, looking at two words in turn."""
    await write(X, 1)
    while not (await read(LOCK_A) and await read(LOCK_B)):
        pass


async def pong() -> None:
    """Answers only if it comes in time."""
    if await read(X):
        await write(LOCK_A, True)
        await write(LOCK_B, True)


@pytest.mark.parametrize("searcher", ["reference", "fast"])
def test_an_answer_that_comes_only_sometimes_is_waited_for_without_an_end(searcher: str) -> None:
    verdict = check(replace(model(ping, pong), finally_=ENDS), searcher=searcher)
    assert verdict.violated == "deadlock"  # the words that it looks at in turn change nothing
    assert not verdict.exhaustive
    assert "read x" in [step.step for step in verdict.trace]


@pytest.mark.parametrize("searcher", ["reference", "fast"])
def test_a_lock_that_is_given_back_before_it_is_tried_again_passes(searcher: str) -> None:
    verdict = check(replace(model(a_then_b, b_until_a), finally_=ENDS), searcher=searcher)
    assert (verdict.violated, verdict.exhaustive) == ("", True)


@pytest.mark.parametrize("searcher", ["reference", "fast"])
def test_a_clock_that_goes_on_does_not_hide_a_deadlock(searcher: str) -> None:
    ticks = {"finally_": ENDS, "daemons": (ticking(),)}
    assert check(replace(model(a_then_b, b_then_a), **ticks), searcher=searcher).violated == "livelock"
    assert check(replace(model(a_then_b, a_then_b), **ticks), searcher=searcher).violated == ""


async def asks_again() -> None:
    """Waits for an answer, and asks again each time."""
    await write(X, 1)
    while not await read(LOCK_A):
        await write(X, 2)
        await write(X, 1)


@pytest.mark.parametrize("searcher", ["reference", "fast"])
def test_who_asks_again_and_again_is_found_waiting(searcher: str) -> None:
    verdict = check(replace(model(asks_again, pong), finally_=ENDS), searcher=searcher)
    assert verdict.violated == "livelock"
    assert not verdict.exhaustive
    assert "read x" in [step.step for step in verdict.trace]
    assert "t0 waits in" in verdict.sentence
    assert "t1 waits" not in verdict.sentence


def spinning(actions: list[tuple[str, int, int]], cell: int) -> Any:
    """`program(actions)`, then a look at a cell, again and again until it is set."""

    async def run() -> None:
        await program(actions)()
        while not await read(CELLS[cell]):
            await write(CELLS[(cell + 1) % 3], 0)

    return run


def lost(one: Model) -> bool:
    """Is there a state from which no way leads to the end?  By a search of its own, and its graph backwards."""
    tables = TransitionTables(one)
    first = Cursor(tables)
    states, before = [first], dict[Any, list[Any]]()
    seen = {(tuple(first.locals), _cells(first))}
    ends = []
    while states:
        at = states.pop()
        here = (tuple(at.locals), _cells(at))
        if at.ended():
            ends.append(here)
        for agent in range(len(tables.rows) + len(tables.daemons)):
            for move in at.moves(agent):
                after = at.copy()
                after.go(agent, move)
                there = (tuple(after.locals), _cells(after))
                before.setdefault(there, []).append(here)
                if there not in seen:
                    seen.add(there)
                    states.append(after)
    ending = set(ends)
    while ends:
        for earlier in before.get(ends.pop(), []):
            if earlier not in ending:
                ending.add(earlier)
                ends.append(earlier)
    return ending != seen


def all_lost(one: Model) -> bool:
    """Does no interleaving end?  That is another verdict."""
    verdict = check(one, searcher="reference")
    return verdict.unreached == (END,)


def _cells(cursor: Cursor) -> tuple[int, ...]:
    cells = list(cursor.cells)
    while cells and not cells[-1]:
        cells.pop()
    return tuple(cells)


SHORT = st.lists(st.tuples(st.sampled_from(["add", "write", "copy", "wait"]), st.integers(0, 2), st.integers(0, 2)))


@settings(max_examples=60)
@given(
    st.lists(st.tuples(SHORT.filter(lambda a: len(a) < 4), st.integers(0, 2)), min_size=1, max_size=3), st.booleans()
)
def test_random_programs_that_spin_are_judged_as_by_the_whole_graph(threads: list[Any], ticks: bool) -> None:
    daemons = (
        Daemon("clock", Cpu(9), Op("tick", (CELLS[0],), (CELLS[0],), lambda v: [Outcome(None, ((v + 1) % 3,))])),
    )
    one = model(*[spinning(*t) for t in threads], initial=dict.fromkeys(CELLS, 0))
    one = replace(one, finally_=(final("any", lambda v: True, CELLS[0]),), daemons=daemons if ticks else ())
    expected = lost(one)
    if all_lost(one):
        return
    for searcher in ("reference", "fast"):
        verdict = check(one, searcher=searcher)
        assert (verdict.violated in ("livelock", "deadlock")) == expected
        assert verdict.violated in ("livelock", "deadlock", "")
