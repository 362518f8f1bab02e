"""The hash table of states: open addressing, the next free slot, a state's words in the slot itself.

The highest bits of its hash are a state's slot.  So when the table grows, states keep their order, and moving them
from the old table to the new one reads and writes both from front to back, which is many times faster than placing
them anew.
"""

from __future__ import annotations

from typing import Any

from core.explore.compiled.words import get, inlined, numba, prefetch, put

uint64, int64 = numba.uint64, numba.int64

HASH_1 = -7046029254386353131  # 0x9E3779B97F4A7C15
HASH_2 = -4658895280553007687  # 0xBF58476D1CE4E5B9

AHEAD = 16


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
def spread(words: Any, a: Any, smaller: int, slots: int) -> int:
    """Move the states of a smaller table to the empty one."""
    for slot in range(slots):
        at = slot * len(words)
        if get(smaller, at) != 0:
            insert(words, a, smaller, at, slot_of(words, a, smaller, at))
    return 0


@inlined
def place_again(words: Any, a: Any, buffered: int) -> int:
    """The table has another size: find the slots of what is in the buffer."""
    for number in range(buffered):
        put(a.notes, 4 * number + 2, slot_of(words, a, a.buffer, number * len(words)))
    return 0
