"""Cells that one lock guards, and the locks themselves: a store to one of them need not wait in a buffer.

Each access to a guarded cell, in every thread, stands between a spinning atomic that acquires and a store that releases
the same lock.  While a store to the cell waits, its CPU has the lock.  Nobody else looks at the cell before the lock
has been given back, which is behind the store, and whoever takes the lock is behind that.  So nobody can tell whether
the store became visible at once.  Its own CPU only gains: a barrier orders less behind an earlier store.

The condition is on the words of the program, not on their names: a lock without acquire, or an unlock without release,
guards nothing, so that a test of weakened primitives still sees all of what they allow.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from core.memory_model.program import (
    BranchFlags,
    BranchIf,
    Cell,
    Code,
    Fence,
    Instruction,
    Jump,
    Load,
    Program,
    Return,
    Rmw,
    StoreExclusive,
    StoreValue,
)

Accessing = Load | StoreValue | Rmw | StoreExclusive


class Locked(NamedTuple):
    """`locks` are taken by spinning atomics and given back by stores, and nothing else looks at them; `guarded` are
    cells that are accessed under one of them alone."""

    locks: frozenset[Cell]
    guarded: frozenset[Cell]


def locked(program: Program) -> Locked:
    """The locks of `program`, and what they guard."""
    accesses = [x for code in program.threads for x in code.instructions if isinstance(x, Accessing)]
    if any(x.address.cell is None or x.address.translated for x in accesses):
        return Locked(frozenset(), frozenset())  # such an access may go anywhere
    taken = {x.address.cell for x in accesses if isinstance(x, Rmw) and x.spins}
    seen = {x.address.cell for x in accesses if not isinstance(x, StoreValue) and not (isinstance(x, Rmw) and x.spins)}
    locks = frozenset(x for x in taken - seen if x is not None)
    ordered = locks - {cell for code in program.threads for cell in _without_order(code, locks)}
    guards: dict[Cell, frozenset[Cell]] = {}
    for code in program.threads:
        for cell, held in _held(code, locks, ordered):
            guards[cell] = guards.get(cell, held) & held
    return Locked(locks, frozenset(cell for cell, held in guards.items() if held))


def _without_order(code: Code, locks: frozenset[Cell]) -> Iterator[Cell]:
    """The locks that `code` takes without an acquire, or gives back without a release."""
    for place, instruction in enumerate(code.instructions):
        if isinstance(instruction, Rmw | StoreValue) and instruction.address.cell in locks:
            taking = isinstance(instruction, Rmw)
            if not (_acquires(code, place) if taking else _releases(code, place)):
                yield instruction.address.cell


def _held(code: Code, locks: frozenset[Cell], ordered: frozenset[Cell]) -> Iterator[tuple[Cell, frozenset[Cell]]]:
    """Each access to a cell that is no lock, with the `ordered` locks that are held there; none in code with
    branches."""
    straight = not any(isinstance(x, BranchIf | BranchFlags | Jump | Return) for x in code.instructions)
    held: frozenset[Cell] = frozenset()
    for instruction in code.instructions:
        if not isinstance(instruction, Accessing) or instruction.address.cell is None:
            continue
        cell = instruction.address.cell
        if cell not in locks:
            yield cell, held if straight else frozenset()
        elif isinstance(instruction, Rmw):
            held |= {cell} & ordered
        else:
            held -= {cell}


def _acquires(code: Code, place: int) -> bool:
    """Whether all that follows is behind the atomic at `place`."""
    instruction = code.instructions[place]
    if isinstance(instruction, Rmw) and instruction.order.acquire:
        return True
    following: Instruction = code.instructions[place + 1]
    return isinstance(following, Fence) and "r" in following.before and following.after == "rw"


def _releases(code: Code, place: int) -> bool:
    """Whether the store at `place` is behind all that precedes it."""
    instruction = code.instructions[place]
    if isinstance(instruction, StoreValue) and instruction.order.release:
        return True
    before = ""
    while place and isinstance(fence := code.instructions[place - 1], Fence):
        before += fence.before if "w" in fence.after and not fence.tso else ""
        place -= 1
    return "r" in before and "w" in before
