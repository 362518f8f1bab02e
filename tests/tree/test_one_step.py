"""A handler of C is one step, and what C knows of generations (core.tree.one_step, arch_plugins.from_c)."""

from __future__ import annotations

from typing import Any

import pytest

from arch_plugins.from_c._x86 import FARTHEST, NOW, TlbHands
from core.machine.op import Cell, Op, Outcome
from core.tree.one_step import values_after

A, B = Cell("a"), Cell("b")


async def exchange() -> None:
    a = await Op("read a", (A,), (), lambda a: [Outcome(a)])
    b = await Op("b = a", (B,), (B,), lambda b: [Outcome(b, (a,))])
    await Op("a = b", (), (A,), lambda: [Outcome(None, (b,))])


def test_each_operation_sees_what_those_before_it_have_written() -> None:
    assert values_after(exchange(), {A: 1, B: 2}) == {A: 2, B: 1}


async def one(*outcomes: Outcome) -> None:
    await Op("an operation", (A,), (), lambda a: outcomes)


def test_a_violation_is_an_error() -> None:
    with pytest.raises(AssertionError, match="an operation violates use-after-free"):
        values_after(one(Outcome(None, violated="use-after-free")), {A: 1})


@pytest.mark.parametrize("outcomes", [(), (Outcome(1), Outcome(2))])
def test_an_operation_that_blocks_or_chooses_is_no_part_of_a_step(outcomes: tuple[Outcome, ...]) -> None:
    with pytest.raises(ValueError, match="unpack"):
        values_after(one(*outcomes), {A: 1})


def hands() -> TlbHands:
    mm: Any = None
    return TlbHands(mm)


def test_c_knows_generations_relative_to_the_first_that_it_meets() -> None:
    of = hands()
    assert [of.known_as(gen) for gen in (7, 6, 8, 7)] == [NOW, NOW - 1, NOW + 1, NOW]
    assert [of.generation(known) for known in (NOW, NOW - 1, NOW + 1)] == [7, 6, 8]


def test_one_that_is_far_away_is_as_far_as_c_can_see() -> None:
    of = hands()
    assert [of.known_as(gen) for gen in (64, 0)] == [NOW, NOW - FARTHEST]
    assert of.generation(NOW - FARTHEST) == 0


def test_two_that_c_cannot_tell_apart_are_an_error() -> None:
    of = hands()
    of.known_as(64)
    of.known_as(0)
    with pytest.raises(AssertionError, match="tlb_gen 1 and 0 are both more than 4 from 64"):
        of.known_as(1)
