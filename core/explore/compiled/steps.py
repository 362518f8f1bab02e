"""One step of the model in machine code: what an agent does in a state, and which operations are fused to the step."""

# ruff: noqa: SIM110 - numba compiles plain loops best

from __future__ import annotations

from typing import Any

from core.explore.compiled.arrays import (
    ACTIVE,
    ASSERTED,
    COUNT_BITS,
    END,
    FINALLY,
    FUSIBLE,
    HOLE,
    KIND,
    MASK,
    MORE,
    QUESTION,
    ROOT,
    RUNS,
    SHIFT,
    SOMETIMES,
    STATUS,
    WORD,
)
from core.explore.compiled.words import get, inlined, put

NUMBER = (1 << COUNT_BITS) - 1


@inlined
def word(words: Any, array: int, at: int, number: int) -> Any:
    """Word `number` of the state at array[at]; `number` is not used where states have one word."""
    if len(words) == 1:
        return get(array, at)
    return get(array, at + number)


@inlined
def place_of(words: Any, a: Any, questions: int, number: int, array: int, at: int) -> Any:
    """The index in `child` of the answer to a question about the state at array[at], or of the HOLE before it."""
    q = questions + 8 * QUESTION * number
    node = get(q, ROOT)
    place = node + ((word(words, array, at, get(q, WORD)) >> get(q, SHIFT)) & get(q, MASK))
    for chunk in range(get(q, MORE), get(q, END)):
        node = get(a.child, place)
        if node < 0:
            break
        c = a.chunks + 32 * chunk
        place = node + ((word(words, array, at, get(c, 0)) >> get(c, 1)) & get(c, 2))
    return place


@inlined
def answer(words: Any, a: Any, questions: int, number: int, array: int, at: int) -> Any:
    """The answer to a question about the state at array[at]; negative if it is not known."""
    return get(a.child, place_of(words, a, questions, number, array, at))


@inlined
def local_state(words: Any, a: Any, agent: int, array: int, at: int) -> Any:
    """An agent's local state in the state at array[at], counted through all agents."""
    t = a.threads + 32 * agent
    return get(t, 3) + ((word(words, array, at, get(t, 0)) >> get(t, 1)) & get(t, 2))


@inlined
def misses_any(words: Any, a: Any, array: int, at: int) -> bool:
    """Is it unknown what some agent does in the state at array[at]?"""
    for agent in range(a.agents):
        if answer(words, a, a.locals, local_state(words, a, agent, array, at), array, at) == HOLE:
            return True
    return False


@inlined
def local_fact(a: Any, local: int, fact: int) -> Any:
    """A number of a local state: STATUS or FUSIBLE."""
    return get(a.locals, QUESTION * local + fact)


@inlined
def step(words: Any, a: Any, move: int, source: int, at: int, target: int, to: int) -> bool:
    """Write the state after `move` from source[at] to target[to]. True if it differs."""
    differs = False
    for k in range(len(words)):
        old = get(source, at + k)
        new = (old & get(a.moves, move + 2 * k)) | get(a.moves, move + 2 * k + 1)
        put(target, to + k, new)
        differs |= new != old
    return differs


@inlined
def may_fuse(words: Any, a: Any, fusible: int, array: int, at: int) -> bool:
    """May the operation be fused in the state at array[at], with all threads and guarded cells as they are?"""
    for other in range(a.running):
        bit = fusible * a.width + local_state(words, a, other, array, at)
        if (get(a.danger, bit >> 6) >> (bit & 63)) & 1:
            return False
    for guard in range(get(a.guard_of, 2 * fusible), get(a.guard_of, 2 * fusible + 1)):
        g = a.guards + 32 * guard
        bit = get(g, 3) + ((word(words, array, at, get(g, 0)) >> get(g, 1)) & get(g, 2))
        if not (get(a.allowed, bit >> 6) >> (bit & 63)) & 1:
            return False
    return True


@inlined
def fusing_agent(words: Any, a: Any, array: int, at: int) -> int:
    """The first agent whose operation may be fused in the state at array[at]; -1: none, -2: an answer is missing."""
    for agent in range(a.agents):
        local = local_state(words, a, agent, array, at)
        fusible = local_fact(a, local, FUSIBLE)
        if fusible >= 0 and may_fuse(words, a, fusible, array, at):
            leaf = answer(words, a, a.locals, local, array, at)
            if leaf < 0:
                return -2
            if leaf & NUMBER:
                return agent
    return -1


@inlined
def only_leaf(words: Any, a: Any, agent: int, array: int, at: int) -> Any:
    """The answer of an agent whose operation may be fused and has one outcome; -1: it has not, -2: it is missing."""
    local = local_state(words, a, agent, array, at)
    fusible = local_fact(a, local, FUSIBLE)
    if fusible < 0 or not may_fuse(words, a, fusible, array, at):
        return -1
    leaf = answer(words, a, a.locals, local, array, at)
    if leaf < 0:
        return -2
    if leaf & NUMBER != 1:
        return -1
    return leaf


@inlined
def fuse_on(words: Any, a: Any, agent: int, array: int, at: int) -> Any:
    """Execute the operations that are fused to the agent's step into array[at].

    -1, or the agent of which an answer is missing."""
    for _ in range(a.longest):
        leaf = -1
        if agent < a.running:
            leaf = only_leaf(words, a, agent, array, at)
            if leaf == -2:
                return agent
        daemon = a.running
        while leaf == -1 and daemon < a.agents:
            leaf = only_leaf(words, a, daemon, array, at)
            if leaf == -2:
                return daemon
            daemon += 1
        if leaf == -1:
            return -1
        step(words, a, leaf >> COUNT_BITS, array, at, array, at)
    return -1


@inlined
def stuck(words: Any, a: Any, array: int, at: int) -> bool:
    """Is there a thread that has not ended?"""
    for agent in range(a.running):
        if local_fact(a, local_state(words, a, agent, array, at), STATUS) == RUNS:
            return True
    return False


@inlined
def look(words: Any, a: Any, array: int, at: int, quiet: int, alone: Any) -> bool:
    """Does the new state at array[at] pass all checks?  (If not, or if an answer is missing, Python checks it.)

    A sometimes-property that holds is deactivated in `props`.  A worker that is not `alone` changes nothing: for it
    such a state does not pass either.
    """
    if a.asserts and not quiet:
        for agent in range(a.running):
            if local_fact(a, local_state(words, a, agent, array, at), STATUS) == ASSERTED:
                return False
    for number in range(a.properties):
        p = a.props + 8 * QUESTION * number
        kind = get(p, KIND)
        if not get(p, ACTIVE) or (quiet and kind != SOMETIMES):
            continue
        if kind == FINALLY and stuck(words, a, array, at):
            continue
        holds = answer(words, a, a.props, number, array, at)
        if holds < 0 or (holds == 0 and kind != SOMETIMES):
            return False
        if holds == 1 and kind == SOMETIMES:
            if not alone:
                return False
            put(p, ACTIVE, 0)
    return True
