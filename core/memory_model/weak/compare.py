"""Compare-and-swap on Armv8: it fails, and is a load; or it succeeds, and is a load and a store.

Which of the two may be known only later, when its comparand comes from a delayed load.  So the CPU guesses, and goes on
as if it knew; a guess that turns out wrong ends the execution, which then does not count.  What has to wait
waits: the store is not visible before its comparand is known.

A compare-and-swap that succeeds knows its result from memory or from its comparand, whichever is earlier; that it has
succeeded depends on memory alone.  What its store holds depends on the comparand as on a branch.
"""

from __future__ import annotations

from collections.abc import Iterator

from core.memory_model.program import PLAIN, Load, Operand, Rmw
from core.memory_model.values import evaluate, is_pending
from core.memory_model.weak.context import Context, Destination, advance, operand
from core.memory_model.weak.loads import load
from core.memory_model.weak.state import (
    NEVER,
    Atomic,
    BufferedStore,
    Delayed,
    Guess,
    Register,
    WeakState,
    holds_release,
    is_reserved,
)

COMPARED = "(compared)"
"""A register that no test can have."""


def compare_and_swap(
    context: Context, state: WeakState, i: int, instruction: Rmw, access: Destination
) -> Iterator[WeakState]:
    """Every way in which a compare-and-swap of Armv8 can go on."""
    if access.dies <= state.now:
        return
    assert instruction.compare is not None
    yield from _fails(context, state, i, instruction, instruction.compare, access)
    yield from _succeeds_later(context, state, i, instruction, instruction.compare, access)
    yield from _succeeds(state, i, instruction, instruction.compare, access)


def _fails(
    context: Context, state: WeakState, i: int, instruction: Rmw, compare: Operand, access: Destination
) -> Iterator[WeakState]:
    acquire = instruction.order.acquire if instruction.reg is not None else ""
    as_load = Load(COMPARED, instruction.address, PLAIN._replace(acquire=acquire))
    expected = operand(state.cpus[i], compare).value
    for new in load(context, state, i, as_load, access):
        cpu = new.cpus[i]
        found = cpu.registers.pop(COMPARED)
        if instruction.reg is not None:
            cpu.registers[instruction.reg] = found
        else:  # without a result it is no load to a barrier
            cpu.newest_load = state.cpus[i].newest_load
        if _assume(new, i, Guess(found.value, expected, False)):
            yield new


def _succeeds(state: WeakState, i: int, instruction: Rmw, compare: Operand, access: Destination) -> Iterator[WeakState]:
    """The load takes effect now, and finds the newest value; the store waits in the buffer and reserves the cell."""
    cpu, order, cell = state.cpus[i], instruction.order, access.cell
    if (order.acquire and holds_release(cpu)) or any(type(x) is Delayed and x.cell == cell for x in cpu.buffer):
        return
    own = [x for x in cpu.buffer if isinstance(x, BufferedStore) and x.cell == cell]
    floor = max(cpu.loads, access.address_floor, access.walk_floor, cpu.released if order.acquire else 0)
    seen = cpu.seen.get(cell, 0)
    if own:
        old, time = own[-1].value, max(floor, own[-1].view)
        if order.acquire:
            if is_pending(old) or not isinstance(own[-1].reserved, int | None):
                return
            time = max(time, own[-1].reserved or 0)
    elif is_reserved(state, i, cell):
        return
    else:
        begin, old = state.newest(cell)
        time, seen = max(floor, begin), max(seen, begin)
    expected, new = operand(cpu, compare), state.with_cpu(i)
    if not _assume(new, i, Guess(old, expected.value, True)):
        return
    cpu = new.cpus[i]
    cpu.seen[cell] = seen
    stored = operand(cpu, instruction.operand)
    value = evaluate("select-eq", (old, expected.value, stored.value, stored.value), picks=2)
    if instruction.reg is not None:
        cpu.newest_load = max(cpu.newest_load, time)
        if order.acquire:
            cpu.raise_loads(time)
        known = time if is_pending(expected.value) else min(time, expected.floor)
        cpu.registers[instruction.reg] = Register(old, known, time)
    view, pick = max(access.address_floor, stored.floor), max(stored.pick, expected.pick)
    full = order.full and instruction.reg is not None
    cpu.buffer = (
        *cpu.buffer,
        BufferedStore(cell, value, view, access.page, access.entries, order.release, time, full, pick, None),
    )
    cpu.blocked = full
    yield advance(new, i)


def _succeeds_later(
    context: Context, state: WeakState, i: int, instruction: Rmw, compare: Operand, access: Destination
) -> Iterator[WeakState]:
    """The whole waits in the buffer: load and store take effect when it leaves."""
    cpu, order = state.cpus[i], instruction.order
    if (order.acquire and instruction.reg is not None) or not context.rules.delays:
        return
    waiting = any(type(x) in (BufferedStore, Delayed) for x in cpu.buffer)
    if not waiting and not context.future(i, (cpu.pc or 0) + 1).needs_delay:
        return
    new = state.with_cpu(i)
    cpu = new.cpus[i]
    name, expected, stored = cpu.new_name(), operand(cpu, compare), operand(cpu, instruction.operand)
    value = evaluate("select-eq", (expected.value, 0, stored.value, stored.value), picks=2)  # once that is known
    atomic = Atomic("swp", value, bool(order.release), instruction.reg is None, max(access.address_floor, stored.floor))
    floor = max(cpu.loads, access.address_floor, access.walk_floor)
    seen = cpu.seen.get(access.cell, 0)
    item = Delayed(access.cell, name, floor, access.page, access.entries, seen, NEVER, atomic)
    cpu.buffer = (*cpu.buffer, item)
    cpu.set(instruction.reg, name, 0)
    cpu.guesses = (*cpu.guesses, Guess(name, expected.value, True))
    yield advance(new, i)


def _assume(state: WeakState, i: int, guess: Guess) -> bool:
    """CPU i, which may be changed, goes on as if `guess` were right; False if it is known to be wrong."""
    right = guess.is_right()
    if right is None:
        state.cpus[i].guesses = (*state.cpus[i].guesses, guess)
    return right is not False
