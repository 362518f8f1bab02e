"""What is asked of a record, and for which other records the answers hold."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import pytest

from core.base.asked import Notes, changed, of
from core.explore.freeze import freeze


@dataclass(frozen=True, slots=True)
class Size:
    """A record as Facts is one."""

    room: int = 8
    most: int | None = None
    name: str = "small"

    @property
    def spare(self) -> int:
        return self.room - 3

    def is_called(self, name: str) -> bool:
        return self.name == name


def holds(program: Callable[[Size], object], other: Size, first: Size = Size()) -> bool:
    """Does what `program` asks of `first` hold for `other`?  Run on a record that is asked, it returns the same."""
    notes = Notes(first)
    assert program(of(first, notes)) == program(first)
    assert notes.hold_for(first)
    return notes.hold_for(other)


def test_a_record_of_which_nothing_is_asked_may_be_any() -> None:
    assert holds(lambda size: 1, Size(1, 1, "large"))


def test_a_field_that_is_no_integer_is_asked_for_its_value() -> None:
    assert holds(lambda size: size.name, Size(1))
    assert not holds(lambda size: size.name, Size(name="large"))
    assert not holds(lambda size: size.is_called("large"), Size(name="large"))


@pytest.mark.parametrize("room", [4, 5, 9, 1000])
def test_an_integer_is_asked_for_what_it_is_compared_with(room: int) -> None:
    assert holds(lambda size: [n for n in range(10) if n >= size.room], Size(room)) == (room == 8)
    assert holds(lambda size: [n for n in range(4) if n >= size.room], Size(room))
    assert holds(lambda size: size.room == 7, Size(room))
    assert not holds(lambda size: size.room == 7, Size(7))
    assert holds(lambda size: bool(size.room), Size(room))
    assert not holds(lambda size: bool(size.room), Size(0))


def test_an_integer_divides_others_by_its_value_only_as_far_as_the_quotient_goes() -> None:
    assert holds(lambda size: (3 // size.room, 3 % size.room), Size(16))
    assert not holds(lambda size: 3 // size.room, Size(2))
    assert not holds(lambda size: 3 // size.room, Size(0))
    assert not holds(lambda size: 17 % size.room, Size(9))


def test_of_what_is_computed_with_an_integer_nothing_is_asked_before_it_is_used() -> None:
    assert holds(lambda size: (2 * size.room - 1) // 4 + size.room > 5, Size(100))
    assert not holds(lambda size: 2 * size.room - 1 > 15, Size(9))
    assert holds(lambda size: min(size.room - 1, 2), Size(4))
    assert not holds(lambda size: min(size.room - 1, 2), Size(2))


@pytest.mark.parametrize(
    "use",
    [
        lambda size: list(range(size.room)),
        lambda size: {size.room: 1}[8],
        lambda size: f"{size.room:>3}",
        lambda size: str(size.room),
        lambda size: 1 << size.room,
        lambda size: -size.room,
        lambda size: size.room / 2,
        lambda size: [0] * size.room,
        lambda size: freeze([size.room + 1]),
        lambda size: replace(size, name="x").room.__index__(),
        lambda size: repr(size)[-5:],
    ],
)
def test_in_any_other_use_its_value_is_asked(use: Callable[[Size], object]) -> None:
    assert not holds(use, Size(9))


def test_a_field_is_frozen_as_what_it_is_and_one_of_another_name_as_another() -> None:
    notes = Notes(Size(8, 8))
    size = of(Size(8, 8), notes)
    assert freeze([size.room]) == freeze([size.room]) != freeze([size.most])
    assert notes.hold_for(Size(9, 9))


def test_whether_a_field_is_an_integer_is_asked() -> None:
    def limit(size: Size) -> bool:
        return size.most is None or size.most > 3

    assert holds(limit, Size(most=9), Size(most=5))
    assert not holds(limit, Size(most=None), Size(most=5))
    assert not holds(limit, Size(most=5))


def test_a_property_is_asked_as_a_field_is() -> None:
    assert holds(lambda size: size.spare > 2, Size(7))
    assert not holds(lambda size: size.spare > 2, Size(5))


def test_a_changed_field_is_not_asked_and_the_others_are() -> None:
    assert holds(lambda size: list(range(changed(size, room=2).room)), Size(9))
    assert holds(lambda size: changed(size, room=2).spare, Size(9))
    assert not holds(lambda size: changed(size, name="x").spare > 4, Size(7))
    assert not holds(lambda size: changed(changed(size, name="x"), most=2).room > 7, Size(7))
    assert not holds(lambda size: changed(size, room=min(size.room, 9)).room > 7, Size(7))
    assert changed(Size(), room=2) == Size(2)


def test_the_same_changes_give_the_same_record() -> None:
    size = of(Size(), Notes(Size()))
    assert changed(size) is size
    assert changed(size, room=2, name="x") is changed(changed(size, name="x"), room=2)
    assert freeze(changed(size, room=2)) != freeze(changed(size, room=3))


def test_there_is_no_other_field() -> None:
    size = of(Size(), Notes(Size()))
    with pytest.raises(TypeError, match="Size has no field rooms"):
        changed(size, rooms=1)
    with pytest.raises(AttributeError, match="rooms"):
        getattr(size, "rooms")  # noqa: B009 - mypy knows that there is none
