"""A block of a level, by several workers: its successors are made, inserted, and put to their places.

`core.explore.compiled.parallel` has the argument.
"""

from __future__ import annotations

from typing import Any

from core.explore.compiled import state_table
from core.explore.compiled.arrays import (
    COUNT,
    CRAMPED,
    DEADLOCK_FLAG,
    DONE,
    EDGES,
    GROW,
    LEVEL_END,
    LIMIT,
    LOOK,
    NEXT,
    PAUSE_AT,
    PAUSED,
    QUIET,
)
from core.explore.compiled.shared import (
    ALONE,
    BEFORE_COUNT,
    BEFORE_EDGES,
    BLOCK_EDGES,
    CHUNKS,
    CRAMPED_NOW,
    EDGES_OF,
    END_OF,
    ENTRIES,
    EXPAND,
    FIRST,
    FIRST_LOOK,
    FOUND,
    FRESH,
    INSERT,
    LOOK_OF,
    MARKS,
    MOST_CHUNKS,
    MOST_MOVES,
    MOST_STATES,
    NEAR_LIMIT,
    NO_ROOM,
    NOT,
    PLACE,
    PLACE_OF,
    RECORD,
    RECORDS,
    ROOM,
    SIZE,
    SORTED,
    SPECIAL,
    STARTS,
    STOP_OF,
    STOPPED,
    STOPS,
    STOPS_OF,
    UPTO,
)
from core.explore.compiled.steps import look
from core.explore.compiled.successors import successors
from core.explore.compiled.tickets import end, publish
from core.explore.compiled.words import get, inlined, lowest_bit, numba, put

uint64, int64 = numba.uint64, numba.int64


@inlined
def record(t: int, chunk: int) -> Any:
    """The address of a chunk's record."""
    return get(t, RECORDS) + 8 * RECORD * chunk


@inlined
def next_block(a: Any, t: int) -> None:
    """The block that begins with the next state."""
    first, size = get(a.control, NEXT), get(t, SIZE)
    upto = min(first + size * get(t, MOST_CHUNKS), get(a.control, LEVEL_END))
    chunks = (upto - first + size - 1) // size
    put(t, FIRST, first)
    put(t, UPTO, upto)
    put(t, STOPPED, chunks)
    put(t, CRAMPED_NOW, 0)
    publish(t, EXPAND, chunks)


@inlined
def expand_chunk(words: Any, a: Any, t: int, chunk: int) -> None:
    """Make the successors of the chunk's states, up to one that needs Python."""
    r, base = record(t, chunk), chunk * get(t, ROOM)
    quiet, full = get(a.control, QUIET), base + get(t, ROOM) - get(t, MOST_MOVES)
    number = get(t, FIRST) + chunk * get(t, SIZE)
    upto = min(number + get(t, SIZE), get(t, UPTO))
    buffered, stops = base, NOT
    if get(t, STOPPED) < chunk:  # a block ends before: what this chunk holds is not wanted
        upto = number
    while number < upto:
        if buffered > full:
            stops = NO_ROOM
            break
        after = successors(words, a, number, buffered, False)
        if after < 0:
            stops = SPECIAL
            break
        if not quiet:
            flags = 0
            for e in range(buffered, after):
                flags |= get(a.notes, 4 * e)
            if flags != 0:
                stops = SPECIAL
                break
        buffered = after
        number += 1
    put(r, END_OF, buffered)
    put(r, STOP_OF, number)
    put(r, STOPS_OF, stops)
    if stops != NOT and chunk < get(t, STOPPED):
        put(t, STOPPED, chunk)  # only saves work: `expanded` looks at all records
    put(r, EDGES_OF, sort_entries(words, a, t, chunk, base, buffered))


@inlined
def part_of(a: Any, hashed: int) -> Any:
    """The part of the table to which a state with this hash belongs."""
    return int64(uint64(hashed) >> uint64(64 - a.part_bits))


@inlined
def sort_entries(words: Any, a: Any, t: int, chunk: int, base: int, end: int) -> Any:
    """List the entries base..end by the part of the table to which they belong; returns how many belong to any.

    All that `insert` needs of a state is in the list, so that who inserts it reads on and on, and not here and there
    in what another core has written.
    """
    parts, count = 1 << a.part_bits, len(words)
    ends, target = get(t, STARTS) + 8 * chunk * (parts + 1), get(t, SORTED) + 8 * (count + 1) * base
    for part in range(parts + 1):
        put(ends, part, 0)
    for e in range(base, end):
        if get(a.notes, 4 * e) != DEADLOCK_FLAG:  # which is met only in a search that goes on after a violation
            part = part_of(a, get(a.notes, 4 * e + 2))
            put(ends, part + 1, get(ends, part + 1) + 1)
    held = 0
    for part in range(1, parts + 1):
        number = get(ends, part)
        put(ends, part, held)
        held += number
    for e in range(base, end):
        if get(a.notes, 4 * e) != DEADLOCK_FLAG:
            part = part_of(a, get(a.notes, 4 * e + 2))
            to = get(ends, part + 1)
            put(ends, part + 1, to + 1)
            put(target, (count + 1) * to, e << 1)
            put(target, (count + 1) * to + 1, get(a.notes, 4 * e + 2))
            for k in range(1, count):
                put(target, (count + 1) * to + 1 + k, get(a.buffer, e * count + k))
    return held


@inlined
def expanded(a: Any, t: int) -> None:
    """Where does the block end, and is there room for it?"""
    entries, edges, chunk, stops = 0, 0, 0, NOT
    while chunk < (get(t, UPTO) - get(t, FIRST) + get(t, SIZE) - 1) // get(t, SIZE):
        r = record(t, chunk)
        entries += get(r, END_OF) - chunk * get(t, ROOM)
        edges += get(r, EDGES_OF)
        chunk += 1
        stops = get(r, STOPS_OF)
        if stops != NOT:
            put(t, UPTO, get(r, STOP_OF))
            break
    put(t, CHUNKS, chunk)
    put(t, STOPS, stops)
    put(t, ENTRIES, entries)
    put(t, BLOCK_EDGES, edges)
    if get(a.control, COUNT) + entries > get(t, MOST_STATES):
        end(t, NEAR_LIMIT)
    elif get(a.control, COUNT) + entries > get(a.control, LIMIT):
        end(t, GROW)
    else:
        publish(t, INSERT, 1 << a.part_bits)


@inlined
def insert_part(words: Any, a: Any, t: int, part: int) -> None:
    """Insert the block's successors that belong to a part of the table; the list says of each whether it is new.

    While one chunk's are inserted the slots of the next one's are prefetched.
    """
    parts, chunks, each = 1 << a.part_bits, get(t, CHUNKS), len(words) + 1
    room = 8 * each * get(t, ROOM)
    for chunk in range(-1, chunks):
        ends, source = get(t, STARTS) + 8 * chunk * (parts + 1) + 8 * part, get(t, SORTED) + chunk * room
        ahead = end_ahead = 0
        after, after_source = ends + 8 * (parts + 1), source + room
        if chunk + 1 < chunks:
            ahead, end_ahead = get(after, 0), get(after, 1)
        if chunk >= 0:
            fresh = 0
            for place in range(get(ends, 0), get(ends, 1)):
                if ahead < end_ahead:
                    state_table.prefetched(words, a, get(after_source, each * ahead + 1))
                    ahead += 1
                at = each * place
                new = state_table.insert(words, a, source, at + 1, get(source, at + 1))
                if new == CRAMPED:
                    put(t, CRAMPED_NOW, 1)
                    return
                if new == state_table.NEW:
                    put(source, at, get(source, at) | 1)
                    fresh += 1
            put(get(t, FRESH), chunk * parts + part, fresh)
        while ahead < end_ahead:
            state_table.prefetched(words, a, get(after_source, each * ahead + 1))
            ahead += 1


@inlined
def inserted(a: Any, t: int) -> None:
    """The place of each chunk's first new state."""
    if get(t, CRAMPED_NOW):
        end(t, CRAMPED)
        return
    parts, to = 1 << a.part_bits, get(a.control, COUNT)
    for chunk in range(get(t, CHUNKS)):
        put(record(t, chunk), PLACE_OF, to)
        for part in range(parts):
            to += get(get(t, FRESH), chunk * parts + part)
    put(t, FOUND, to)
    publish(t, PLACE, get(t, CHUNKS))


@inlined
def place_chunk(words: Any, a: Any, t: int, chunk: int) -> None:
    """Copy the chunk's new states to their places, in the order in which they were made, and check them."""
    r, count, base = record(t, chunk), len(words), chunk * get(t, ROOM)
    new = mark_new(words, t, chunk, base, get(r, EDGES_OF))
    number, quiet, failed = get(r, PLACE_OF), get(a.control, QUIET), -1
    for group in range((get(r, END_OF) - base + 63) >> 6):
        marks = get(new, group)
        while marks != 0:
            e, to = base + 64 * group + lowest_bit(marks), number * count
            marks &= marks - 1
            state_table.copied(words, a.buffer, e * count, a.states, to)
            if failed < 0 and not look(words, a, a.states, to, quiet, False):
                failed = number
            number += 1
    put(r, LOOK_OF, failed)


@inlined
def mark_new(words: Any, t: int, chunk: int, base: int, edges: int) -> Any:
    """Where there is a bit for each of the chunk's entries: is it new? Its list is in another order."""
    each, groups = len(words) + 1, (get(t, ROOM) + 63) >> 6
    source, new = get(t, SORTED) + 8 * each * base, get(t, MARKS) + 8 * chunk * groups
    for group in range(groups):
        put(new, group, 0)
    for place in range(edges):
        listed = get(source, each * place)
        e = (listed >> 1) - base
        put(new, e >> 6, get(new, e >> 6) | ((listed & 1) << (e & 63)))
    return new


@inlined
def placed(a: Any, t: int) -> None:
    """The block is finished."""
    found, upto, stops = get(t, FOUND), get(t, UPTO), get(t, STOPS)
    put(t, BEFORE_COUNT, get(a.control, COUNT))
    put(t, BEFORE_EDGES, get(a.control, EDGES))
    put(a.control, COUNT, found)
    put(a.control, EDGES, get(a.control, EDGES) + get(t, BLOCK_EDGES))
    put(a.control, NEXT, upto)
    failed = -1
    for chunk in range(get(t, CHUNKS)):
        if failed < 0:
            failed = get(record(t, chunk), LOOK_OF)
    put(t, FIRST_LOOK, failed)
    if failed >= 0:
        end(t, LOOK)
    elif stops == SPECIAL:
        end(t, ALONE)
    elif upto >= get(a.control, LEVEL_END):
        end(t, DONE)
    elif found >= get(a.control, PAUSE_AT):
        end(t, PAUSED)
    else:
        next_block(a, t)
