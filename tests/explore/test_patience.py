"""Who is said to run on is a program that does, and not the search that comes between two of its operations."""

from __future__ import annotations

import time

import pytest

from core.explore import Hung, Model, Thread, check, learn
from core.machine.memory import Memory
from core.machine.op import Cell, Cpu, Op, Outcome, Tid

X = Cell("x")


def model(slow_step: bool) -> Model:
    """One operation, with a pause in it, or in the program before it."""

    def step(x: int) -> list[Outcome]:
        time.sleep(2.5 if slow_step else 0)
        return [Outcome(None, (x,))]

    async def program() -> None:
        await Op("first", (X,), (X,), lambda x: [Outcome(None, (x + 1,))])
        time.sleep(0 if slow_step else 2.5)
        await Op("second", (X,), (X,), step)

    return Model("pause", (Thread("t", Cpu(0), Tid(1), program),), Memory({X: 0}))


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(learn, "ANSWER_TIMEOUT", 1.0)


def test_a_search_that_takes_its_time_is_no_program_that_runs_on() -> None:
    assert check(model(slow_step=True)).violated == ""


def test_a_program_that_takes_its_time_is_one() -> None:
    with pytest.raises(Hung, match="t: runs on without awaiting an operation"):
        check(model(slow_step=False))
