"""Tasks that share a CPU: who may run between which operations."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from core.explore import Model, Property, Thread, check
from core.machine.lock import (
    preempt_disable,
    preempt_enable,
    sleeping_lock,
    sleeping_unlock,
    spin_lock,
    spin_trylock,
    spin_unlock,
)
from core.machine.memory import Memory
from core.machine.op import Cell, Cpu, Op, Outcome, Tid
from core.machine.sched import scheduled
from core.machine.task import Task

X, SEEN, LOCK, PAGE = Cell("ref", 0), Cell("ref", 1), Cell("ptl", 0), Cell("PG_locked", 0)
Program = Callable[[Task], Coroutine[Op, Any, Any]]
TASKS = [Task(f"task{n}", Tid(n), Cpu(0)) for n in (1, 2)]


def add(by: int, may_schedule: str = "") -> Op:
    return Op(f"x += {by}", (X,), (X,), lambda x: [Outcome(x, (x + by,))], may_schedule=may_schedule)


def placed(task: Task, program: Program, preemption: str) -> Thread:
    return Thread(task.name, task.cpu, task.tid, lambda: scheduled(program(task), task, preemption))


def seen(preemption: str, *programs: Program) -> set[int]:
    """The values of x, from 0 to 3, that the second task can come to see."""
    threads = tuple(placed(task, program, preemption) for task, program in zip(TASKS, programs, strict=True))
    values = tuple(Property(str(n), "", (SEEN,), lambda x, n=n: x == n) for n in range(4))
    verdict = check(Model("sched", threads, Memory({X: 0, SEEN: -1}), sometimes=values))
    assert verdict.violated == ""
    return set(range(4)) - set(map(int, verdict.unreached))


async def one_then_two(task: Task) -> None:
    await add(1)
    await add(2)


async def looks(task: Task) -> None:
    await Op("look", (X,), (SEEN,), lambda x: [Outcome(None, (x,))])


async def yields_between(task: Task) -> None:
    await add(1, "cond_resched")
    await add(2)


async def might_sleep_between(task: Task) -> None:
    await add(1, "might_sleep")
    await add(2)


async def under_a_spinlock(task: Task) -> None:
    await spin_lock(LOCK, task)
    await add(1, "cond_resched")
    await add(2)
    await spin_unlock(LOCK, task)


@pytest.mark.parametrize(
    ("program", "preemption", "in_between"),
    [
        (one_then_two, "none", False),
        (one_then_two, "voluntary", False),
        (one_then_two, "full", True),
        (yields_between, "none", True),
        (might_sleep_between, "none", False),
        (might_sleep_between, "voluntary", True),
        (under_a_spinlock, "none", False),
        (under_a_spinlock, "full", False),
    ],
)
def test_who_runs_in_between(program: Any, preemption: str, in_between: bool) -> None:
    """1 is what the other task sees between the two additions; before and after it can always run."""
    assert seen(preemption, program, looks) == ({0, 1, 3} if in_between else {0, 3})


def test_a_task_that_waits_asleep_leaves_the_cpu() -> None:
    async def holds(task: Task) -> None:
        await sleeping_lock(PAGE, task)
        await add(1, "cond_resched")
        await add(2)
        await sleeping_unlock(PAGE, task)

    async def wants(task: Task) -> None:
        await sleeping_lock(PAGE, task)
        await looks(task)
        await sleeping_unlock(PAGE, task)

    assert seen("none", holds, wants) == {0, 3}
    assert seen("none", holds, looks) == {0, 1, 3}


@pytest.mark.parametrize(("preemption", "values"), [("full", {0, 3}), ("rt", {0, 1, 3})])
def test_a_spinlock_keeps_the_cpu_unless_it_sleeps(preemption: str, values: set[int]) -> None:
    assert seen(preemption, under_a_spinlock, looks) == values


async def looks_under_it(task: Task) -> None:
    await spin_lock(LOCK, task)
    await looks(task)
    await spin_unlock(LOCK, task)


def test_a_sleeping_spinlock_still_excludes() -> None:
    assert seen("rt", under_a_spinlock, looks_under_it) == {0, 3}


async def with_preemption_disabled(task: Task) -> None:
    await preempt_disable()
    await add(1)
    await add(2)
    await preempt_enable()


def test_disabled_preemption_keeps_the_cpu_on_rt_too() -> None:
    assert seen("rt", with_preemption_disabled, looks) == {0, 3}


async def after_a_trylock(task: Task) -> None:
    if not await spin_trylock(LOCK, task):
        await add(1)
        await add(2)
        return
    await add(1)
    await add(2)
    await spin_unlock(LOCK, task)


def test_a_trylock_leaves_the_count_as_it_was() -> None:
    assert seen("rt", after_a_trylock, looks) == {0, 1, 3}
    assert seen("full", after_a_trylock, looks) == {0, 3}
