"""The successors of a state, in the order of the reference searcher: agent by agent, outcome by outcome."""

from __future__ import annotations

from typing import Any

from core.explore.compiled import state_table
from core.explore.compiled.arrays import COUNT_BITS, DEADLOCK_FLAG
from core.explore.compiled.canonical import canonical
from core.explore.compiled.steps import NUMBER, answer, fuse_on, fusing_agent, local_state, step, stuck
from core.explore.compiled.words import get, inlined, put


@inlined
def successors(words: Any, a: Any, number: int, buffered: int, prefetches: Any) -> int:
    """Buffer the successors of a state; the new length of the buffer. `prefetches`: the slot of each, too.

    -1 if an answer is missing in the state itself, -2 if one is missing for an operation fused to a step: then
    `scratch` has the state and the agent."""
    count = len(words)
    at = number * count
    first, end = 0, a.agents
    if a.longest:
        agent = fusing_agent(words, a, a.states, at)
        if agent == -2:
            return -1
        if agent >= 0:
            first, end = agent, agent + 1
    moved = False
    for agent in range(first, end):
        leaf = answer(words, a, a.locals, local_state(words, a, agent, a.states, at), a.states, at)
        if leaf < 0:
            return -1
        move = leaf >> COUNT_BITS
        for _ in range(leaf & NUMBER):
            to = buffered * count
            moved |= step(words, a, move, a.states, at, a.buffer, to)
            if a.longest:
                missing = fuse_on(words, a, agent, a.buffer, to)
                if missing >= 0:
                    state_table.copied(words, a.buffer, to, a.scratch, 0)
                    put(a.scratch, count, missing)
                    return -2
            if a.permutations > 1:
                canonical(words, a, a.buffer, to)
            hashed = state_table.hash_of(words, a.buffer, to)
            if prefetches:
                state_table.prefetched(words, a, hashed)
            put(a.notes, 4 * buffered, get(a.moves, move + 2 * count))
            put(a.notes, 4 * buffered + 1, number)
            put(a.notes, 4 * buffered + 2, hashed)
            buffered += 1
            move += 2 * count + 1
    if not moved and stuck(words, a, a.states, at):
        put(a.notes, 4 * buffered, DEADLOCK_FLAG)
        put(a.notes, 4 * buffered + 1, number)
        buffered += 1
    return buffered
