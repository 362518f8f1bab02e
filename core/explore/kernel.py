"""The inner loops of the compiled searcher: machine code made by numba, one version for each number of words.

Data types (all arrays of 64-bit integers, filled by `core.explore.packed`)
    states   the words of all states, in the order in which they were found; the frontier is its end
    table    an open-addressing hash table of the same words, so that one cache line answers "seen before?"
    row      a pending operation.  Its reads are fields of a state.  From its root, each value read leads to the next
             node of a tree (`child[node + value]`), the last one to a list of moves; -1: not learned yet
    move     words to clear, words to set, and the number of the property the step itself violates
    buffer   successors on their way to the table
    control  where the search stands, so that it can leave for Python and come back (see the constants)

Why it is fast.  A table of all states is far larger than the caches, so nearly every look into it misses.  Successors
are collected, the cache line of each is asked for at once, and only then they are looked up in the same order.  That
order is the reference searcher's: state by state, agent by agent, outcome by outcome.

Why it may leave at any time.  It leaves to learn (a state's row has no answer for its values yet: nothing of that
state was expanded), to grow, and for a violation (the buffer keeps its place).  Everything else is in the arrays.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any, TypeVar, cast

from core.explore.numeric import numba as _numba

numba = _numba()

F = TypeVar("F", bound=Callable[..., Any])

# Positions in `control`.
NEXT, LEVEL_END, COUNT, EDGES, BUFFERED, DRAINED, QUIET, PAUSE_AT, SOURCE, LIMIT = range(10)
CONTROL_SIZE = 16

# Why `expand` came back.
DONE, GROW, MISS, VIOLATED_STEP, DEADLOCK, LOOK, PAUSED = range(7)

DEADLOCK_FLAG = -1
BATCH = 96
"""Successors on their way at once: enough to hide a cache miss, few enough to stay in the first cache."""

ENDED, ASSERTED = -1, -2
ALWAYS, FINALLY, SOMETIMES = range(3)

HASH_1 = -7046029254386353131  # 0x9E3779B97F4A7C15
HASH_2 = -4658895280553007687  # 0xBF58476D1CE4E5B9


def _without_counts(**options: Any) -> Any:
    """njit for code that only borrows its arrays: counting references to them would take half of the time."""
    try:
        return numba.njit(cache=True, boundscheck=False, _nrt=False, **options)
    except (KeyError, TypeError):  # a numba without this option is only slower
        return numba.njit(cache=True, boundscheck=False, **options)


def compiled(function: F) -> F:
    """`function` as machine code, kept on disk for the next process."""
    return cast(F, _without_counts(nogil=True)(function))


def inlined(function: F) -> F:
    """The same for a helper that is made part of its caller."""
    return cast(F, _without_counts(forceinline=True)(function))


def _prefetch(typing_context: Any, array: Any, index: Any) -> Any:
    """Ask for the cache line of array[index] without waiting for it."""
    ir: Any = import_module("llvmlite.ir")
    cgutils: Any = import_module("numba.core.cgutils")

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        struct = context.make_array(signature.args[0])(context, builder, arguments[0])
        item = builder.gep(struct.data, [arguments[1]])
        byte_pointer, number = ir.IntType(8).as_pointer(), ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [byte_pointer, number, number, number])
        function = builder.module.declare_intrinsic("llvm.prefetch", [byte_pointer], kind)
        builder.call(function, [builder.bitcast(item, byte_pointer), number(1), number(3), number(1)])
        return cgutils.get_null_value(ir.IntType(64))

    return numba.types.int64(array, index), code


prefetch = numba.extending.intrinsic(_prefetch)


@inlined
def slot_of(words: Any, array: Any, at: int, mask: int) -> int:
    """The place in a table of mask + 1 where the search for the words at array[at] starts."""
    mixed = 0
    for k in range(len(words)):
        mixed = (mixed ^ array[at + k]) * HASH_1
        mixed ^= (mixed >> 29) & 0x7FFFFFFFF
    mixed *= HASH_2
    return (mixed >> 20) & mask


@inlined
def insert(words: Any, array: Any, at: int, slot: int, table: Any, mask: int) -> Any:
    """Put the words at array[at] into the table. True if they were not there."""
    count = len(words)
    while True:
        place = slot * count
        if table[place] == 0:
            for k in range(count):
                table[place + k] = array[at + k]
            return True
        same = True
        for k in range(count):
            same &= table[place + k] == array[at + k]
        if same:
            return False
        slot = (slot + 1) & mask


@inlined
def answer(row: int, array: Any, at: int, rows: Any, reads: Any, child: Any) -> Any:
    """The leaf of `row` for the state at array[at]; -1 if it is not known."""
    node = rows[row, 0]
    for r in range(rows[row, 1], rows[row, 2]):
        if node < 0:
            break
        node = child[node + ((array[at + reads[r, 0]] >> reads[r, 1]) & reads[r, 2])]
    return node


@inlined
def pending(agent: int, threads: Any, row_of: Any, array: Any, at: int) -> Any:
    """The row of an agent in the state at array[at]; negative if it has ended."""
    return row_of[threads[agent, 3] + ((array[at + threads[agent, 0]] >> threads[agent, 1]) & threads[agent, 2])]


@compiled
def look(
    words: Any, array: Any, at: int, running: int, quiet: int, threads: Any, row_of: Any, props: Any, rows: Any,
    reads: Any, child: Any,
) -> bool:  # fmt: skip
    """Is there nothing to say about the new state at array[at]?  (Otherwise Python looks at it.)

    A sometimes-property that holds is ticked off in `props` (row, kind, active) on the spot.
    """
    all_ended = True
    for agent in range(running):
        row = pending(agent, threads, row_of, array, at)
        all_ended &= row < 0
        if row == ASSERTED and not quiet:
            return False
    for p in range(props.shape[0]):
        kind = props[p, 1]
        if not props[p, 2] or (quiet and kind != SOMETIMES) or (kind == FINALLY and not all_ended):
            continue
        holds = answer(props[p, 0], array, at, rows, reads, child)
        if holds < 0 or (holds == 0 and kind != SOMETIMES):
            return False
        if holds == 1 and kind == SOMETIMES:
            props[p, 2] = 0
    return True


@compiled
def expand(
    words: Any, control: Any, states: Any, table: Any, threads: Any, running: int, row_of: Any, rows: Any,
    reads: Any, child: Any, lists: Any, keeps: Any, sets: Any, flags: Any, props: Any, buffer: Any, notes: Any,
    found: Any,
) -> int:  # fmt: skip
    """Expand states from control[NEXT] to control[LEVEL_END]; return why it stops."""
    count = len(words)
    mask = table.size // count - 1
    at_state, level_end, edges, states_found = control[NEXT], control[LEVEL_END], control[EDGES], control[COUNT]
    buffered, drained, quiet = control[BUFFERED], control[DRAINED], control[QUIET]
    agents = threads.shape[0]
    why = DONE
    while True:
        # Fill the buffer.
        while drained == 0 and buffered < BATCH and at_state < level_end:
            at = at_state * count
            known = True
            for agent in range(agents):
                row = pending(agent, threads, row_of, states, at)
                leaf = 0
                if row >= 0:
                    leaf = answer(row, states, at, rows, reads, child)
                    if leaf < 0:
                        known = False
                        break
                found[agent] = leaf
            if not known:
                why = MISS
                break
            moved = False
            first = buffered
            for agent in range(agents):
                for move in range(lists[found[agent]], lists[found[agent] + 1]):
                    to = buffered * count
                    differs = False
                    for k in range(count):
                        old = states[at + k]
                        new = (old & keeps[move * count + k]) | sets[move * count + k]
                        buffer[to + k] = new
                        differs |= new != old
                    moved |= differs
                    slot = slot_of(words, buffer, to, mask)
                    prefetch(table, slot * count)
                    notes[buffered, 0] = flags[move]
                    notes[buffered, 1] = at_state
                    notes[buffered, 2] = slot
                    buffered += 1
            edges += buffered - first
            if not moved:
                stuck = False
                for agent in range(running):
                    stuck |= pending(agent, threads, row_of, states, at) >= 0
                if stuck:
                    notes[buffered, 0] = DEADLOCK_FLAG
                    notes[buffered, 1] = at_state
                    buffered += 1
            at_state += 1
        # Empty it, if there is room for all that is in it.
        if states_found + buffered > control[LIMIT]:
            why = GROW
            break
        leave = False
        while drained < buffered:
            flag = notes[drained, 0]
            if flag != 0 and not quiet:
                control[SOURCE] = notes[drained, 1]
                leave = True
                if flag == DEADLOCK_FLAG:
                    why = DEADLOCK
                    drained += 1
                else:
                    why = VIOLATED_STEP
                    notes[drained, 0] = 0  # told once; the step itself comes when the search goes on
                break
            if flag == DEADLOCK_FLAG:
                drained += 1
                continue
            at = drained * count
            new = insert(words, buffer, at, notes[drained, 2], table, mask)
            drained += 1
            if new:
                to = states_found * count
                for k in range(count):
                    states[to + k] = buffer[at + k]
                states_found += 1
                if not look(words, states, to, running, quiet, threads, row_of, props, rows, reads, child):
                    why = LOOK
                    leave = True
                    break
        if leave:
            break
        buffered, drained = 0, 0
        if why == MISS:
            break
        if at_state >= level_end:
            break
        if states_found >= control[PAUSE_AT]:
            why = PAUSED
            break
    control[NEXT], control[EDGES], control[COUNT] = at_state, edges, states_found
    control[BUFFERED], control[DRAINED] = buffered, drained
    return why


@compiled
def rehash(words: Any, states: Any, states_found: int, table: Any) -> None:
    """Put all states into an empty table."""
    count = len(words)
    mask = table.size // count - 1
    ahead = 16
    for number in range(states_found):
        if number + ahead < states_found:
            prefetch(table, slot_of(words, states, (number + ahead) * count, mask) * count)
        insert(words, states, number * count, slot_of(words, states, number * count, mask), table, mask)


@compiled
def place_again(words: Any, buffer: Any, buffered: int, notes: Any, table: Any) -> None:
    """The table has another size: find the places of what is in the buffer anew."""
    count = len(words)
    for number in range(buffered):
        notes[number, 2] = slot_of(words, buffer, number * count, table.size // count - 1)


@compiled
def misses(
    words: Any, first: int, end: int, states: Any, threads: Any, row_of: Any, rows: Any, reads: Any, child: Any,
    wanted: Any,
) -> int:  # fmt: skip
    """States in first..end whose rows lack an answer, as (state, agent) in `wanted`, each hole once; how many.

    A hole is marked -2 while it is wanted.
    """
    count = len(words)
    held = 0
    for number in range(first, end):
        at = number * count
        for agent in range(threads.shape[0]):
            row = pending(agent, threads, row_of, states, at)
            if row < 0:
                continue
            node = rows[row, 0]
            place = -1
            for r in range(rows[row, 1], rows[row, 2]):
                if node < 0:
                    break
                place = node + ((states[at + reads[r, 0]] >> reads[r, 1]) & reads[r, 2])
                node = child[place]
            if node != -1:
                continue
            if place >= 0:
                child[place] = -2
            else:
                rows[row, 0] = -2
            wanted[held, 0], wanted[held, 1] = number, agent
            held += 1
            if held == wanted.shape[0]:
                return held
    return held


@compiled
def predecessor(
    words: Any, first: int, end: int, target: int, states: Any, threads: Any, row_of: Any, rows: Any, reads: Any,
    child: Any, lists: Any, keeps: Any, sets: Any,
) -> int:  # fmt: skip
    """The first state in first..end with a move to state number `target`; -1 if there is none."""
    count = len(words)
    goal = target * count
    for number in range(first, end):
        at = number * count
        for agent in range(threads.shape[0]):
            row = pending(agent, threads, row_of, states, at)
            if row < 0:
                continue
            leaf = answer(row, states, at, rows, reads, child)
            if leaf < 0:
                continue
            for move in range(lists[leaf], lists[leaf + 1]):
                same = True
                for k in range(count):
                    new = (states[at + k] & keeps[move * count + k]) | sets[move * count + k]
                    same &= new == states[goal + k]
                if same:
                    return number
    return -1
