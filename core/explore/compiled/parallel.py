"""One search by several workers, which finds the same states in the same order as one.

How it works.  A level is expanded block by block (`blocks.py`).  Each block goes through three activities, and no
worker begins with one before the last task of the one before is finished:

1. EXPAND: a task is a chunk of neighbouring states.  Their successors go into the chunk's own part of the buffer, and
   are then listed by the part of the hash table to which they belong.
2. INSERT: a task is a part of the table.  The successors that belong to it are inserted, chunk by chunk.
3. PLACE: a task is a chunk again.  What was new in it is copied to its final place in the list of states and checked.

Why the order is that of one worker.  A part takes the successors of chunk after chunk, so that of equal ones the first
is new, whoever inserts it.  The place of a new state is the number of those before it.

Why nothing has to be taken back.  The first activity changes nothing that is shared.  If a state needs Python (an
answer is missing, its step violates something, it is a deadlock) the block ends before it: what comes behind is
forgotten, and `expand` takes this state alone.  If there may be no room, the block begins again in a larger table.  If
a part is CRAMPED, the table is filled again from the states that have their place.  If a new state does not pass all
checks, Python looks at it, and then at those behind it, in their order.

What else they do together.  They move the parts of a table that has grown, and look through the rest of a level for
states of which an answer is missing; one of them then lists the answers in the order of the states.

How workers wait (`tickets.py`).  Tasks are claimed from a counter, which is in one number with the activity and its
tasks.  A worker that has lost its core holds up the others only while it has a task, and a worker that comes late finds
what is to be done then.  Whoever finishes the last task decides what comes next.  Who finds nothing to do waits some
microseconds, then sleeps; how many depends on whether that was of use before.

What was rejected.  To insert with compare-and-swap from all workers: as fast, but which of two equal successors comes
first depends on luck.  A fixed half for each: a worker that loses its core stops all.
"""

from __future__ import annotations

from typing import Any

from core.explore.compiled import state_table
from core.explore.compiled.arrays import DONE
from core.explore.compiled.blocks import expand_chunk, expanded, insert_part, inserted, next_block, place_chunk, placed
from core.explore.compiled.shared import (
    ACTIVITY_AT,
    ACTIVITY_BITS,
    CONTEXTS,
    EXPAND,
    FAILED,
    FINISHED,
    FIRST,
    FROM_PART,
    IDLE,
    INDEX_BITS,
    INSERT,
    JOB,
    NUMBER_AT,
    OLD_SHIFT,
    PLACE,
    QUIT,
    SEEK,
    SIZE,
    SOUGHT,
    TICKET,
    TOTAL_AT,
    TOTAL_BITS,
    UNFOLD,
    UPTO,
    WHY,
)
from core.explore.compiled.steps import misses_any
from core.explore.compiled.tickets import LEAST_LOOKS, MOST_LOOKS, end, publish, wait
from core.explore.compiled.words import arrays, atomic_add, get, inlined, put


@inlined
def work(words: Any, a: Any, me: int) -> Any:
    """Work until there is nothing left to do.

    Worker 0, which Python has called, begins the JOB and returns why it ended.  The others return on QUIT.
    """
    t = a.team
    context = get(get(t, CONTEXTS), me)
    if me == 0:
        begin(arrays(context), t)
    looks = MOST_LOOKS
    while True:
        claimed = atomic_add(t, TICKET, 1)
        task = claimed & ((1 << INDEX_BITS) - 1)
        total = (claimed >> TOTAL_AT) & ((1 << TOTAL_BITS) - 1)
        activity = (claimed >> ACTIVITY_AT) & ((1 << ACTIVITY_BITS) - 1)
        if task < total:
            do(words, arrays(context), t, activity, task)
            if atomic_add(t, FINISHED, 1) == total - 1:
                go_on(arrays(context), t, activity)
        elif me == 0 and activity == IDLE:
            return get(t, WHY)
        elif activity == QUIT:
            return 0
        elif wait(t, claimed >> NUMBER_AT, looks):
            looks = min(2 * looks, MOST_LOOKS)
        else:
            looks = max(looks // 2, LEAST_LOOKS)


@inlined
def do(words: Any, a: Any, t: int, activity: int, task: int) -> None:
    """One task."""
    if activity == EXPAND:
        expand_chunk(words, a, t, task)
    elif activity == INSERT:
        insert_part(words, a, t, task)
    elif activity == PLACE:
        place_chunk(words, a, t, task)
    elif activity == SEEK:
        seek(words, a, t, task)
    elif not state_table.unfold(words, a, get(t, OLD_SHIFT), get(t, FROM_PART) + task):
        put(t, FAILED, 1)


@inlined
def begin(a: Any, t: int) -> None:
    """Begin with the JOB."""
    if get(t, JOB) == UNFOLD:
        first = (1 << a.part_bits) >> 1
        put(t, FAILED, 0)
        put(t, FROM_PART, first)
        publish(t, UNFOLD, first)
    elif get(t, JOB) == SEEK:
        size = get(t, SIZE)
        publish(t, SEEK, (get(t, UPTO) - get(t, FIRST) + size - 1) // size)
    else:
        next_block(a, t)


@inlined
def go_on(a: Any, t: int, activity: int) -> None:
    """The last task of an activity is finished: what comes next."""
    if activity == EXPAND:
        expanded(a, t)
    elif activity == INSERT:
        inserted(a, t)
    elif activity == PLACE:
        placed(a, t)
    elif activity == UNFOLD:
        unfolded(t)
    else:
        end(t, DONE)


@inlined
def unfolded(t: int) -> None:
    """The next parts to move: those whose new slots belonged to parts that have been moved."""
    first = get(t, FROM_PART)
    if get(t, FAILED) or first == 0:
        end(t, DONE)
    else:
        put(t, FROM_PART, first >> 1)
        publish(t, UNFOLD, first - (first >> 1))


@inlined
def seek(words: Any, a: Any, t: int, task: int) -> None:
    """Find the first of the task's states of which an answer is missing. Nothing is changed."""
    number = get(t, FIRST) + task * get(t, SIZE)
    upto = min(number + get(t, SIZE), get(t, UPTO))
    while number < upto and not misses_any(words, a, a.states, number * len(words)):
        number += 1
    put(get(t, SOUGHT), task, number)
