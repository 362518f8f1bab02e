"""The hash table of states: open addressing, the next free slot, and in a slot only what its place does not tell.

A state's hash is one-to-one in its first word for given others, and its highest bits are the slot where the search for
the state starts.  So a slot needs the lower bits of the hash, how far from its start the state has been pushed, and
the other words: that is the state, and nothing is ever mistaken for another (Cleary, "Compact Hash Tables Using
Bidirectional Linear Probing", 1984).  The hash's bits and the distance fit one number, as a rule together with the
last word, which is mostly short: a table half as large is what the first use of memory costs half as much for.

A slot's first number, from its lowest bit: LOW bits of the hash; the last word, if the layout says that it is short;
the distance; and the highest bit, which is set because the slot is taken.  A distance too large for its bits makes no
slot: the table has to grow.

When the table grows, states keep their order, because they are in the order of their hash.  Moving them to where they
belong then goes through it from one end to the other, which is many times faster than placing them anew, and needs
neither a second table nor the states.
"""

from __future__ import annotations

from typing import Any

from core.explore.compiled.arrays import CRAMPED, FRONT, LOW
from core.explore.compiled.words import get, inlined, numba, prefetch, put

uint64, int64 = numba.uint64, numba.int64

HASH_1 = -7046029254386353131  # 0x9E3779B97F4A7C15
HASH_2 = -4658895280553007687  # 0xBF58476D1CE4E5B9

TAKEN = -(1 << 63)

KNOWN, NEW = range(2)
"""What becomes of a state that is put into the table, if it is not CRAMPED: pushed too far."""

AHEAD = 16


@inlined
def copied(words: Any, source: int, at: int, target: int, to: int) -> None:
    """Copy a state's words."""
    for k in range(len(words)):
        put(target, to + k, get(source, at + k))


@inlined
def hash_of(words: Any, array: int, at: int) -> Any:
    """One-to-one in the first word: each step is, for given other words."""
    mixed = 0
    for k in range(len(words)):
        mixed = (mixed ^ get(array, at + k)) * HASH_1
        mixed ^= (mixed >> 29) & 0x7FFFFFFFF
    return mixed * HASH_2


@inlined
def width(words: Any, a: Any) -> Any:
    """Numbers in a slot: as many as a state has words, or one less."""
    if len(words) == 1:
        return 1
    return a.slot_words


@inlined
def start(a: Any, hashed: int) -> Any:
    """The slot where the search for a state with this hash starts."""
    return int64(uint64(hashed) >> uint64(a.slot_shift))


@inlined
def prefetched(words: Any, a: Any, hashed: int) -> None:
    """Ask for the cache line of the slot where the search for a state with this hash starts."""
    prefetch(a.table, start(a, hashed) * width(words, a))


@inlined
def insert(words: Any, a: Any, array: int, at: int, hashed: int) -> Any:
    """Put the state at array[at] with this hash into the table. KNOWN, NEW or CRAMPED."""
    count = width(words, a)
    slot = start(a, hashed)
    code = TAKEN | (hashed & ((1 << LOW) - 1))
    if count < len(words):
        code |= get(array, at + count) << LOW
    while True:
        place = slot * count
        held = get(a.table, place)
        if held == 0:
            put(a.table, place, code)
            for k in range(1, count):
                put(a.table, place + k, get(array, at + k))
            return NEW
        if held == code:
            same = True
            for k in range(1, count):
                same &= get(a.table, place + k) == get(array, at + k)
            if same:
                return KNOWN
        slot = (slot + 1) & a.slot_mask
        code += 1 << a.distance
        if code >= 0:
            return CRAMPED


@inlined
def lift(words: Any, a: Any, shift: int, slot: int, target: int, to: int) -> None:
    """Take a state out of a slot, filled when `slot_shift` was `shift`: the hash in place of its first word."""
    count = width(words, a)
    place = slot * count
    held = get(a.table, place)
    pushed = (held ^ TAKEN) >> a.distance
    mask = (1 << (64 - shift)) - 1
    put(target, to, (((slot - pushed) & mask) << shift) | (held & ((1 << shift) - 1)))
    for k in range(1, count):
        put(target, to + k, get(a.table, place + k))
    if count < len(words):
        put(target, to + count, (held >> LOW) & ((1 << (a.distance - LOW)) - 1))
    put(a.table, place, 0)


@inlined
def fill(words: Any, a: Any, count: int) -> bool:
    """Put the first `count` states into an empty table. False if one is CRAMPED."""
    for number in range(count):
        if number + AHEAD < count:
            prefetched(words, a, hash_of(words, a.states, (number + AHEAD) * len(words)))
        at = number * len(words)
        if insert(words, a, a.states, at, hash_of(words, a.states, at)) == CRAMPED:
            return False
    return True


@inlined
def unfold(words: Any, a: Any, shift: int) -> bool:
    """The table has grown in place: move its states from where they belonged when `slot_shift` was `shift`.

    From the back, because a state's slot is at least doubled: what comes before it has no place behind it to be moved
    away from.  That is not so of the first few, which may have been pushed further than they are from the front, or
    around the end: they are taken out and put in again last.  False, and the table is no good, if one that is not
    among these was pushed as far, or is CRAMPED now.
    """
    count, slots = width(words, a), 1 << (64 - shift)
    front = min(FRONT, slots)
    for back in range(1, slots - front + 1):
        slot = slots - back
        if get(a.table, slot * count) != 0:
            lift(words, a, shift, slot, a.scratch, 0)
            hashed = get(a.scratch, 0)
            if start(a, hashed) < slot or insert(words, a, a.scratch, 0, hashed) == CRAMPED:
                return False
    held = 0
    for slot in range(front):
        if get(a.table, slot * count) != 0:
            lift(words, a, shift, slot, a.front, held * len(words))
            held += 1
    for number in range(held):
        at = number * len(words)
        if insert(words, a, a.front, at, get(a.front, at)) == CRAMPED:
            return False
    return True
