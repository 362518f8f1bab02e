"""Stores, atomics and store-exclusives.

On Armv8 an atomic is a load, which reads the newest value, and a store, which waits in the buffer and reserves the
cell: no other CPU writes it in between.  On RISC-V it is one event.  On both it may be delayed as a whole if it is no
acquire.  Without a result it is none on Armv8 (SWPAL with XZR), and orders nothing later."""

from __future__ import annotations

from collections.abc import Iterator

from core.memory_model.program import Rmw, StoreExclusive, StoreValue
from core.memory_model.values import Descriptor, Value, is_pending, updated, updated_later
from core.memory_model.weak.buffer import make_visible
from core.memory_model.weak.compare import compare_and_swap
from core.memory_model.weak.context import Context, Destination, advance, operand
from core.memory_model.weak.state import (
    FORWARDED,
    NEVER,
    Atomic,
    BufferedStore,
    Delayed,
    Mark,
    WeakCpu,
    WeakState,
    accesses,
    holds_release,
    is_reserved,
)


def store(state: WeakState, i: int, instruction: StoreValue, access: Destination) -> WeakState | None:
    """The store goes into the buffer; None if its entry is gone already."""
    if access.dies <= state.now:
        return None
    new = state.with_cpu(i)
    cpu = new.cpus[i]
    value, floor, pick = operand(cpu, instruction.value)
    view = max(access.address_floor, floor)
    release = instruction.order.release
    cpu.buffer = (
        *cpu.buffer,
        BufferedStore(access.cell, value, view, access.page, access.entries, release, None, False, pick, None),
    )
    return advance(new, i)


def rmw(context: Context, state: WeakState, i: int, instruction: Rmw, access: Destination) -> Iterator[WeakState]:
    """Every way in which an atomic can go on."""
    cpu = state.cpus[i]
    if instruction.compare is not None and not instruction.spins and not context.rules.single_amo:
        yield from compare_and_swap(context, state, i, instruction, access)
        return
    if _may_be_delayed(context, state, i, instruction, access):
        yield _delayed(context, state, i, instruction, access)
    if access.dies <= state.now or (instruction.order.acquire and holds_release(cpu)):
        return
    if any(type(x) is Delayed and x.cell == access.cell for x in cpu.buffer):
        return
    step = _single if context.rules.single_amo else _pair
    after = step(context, state, i, instruction, access)
    if after is not None:
        yield after


def _may_be_delayed(context: Context, state: WeakState, i: int, instruction: Rmw, access: Destination) -> bool:
    """Acquires are not delayed.  An atomic without result is no acquire on Armv8; on RISC-V it is."""
    order = instruction.order
    acquires = order.acquire and (instruction.reg is not None or context.rules.single_amo)
    if acquires or instruction.compare is not None or access.dies <= state.now:
        return False
    if not context.rules.delays:
        return False
    cpu = state.cpus[i]
    waiting = any(type(x) in (BufferedStore, Delayed) for x in cpu.buffer)
    return waiting or context.future(i, (cpu.pc or 0) + 1).needs_delay


def _delayed(context: Context, state: WeakState, i: int, instruction: Rmw, access: Destination) -> WeakState:
    new = state.with_cpu(i)
    cpu = new.cpus[i]
    name, (value, value_floor, _) = cpu.new_name(), operand(cpu, instruction.operand)
    floor = 0 if context.rules.single_amo else max(cpu.loads, access.address_floor, access.walk_floor)
    view = max(access.address_floor, value_floor)
    atomic = Atomic(instruction.op, value, bool(instruction.order.release), instruction.reg is None, view)
    seen = cpu.seen.get(access.cell, 0)
    item = Delayed(access.cell, name, floor, access.page, access.entries, seen, NEVER, atomic)
    cpu.buffer = (*cpu.buffer, item)
    cpu.set(instruction.reg, name, 0)
    return advance(new, i)


def _result(cpu: WeakCpu, instruction: Rmw, old: Value) -> tuple[bool, Value] | None:
    """Whether the atomic stores, and what, which may depend on a delayed load; None while the first does, or while it
    spins."""
    value = operand(cpu, instruction.operand).value
    if instruction.compare is not None:
        compare = operand(cpu, instruction.compare).value
        if is_pending(compare) or is_pending(old):
            return None
        if old != compare:
            return None if instruction.spins else (False, old)
    if not is_pending(value) and not is_pending(old):
        return True, updated(instruction.op, old, value)
    if isinstance(old, Descriptor) and instruction.op != "swp":
        return None
    return True, updated_later(instruction.op, old, value)


def _single(context: Context, state: WeakState, i: int, instruction: Rmw, access: Destination) -> WeakState | None:
    """RISC-V: the atomic reads and writes at one time, behind earlier own stores to its cell."""
    cpu, order, cell = state.cpus[i], instruction.order, access.cell
    for item in cpu.buffer:
        if type(item) is Mark or accesses(item, cell) or (order.release and type(item) in (BufferedStore, Delayed)):
            return None
    if is_reserved(state, i, cell):
        return None
    begin, old = state.newest(cell)
    result = _result(cpu, instruction, old)
    if result is None or is_pending(result[1]):
        return None
    new = state.with_cpu(i)
    cpu = new.cpus[i]
    stores, value = result
    time = begin
    if stores:
        time = make_visible(context.program, new, i, cell, value)
        cpu.own.pop(cell, None)
    cpu.newest_load = max(cpu.newest_load, time)
    if order.acquire:
        cpu.raise_loads(time)
    if order.release:
        cpu.released = max(cpu.released, time)
    cpu.set(instruction.reg, old, time)
    return advance(new, i)


def _pair(context: Context, state: WeakState, i: int, instruction: Rmw, access: Destination) -> WeakState | None:
    """Armv8: the load takes effect now, the store waits in the buffer."""
    cpu, order, cell = state.cpus[i], instruction.order, access.cell
    floor = max(cpu.loads, access.address_floor, access.walk_floor, cpu.released if order.acquire else 0)
    own = [x for x in cpu.buffer if isinstance(x, BufferedStore) and x.cell == cell]
    seen = cpu.seen.get(cell, 0)
    if own:
        old, time = own[-1].value, max(floor, own[-1].view)
        if order.acquire and is_pending(old):
            return None
        if order.acquire and own[-1].reserved is not None:
            if not isinstance(own[-1].reserved, int):
                return None
            time = max(time, own[-1].reserved)
    elif is_reserved(state, i, cell):
        return None
    else:
        begin, old = state.newest(cell)
        time, seen = max(floor, begin), max(seen, begin)
    result = _result(cpu, instruction, old)
    if result is None:
        return None
    new = state.with_cpu(i)
    cpu = new.cpus[i]
    cpu.seen[cell] = seen
    if instruction.reg is not None:  # without a result it is no load to a barrier, and no acquire
        cpu.newest_load = max(cpu.newest_load, time)
        if order.acquire:
            cpu.raise_loads(time)
    stores, value = result
    cpu.set(instruction.reg, old, time)
    if stores:
        view = max(access.address_floor, operand(state.cpus[i], instruction.operand).floor)
        full = order.full and instruction.reg is not None
        cpu.buffer = (
            *cpu.buffer,
            BufferedStore(cell, value, view, access.page, access.entries, order.release, time, full, 0, None),
        )
        cpu.blocked = full
    return advance(new, i)


def store_exclusive(
    context: Context, state: WeakState, i: int, instruction: StoreExclusive, access: Destination | None
) -> Iterator[WeakState]:
    """A store-exclusive fails, or stores if its monitor holds; without `access` its address is not known yet."""
    if not instruction.again:
        failed = state.with_cpu(i)
        failed.cpus[i].set(instruction.status, 1, 0)
        failed.cpus[i].monitor = None
        yield advance(failed, i)
    cpu, order = state.cpus[i], instruction.order
    if access is None or cpu.monitor is None or cpu.monitor[0] != access.cell or access.dies <= state.now:
        return
    if any(type(x) is Delayed and x.cell == access.cell and x.atomic is not None for x in cpu.buffer):
        return
    if order.acquire and holds_release(cpu):
        return
    loaded = cpu.monitor[1]
    if isinstance(loaded, int):
        buffered = any(type(x) is BufferedStore and x.cell == access.cell for x in cpu.buffer)
        if not buffered and (is_reserved(state, i, access.cell) or state.newest(access.cell)[0] != loaded):
            return
        if buffered and loaded != FORWARDED and state.newest(access.cell)[0] != loaded:
            return
    new = state.with_cpu(i)
    cpu = new.cpus[i]
    value, floor, pick = operand(cpu, instruction.value)
    cpu.monitor = None
    status = cpu.new_name() if context.rules.status_orders and instruction.status is not None else None
    cpu.set(instruction.status, 0 if status is None else status, 0)
    reserved = cpu.seen.get(access.cell, 0) if isinstance(loaded, int) else loaded
    view = max(access.address_floor, floor)
    blocks = bool(order.acquire)  # its store, too, is before everything later
    cpu.buffer = (
        *cpu.buffer,
        BufferedStore(
            access.cell, value, view, access.page, access.entries, order.release, reserved, blocks, pick, status
        ),
    )
    cpu.blocked = blocks
    yield advance(new, i)
