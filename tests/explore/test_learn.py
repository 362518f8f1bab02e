"""What is learned of a program, and what a foreign program may do wrong."""

from __future__ import annotations

import io
import itertools
import random
import sys
import time
import weakref
from collections import deque
from dataclasses import dataclass, field
from typing import Any

import pytest

import core.explore.learn
from core.explore import Hung, NotAnOperation, NotDeterministic, ProgramError, check
from core.explore.errors import ExploreError
from core.explore.freeze import Unfreezable, freeze
from core.explore.transition_tables import TransitionTables
from core.machine.op import Cell, Cpu, Op, Outcome
from tests.explore.programs import X, add, model, read, take, write


def local_states(program: Any) -> int:
    tables = TransitionTables(one := model(program))
    check(one)
    from core.explore.model import Limits
    from core.explore.reference import Search

    Search(tables, Limits(), True).run()
    return len(tables.automata[0].states)


def test_it_does_not_matter_how_a_local_state_was_reached_first() -> None:
    """A coroutine that was looked at on its way tells its variables in another order than one that was not."""
    outer = 1

    async def either_way() -> None:
        await Op("either", (), (X,), lambda: [Outcome(0, (0,)), Outcome(1, (1,))])
        inner = 0
        await write(X, inner + outer)

    assert local_states(either_way) == 3


def test_a_retry_loop_closes() -> None:
    async def spins() -> None:
        while not await read(X):
            pass

    # One state for each place where the compiler tests the condition: two until Python 3.13, one since 3.14.
    assert local_states(spins) == (1 if sys.version_info >= (3, 14) else 2)


def test_what_is_forgotten_is_merged_and_what_is_kept_is_not() -> None:
    coin = Op("coin", (), (), lambda: [Outcome(0), Outcome(1)])

    async def forgets() -> None:
        await coin
        await add(X)

    async def keeps() -> None:
        kept = await coin
        await add(X)
        await write(X, kept)

    assert local_states(forgets) == 3
    assert local_states(keeps) == 6


def test_a_loop_iterator_on_the_value_stack_is_state() -> None:
    async def loops() -> None:
        for _ in range(3):
            await add(X)

    assert local_states(loops) == 4


def test_mutable_structures_go_by_their_fields() -> None:
    @dataclass
    class Bag:
        items: list[int] = field(default_factory=list)

    async def fills() -> None:
        bag = Bag()
        while len(bag.items) < 2:
            bag.items.append(await Op("coin", (), (), lambda: [Outcome(0), Outcome(1)]))
        await add(X)

    assert local_states(fills) == 1 + 2 + 4 + 1


class Noted(dict[str, int]):
    """A dictionary with something beside its items."""


class Slotted:
    """A private attribute with a place of its own."""

    __slots__ = ("__value",)

    def __init__(self, value: int) -> None:
        self.__value = value


@dataclass
class Extra:
    """More than its fields."""

    one: int

    def __post_init__(self) -> None:
        self.two = self.one


def changed(thing: Any, name: str, value: Any) -> Any:
    setattr(thing, name, value)
    return thing


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (Noted(a=1), changed(Noted(a=1), "note", 2)),
        (Noted(a=1), Noted(a=2)),
        (Slotted(1), Slotted(2)),
        (Extra(1), changed(Extra(1), "two", 3)),
        (KeyError(1), KeyError(2)),
        (deque([1], 2), deque([1], 3)),
        (Cpu(1), 1),
        (True, 1),
        (iter([1, 2]), iter([1, 3])),
        ({1, 2}, {1, 3}),
        (lambda: 1, lambda: 2),
    ],
)
def test_different_states_are_told_apart(one: Any, other: Any) -> None:
    assert freeze(one) == freeze(one)
    assert freeze(one) != freeze(other)


def test_what_hides_its_state_is_not_frozen() -> None:
    with open(__file__, encoding="utf-8") as text:
        for thing in (text, io.StringIO("a"), random.Random(1), itertools.count(), weakref.ref(Extra)):
            with pytest.raises(Unfreezable):
                freeze(thing)


def test_what_cannot_be_seen_goes_by_its_history() -> None:
    """Sound, and larger: the two ways to come to the same place stay apart."""

    async def sealed() -> None:
        box = random.Random(1)
        for _ in range(2):
            await Op("coin", (), (), lambda: [Outcome(0), Outcome(1)])
        box.random()
        await add(X)

    assert local_states(sealed) == 1 + 2 + 4 + 1


def test_silent_operations_are_no_states() -> None:
    async def talks() -> None:
        for _ in range(5):
            await Op("log", (), (), lambda: [Outcome(None)], event=("log",))
        await add(X)

    assert local_states(talks) == 2


class Remembers:
    """A policy that keeps state on itself."""

    def __init__(self) -> None:
        self.calls = 0

    async def program(self) -> None:
        self.calls += 1
        for _ in range(self.calls):
            await add(X)


@pytest.mark.parametrize(
    ("program", "error", "message"),
    [
        (lambda: _awaits_a_number(), NotAnOperation, "t0: awaited 7, expected an operation"),
        (lambda: _raises(), ProgramError, "t0: raised ZeroDivisionError"),
        (lambda: _step_raises(), ProgramError, "t0: bad: raised KeyError"),
        (lambda: _wrong_outcome(), NotAnOperation, "t0: bad: step\\(\\) returned 3, expected a list of Outcome"),
        (lambda: _wrong_count(), NotAnOperation, "t0: bad: writes 1 cells, but its outcome has 0 values"),
        (lambda: _unhashable(), NotAnOperation, "is not hashable"),
        (lambda: _unknown_cell(), ExploreError, "cell nowhere has no initial value"),
        (Remembers().program, NotDeterministic, "t0: replayed with the same values"),
        (lambda: 5, NotAnOperation, "t0: the program is 5, expected a coroutine"),
    ],
)
def test_a_program_that_misbehaves_gets_one_clear_message(program: Any, error: type, message: str) -> None:
    with pytest.raises(error, match=message):
        check(model(program))


def test_a_program_that_never_awaits_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    async def hangs() -> None:
        while True:
            time.sleep(0.001)

    monkeypatch.setattr(core.explore.learn, "ANSWER_TIMEOUT", 0.05)
    with pytest.raises(Hung, match="t0: runs on without awaiting"):
        check(model(hangs))


def test_endless_silent_operations_are_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    async def chatters() -> None:
        while True:
            await Op("log", (), (), lambda: [Outcome(None)])

    monkeypatch.setattr(core.explore.learn, "MAX_SILENT", 100)
    with pytest.raises(Hung, match="100 operations in a row touch no cell, the last is "):
        check(model(chatters))


class Number:
    def __await__(self) -> Any:
        yield 7


async def _awaits_a_number() -> None:
    await Number()


async def _raises() -> None:
    await add(X)
    _ = 1 // 0


async def _step_raises() -> None:
    await Op("bad", (X,), (), lambda v: {}[v])


async def _wrong_outcome() -> None:
    await Op("bad", (X,), (), lambda v: [3])  # type: ignore[list-item]


async def _wrong_count() -> None:
    await Op("bad", (), (X,), lambda: [Outcome(None)])


async def _unhashable() -> None:
    await Op("bad", (), (X,), lambda: [Outcome(None, ([],))])  # type: ignore[arg-type]


async def _unknown_cell() -> None:
    await take(Cell("nowhere"))
