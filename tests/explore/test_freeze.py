"""Which suspended coroutines are the same."""

from __future__ import annotations

from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any

import pytest

from core.explore.freeze import Freezer, Unfreezable, freeze
from tests.explore.programs import X, add, read


def suspended(program: Any, *answers: Any) -> Coroutine[Any, Any, Any]:
    coroutine: Coroutine[Any, Any, Any] = program()
    value = None
    for answer in (*answers, None):
        coroutine.send(value)
        value = answer
    return coroutine


async def keeps() -> None:
    kept = await read(X)
    await add(X)
    await add(X)
    del kept


async def nests() -> None:
    for number in (1, 2):
        await inner(number)


async def inner(number: int) -> None:
    await add(X)
    await read(X)


@pytest.mark.parametrize(
    ("program", "left", "right", "same"),
    [
        (keeps, (3,), (3,), True),
        (keeps, (3,), (4,), False),
        (keeps, (3,), (3, None), False),
        (nests, (None,), (None,), True),
        (nests, (None,), (None, 5), False),
        (nests, (None, 5, None), (None,), False),
        (nests, (None, 5, None), (None, 6, None), True),
    ],
)
def test_frames_go_by_position_locals_and_stack(program: Any, left: Any, right: Any, same: bool) -> None:
    one, two = suspended(program, *left), suspended(program, *right)
    assert (freeze(one) == freeze(two)) is same
    one.close()
    two.close()


def test_sharing_is_part_of_the_state() -> None:
    shared: list[int] = []
    assert freeze([shared, shared]) != freeze([[], []])
    assert freeze([[], []]) == freeze([[], []])


def test_what_is_frozen_together_shares() -> None:
    shared: list[int] = []
    one, other = Freezer(), Freezer()
    assert (one.value(shared), one.value([shared])) != (other.value(shared), other.value([[]]))


class Slotted:
    """Slots of which some may have no value."""

    __slots__ = ("left", "right")

    def __init__(self, **values: int) -> None:
        for name, value in values.items():
            setattr(self, name, value)


def test_a_slot_without_a_value_is_told_from_its_neighbour() -> None:
    assert freeze(Slotted(left=1)) == freeze(Slotted(left=1))
    assert len({freeze(Slotted(left=1)), freeze(Slotted(right=1)), freeze(Slotted(left=1, right=1))}) == 3


class Entity:
    """Only itself."""

    __shootdown_entity__ = True


def test_an_entity_is_only_itself_even_when_it_is_gone() -> None:
    """The memory of one that is gone is given to the next, and its id with it."""
    one = Entity()
    assert freeze(one) == freeze(one)
    assert hash(freeze(one)) == hash(freeze(one))
    assert len({freeze(Entity()) for _ in range(100)}) == 100


@dataclass(frozen=True, slots=True)
class Record:
    holds: object
    unset: int = field(init=False)


def test_a_record_goes_by_its_fields_and_what_changes_in_it_is_seen() -> None:
    one = Record(1)
    assert freeze([one, one]) == freeze([Record(1), Record(1)]) != freeze([Record(1), Record(True)])
    within: list[int] = []
    before = freeze(Record(within))
    within.append(1)
    assert before != freeze(Record(within))


def test_a_long_table_is_the_same_each_time_and_an_equal_one_too() -> None:
    table = (*range(9), Record((1, Record(2))))
    again, apart = (*range(9), Record((1, Record(2)))), (*range(9), Record((1, Record(True))))
    assert freeze(table) == freeze(table) == freeze(again) != freeze(apart)
    assert freeze([table[9], table]) == freeze([again[9], table])


def test_a_long_tuple_that_holds_what_changes_is_looked_at_each_time() -> None:
    within: list[int] = []
    for table in ((*range(9), within), (*range(9), Record(within)), (*range(9), (within,))):
        before = freeze(table)
        within.append(1)
        assert before != freeze(table)


def test_closures_go_by_contents() -> None:
    def adder(n: int) -> Any:
        return lambda x: x + n

    assert freeze(adder(1)) == freeze(adder(1))
    assert freeze(adder(1)) != freeze(adder(2))


def test_iterators_go_by_position() -> None:
    def after(steps: int) -> Any:
        iterator = iter([1, 2, 3])
        for _ in range(steps):
            next(iterator)
        return iterator

    assert freeze(after(1)) == freeze(after(1))
    assert freeze(after(1)) != freeze(after(2))


def test_true_is_not_one() -> None:
    assert freeze((True,)) != freeze((1,))


def test_what_cannot_be_seen_is_refused() -> None:
    with pytest.raises(Unfreezable):
        freeze(memoryview(b"x"))
