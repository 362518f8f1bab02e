"""The hash table of states: open addressing, the next free slot, a state's words in the slot itself.

The highest bits of its hash are a state's slot.  So when the table grows, states keep their order, and moving them to
where they belong then goes through it from one end to the other, which is many times faster than placing them anew,
and needs no second table.
"""

from __future__ import annotations

from typing import Any

from core.explore.compiled.arrays import FRONT
from core.explore.compiled.words import get, inlined, numba, prefetch, put

uint64, int64 = numba.uint64, numba.int64

HASH_1 = -7046029254386353131  # 0x9E3779B97F4A7C15
HASH_2 = -4658895280553007687  # 0xBF58476D1CE4E5B9

AHEAD = 16


@inlined
def copied(words: Any, source: int, at: int, target: int, to: int) -> None:
    """Copy a state's words."""
    for k in range(len(words)):
        put(target, to + k, get(source, at + k))


@inlined
def slot_of(words: Any, a: Any, array: int, at: int) -> Any:
    """The slot where the search for the words at array[at] starts."""
    mixed = 0
    for k in range(len(words)):
        mixed = (mixed ^ get(array, at + k)) * HASH_1
        mixed ^= (mixed >> 29) & 0x7FFFFFFFF
    return int64(uint64(mixed * HASH_2) >> uint64(a.slot_shift))


@inlined
def insert(words: Any, a: Any, array: int, at: int, slot: int) -> Any:
    """Put the words at array[at] into the table. True if they were not there."""
    count = len(words)
    while True:
        place = slot * count
        if get(a.table, place) == 0:
            for k in range(count):
                put(a.table, place + k, get(array, at + k))
            return True
        same = True
        for k in range(count):
            same &= get(a.table, place + k) == get(array, at + k)
        if same:
            return False
        slot = (slot + 1) & a.slot_mask


@inlined
def fill(words: Any, a: Any, count: int) -> int:
    """Put the first `count` states into an empty table."""
    for number in range(count):
        if number + AHEAD < count:
            prefetch(a.table, slot_of(words, a, a.states, (number + AHEAD) * len(words)) * len(words))
        at = number * len(words)
        insert(words, a, a.states, at, slot_of(words, a, a.states, at))
    return 0


@inlined
def unfold(words: Any, a: Any, slots: int) -> bool:
    """The table has grown in place, and had `slots` slots before: move its states to where they belong now.

    From the back, because a state's slot is at least doubled: what comes before it has no place behind it to be moved
    away from.  That is not so of the first few, which may have been pushed further than they are from the front, or
    around the end: they are taken out and put in again last.  False, and the table is no good, if one that is not
    among these was pushed as far.
    """
    count = len(words)
    front = min(FRONT, slots)
    for back in range(1, slots - front + 1):
        at = (slots - back) * count
        if get(a.table, at) != 0:
            slot = slot_of(words, a, a.table, at)
            if slot * count < at:
                return False
            copied(words, a.table, at, a.asked, 0)
            put(a.table, at, 0)
            insert(words, a, a.asked, 0, slot)
    held = 0
    for slot in range(front):
        if get(a.table, slot * count) != 0:
            copied(words, a.table, slot * count, a.front, held * count)
            put(a.table, slot * count, 0)
            held += 1
    for number in range(held):
        insert(words, a, a.front, number * count, slot_of(words, a, a.front, number * count))
    return True


@inlined
def place_again(words: Any, a: Any, buffered: int) -> int:
    """The table has another size: find the slots of what is in the buffer."""
    for number in range(buffered):
        put(a.notes, 4 * number + 2, slot_of(words, a, a.buffer, number * len(words)))
    return 0
