"""One CPU and several tasks: the scheduler as a wrapper around programs.

A cell ('running', cpu) holds the Tid that has the CPU, or None while any task may take it.  An operation of a wrapped
program is enabled only if its task has the CPU or can take it; afterwards the task keeps the CPU or releases it,
according to the preemption model:

    none        kernel code releases the CPU at cond_resched(), when it sleeps, and in user mode
    voluntary   also at might_sleep()
    full        after any operation, unless preempt_count is non-zero because a spinlock is held
    rt          the same, and spinlock_t is a sleeping lock whose holder may be preempted (CONFIG_PREEMPT_RT);
                preempt_disable() still keeps the CPU

Steps are added only where a task goes to sleep on a lock, where the architecture does something at a task switch, and
when a task ends, so a trace shows the program's own steps.  A preempted task continues where it was.  Nothing is fair:
every choice that the scheduler could make is explored.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from core.machine.memory import declare
from core.machine.op import Cell, Cpu, Op, Outcome
from core.machine.order import Order
from core.machine.task import Task

PREEMPTION = {
    "none": frozenset({"cond_resched", "block", "user", "walk"}),
    "voluntary": frozenset({"cond_resched", "might_sleep", "block", "user", "walk"}),
    "full": frozenset({"cond_resched", "might_sleep", "block", "user", "walk"}),
    "rt": frozenset({"cond_resched", "might_sleep", "block", "user", "walk"}),
}

ANYWHERE = frozenset({"full", "rt"})
"""The models that release the CPU after any operation at which preempt_count is zero."""

NO_STEP = frozenset({"", "spinlock"})
"""Why a task could lose its CPU at an operation that touches no cell: then it is no step for the scheduler either."""

SwitchIn = Callable[[], Coroutine[Op, Any, Any]]

RUNNING = declare("running", None, "ghost")


def running_cell(cpu: Cpu) -> Cell:
    """The task that has the CPU."""
    return Cell(RUNNING, cpu)


LAST_RAN = declare("last_ran", None, "ghost")


def last_ran_cell(cpu: Cpu) -> Cell:
    """The task that last had the CPU, where the architecture does something at a switch."""
    return Cell(LAST_RAN, cpu)


async def scheduled(
    program: Coroutine[Op, Any, Any], task: Task, preemption: str, switch_in: SwitchIn | None = None
) -> Any:
    """Run `program` as one of several tasks on `task.cpu`; returns what it returns.

    `preemption` is a key of PREEMPTION.  `switch_in` is what the architecture does at the switch to this task, if
    another has run on the CPU since.
    """
    points = PREEMPTION[preemption]
    count, mine = 0, False  # preempt_count(), and whether the task has kept the CPU since its last operation
    value: Any = None
    while True:
        try:
            op = program.send(value)
        except StopIteration as stop:
            await _give_up(task)
            return stop.value
        sleeps = preemption == "rt" and op.may_schedule == "spinlock"
        count += 0 if sleeps else op.preempt
        free = count == 0 and (preemption in ANYWHERE or op.may_schedule in points)
        while True:
            if switch_in is not None and not mine and await _switch_to(op, task):
                await switch_in()
            if op.may_schedule != "block" and not (sleeps and op.preempt > 0):
                value = await (op if op.silent and op.may_schedule in NO_STEP else _on_cpu(op, task, free))
                break
            done, value = await _try(op, task, free)
            if done:
                break
            mine = False
        mine = not free


def _on_cpu(op: Op, task: Task, free: bool) -> Op:
    """`op`, enabled only if the task has the CPU or can take it; afterwards the CPU is `free` or kept."""
    running = running_cell(task.cpu)
    after = None if free else task.tid

    def step(owner: object, *values: object) -> list[Outcome]:
        if owner is not None and owner != task.tid:
            return []
        return [o._replace(written=(after, *o.written)) for o in op.step(*values)]

    return Op(op.name, (running, *op.reads), (running, *op.writes), step, event=op.event, order=op.order)


def _try(op: Op, task: Task, free: bool) -> Op:
    """Take a sleeping lock, or go to sleep and release the CPU. Returns (taken?, the operation's value).

    A sleeping task is woken when the lock is released, so until then the operation is blocked.
    """
    running = running_cell(task.cpu)
    after = None if free else task.tid
    kept = [op.reads.index(cell) for cell in op.writes]  # a sleeping lock writes only what it has read

    def step(owner: object, *values: object) -> list[Outcome]:
        if owner is not None and owner != task.tid:
            return []
        taken = [o._replace(value=(True, o.value), written=(after, *o.written)) for o in op.step(*values)]
        if taken or owner is None:
            return taken
        return [Outcome((False, None), (None, *[values[i] for i in kept]))]

    return Op(op.name, (running, *op.reads), (running, *op.writes), step, event=op.event, order=op.order)


def _switch_to(op: Op, task: Task) -> Op:
    """Take the CPU, if `op` is enabled. Returns whether another task has had the CPU since."""
    running, last = running_cell(task.cpu), last_ran_cell(task.cpu)

    def step(owner: object, before: object, *values: object) -> list[Outcome]:
        if (owner is not None and owner != task.tid) or not op.step(*values):
            return []
        return [Outcome(before != task.tid, (task.tid, task.tid))]

    return Op(
        f"schedule: switch to {task.name}", (running, last, *op.reads), (running, last), step, order=Order.PRIVATE
    )


def _give_up(task: Task) -> Op:
    running = running_cell(task.cpu)

    def step(owner: object) -> list[Outcome]:
        return [Outcome(None, (None,))] if owner is None or owner == task.tid else []

    return Op("schedule: task ends", (running,), (running,), step, order=Order.PRIVATE)
