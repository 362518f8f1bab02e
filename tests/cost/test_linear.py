"""A walk on linear numbers speaks for every state that meets its conditions: there a plain walk gives what it says."""

from __future__ import annotations

import operator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.cost.affine import Conditions, Linear, fixed, now

SLOPES = [(1, 0, 0), (0, 2, 0), (0, 0, -3)]
ARITHMETIC = {"+": operator.add, "-": operator.sub, "*": operator.mul}
WHOLE = {"//": operator.floordiv, "%": operator.mod, "&": operator.and_, "|": operator.or_, "^": operator.xor}
ORDER = {"<": operator.lt, "<=": operator.le, "==": operator.eq, "!=": operator.ne, ">": operator.gt, ">=": operator.ge}
DIVISORS = (1, 2, 3, 4, 5, 6, 7, 8, 16, 64)
OPERATIONS = {**ARITHMETIC, **WHOLE, **ORDER, "min": min, "max": max}

small = st.integers(-20, 20)
instruction = st.tuples(st.sampled_from(sorted(OPERATIONS)), st.integers(0, 9), st.integers(0, 9))


def walk(numbers, constants, program):
    """Numbers grow by what each instruction makes of two of them; also what was decided."""
    numbers, decided = [*numbers, *constants], []
    for name, one, two in program:
        left, right = numbers[one % len(numbers)], numbers[two % len(numbers)]
        if name in WHOLE:
            right = DIVISORS[two]
        result = OPERATIONS[name](left, right)
        if name in ORDER:
            decided.append(bool(result))
        elif abs(now(result)) < 10**6:
            numbers.append(result)
    return numbers, decided


@settings(max_examples=400)
@given(
    values=st.tuples(small, small, small),
    constants=st.lists(st.integers(-8, 64), min_size=1, max_size=3),
    program=st.lists(instruction, min_size=1, max_size=8),
    elsewhere=st.lists(st.tuples(*[st.integers(-6, 6)] * 3), min_size=1, max_size=30),
)
def test_where_the_conditions_hold_the_walk_is_the_same(values, constants, program, elsewhere) -> None:
    conditions = Conditions()
    begun = [Linear(value, slopes, conditions) for value, slopes in zip(values, SLOPES, strict=True)]
    numbers, decided = walk(begun, constants, program)
    for variables in [(0, 0, 0), *elsewhere]:
        if not all(_within(along(slopes, variables), *span) for slopes, span in conditions.bounds.items()):
            continue
        there = [value + along(slopes, variables) for value, slopes in zip(values, SLOPES, strict=True)]
        plain, decided_there = walk(there, constants, program)
        assert decided_there == decided
        assert plain == [
            number.value + along(number.slopes, variables) if isinstance(number, Linear) else number
            for number in numbers
        ]


def along(slopes, variables):
    return sum(slope * variable for slope, variable in zip(slopes, variables, strict=True))


def _within(value, least, most):
    return (least is None or value >= least) and (most is None or value <= most)


def test_a_comparison_narrows_no_more_than_it_must() -> None:
    conditions = Conditions()
    entries = Linear(100, (1, 0, 0), conditions)
    assert entries < 510
    assert entries >= 7
    assert conditions.bounds == {(1, 0, 0): (-93, 409)}


def test_what_cancels_out_is_an_ordinary_number() -> None:
    entries = Linear(100, (1, 0, 0), Conditions())
    assert type(entries + (510 - entries)) is int
    assert type(entries % 1) is int


@pytest.mark.parametrize("use", [hash, lambda n: range(n), lambda n: list(range(9))[n], lambda n: 1 << n])
def test_what_has_no_rule_fixes_the_number(use) -> None:
    conditions = Conditions()
    use(Linear(5, (1, 0, 0), conditions))
    assert conditions.bounds == {(1, 0, 0): (0, 0)}


def test_text_is_for_readers_and_fixes_nothing() -> None:
    conditions = Conditions()
    assert f"{Linear(5, (1, 0, 0), conditions)}" == str(Linear(5, (1, 0, 0), conditions)) == "5"
    assert not conditions.bounds


def test_numbers_of_a_closed_walk_are_ordinary_ones() -> None:
    past, present = Conditions(), Conditions()
    old, new = Linear(5, (1, 0, 0), past), Linear(7, (0, 1, 0), present)
    past.open = False
    assert old < 6
    assert old + 1 == 6
    assert type(old + 1) is int
    assert fixed(old) == 5
    assert not past.bounds
    assert (old + new).slopes == (new - old).slopes == (0, 1, 0)
    assert now(new - old) == 2
