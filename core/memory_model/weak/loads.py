"""Loads: forwarded from the own buffer, from any value that the history still allows, or delayed."""

from __future__ import annotations

from collections.abc import Iterator

from core.memory_model.program import Load
from core.memory_model.values import Placeholder, Value, is_pending
from core.memory_model.weak.context import Context, Destination, advance
from core.memory_model.weak.state import (
    FORWARDED,
    NEVER,
    BufferedStore,
    Delayed,
    Mark,
    WeakCpu,
    WeakState,
    holds_release,
)


def load(context: Context, state: WeakState, i: int, instruction: Load, access: Destination) -> Iterator[WeakState]:
    """Every way in which CPU i's load can go on."""
    cpu, order = state.cpus[i], instruction.order
    if order.acquire == "sc" and holds_release(cpu):
        return
    if order.release and cpu.buffer:  # RISC-V's lr.aqrl: everything before it is done
        return
    floor = max(cpu.loads, access.address_floor, access.walk_floor)
    if order.acquire == "sc":
        floor = max(floor, cpu.released)
    if order.release:
        floor = max(floor, cpu.newest_load, cpu.newest_store)
    source = _youngest_store(cpu, access.cell)
    if not _is_held_back(context, cpu, source):
        if source is not None:
            yield from _forward(state, i, instruction, access, floor, source)
            return
        yield from _from_history(state, i, instruction, access, floor)
    if order.acquire or order.release or access.dies <= state.now or not context.rules.delays:
        return
    if context.future(i, (cpu.pc or 0) + 1).needs_delay:
        yield _delay(state, i, instruction, access, floor)


def _youngest_store(cpu: WeakCpu, cell: str) -> BufferedStore | Delayed | None:
    """The youngest item of the buffer that will write `cell`."""
    for item in reversed(cpu.buffer):
        if isinstance(item, BufferedStore) and item.cell == cell:
            return item
        if isinstance(item, Delayed) and item.cell == cell and item.atomic is not None:
            return item
    return None


def _is_held_back(context: Context, cpu: WeakCpu, source: BufferedStore | Delayed | None) -> bool:
    """Whether the load has to wait: for a fence that is not done, or for the store that it would forward from.

    On RISC-V nothing is forwarded from an atomic or a store-conditional (preserved program order, rule 3)."""
    if any(type(x) is Mark for x in cpu.buffer):
        return True
    if isinstance(source, BufferedStore):
        return context.rules.single_amo and source.reserved is not None
    if isinstance(source, Delayed):
        assert source.atomic is not None
        return context.rules.single_amo or source.atomic.op != "swp"
    return False


def _forward(
    state: WeakState, i: int, instruction: Load, access: Destination, floor: int, source: BufferedStore | Delayed
) -> Iterator[WeakState]:
    """The value of the youngest own store to the cell, or of a swap that is still delayed."""
    acquires = bool(instruction.order.acquire)
    if access.dies <= state.now:
        return
    if isinstance(source, Delayed):
        if source.atomic is not None and not acquires and not instruction.exclusive:
            time = max(floor, source.atomic.view)
            yield _taken(state, i, instruction, access, source.atomic.operand, time, None, 0)
        return
    if acquires and (is_pending(source.value) or isinstance(source.reserved, Placeholder)):
        return
    time = max(floor, source.view)
    if acquires and isinstance(source.reserved, int):
        time = max(time, source.reserved)  # an acquire is behind the load of the atomic that it reads from
    yield _taken(state, i, instruction, access, source.value, time, None, source.pick)


def _from_history(state: WeakState, i: int, instruction: Load, access: Destination, floor: int) -> Iterator[WeakState]:
    """Every value that the cell had at a time that the floor, coherence and the entry allow."""
    cpu, cell = state.cpus[i], access.cell
    history, seen = state.memory[cell], cpu.seen.get(cell, 0)
    own = cpu.own.get(cell)
    if own is not None and seen == own.time > floor:
        # the load may have forwarded from the store before that became visible, which a barrier may have forced
        time = max(floor, own.view, own.reserved if instruction.order.acquire else 0)
        if time < own.time and time < access.dies:
            value = next(x for t, x in history if t == own.time)
            yield _taken(state, i, instruction, access, value, time, own.time, own.pick)
    for k, (begin, value) in enumerate(history):
        end = history[k + 1][0] if k + 1 < len(history) else NEVER
        time = max(floor, begin)
        if begin >= seen and time < end and time < access.dies:
            yield _taken(state, i, instruction, access, value, time, begin, 0)


def _taken(
    state: WeakState,
    i: int,
    instruction: Load,
    access: Destination,
    value: Value,
    time: int,
    begin: int | None,
    pick: int,
) -> WeakState:
    """The load has taken `value` at `time`; `begin` is when the cell got it (None: forwarded from the buffer)."""
    new = state.with_cpu(i)
    cpu = new.cpus[i]
    cpu.set(instruction.reg, value, time, max(time, pick))
    cpu.newest_load = max(cpu.newest_load, time)
    if instruction.order.acquire:
        cpu.raise_loads(time)
    if begin is not None:
        cpu.seen[access.cell] = max(cpu.seen.get(access.cell, 0), begin)
        # an older delayed load of the cell may not take a newer value than this one
        cpu.buffer = tuple(
            x._replace(limit=min(x.limit, begin)) if type(x) is Delayed and x.cell == access.cell else x
            for x in cpu.buffer
        )
    if instruction.exclusive:
        cpu.monitor = (access.cell, FORWARDED if begin is None else begin)
    return advance(new, i)


def _delay(state: WeakState, i: int, instruction: Load, access: Destination, floor: int) -> WeakState:
    """The load waits in the buffer; its register has a placeholder."""
    new = state.with_cpu(i)
    cpu = new.cpus[i]
    name, seen = cpu.new_name(), cpu.seen.get(access.cell, 0)
    item = Delayed(access.cell, name, floor, access.page, access.entries, seen, NEVER, None)
    cpu.buffer = (*cpu.buffer, item)
    cpu.set(instruction.reg, name, 0)
    if instruction.exclusive:
        cpu.monitor = (access.cell, name)
    return advance(new, i)
