"""Locks as operations: a spinlock, a sleeping lock, and mmap_lock with its readers and writer.

A lock's cell holds None or its owner's Tid; mmap_lock holds the set of its readers, or its writer.  Taking a lock that
is held has no outcome: the operation is blocked, and is tried again in every later state.
"""

from __future__ import annotations

from core.machine.memory import declare
from core.machine.op import Cell, Op, Outcome, Tid
from core.machine.order import Order
from core.machine.task import Task


def spin_lock(lock: Cell, task: Task, event: tuple[object, ...] | None = None) -> Op:
    """Take `lock`; the task cannot be preempted until it releases it (spin_lock() disables preemption)."""
    return Op(
        f"lock {lock}",
        (lock,),
        (lock,),
        lambda owner: [Outcome(None, (task.tid,))] if owner is None else [],
        event=event,
        preempt=+1,
        may_schedule="spinlock",
        order=Order.ATOMIC_ACQUIRE,
    )


async def spin_trylock(lock: Cell, task: Task) -> bool:
    """Take `lock` if it is free; whether it was."""

    def step(owner: object) -> list[Outcome]:
        return [Outcome(owner is None, (task.tid if owner is None else owner,))]

    name, order = f"trylock {lock}", Order.ATOMIC_ACQUIRE
    taken: bool = await Op(name, (lock,), (lock,), step, preempt=+1, may_schedule="spinlock", order=order)
    if not taken:
        await _not_taken()
    return taken


def _not_taken() -> Op:
    """What spin_trylock() has done to preempt_count is undone."""
    outcomes = [Outcome(None)]
    return Op("not taken", (), (), lambda: outcomes, preempt=-1, may_schedule="spinlock", order=Order.PRIVATE)


def preempt_disable() -> Op:
    """preempt_disable(): the task keeps its CPU."""
    return Op("preempt_disable", (), (), lambda: [Outcome(None)], preempt=+1, order=Order.PRIVATE)


def preempt_enable() -> Op:
    """preempt_enable()."""
    return Op("preempt_enable", (), (), lambda: [Outcome(None)], preempt=-1, order=Order.PRIVATE)


def _release(lock: Cell, task: Task, preempt: int, event: tuple[object, ...] | None, order: Order) -> Op:
    def step(owner: object) -> list[Outcome]:
        wrong = "" if owner == task.tid else "lock-discipline"
        return [Outcome(None, (None,), wrong)]

    may_schedule = "spinlock" if preempt else ""
    return Op(
        f"unlock {lock}", (lock,), (lock,), step, event=event, preempt=preempt, may_schedule=may_schedule, order=order
    )


def spin_unlock(lock: Cell, task: Task, event: tuple[object, ...] | None = None) -> Op:
    """Release `lock`. Violates lock-discipline if the task does not hold it."""
    return _release(lock, task, -1, event, Order.RELEASE)


def sleeping_lock(lock: Cell, task: Task) -> Op:
    """Take a lock whose waiters sleep (folio_lock()): a voluntary preemption point."""
    return Op(
        f"lock {lock}",
        (lock,),
        (lock,),
        lambda owner: [Outcome(None, (task.tid,))] if owner is None else [],
        may_schedule="block",
        order=Order.ATOMIC_ACQUIRE,
    )


def sleeping_unlock(lock: Cell, task: Task) -> Op:
    """Release a sleeping lock, by an atomic operation: it has waiters to look for."""
    return _release(lock, task, 0, None, Order.ATOMIC_RELEASE)


MMAP_LOCK = Cell(declare("mmap_lock", frozenset(), of_mm=True))
"""mm->mmap_lock: the set of its readers' Tids (empty when it is free), or its writer's Tid."""

FREE: frozenset[Tid] = frozenset()
"""The value of mmap_lock when nobody holds it."""


def mmap_read_lock(task: Task) -> Op:
    """mmap_read_lock(): shared with other readers.

    Taking it again violates lock-discipline: a writer that comes in between waits for the first, and blocks the second.
    """

    def step(holders: object) -> list[Outcome]:
        if not isinstance(holders, frozenset):
            return []
        return [Outcome(None, (holders | {task.tid},), "lock-discipline" if task.tid in holders else "")]

    return Op("mmap_read_lock", (MMAP_LOCK,), (MMAP_LOCK,), step, may_schedule="block", order=Order.ATOMIC_ACQUIRE)


def mmap_read_trylock(task: Task) -> Op:
    """mmap_read_trylock(): returns whether the task is a reader now."""

    def step(holders: object) -> list[Outcome]:
        if not isinstance(holders, frozenset):
            return [Outcome(False, (holders,))]
        return [Outcome(True, (holders | {task.tid},), "lock-discipline" if task.tid in holders else "")]

    return Op("mmap_read_trylock", (MMAP_LOCK,), (MMAP_LOCK,), step, order=Order.ATOMIC_ACQUIRE)


def mmap_read_unlock(task: Task) -> Op:
    """mmap_read_unlock(). Violates lock-discipline if the task is not a reader."""

    def step(holders: object) -> list[Outcome]:
        if not isinstance(holders, frozenset) or task.tid not in holders:
            return [Outcome(None, (holders,), "lock-discipline")]
        return [Outcome(None, (holders - {task.tid},))]

    return Op("mmap_read_unlock", (MMAP_LOCK,), (MMAP_LOCK,), step, order=Order.ATOMIC_RELEASE)


def mmap_write_trylock(task: Task) -> Op:
    """mmap_write_trylock(): returns whether the task is the writer now."""

    def step(holders: object) -> list[Outcome]:
        free = holders == FREE
        return [Outcome(free, (task.tid if free else holders,))]

    return Op("mmap_write_trylock", (MMAP_LOCK,), (MMAP_LOCK,), step, order=Order.ATOMIC_ACQUIRE)


def mmap_write_lock(task: Task) -> Op:
    """mmap_write_lock(): exclusive."""
    return Op(
        "mmap_write_lock",
        (MMAP_LOCK,),
        (MMAP_LOCK,),
        lambda holders: [Outcome(None, (task.tid,))] if holders == FREE else [],
        may_schedule="block",
        order=Order.ATOMIC_ACQUIRE,
    )


def _from_writer(name: str, task: Task, after: frozenset[Tid]) -> Op:
    def step(holders: object) -> list[Outcome]:
        return [Outcome(None, (after,), "" if holders == task.tid else "lock-discipline")]

    return Op(name, (MMAP_LOCK,), (MMAP_LOCK,), step, order=Order.ATOMIC_RELEASE)


def mmap_write_downgrade(task: Task) -> Op:
    """mmap_write_downgrade(): from writer to reader in one step, so that no other writer comes in between."""
    return _from_writer("mmap_write_downgrade", task, frozenset({task.tid}))


def mmap_write_unlock(task: Task) -> Op:
    """mmap_write_unlock(). Violates lock-discipline if the task is not the writer."""
    return _from_writer("mmap_write_unlock", task, FREE)
