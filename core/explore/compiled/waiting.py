"""Waiting states (core.explore.never_ends) among those that the search has found, in machine code.

Most waiting states are left by a few steps.  Those are passed over here: to search in depth from each in Python would
take longer than the search that has found them.
"""

from __future__ import annotations

from typing import Any

from core.explore.compiled.arrays import COUNT_BITS, QUEUE, RUNS, STATUS
from core.explore.compiled.state_table import copied
from core.explore.compiled.steps import NUMBER, answer, local_fact, local_state, step
from core.explore.compiled.words import get, inlined, put


@inlined
def stays(words: Any, a: Any, agent: int, local: int, array: int, at: int) -> bool:
    """Does all that a thread can do in the state at array[at] stay within the circle of its local state?"""
    leaf = answer(words, a, a.locals, local, array, at)
    if leaf < 0:
        return False
    circle, t, move = get(a.circles, local), a.threads + 32 * agent, leaf >> COUNT_BITS
    word, shift, mask, first = get(t, 0), get(t, 1), get(t, 2), get(t, 3)
    for _ in range(leaf & NUMBER):
        after = (get(array, at + word) & get(a.moves, move + 2 * word)) | get(a.moves, move + 2 * word + 1)
        if circle == 0 or get(a.circles, first + ((after >> shift) & mask)) != circle:
            return False
        move += 2 * len(words) + 1
    return True


@inlined
def waits(words: Any, a: Any, array: int, at: int, turning: int) -> bool:
    """Is the state at array[at] waiting?  `turning`: can daemons alone go in a circle?"""
    left = False
    for agent in range(a.running):
        local = local_state(words, a, agent, array, at)
        if local_fact(a, local, STATUS) == RUNS:
            if not stays(words, a, agent, local, array, at):
                return False
            left = True
            turning |= get(a.circles, local)
    return left and turning != 0


@inlined
def among(words: Any, a: Any, at: int, end: int) -> bool:
    """Is the state at queue[at] one of those that are before `end` in the queue?"""
    for other in range(0, end, len(words)):
        same = True
        for k in range(len(words)):
            same &= get(a.queue, other + k) == get(a.queue, at + k)
        if same:
            return True
    return False


@inlined
def left(words: Any, a: Any, array: int, at: int, turning: int) -> bool:
    """Do known steps lead from the waiting state at array[at] to one that is not?  No more than QUEUE are looked at."""
    count = len(words)
    copied(words, array, at, a.queue, 0)
    here, end = 0, count
    while here < end:
        for agent in range(a.agents):
            leaf = answer(words, a, a.locals, local_state(words, a, agent, a.queue, here), a.queue, here)
            if leaf < 0:
                continue
            move = leaf >> COUNT_BITS
            for _ in range(leaf & NUMBER):
                if step(words, a, move, a.queue, here, a.queue, end) and not among(words, a, end, end):
                    if not waits(words, a, a.queue, end, turning):
                        return True
                    if end < (QUEUE - 1) * count:
                        end += count
                move += 2 * count + 1
        here += count
    return False


@inlined
def waiting(words: Any, a: Any, first: int, end: int, turning: int, found: int) -> int:
    """Write the waiting states of first..end to `found`, but those that are `left`; returns how many."""
    held = 0
    for number in range(first, end):
        at = number * len(words)
        if waits(words, a, a.states, at, turning) and not left(words, a, a.states, at, turning):
            put(found, held, number)
            held += 1
    return held
