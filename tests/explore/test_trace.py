"""What a trace shows of a path."""

from __future__ import annotations

import random

import pytest

from core.explore import Model, Thread, check
from core.explore.model import Property, Step
from core.explore.text import columns
from core.machine.op import Cell, Cpu, Op, Outcome, Tid

X, Y, EMPTY = Cell("x", 0), Cell("y", 0), Cell("empty", 0)


def ask() -> Op:
    """Looks at everything and answers with a word."""
    return Op("ask", (X, Y, EMPTY), (), lambda x, y, empty: [Outcome("fault")])


def take() -> Op:
    """Takes what is in X, and looks at Y once more."""
    return Op("take", (X, Y), (X,), lambda x, y: [Outcome("ok", (None,))])


async def asker() -> None:
    await ask()
    await take()


def test_a_step_shows_what_it_finds_once_and_what_it_changes() -> None:
    always = (Property("kept", "it is gone", (X,), lambda x: x is not None),)
    model = Model("m", (Thread("t", Cpu(0), Tid(1), asker),), {X: 7, Y: "there", EMPTY: None}, always=always)
    first, second = check(model).trace
    assert (first.step, first.finds, first.changes) == ("ask: fault", (("x[0]", "7"), ("y[0]", "there")), ())
    assert (second.step, second.finds, second.changes) == ("take", (), (("x[0]", "7", "-"),))


def test_the_violating_step_is_marked_and_nothing_is_cut() -> None:
    long = "a step with a name that is longer than any column would be by itself"
    trace = (Step(1, "b", long, ()), Step(0, "a", "short", (("x", "1", "2"),), (("y", "3"),)))
    head, one, two = columns(trace).splitlines()
    assert head.split() == ["CPU0", "a", "CPU1", "b", "changes"]
    assert one.endswith(long)
    assert two.startswith("  2> short")
    assert two.endswith("x: 1 -> 2 [y: 3]")


@pytest.mark.parametrize("width", [60, 80, 100, 140])
def test_no_line_is_wider_than_asked_and_every_word_is_there(width: int) -> None:
    """Steps and changes of any length: random ones, in three columns."""
    draw = random.Random(width)
    steps = tuple(
        Step(
            cpu := draw.randrange(3),
            f"t{cpu}",
            " ".join("step" * draw.randint(1, 3) for _ in range(draw.randint(1, 8))),
            tuple((f"c[{n}]", "1", "value" * draw.randint(1, 4)) for n in range(draw.randint(0, 4))),
        )
        for _ in range(40)
    )
    shown = columns(steps, width)
    assert max(map(len, shown.splitlines())) <= width
    for step in steps:
        for word in (*step.step.split(), *(value for _, _, value in step.changes)):
            assert word in shown
    assert [line.split()[0] for line in shown.splitlines() if line[:3].strip()] == [
        *map(str, range(1, 40)),
        "40>",
    ]
