"""One CPU, several tasks: the scheduler as a wrapper around programs.

A cell ('running', cpu) holds the Tid that has the CPU, or None while anybody may take it.  Each operation of a
wrapped program may go only if its task has the CPU or can take it, and leaves the CPU free or kept according to
the preemption model:

    none        kernel code gives up the CPU at cond_resched(), when it sleeps, and in user mode
    voluntary   also wherever might_sleep() stands
    full        after any operation, unless preempt_count says that a spinlock is held

No step is added but where a task falls asleep on a held lock, where switching tasks means something to the
architecture, and at a task's end, so a trace shows the program's own steps.  A preempted task keeps its place; nothing
is fair: every choice the scheduler could make is explored.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from core.machine.op import Cell, Cpu, Op, Outcome
from core.machine.task import Task

PREEMPTION = {
    "none": frozenset({"cond_resched", "block", "user"}),
    "voluntary": frozenset({"cond_resched", "might_sleep", "block", "user"}),
    "full": frozenset({"cond_resched", "might_sleep", "block", "user"}),
}


SwitchIn = Callable[[], Coroutine[Op, Any, Any]]


def running_cell(cpu: Cpu) -> Cell:
    """Who has the CPU."""
    return Cell("running", cpu)


def last_ran_cell(cpu: Cpu) -> Cell:
    """Who had it last, where switching means something."""
    return Cell("last_ran", cpu)


async def scheduled(
    program: Coroutine[Op, Any, Any], task: Task, preemption: str, switch_in: SwitchIn | None = None
) -> Any:
    """Run `program` as one of several tasks on `task.cpu`; returns what it returns.

    `switch_in` is what the architecture does before the task goes on when another has run here since.
    """
    points = PREEMPTION[preemption]
    count, mine = 0, False  # preempt_count(), and whether the CPU has been kept since the last operation
    value: Any = None
    while True:
        try:
            op = program.send(value)
        except StopIteration as stop:
            await _give_up(task)
            return stop.value
        count += op.preempt
        free = count == 0 and (preemption == "full" or op.may_schedule in points)
        while True:
            if switch_in is not None and not mine and await _switch_to(op, task):
                await switch_in()
            if op.may_schedule != "block":
                value = await (op if op.silent and not op.may_schedule else _on_cpu(op, task, free))
                break
            done, value = await _try(op, task, free)
            if done:
                break
            mine = False
        mine = not free


def _on_cpu(op: Op, task: Task, free: bool) -> Op:
    """`op`, done only while the task has the CPU, which it leaves free or keeps."""
    running = running_cell(task.cpu)
    after = None if free else task.tid

    def step(owner: object, *values: object) -> list[Outcome]:
        if owner is not None and owner != task.tid:
            return []
        return [o._replace(written=(after, *o.written)) for o in op.step(*values)]

    return Op(op.name, (running, *op.reads), (running, *op.writes), step, event=op.event)


def _try(op: Op, task: Task, free: bool) -> Op:
    """Take a sleeping lock, or fall asleep and leave the CPU to others. Returns (taken?, the operation's value).

    A task that sleeps is woken when the lock is free, so it is not enabled before.
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

    return Op(op.name, (running, *op.reads), (running, *op.writes), step, event=op.event)


def _switch_to(op: Op, task: Task) -> Op:
    """Take the CPU for `op`, which can go; returns whether another task has had it since."""
    running, last = running_cell(task.cpu), last_ran_cell(task.cpu)

    def step(owner: object, before: object, *values: object) -> list[Outcome]:
        if (owner is not None and owner != task.tid) or not op.step(*values):
            return []
        return [Outcome(before != task.tid, (task.tid, task.tid))]

    return Op(f"schedule: switch to {task.name}", (running, last, *op.reads), (running, last), step)


def _give_up(task: Task) -> Op:
    running = running_cell(task.cpu)

    def step(owner: object) -> list[Outcome]:
        return [Outcome(None, (None,))] if owner is None or owner == task.tid else []

    return Op("schedule: task ends", (running,), (running,), step)
