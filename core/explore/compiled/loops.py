"""The inner loops of the compiled searcher.

Why they are fast.  A table of all states is far larger than the caches, so nearly every lookup misses.  Successors are
buffered, the cache line of each is prefetched, and only then are they looked up, in the same order.  That order is the
reference searcher's: state by state, agent by agent, outcome by outcome.

Why they may return at any time.  They return to learn (an agent has no known answer in a state: nothing of that state
is kept), to grow, and for a violation (the buffer keeps its position).  Everything else is in the arrays.
"""

# ruff: noqa: SIM109 - numba compiles plain comparisons best

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from core.explore.compiled import state_table
from core.explore.compiled.arrays import (
    BATCH,
    BEING_LEARNED,
    BUFFERED,
    COUNT,
    COUNT_BITS,
    CRAMPED,
    DEADLOCK,
    DEADLOCK_FLAG,
    DONE,
    DRAINED,
    EDGES,
    FUSION_MISS,
    GROW,
    HOLE,
    LEVEL_END,
    LIMIT,
    LOOK,
    MISS,
    NEXT,
    PAUSE_AT,
    PAUSED,
    QUIET,
    SOURCE,
    VIOLATED_STEP,
)
from core.explore.compiled.canonical import canonical, moved_bits
from core.explore.compiled.parallel import work
from core.explore.compiled.steps import NUMBER, answer, fuse_on, fusing_agent, local_state, look, place_of, step
from core.explore.compiled.successors import successors
from core.explore.compiled.waiting import waiting
from core.explore.compiled.words import arrays, get, inlined, put


@inlined
def expand(words: Any, a: Any) -> int:
    """Expand the states from control[NEXT] to control[LEVEL_END]; returns why it stopped.

    It is one long function because six counters are in registers throughout: parts would have to pass them all.
    """
    count = len(words)
    at_state, level_end = get(a.control, NEXT), get(a.control, LEVEL_END)
    edges, states_found = get(a.control, EDGES), get(a.control, COUNT)
    buffered, drained, quiet = get(a.control, BUFFERED), get(a.control, DRAINED), get(a.control, QUIET)
    why = DONE
    while True:
        # Fill the buffer.
        while drained == 0 and buffered < BATCH and at_state < level_end:
            after = successors(words, a, at_state, buffered, True)
            if after < 0:
                why = MISS if after == -1 else FUSION_MISS
                break
            edges += after - buffered
            if after > buffered and get(a.notes, 4 * (after - 1)) == DEADLOCK_FLAG:
                edges -= 1
            buffered = after
            at_state += 1
        # Empty it, if there is room for all of it.
        if states_found + buffered > get(a.control, LIMIT):
            why = GROW
            break
        leave = False
        while drained < buffered:
            flag = get(a.notes, 4 * drained)
            if flag != 0 and not quiet:
                put(a.control, SOURCE, get(a.notes, 4 * drained + 1))
                leave = True
                if flag == DEADLOCK_FLAG:
                    why = DEADLOCK
                    drained += 1
                else:
                    why = VIOLATED_STEP
                    put(a.notes, 4 * drained, 0)  # reported once; the successor is stored when the search resumes
                break
            if flag == DEADLOCK_FLAG:
                drained += 1
                continue
            at = drained * count
            new = state_table.insert(words, a, a.buffer, at, get(a.notes, 4 * drained + 2))
            if new == CRAMPED:
                why = CRAMPED
                leave = True
                break
            drained += 1
            if new == state_table.NEW:
                to = states_found * count
                state_table.copied(words, a.buffer, at, a.states, to)
                states_found += 1
                if not look(words, a, a.states, to, quiet, True):
                    why = LOOK
                    leave = True
                    break
        if leave:
            break
        buffered, drained = 0, 0
        if why == MISS or why == FUSION_MISS:
            break
        if at_state >= level_end:
            break
        if states_found >= get(a.control, PAUSE_AT):
            why = PAUSED
            break
    put(a.control, NEXT, at_state)
    put(a.control, EDGES, edges)
    put(a.control, COUNT, states_found)
    put(a.control, BUFFERED, buffered)
    put(a.control, DRAINED, drained)
    return why


@inlined
def misses(words: Any, a: Any, ranges: int, count: int, wanted: int, room: int) -> int:
    """Write the missing answers in `count` ranges of states, each (first, end), to `wanted` as (state, agent).

    Returns how many, at most `room`. Each HOLE is listed once and is then BEING_LEARNED.
    """
    held = 0
    for one in range(count):
        for number in range(get(ranges, 2 * one), get(ranges, 2 * one + 1)):
            at = number * len(words)
            for agent in range(a.agents):
                place = place_of(words, a, a.locals, local_state(words, a, agent, a.states, at), a.states, at)
                if get(a.child, place) == HOLE:
                    put(a.child, place, BEING_LEARNED)
                    put(wanted, 2 * held, number)
                    put(wanted, 2 * held + 1, agent)
                    held += 1
                    if held == room:
                        return held
    return held


@inlined
def looks(words: Any, a: Any, first: int, end: int) -> int:
    """The first of the states first..end that does not pass all checks; `end` if all do."""
    quiet = get(a.control, QUIET)
    for number in range(first, end):
        if not look(words, a, a.states, number * len(words), quiet, True):
            return number
    return end


@inlined
def comes_to(words: Any, a: Any, target: int) -> bool:
    """Is state number `target` the representative of the state in `scratch`?"""
    at = target * len(words)
    for k in range(len(words)):  # bits that no permutation moves have to be equal already
        if (get(a.scratch, k) ^ get(a.states, at + k)) & get(a.kept, k):
            return False
    if a.permutations > 1:
        canonical(words, a, a.scratch, 0)
    same = True
    for k in range(len(words)):
        same &= get(a.scratch, k) == get(a.states, at + k)
    return same


@inlined
def predecessor(words: Any, a: Any, first: int, end: int, target: int) -> int:
    """The first state in first..end with a move to state number `target`; -1 if there is none."""
    count = len(words)
    for k in range(count):
        keep = -1
        for permutation in range(a.permutations):
            keep &= get(a.stays, permutation * count + k)
        put(a.kept, k, keep)
    for number in range(first, end):
        at = number * count
        from_, to = 0, a.agents
        if a.longest:
            agent = fusing_agent(words, a, a.states, at)
            if agent >= 0:
                from_, to = agent, agent + 1
        for agent in range(from_, to):
            leaf = answer(words, a, a.locals, local_state(words, a, agent, a.states, at), a.states, at)
            if leaf < 0:
                continue
            move = leaf >> COUNT_BITS
            for _ in range(leaf & NUMBER):
                step(words, a, move, a.states, at, a.scratch, 0)
                if a.longest:
                    fuse_on(words, a, agent, a.scratch, 0)
                if comes_to(words, a, target):
                    return number
                move += 2 * count + 1
    return -1


@inlined
def translate(words: Any, a: Any, old: int, old_words: int, number: int, shifts: int, room: int) -> int:
    """Translate `number` states of `old_words` words at `old` into `states`, with `room` records of `shifts`."""
    for state in range(number):
        at = state * len(words)
        for s in range(shifts, shifts + 32 * room, 32):
            to = at + get(s, 1)
            bits = moved_bits(get(old, state * old_words + get(s, 0)), get(s, 2), get(s, 3))
            put(a.states, to, get(a.states, to) | bits)
    return 0


LOOPS: dict[str, tuple[Callable[..., int], int]] = {
    "expand": (expand, 0),
    "misses": (misses, 4),
    "looks": (looks, 2),
    "predecessor": (predecessor, 3),
    "canonical": (canonical, 2),
    "translate": (translate, 5),
    "fill": (state_table.fill, 1),
    "unfold": (state_table.unfold, 2),
    "work": (work, 1),
    "waiting": (waiting, 4),
}
"""The functions that Python calls, each with the number of its arguments after the address of the arrays."""


def entry(loop: Callable[..., int], numbers: int, count: int) -> Callable[..., int]:
    """A loop specialised for states of `count` words, as a function of integers only."""
    words = (0,) * count
    return (
        lambda context: loop(words, arrays(context)),
        lambda context, x: loop(words, arrays(context), x),
        lambda context, x, y: loop(words, arrays(context), x, y),
        lambda context, x, y, z: loop(words, arrays(context), x, y, z),
        lambda context, x, y, z, u: loop(words, arrays(context), x, y, z, u),
        lambda context, x, y, z, u, v: loop(words, arrays(context), x, y, z, u, v),
    )[numbers]
