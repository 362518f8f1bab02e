"""The hash table of states: open addressing with linear probing, storing only what a slot's position does not tell.

For given other words, a state's hash is a bijection of its first word, and its highest bits are the number of the slot
where probing starts, the home slot.  So a slot needs only the lower bits of the hash, the distance from the home slot,
and the other words: together they are the state, and no two states are ever confused (Cleary, "Compact Hash Tables
Using Bidirectional Linear Probing", 1984).  The hash's bits and the distance fit into one number, usually together with
the last word, which is mostly short.  That halves the table, and half the memory takes half as many page faults.

A slot's first number, from its lowest bit: LOW bits of the hash; the last word, if the layout says that it is short;
the distance; and the highest bit, which says that the slot is taken.  When a distance does not fit its bits, the table
has to grow.

States are stored in the order of their hash, and they keep that order when the table grows.  Moving them to their new
slots is therefore one pass through the table, which is many times faster than inserting them again, and needs neither a
second table nor the states.

The table has 1 << part_bits parts, which are of equal size: where a search has one worker it is one.  Probing goes
around within the part of the home slot.  So what happens in one part depends on nothing in the others, and several
workers can insert states at once, each into its own part, and move the parts one by one when the table grows.
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
"""Results of `insert` besides CRAMPED: the state was there, or it is new."""

AHEAD = 16


@inlined
def copied(words: Any, source: int, at: int, target: int, to: int) -> None:
    """Copy a state's words."""
    for k in range(len(words)):
        put(target, to + k, get(source, at + k))


@inlined
def hash_of(words: Any, array: int, at: int) -> Any:
    """The hash of a state: a bijection of the first word for given other words, because each step is one."""
    mixed = 0
    for k in range(len(words)):
        mixed = (mixed ^ get(array, at + k)) * HASH_1
        mixed ^= (mixed >> 29) & 0x7FFFFFFFF
    return mixed * HASH_2


@inlined
def width(words: Any, a: Any) -> Any:
    """Numbers in a slot: as many as a state has words, or one less if the last word is short."""
    if len(words) == 1:
        return 1
    return a.slot_words


@inlined
def start(a: Any, hashed: int) -> Any:
    """The home slot of a state with this hash."""
    return int64(uint64(hashed) >> uint64(a.slot_shift))


@inlined
def prefetched(words: Any, a: Any, hashed: int) -> None:
    """Prefetch the cache line of the home slot of a state with this hash."""
    prefetch(a.table, start(a, hashed) * width(words, a))


@inlined
def insert(words: Any, a: Any, array: int, at: int, hashed: int) -> Any:
    """Insert the state at array[at] with this hash. KNOWN, NEW, or CRAMPED if it is too far from its home slot."""
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
        slot = (slot & ~a.part_mask) | ((slot + 1) & a.part_mask)
        code += 1 << a.distance
        if code >= 0:
            return CRAMPED


@inlined
def lift(words: Any, a: Any, shift: int, slot: int, target: int, to: int) -> None:
    """Move a state out of a slot that was filled when `slot_shift` was `shift`, with its hash as the first word."""
    count = width(words, a)
    place = slot * count
    held = get(a.table, place)
    pushed = (held ^ TAKEN) >> a.distance
    mask = (1 << (64 - shift - a.part_bits)) - 1
    home = (slot & ~mask) | ((slot - pushed) & mask)
    put(target, to, (home << shift) | (held & ((1 << shift) - 1)))
    for k in range(1, count):
        put(target, to + k, get(a.table, place + k))
    if count < len(words):
        put(target, to + count, (held >> LOW) & ((1 << (a.distance - LOW)) - 1))
    put(a.table, place, 0)


@inlined
def fill(words: Any, a: Any, count: int) -> bool:
    """Insert the first `count` states into an empty table. False if one is CRAMPED."""
    for number in range(count):
        if number + AHEAD < count:
            prefetched(words, a, hash_of(words, a.states, (number + AHEAD) * len(words)))
        at = number * len(words)
        if insert(words, a, a.states, at, hash_of(words, a.states, at)) == CRAMPED:
            return False
    return True


@inlined
def unfold(words: Any, a: Any, shift: int, part: int) -> bool:
    """Move the states of a part to their new slots, after the table has grown in place from `slot_shift` `shift`.

    All parts behind it must have been moved.  A part but the first moves into slots that do not belong to it yet.  In
    the first the pass goes backwards: a state's home slot number at least doubles, so a state moves into slots that
    have already been emptied.  This does not hold for the first FRONT slots, whose states may have been displaced
    further than their distance from the front, or around the end: they are taken out and inserted last.  Returns False,
    with the table unusable, if another state was displaced as far or is CRAMPED now.
    """
    count, slots = width(words, a), 1 << (64 - shift - a.part_bits)
    base, front = part * slots, min(FRONT, slots)
    for back in range(1, slots - front + 1):
        slot = base + slots - back
        if get(a.table, slot * count) != 0:
            lift(words, a, shift, slot, a.scratch, 0)
            hashed = get(a.scratch, 0)
            if start(a, hashed) < slot or insert(words, a, a.scratch, 0, hashed) == CRAMPED:
                return False
    held = 0
    for slot in range(base, base + front):
        if get(a.table, slot * count) != 0:
            lift(words, a, shift, slot, a.front, held * len(words))
            held += 1
    for number in range(held):
        at = number * len(words)
        if insert(words, a, a.front, at, get(a.front, at)) == CRAMPED:
            return False
    return True
