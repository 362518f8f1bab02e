"""What leaves the buffer: a store becomes visible, a delayed load or atomic takes effect, a fence is done."""

from __future__ import annotations

from collections.abc import Iterator

from core.memory_model.program import Cell, Program, is_entry
from core.memory_model.values import (
    INVALID,
    Descriptor,
    NotExpressible,
    Placeholder,
    TableDescriptor,
    Value,
    describe,
    holds,
    is_pending,
    only_picks,
    replace_pending,
    updated,
)
from core.memory_model.weak.break_before_make import note_entry
from core.memory_model.weak.context import Context
from core.memory_model.weak.state import (
    FORWARDED,
    BufferedStore,
    Delayed,
    Flags,
    Guess,
    Item,
    Mark,
    Own,
    Register,
    Update,
    WeakCpu,
    WeakState,
    accesses,
    changes,
    is_reserved,
)


def leaving(context: Context, state: WeakState, i: int) -> Iterator[tuple[str, WeakState]]:
    """Every step in which an item leaves CPU i's buffer."""
    for place, item in enumerate(state.cpus[i].buffer):
        if isinstance(item, BufferedStore):
            if may_become_visible(state, i, place, item):
                shown = f"CPU{i}: {item.cell} := {describe(item.value)} becomes visible"
                yield shown, become_visible(context, state, i, place)
        elif isinstance(item, Update):
            yield (
                f"CPU{i}: hardware sets {item.cell} to {describe(item.value)}",
                _update(context, state, i, place, item),
            )
        elif isinstance(item, Delayed):
            after = _take_effect(context, state, i, place, item)
            if after is not None and not after.dead:
                yield f"CPU{i}: the delayed load of {item.cell} takes effect", after


def may_become_visible(state: WeakState, i: int, place: int, item: BufferedStore) -> bool:
    """Whether no older item of the buffer, and no other CPU's atomic, holds the store back."""
    if is_pending(item.value) or isinstance(item.reserved, Placeholder):
        return False
    for older in state.cpus[i].buffer[:place]:
        if accesses(older, item.cell) or (item.release and type(older) in (BufferedStore, Delayed)):
            return False
    return not is_reserved(state, i, item.cell)


def become_visible(context: Context, state: WeakState, i: int, place: int) -> WeakState:
    """The store at `place` becomes visible."""
    new = state.with_cpu(i)
    cpu = new.cpus[i]
    item = cpu.buffer[place]
    assert isinstance(item, BufferedStore)
    cpu.buffer = cpu.buffer[:place] + cpu.buffer[place + 1 :]
    time = make_visible(context.program, new, i, item.cell, item.value)
    _note_for_marks(cpu, place, 0, time)
    if item.reserved is None:
        cpu.own[item.cell] = Own(time, item.view, 0, item.pick)
    elif context.rules.single_amo:
        cpu.own.pop(item.cell, None)
    else:
        assert isinstance(item.reserved, int)
        cpu.own[item.cell] = Own(time, item.view, item.reserved, item.pick)
    if item.release == "sc":
        cpu.released = max(cpu.released, time)
    if item.full:
        cpu.raise_loads(time)
        cpu.blocked = False
    if item.status is not None:
        _substitute(new, i, item.status, 0, time)
    return new


def make_visible(program: Program, state: WeakState, i: int, cell: Cell, value: Value) -> int:
    """CPU i writes `cell`: the time from which the value holds.  An own monitor that relied on the value before goes on
    with this one: only another CPU's store takes it away."""
    if is_entry(cell) and not isinstance(value, (Descriptor, TableDescriptor)) and value != INVALID:
        raise NotExpressible(f"an entry that becomes {describe(value)}")
    cpu = state.cpus[i]
    before = state.newest(cell)[0]
    time = state.append(cell, value)
    note_entry(program, state, i, cell)
    if cpu.monitor is not None and cpu.monitor[0] == cell and cpu.monitor[1] in (FORWARDED, before):
        cpu.monitor = (cell, time)
    cpu.seen[cell] = max(cpu.seen.get(cell, 0), time)
    cpu.newest_store = max(cpu.newest_store, time)
    return time


def _update(context: Context, state: WeakState, i: int, place: int, item: Update) -> WeakState:
    new = state.with_cpu(i)
    cpu = new.cpus[i]
    cpu.buffer = cpu.buffer[:place] + cpu.buffer[place + 1 :]
    cpu.newest_update = max(cpu.newest_update, new.append(item.cell, item.value))
    note_entry(context.program, new, i, item.cell)
    return new


def _take_effect(context: Context, state: WeakState, i: int, place: int, item: Delayed) -> WeakState | None:
    """The delayed load at `place` takes the value that the cell has now; None if it cannot yet."""
    older = state.cpus[i].buffer[:place]
    if any(accesses(x, item.cell) or type(x) is Mark for x in older):
        return None
    begin, value = state.newest(item.cell)
    if not item.coherence <= begin <= item.limit or not _may_act(state, i, older, item):
        return None
    new = state.with_cpu(i)
    cpu = new.cpus[i]
    cpu.buffer = older + cpu.buffer[place + 1 :]
    time = max(item.floor, begin)
    cpu.seen[item.cell] = max(cpu.seen.get(item.cell, 0), begin)
    if item.atomic is not None:
        time = _write_of_atomic(context, new, i, place, item, value, time)
    else:
        _note_for_marks(cpu, place, time, 0)
        if cpu.monitor == (item.cell, item.name):
            cpu.monitor = (item.cell, begin)
        cpu.buffer = tuple(
            x._replace(reserved=time) if type(x) is BufferedStore and x.reserved == item.name else x for x in cpu.buffer
        )
    if item.atomic is None or not item.atomic.discards or context.rules.single_amo:
        cpu.newest_load = max(cpu.newest_load, time)
    _substitute(new, i, item.name, value, time)
    return new


def _may_act(state: WeakState, i: int, older: tuple[Item, ...], item: Delayed) -> bool:
    """Whether an atomic may write the cell now, and the load of an exclusive pair may rely on its store."""
    if item.atomic is None:
        paired = any(type(x) is BufferedStore and x.reserved == item.name for x in state.cpus[i].buffer)
        return not (paired and is_reserved(state, i, item.cell))
    if is_pending(item.atomic.operand) or is_reserved(state, i, item.cell):
        return False
    return not (item.atomic.release and any(type(x) in (BufferedStore, Delayed) for x in older))


def _write_of_atomic(
    context: Context, state: WeakState, i: int, place: int, item: Delayed, old: Value, loaded: int
) -> int:
    """A delayed atomic writes its cell.  The time that its result carries."""
    cpu, atomic = state.cpus[i], item.atomic
    assert atomic is not None
    time = make_visible(context.program, state, i, item.cell, updated(atomic.op, old, atomic.operand))
    if atomic.release:
        cpu.released = max(cpu.released, time)
    if context.rules.single_amo:
        cpu.own.pop(item.cell, None)
        _note_for_marks(cpu, place, time, time)
        return time
    cpu.own[item.cell] = Own(time, atomic.view, loaded, 0)
    return loaded


def _note_for_marks(cpu: WeakCpu, place: int, load: int, store: int) -> None:
    """An item that left `place` took effect at these times: the fences behind it order later loads after it."""
    if any(type(x) is Mark for x in cpu.buffer):
        cpu.buffer = tuple(
            x._replace(floor=max(x.floor, load if "r" in x.before else 0, store if "w" in x.before else 0))
            if type(x) is Mark and k >= place
            else x
            for k, x in enumerate(cpu.buffer)
        )


def finish_fence(state: WeakState, i: int) -> WeakState | None:
    """The oldest fence in CPU i's buffer, done if what is before it is finished; None if there is none to be done."""
    buffer = state.cpus[i].buffer
    for place, mark in enumerate(buffer):
        if not isinstance(mark, Mark):
            continue
        older = buffer[:place]
        if "r" in mark.before and any(type(x) is Delayed for x in older):
            return None
        if "w" in mark.before and any(changes(x) for x in older):
            return None
        new = state.with_cpu(i)
        cpu = new.cpus[i]
        later = (
            x._replace(floor=max(x.floor, mark.floor)) if isinstance(x, Delayed) else x for x in buffer[place + 1 :]
        )
        cpu.buffer = (*older, *later)
        cpu.raise_loads(mark.floor)
        return new
    return None


def _substitute(state: WeakState, i: int, name: Placeholder, value: Value, time: int) -> None:
    """`value`, which was taken at `time`, goes where its placeholder is on CPU i, which may be changed."""
    cpu = state.cpus[i]
    for register, (held, floor, pick) in list(cpu.registers.items()):
        if holds(held, name):
            data = floor if only_picks(held, name) else max(floor, time)
            cpu.registers[register] = Register(replace_pending(held, name, value), data, max(pick, time))
    cpu.buffer = tuple(_substituted(x, name, value, time) for x in cpu.buffer)
    left, right, pick = cpu.flags
    if holds(left, name) or holds(right, name):
        cpu.flags = Flags(replace_pending(left, name, value), replace_pending(right, name, value), max(pick, time))
    if cpu.guesses:
        _check_guesses(state, cpu, name, value)
    if not any(type(x) is Delayed or (type(x) is BufferedStore and x.status is not None) for x in cpu.buffer):
        cpu.names = 0  # else the turns of a spinning loop would never be equal


def _check_guesses(state: WeakState, cpu: WeakCpu, name: Placeholder, value: Value) -> None:
    """The execution does not count if `cpu` has guessed wrong."""
    guesses = [
        Guess(replace_pending(x.left, name, value), replace_pending(x.right, name, value), x.equal) for x in cpu.guesses
    ]
    cpu.guesses = tuple(x for x in guesses if x.is_right() is None)
    state.dead = state.dead or any(x.is_right() is False for x in guesses)


def _substituted(item: Item, name: Placeholder, value: Value, time: int) -> Item:
    if isinstance(item, BufferedStore) and holds(item.value, name):
        view = item.view if only_picks(item.value, name) else max(item.view, time)
        return item._replace(value=replace_pending(item.value, name, value), view=view, pick=max(item.pick, time))
    if isinstance(item, Delayed) and item.atomic is not None and holds(item.atomic.operand, name):
        known = replace_pending(item.atomic.operand, name, value)
        return item._replace(atomic=item.atomic._replace(operand=known, view=max(item.atomic.view, time)))
    return item
