"""The ticket from which workers claim tasks, and how they wait for the next.

Tasks are claimed from a counter, which is in one number with the activity and its tasks.  Who finds nothing to do waits
some microseconds, then sleeps; how many depends on whether that was of use before.
"""

from __future__ import annotations

from core.explore.compiled.shared import (
    ACTIVITY_AT,
    CONDITION,
    FINISHED,
    IDLE,
    LOCK,
    MUTEX,
    NUMBER_AT,
    SLEEP,
    SLEEPERS,
    TICKET,
    TOTAL_AT,
    UNLOCK,
    WAKE,
    WHY,
)
from core.explore.compiled.words import atomic_add, atomic_get, atomic_put, call_at, get, inlined, put

LEAST_LOOKS, MOST_LOOKS = 1_000, 16_000
"""Looks at the ticket before a worker sleeps: some microseconds to some ten, about what it takes to be woken.

A worker looks twice as often the next time if something came up meanwhile, half as often if it had to sleep: where the
cores are free, tasks that end a little later are waited for awake; where another program has one, nobody burns it.
"""


@inlined
def publish(t: int, activity: int, total: int) -> None:
    """Let all workers begin with an activity of `total` tasks."""
    number = (atomic_get(t, TICKET) >> NUMBER_AT) + 1
    atomic_put(t, FINISHED, 0)
    atomic_put(t, TICKET, (number << NUMBER_AT) | (activity << ACTIVITY_AT) | (total << TOTAL_AT))
    if atomic_get(t, SLEEPERS) > 0:
        call_at(get(t, LOCK), get(t, MUTEX), 0)
        call_at(get(t, WAKE), get(t, CONDITION), 0)
        call_at(get(t, UNLOCK), get(t, MUTEX), 0)


@inlined
def wait(t: int, number: int, looks: int) -> bool:
    """Until the ticket has another number than this. False if that took more than so many looks, and a sleep.

    A sleeper says so before it looks: `publish` does the opposite.
    """
    for _ in range(looks):
        if atomic_get(t, TICKET) >> NUMBER_AT != number:
            return True
    call_at(get(t, LOCK), get(t, MUTEX), 0)
    atomic_add(t, SLEEPERS, 1)
    while atomic_get(t, TICKET) >> NUMBER_AT == number:
        call_at(get(t, SLEEP), get(t, CONDITION), get(t, MUTEX))
    atomic_add(t, SLEEPERS, -1)
    call_at(get(t, UNLOCK), get(t, MUTEX), 0)
    return False


@inlined
def end(t: int, why: int) -> None:
    """Let worker 0 return."""
    put(t, WHY, why)
    publish(t, IDLE, 0)
