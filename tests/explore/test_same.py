"""Two texts of a program: equal, silent steps, and differences with the shortest sequence of answers."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import Any

import pytest

from core.explore import Limits
from core.explore.model import Daemon
from core.explore.same import Sameness, same
from core.machine.op import Cpu, Op, Outcome
from tests.explore.programs import (
    LOCK_A,
    X,
    Y,
    add,
    drop,
    increment_atomic,
    increment_torn,
    model,
    read,
    take,
    write,
)

Program = Callable[[], Coroutine[Op, Any, Any]]


def compared(first: Program, second: Program, other: Program = increment_atomic) -> Sameness:
    """`first` and `second` beside `other`."""
    return same(model(first, other), model(second, other))


async def clears_at_once() -> None:
    """Under the lock: X is tested and cleared in one step."""
    await take(LOCK_A)
    await Op("test and clear x", (X,), (X,), lambda x: [Outcome(x, (0,))])
    await drop(LOCK_A)


async def looks_then_clears() -> None:
    """The same in two steps, of which the second is left out where there is nothing to clear."""
    await take(LOCK_A)
    if await read(X):
        await write(X, 0)
    await drop(LOCK_A)


async def sets() -> None:
    """Another thread that sets X, without the lock."""
    await write(X, 1)


def test_a_program_is_equal_to_itself() -> None:
    found = compared(increment_torn, increment_torn)
    assert not found.differences
    assert not found.silent
    assert found.exhaustive
    assert (found.states, found.pairs, found.combinations) == (8, 6, 7)


def test_what_is_done_in_two_steps_is_not_what_is_done_in_one() -> None:
    (difference,) = compared(increment_atomic, increment_torn).differences
    assert difference.thread == "t0"
    assert [step.step for step in difference.history] == ["the second alone: read x", "the second alone: x = 1"]
    assert difference.first.startswith("x += 1 (programs.py:")
    assert difference.second == "the end"  # what it writes may be there already, by the other thread
    assert difference.why == "where x 0: the first: x = 1; the second: has ended"


def test_two_steps_are_one_where_nobody_comes_in_between() -> None:
    found = compared(clears_at_once, looks_then_clears, sets)
    assert not found.differences
    assert len(found.silent) == 1
    assert found.silent[0].startswith("only the second: read x (test_same.py:")


async def reads_twice() -> None:
    """Y is written if X is 1, which is read again."""
    if await read(X) and await read(X):
        await write(Y, 1)


async def reads_once() -> None:
    """Y is written if X is 1."""
    if await read(X):
        await write(Y, 1)


async def up_and_down() -> None:
    """X is 1 for a moment."""
    await write(X, 1)
    await write(X, 0)


@pytest.mark.parametrize("other", [sets, up_and_down])
def test_a_word_that_is_read_again_does_not_matter_if_the_last_look_decides(other: Program) -> None:
    assert not compared(reads_once, reads_twice, other).differences
    assert not compared(reads_twice, reads_once, other).differences


async def writes_if_it_changes() -> None:
    """Y is written if X was 1, and is 0."""
    if await read(X) and not await read(X):
        await write(Y, 1)


def test_a_word_that_is_read_again_matters_if_both_looks_decide() -> None:
    assert not compared(reads_nothing, writes_if_it_changes, sets).differences
    (difference,) = compared(reads_nothing, writes_if_it_changes, up_and_down).differences
    assert [step.step for step in difference.history] == ["read x", "the second alone: read x"]
    assert difference.second.startswith("y = 1")


async def reads_nothing() -> None:
    """Changes nothing."""
    await read(X)


def test_the_sequence_of_answers_is_a_shortest_one() -> None:
    async def first() -> None:
        for _ in range(3):
            await add(Y)
        await write(X, 3)

    async def second() -> None:
        for _ in range(3):
            await add(Y)
        await write(X, 4)

    (difference,) = same(model(first), model(second)).differences
    assert [step.answer for step in difference.history] == ["y = 1", "y = 2", "y = 3"]
    assert difference.why == "where x 0: the first: x = 3; the second: x = 4"


def test_one_that_ends_earlier_differs() -> None:
    async def twice() -> None:
        await add(X)
        await add(X)

    (difference,) = same(model(twice), model(increment_atomic)).differences
    assert difference.second == "the end"
    (difference,) = same(model(increment_atomic), model(twice)).differences
    assert difference.first == "the end"


def test_one_that_blocks_where_the_other_does_not_differs() -> None:
    async def takes() -> None:
        await take(LOCK_A)

    async def sets_lock() -> None:
        await write(LOCK_A, True)

    assert not same(model(takes), model(sets_lock)).differences  # nobody else has the lock
    (difference,) = same(model(takes, takes), model(sets_lock, takes)).differences
    assert difference.second == "the end"


def test_a_step_that_violates_differs() -> None:
    def look(violated: str) -> Op:
        return Op("look", (X,), (), lambda x: [Outcome(None, (), violated if x else "")])

    async def quiet() -> None:
        await look("")

    async def loud() -> None:
        await look("broken")

    (difference,) = compared(quiet, loud).differences
    assert difference.why.endswith("(violates broken)")


def test_daemons_are_compared() -> None:
    daemons = [
        Daemon("hardware", Cpu(0), Op("tick", (X,), (X,), lambda x, to=to: [Outcome(None, (to,))])) for to in (1, 2)
    ]
    first, second = (replace(model(increment_atomic), daemons=(daemon,)) for daemon in daemons)
    assert [one.thread for one in same(first, second).differences] == ["hardware"]
    assert not same(first, first).differences


def test_a_bounded_search_is_a_sample() -> None:
    async def many() -> None:
        for _ in range(100):
            await add(X)

    found = same(model(many, many), model(many, many), limits=Limits(max_states=1024))
    assert not found.exhaustive
    assert found.bounds.startswith("1024 states; depth 44 completed")


def test_a_loop_that_waits_is_a_step_that_blocks() -> None:
    async def waits() -> None:
        await Op("wait for x", (X,), (), lambda x: [Outcome(None)] if x else [])
        await write(Y, 1)

    async def spins() -> None:
        while not await read(X):
            pass
        await write(Y, 1)

    assert not compared(waits, spins, sets).differences
    assert not compared(spins, spins, sets).differences


def test_a_loop_that_nobody_ends_is_none() -> None:
    async def goes_on() -> None:
        await read(X)
        await write(Y, 1)

    async def spins() -> None:
        while not await read(X):
            pass
        await write(Y, 1)

    assert same(model(goes_on), model(spins)).differences


@pytest.mark.parametrize("order", [0, 1])
def test_a_read_that_changes_nothing_may_be_left_out(order: int) -> None:
    async def plain() -> None:
        await write(Y, 1)

    async def looks() -> None:
        await read(X)
        await write(Y, 1)

    sides = (plain, looks) if order else (looks, plain)
    found = compared(*sides)
    assert not found.differences
    assert len(found.silent) == 1
