"""The inner loops of the compiled searcher: machine code made by numba, one version for each number of words.

Data types (arrays of 64-bit integers but for `danger`, filled by `core.explore.packed` and `core.explore.exchange`)
    states    the words of all states, in the order in which they were found; the frontier is its end
    table     an open-addressing hash table of the same words, so that one cache line answers "seen before?"
    Machine   the model.  A row is a pending operation.  Its reads are fields of a state.  From its root, each value
              read leads to the next node of a tree (`child[node + value]`), the last one to a list of moves; -1: not
              learned yet.  A move has words to keep and to set, and the number of the property the step itself violates
    Exchange  the permutations of equal threads
    Work      successors on their way to the table (`buffer`, `notes`) and other room to work in
    control   where the search stands, so that it can leave for Python and come back (see the constants)

Why it is fast.  A table of all states is far larger than the caches, so nearly every look into it misses.  Successors
are collected, the cache line of each is asked for at once, and only then they are looked up in the same order.  That
order is the reference searcher's: state by state, agent by agent, outcome by outcome.

Why it may leave at any time.  It leaves to learn (a state's row has no answer for its values yet: nothing of that
state was expanded), to grow, and for a violation (the buffer keeps its place).  Everything else is in the arrays.
"""

# ruff: noqa: SIM109, SIM110 - numba compiles plain loops and comparisons best

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any, NamedTuple, TypeVar, cast

from core.explore.numeric import numba as _numba

numba = _numba()
uint64 = numba.uint64

F = TypeVar("F", bound=Callable[..., Any])

# Positions in `control`.
NEXT, LEVEL_END, COUNT, EDGES, BUFFERED, DRAINED, QUIET, PAUSE_AT, SOURCE, LIMIT = range(10)
CONTROL_SIZE = 16

# Why `expand` came back.
DONE, GROW, MISS, VIOLATED_STEP, DEADLOCK, LOOK, PAUSED, ASK = range(8)

DEADLOCK_FLAG = -1
BATCH = 96
"""Successors on their way at once: enough to hide a cache miss, few enough to stay in the first cache."""

ENDED, ASSERTED = -1, -2
ALWAYS, FINALLY, SOMETIMES = range(3)

HASH_1 = -7046029254386353131  # 0x9E3779B97F4A7C15
HASH_2 = -4658895280553007687  # 0xBF58476D1CE4E5B9


class Machine(NamedTuple):
    """The model.

    threads   word, shift, mask and first local state of each agent; a daemon's has no bits
    running   how many of the agents are threads;  agents: how many there are
    row_of    by local state: its row, or ENDED or ASSERTED
    rows      root, first and last read, nothing;  reads: word, shift, mask, nothing
    lists     where the moves of a leaf start, in `keeps`, `sets` (words) and `flags` (violations)
    hurry     by local state: the number of its Urgent (`core.explore.fuse`), -1 when it has to wait its turn
    danger    by Urgent and local state of any thread: does that forbid to hurry?
    longest   how many steps may be done in one go; 0 when nothing hurries
    """

    threads: Any
    running: int
    agents: int
    row_of: Any
    rows: Any
    reads: Any
    child: Any
    lists: Any
    keeps: Any
    sets: Any
    flags: Any
    props: Any
    hurry: Any
    danger: Any
    longest: int


class Exchange(NamedTuple):
    """Permutations of equal threads; the first is the identity.

    order          by permutation and place: the member that goes there
    stays          the words of what a permutation leaves where it is
    shifts         source word, target word, mask, shift to the left;  first_shift: where those of a permutation start
    maps           word, shift, mask, target word and shift, start in `images` of fields whose numbers change
    key_shifts, key_maps   the same for each member's own fields, moved to where those of the first member are
    """

    order: Any
    stays: Any
    shifts: Any
    first_shift: Any
    maps: Any
    first_map: Any
    images: Any
    key_shifts: Any
    first_key_shift: Any
    key_maps: Any
    first_key_map: Any


class Work(NamedTuple):
    """Room to work in.

    buffer    the words of successors;  notes: the violation, source and place in the table of each
    leaves    the moves of each agent in the state at hand
    asked     the words of a state in which an answer is missing
    keys      of the members of a group;  least, image, kept: words
    """

    buffer: Any
    notes: Any
    leaves: Any
    asked: Any
    keys: Any
    least: Any
    image: Any
    kept: Any


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
def get(array: Any, at: int) -> Any:
    """array[at] without Python's meaning of negative numbers, which costs three instructions."""
    return array[uint64(at)]


@inlined
def put(array: Any, at: int, value: int) -> None:
    """array[at] = value, likewise."""
    array[uint64(at)] = value


@inlined
def slot_of(words: Any, array: Any, at: int, mask: int) -> int:
    """The place in a table of mask + 1 where the search for the words at array[at] starts."""
    mixed = 0
    for k in range(len(words)):
        mixed = (mixed ^ get(array, at + k)) * HASH_1
        mixed ^= (mixed >> 29) & 0x7FFFFFFFF
    mixed *= HASH_2
    return (mixed >> 20) & mask


@inlined
def insert(words: Any, array: Any, at: int, slot: int, table: Any, mask: int) -> Any:
    """Put the words at array[at] into the table. True if they were not there."""
    count = len(words)
    while True:
        place = slot * count
        if get(table, place) == 0:
            for k in range(count):
                put(table, place + k, get(array, at + k))
            return True
        same = True
        for k in range(count):
            same &= get(table, place + k) == get(array, at + k)
        if same:
            return False
        slot = (slot + 1) & mask


@inlined
def answer(m: Any, row: int, array: Any, at: int) -> Any:
    """The leaf of `row` for the state at array[at]; -1 if it is not known."""
    node = get(m.rows, 4 * row)
    for r in range(get(m.rows, 4 * row + 1), get(m.rows, 4 * row + 2)):
        if node < 0:
            break
        node = get(
            m.child,
            node + ((get(array, at + get(m.reads, 4 * r)) >> get(m.reads, 4 * r + 1)) & get(m.reads, 4 * r + 2)),
        )
    return node


@inlined
def local_state(m: Any, agent: int, array: Any, at: int) -> Any:
    """An agent's local state, counted through all agents, in the state at array[at]."""
    bits = (get(array, at + get(m.threads, 4 * agent)) >> get(m.threads, 4 * agent + 1)) & get(m.threads, 4 * agent + 2)
    return get(m.threads, 4 * agent + 3) + bits


@inlined
def may_hurry(m: Any, agent: int, array: Any, at: int) -> bool:
    """May this thread go on alone in the state at array[at]?"""
    number = get(m.hurry, local_state(m, agent, array, at))
    if number < 0:
        return False
    for other in range(m.running):
        if m.danger[number, local_state(m, other, array, at)]:
            return False
    return True


@inlined
def step(words: Any, m: Any, move: int, source: Any, at: int, target: Any, to: int) -> bool:
    """Put the state after `move` in source[at] to target[to]. True if it is another."""
    count = len(words)
    differs = False
    for k in range(count):
        old = get(source, at + k)
        new = (old & get(m.keeps, move * count + k)) | get(m.sets, move * count + k)
        put(target, to + k, new)
        differs |= new != old
    return differs


@inlined
def hurry_on(words: Any, m: Any, agent: int, array: Any, at: int) -> bool:
    """Do what the thread may do at once in the state at array[at]. False if an answer is missing."""
    if agent >= m.running:
        return True
    for _ in range(m.longest):
        row = get(m.row_of, local_state(m, agent, array, at))
        if row < 0 or not may_hurry(m, agent, array, at):
            return True
        leaf = answer(m, row, array, at)
        if leaf < 0:
            return False
        if get(m.lists, leaf + 1) - get(m.lists, leaf) != 1:
            return True
        step(words, m, get(m.lists, leaf), array, at, array, at)
    return True


@inlined
def moved_bits(word: int, mask: int, left: int) -> Any:
    """The bits of `word` in `mask`, shifted to the left (or, if negative, to the right)."""
    return (word & mask) << left if left >= 0 else (word & mask) >> -left


@inlined
def key_of(e: Any, member: int, array: Any, at: int) -> Any:
    """A number that is the same for members in the same state, wherever they stand."""
    key = 0
    for s in range(get(e.first_key_shift, member), get(e.first_key_shift, member + 1)):
        bits = moved_bits(
            get(array, at + get(e.key_shifts, 4 * s)), get(e.key_shifts, 4 * s + 2), get(e.key_shifts, 4 * s + 3)
        )
        key += bits * (2 * get(e.key_shifts, 4 * s + 1) + 1)
    for s in range(get(e.first_key_map, member), get(e.first_key_map, member + 1)):
        value = (get(array, at + get(e.key_maps, 8 * s)) >> get(e.key_maps, 8 * s + 1)) & get(e.key_maps, 8 * s + 2)
        key += (get(e.images, get(e.key_maps, 8 * s + 5) + value) << get(e.key_maps, 8 * s + 4)) * (
            2 * get(e.key_maps, 8 * s + 3) + 1
        )
    return key


@inlined
def permute(words: Any, e: Any, number: int, array: Any, at: int, image: Any) -> None:
    """The image of the state at array[at] under a permutation."""
    count = len(words)
    for k in range(count):
        image[k] = get(array, at + k) & get(e.stays, number * count + k)
    for s in range(get(e.first_shift, number), get(e.first_shift, number + 1)):
        image[get(e.shifts, 4 * s + 1)] |= moved_bits(
            get(array, at + get(e.shifts, 4 * s)), get(e.shifts, 4 * s + 2), get(e.shifts, 4 * s + 3)
        )
    for s in range(get(e.first_map, number), get(e.first_map, number + 1)):
        value = (get(array, at + get(e.maps, 8 * s)) >> get(e.maps, 8 * s + 1)) & get(e.maps, 8 * s + 2)
        image[get(e.maps, 8 * s + 3)] |= get(e.images, get(e.maps, 8 * s + 5) + value) << get(e.maps, 8 * s + 4)


@compiled
def canonical(words: Any, e: Any, w: Any, array: Any, at: int) -> None:
    """Replace the state at array[at] by the least of its images with the members' keys in order.

    The keys only save work: mostly one permutation puts them in order.  Where keys are equal all images with the keys
    in order are compared, so what is chosen depends on the set of images alone.
    """
    count, members = len(words), e.order.shape[1]
    for member in range(members):
        w.keys[member] = key_of(e, member, array, at)
    have = False
    only_identity = True
    for number in range(e.order.shape[0]):
        sorted_ = True
        for place in range(members - 1):
            sorted_ &= w.keys[e.order[number, place]] <= w.keys[e.order[number, place + 1]]
        if not sorted_:
            continue
        only_identity &= number == 0
        permute(words, e, number, array, at, w.image)
        less = not have
        if have:
            for k in range(count):
                if w.image[k] != w.least[k]:
                    less = w.image[k] < w.least[k]
                    break
        if less:
            have = True
            for k in range(count):
                w.least[k] = w.image[k]
    if not only_identity:
        for k in range(count):
            array[at + k] = w.least[k]


@compiled
def look(m: Any, array: Any, at: int, quiet: int) -> bool:
    """Is there nothing to say about the new state at array[at]?  (Otherwise Python looks at it.)

    A sometimes-property that holds is ticked off in `props` (row, kind, active) on the spot.
    """
    all_ended = True
    for agent in range(m.running):
        row = get(m.row_of, local_state(m, agent, array, at))
        all_ended &= row < 0
        if row == ASSERTED and not quiet:
            return False
    for p in range(m.props.shape[0]):
        kind = m.props[p, 1]
        if not m.props[p, 2] or (quiet and kind != SOMETIMES) or (kind == FINALLY and not all_ended):
            continue
        holds = answer(m, m.props[p, 0], array, at)
        if holds < 0 or (holds == 0 and kind != SOMETIMES):
            return False
        if holds == 1 and kind == SOMETIMES:
            m.props[p, 2] = 0
    return True


@inlined
def answers(m: Any, w: Any, states: Any, at: int) -> bool:
    """Find what each agent can do in the state at states[at]. False if an answer is missing."""
    if m.longest:
        for agent in range(m.running):
            row = get(m.row_of, local_state(m, agent, states, at))
            if row >= 0 and may_hurry(m, agent, states, at):
                leaf = answer(m, row, states, at)
                if leaf < 0:
                    return False
                if get(m.lists, leaf + 1) > get(m.lists, leaf):
                    w.leaves[:] = 0
                    put(w.leaves, agent, leaf)
                    return True
    for agent in range(m.agents):
        row = get(m.row_of, local_state(m, agent, states, at))
        leaf = 0
        if row >= 0:
            leaf = answer(m, row, states, at)
            if leaf < 0:
                return False
        put(w.leaves, agent, leaf)
    return True


@inlined
def stuck(m: Any, states: Any, at: int) -> bool:
    """Has some thread not ended?"""
    for agent in range(m.running):
        if get(m.row_of, local_state(m, agent, states, at)) >= 0:
            return True
    return False


@inlined
def successors(
    words: Any, m: Any, e: Any, w: Any, states: Any, number: int, buffered: int, table: Any, mask: int
) -> int:
    """Buffer the successors of a state; how many there are then, or -1 if an answer is missing (in w.asked)."""
    count = len(words)
    at = number * count
    moved = False
    for agent in range(m.agents):
        leaf = get(w.leaves, agent)
        for move in range(get(m.lists, leaf), get(m.lists, leaf + 1)):
            to = buffered * count
            moved |= step(words, m, move, states, at, w.buffer, to)
            if m.longest and not hurry_on(words, m, agent, w.buffer, to):
                for k in range(count):
                    w.asked[k] = w.buffer[to + k]
                w.asked[count] = agent
                return -1
            if e.order.shape[0] > 1:
                canonical(words, e, w, w.buffer, to)
            slot = slot_of(words, w.buffer, to, mask)
            prefetch(table, slot * count)
            put(w.notes, 4 * buffered, get(m.flags, move))
            put(w.notes, 4 * buffered + 1, number)
            put(w.notes, 4 * buffered + 2, slot)
            buffered += 1
    if not moved and stuck(m, states, at):
        put(w.notes, 4 * buffered, DEADLOCK_FLAG)
        put(w.notes, 4 * buffered + 1, number)
        buffered += 1
    return buffered


@compiled
def expand(words: Any, control: Any, states: Any, table: Any, m: Any, e: Any, w: Any) -> int:
    """Expand states from control[NEXT] to control[LEVEL_END]; return why it stops."""
    count = len(words)
    mask = table.size // count - 1
    at_state, level_end, edges, states_found = control[NEXT], control[LEVEL_END], control[EDGES], control[COUNT]
    buffered, drained, quiet = control[BUFFERED], control[DRAINED], control[QUIET]
    why = DONE
    while True:
        # Fill the buffer.
        while drained == 0 and buffered < BATCH and at_state < level_end:
            if not answers(m, w, states, at_state * count):
                why = MISS
                break
            after = successors(words, m, e, w, states, at_state, buffered, table, mask)
            if after < 0:
                why = ASK
                break
            edges += after - buffered
            if after > buffered and get(w.notes, 4 * (after - 1)) == DEADLOCK_FLAG:
                edges -= 1
            buffered = after
            at_state += 1
        # Empty it, if there is room for all that is in it.
        if states_found + buffered > control[LIMIT]:
            why = GROW
            break
        leave = False
        while drained < buffered:
            flag = get(w.notes, 4 * drained)
            if flag != 0 and not quiet:
                control[SOURCE] = get(w.notes, 4 * drained + 1)
                leave = True
                if flag == DEADLOCK_FLAG:
                    why = DEADLOCK
                    drained += 1
                else:
                    why = VIOLATED_STEP
                    put(w.notes, 4 * drained, 0)  # told once; the step itself comes when the search goes on
                break
            if flag == DEADLOCK_FLAG:
                drained += 1
                continue
            at = drained * count
            new = insert(words, w.buffer, at, get(w.notes, 4 * drained + 2), table, mask)
            drained += 1
            if new:
                to = states_found * count
                for k in range(count):
                    put(states, to + k, get(w.buffer, at + k))
                states_found += 1
                if not look(m, states, to, quiet):
                    why = LOOK
                    leave = True
                    break
        if leave:
            break
        buffered, drained = 0, 0
        if why == MISS or why == ASK:
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
def place_again(words: Any, w: Any, buffered: int, table: Any) -> None:
    """The table has another size: find the places of what is in the buffer anew."""
    count = len(words)
    for number in range(buffered):
        put(w.notes, 4 * number + 2, slot_of(words, w.buffer, number * count, table.size // count - 1))


@compiled
def misses(words: Any, first: int, end: int, states: Any, m: Any, wanted: Any) -> int:
    """States in first..end whose rows lack an answer, as (state, agent) in `wanted`, each hole once; how many.

    A hole is marked -2 while it is wanted.
    """
    count = len(words)
    held = 0
    for number in range(first, end):
        at = number * count
        for agent in range(m.agents):
            row = get(m.row_of, local_state(m, agent, states, at))
            if row < 0:
                continue
            node = get(m.rows, 4 * row)
            place = -1
            for r in range(get(m.rows, 4 * row + 1), get(m.rows, 4 * row + 2)):
                if node < 0:
                    break
                place = node + ((states[at + get(m.reads, 4 * r)] >> get(m.reads, 4 * r + 1)) & get(m.reads, 4 * r + 2))
                node = get(m.child, place)
            if node != -1:
                continue
            if place >= 0:
                m.child[place] = -2
            else:
                m.rows[4 * row] = -2
            wanted[held, 0], wanted[held, 1] = number, agent
            held += 1
            if held == wanted.shape[0]:
                return held
    return held


@compiled
def predecessor(words: Any, first: int, end: int, target: int, states: Any, m: Any, e: Any, w: Any) -> int:
    """The first state in first..end with a move to state number `target`; -1 if there is none."""
    count = len(words)
    goal = target * count
    permutations = e.order.shape[0]
    keep = w.kept  # what no permutation touches has to be equal already
    for k in range(count):
        keep[k] = get(e.stays, k)
        for number in range(permutations):
            keep[k] &= get(e.stays, number * count + k)
    for number in range(first, end):
        at = number * count
        if not answers(m, w, states, at):
            continue
        for agent in range(m.agents):
            leaf = get(w.leaves, agent)
            for move in range(get(m.lists, leaf), get(m.lists, leaf + 1)):
                step(words, m, move, states, at, w.asked, 0)
                if m.longest:
                    hurry_on(words, m, agent, w.asked, 0)
                same = True
                for k in range(count):
                    same &= (w.asked[k] & keep[k]) == (states[goal + k] & keep[k])
                if same and permutations > 1:
                    canonical(words, e, w, w.asked, 0)
                for k in range(count):
                    same &= w.asked[k] == states[goal + k]
                if same:
                    return number
    return -1
