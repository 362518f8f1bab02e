"""When two states of the weak machine are the same.

Three things make states equal that differ in what is written down, and none changes what can still happen:

1. What no remaining instruction of any CPU can ask for is left out: registers that are dead, floors of a kind of access
   that does not come any more, old values below every floor that may still be used, TLBIs that take no kept value away.
2. Times are only compared with the ends of kept values and with the completion of TLBIs.  So every floor is rounded
   down to the last of these boundaries, and boundaries are replaced by their ranks.
3. The beginning of the first kept value matters only above somebody's floor; else it is 0.

What may still be asked for comes from `future.py`.  With all of it, five entries cleared behind one DSB, then TLBI, DSB
and five reuses, have about twice the states of sequential consistency; with ranks alone, 400,000.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Hashable, Iterator
from typing import NamedTuple

from core.memory_model.program import Cell, is_entry
from core.memory_model.values import Descriptor, TableDescriptor, Value, is_pending
from core.memory_model.weak.commits import COMMITTED
from core.memory_model.weak.context import Context
from core.memory_model.weak.future import FLAGS, Future
from core.memory_model.weak.state import NEVER, BufferedStore, Delayed, Item, Mark, TlbiRecord, WeakCpu, WeakState

Rank = Callable[[int], int]


class KeptValue(NamedTuple):
    """A value of a cell that may still be used, from `begin` (0 if that does not matter) to `end`."""

    begin: int
    end: int
    value: Value


def key(context: Context, state: WeakState) -> Hashable:
    """Equal for states from which the same final states can be reached."""
    futures = [context.future(i, cpu.pc) for i, cpu in enumerate(state.cpus)]
    used = _entries_in_use(state)
    memory = {cell: _kept(context, state, futures, used, cell) for cell in state.memory}
    tlbis = [x for x in state.tlbis if _takes_away(context, x, memory)]
    rank = _ranking(memory, tlbis, used)
    return (
        tuple(tuple((rank(x.begin), x.value) for x in kept) for kept in memory.values()),
        tuple((x.issuer, x.page, x.broadcast, x.last, rank(x.acts), rank(x.done)) for x in tlbis),
        tuple(
            _cpu(context, state, i, cpu, futures[i], rank, _is_asked(context, state, i))
            for i, cpu in enumerate(state.cpus)
        ),
        state.dead,
        state.block,
        state.unbroken if context.program.asks_unbroken else None,
    )


def _is_asked(context: Context, state: WeakState, i: int) -> bool:
    """Whether a grace period may still ask CPU i for its floors: one of its own, or one that it has not passed."""
    if context.future(i, state.cpus[i].pc).sections:
        return True
    for j, cpu in enumerate(state.cpus):
        if j != i and cpu.pc is not None:
            if cpu.waits is not None and i in cpu.waits:
                return True
            if context.future(j, cpu.pc if cpu.waits is None else cpu.pc + 1).periods:
                return True
    return False


def _entries_in_use(state: WeakState) -> dict[str, set[int]]:
    """Per entry the beginnings of values that translated a store or load which is still in a buffer."""
    used: dict[str, set[int]] = {}
    for cpu in state.cpus:
        for item in cpu.buffer:
            if isinstance(item, BufferedStore | Delayed):
                for cell, begin in item.entries:
                    used.setdefault(cell, set()).add(begin)
    return used


def _kept(
    context: Context, state: WeakState, futures: list[Future], used: dict[str, set[int]], cell: Cell
) -> list[KeptValue]:
    """The values of `cell` that may still be used."""
    history = state.memory[cell]
    floor = NEVER
    for cpu, future in zip(state.cpus, futures, strict=True):
        if cell in future.loads:
            floor = min(floor, max(cpu.loads, cpu.seen.get(cell, 0)))
        for item in cpu.buffer:
            if type(item) is Delayed and item.cell == cell:
                floor = min(floor, item.coherence)
    ends = [*(begin for begin, _ in history[1:]), NEVER]
    spans = [KeptValue(begin, end, value) for (begin, value), end in zip(history, ends, strict=True)]
    pages = context.program.pages_of.get(cell)
    if pages is None:
        return _from_zero([x for x in spans if x.end > floor or x.end == NEVER], floor)
    if context.program.asks_unbroken:
        return spans
    walkers = [(i, page) for i, future in enumerate(futures) for page in pages if page in future.walks]
    in_use = used.get(cell, set())
    kept = [
        x
        for x in spans
        if x.end == NEVER
        or floor < x.end
        or x.begin in in_use
        or any(_may_find(context, state, i, page, x) for i, page in walkers)
    ]
    if in_use or context.program.above:  # with levels, beginnings are compared with the ends of entries below
        return kept
    return _from_zero(kept, min([floor, *(state.cpus[i].walks for i, _ in walkers)]))


def _from_zero(kept: list[KeptValue], floor: int) -> list[KeptValue]:
    """The beginning of the first value does not matter if nobody's floor is below it."""
    first = kept[0]
    return [first._replace(begin=0), *kept[1:]] if first.begin <= floor else kept


def _may_find(context: Context, state: WeakState, i: int, page: str, kept: KeptValue) -> bool:
    """Whether a walk of CPU i can still find a value that has ended."""
    value = kept.value
    leads = isinstance(value, TableDescriptor)
    if not leads and not (isinstance(value, Descriptor) and value.valid and (value.af or "HA" in context.hardware(i))):
        return state.cpus[i].walks < kept.end
    done = (x.done for x in state.tlbis if x.covers(i, page) and x.acts >= kept.end and not (leads and x.last))
    return state.cpus[i].walks < min(done, default=NEVER)


def _takes_away(context: Context, record: TlbiRecord, memory: dict[Cell, list[KeptValue]]) -> bool:
    program = context.program
    return any(
        kept.end <= record.acts and not (record.last and isinstance(kept.value, TableDescriptor))
        for cell in (program.pages_of if record.page is None else program.entries_of(record.page))
        for kept in memory[cell]
    )


def _ranking(memory: dict[Cell, list[KeptValue]], tlbis: list[TlbiRecord], used: dict[str, set[int]]) -> Rank:
    """From a time to the rank of the last boundary that is not after it."""
    boundaries = {0}
    for cell, kept in memory.items():
        if len(kept) > 1 or kept[0].begin:
            boundaries.update(x.begin for x in kept)
        if is_entry(cell):
            boundaries.update(x.end for x in kept)
    boundaries.update(x.done for x in tlbis)
    boundaries.update(*used.values())
    boundaries.discard(NEVER)
    order = sorted(boundaries)
    return lambda time: NEVER if time >= NEVER else bisect_right(order, time) - 1


def _cpu(
    context: Context, state: WeakState, i: int, cpu: WeakCpu, future: Future, rank: Rank, periods: bool
) -> tuple[Hashable, ...]:
    walks = bool(future.walks)
    looks = walks or bool(future.loads)
    delayed = any(type(x) is Delayed for x in cpu.buffer)
    ordered = future.barriers and (looks or future.invalidates or delayed)
    summed = ordered or periods or (walks and context.rules.ets2)
    flags = cpu.flags
    return (
        cpu.pc,
        tuple(_registers(context, i, cpu, future, rank)),
        rank(cpu.loads) if looks or periods else 0,
        rank(cpu.walks) if walks or future.invalidates else 0,
        (rank(cpu.newest_load), rank(cpu.newest_store)) if summed else None,
        rank(cpu.newest_update) if ordered else 0,
        rank(cpu.context) if future.synchronises else 0,
        rank(cpu.newest_walk) if walks or future.synchronises or ordered else 0,
        rank(cpu.released) if future.acquires else 0,
        rank(cpu.ordered) if walks else 0,
        rank(cpu.tlbi) if future.invalidates else 0,
        tuple(sorted(_views(cpu, future, rank))),
        tuple(_item(x, future, rank) for x in cpu.buffer),
        (flags.left, flags.right, rank(flags.pick)) if FLAGS in future.live else None,
        cpu.back,
        _monitor(state, cpu),
        cpu.retried,
        cpu.faults,
        cpu.names,
        cpu.blocked,
        cpu.guesses,
        (
            cpu.sections,
            cpu.waits,
            rank(cpu.begun),
            rank(cpu.gathered),
            _ranked(cpu.done, rank),
            _ranked(cpu.entry, rank),
        )
        if periods
        else cpu.sections,
    )


def _ranked(floors: dict[str, int], rank: Rank) -> tuple[tuple[str, int], ...]:
    return tuple(sorted((name, rank(time)) for name, time in floors.items()))


def _registers(context: Context, i: int, cpu: WeakCpu, future: Future, rank: Rank) -> Iterator[Hashable]:
    for name in sorted(cpu.registers):
        value, floor, pick = cpu.registers[name]
        asked = name in future.live or (name.startswith(COMMITTED) and name.removeprefix(COMMITTED) in future.loads)
        if asked or is_pending(value):
            yield name, value, rank(floor), rank(pick)
        elif (i, name) in context.program.kept:
            yield name, value, 0, 0


def _views(cpu: WeakCpu, future: Future, rank: Rank) -> Iterator[tuple[str, int, int, int, int]]:
    """What coherence and the own last store say about cells that may still be loaded."""
    floor = rank(cpu.loads)
    for cell, time in cpu.seen.items():
        if cell in future.loads and rank(time) > floor:
            own = cpu.own.get(cell)
            if own is None or own.time != time or rank(own.view) >= rank(time):
                yield cell, rank(time), -1, 0, 0
            else:
                yield cell, rank(time), rank(own.view), rank(own.reserved), rank(own.pick)


def _item(item: Item, future: Future, rank: Rank) -> Hashable:
    if isinstance(item, BufferedStore):
        return (
            "store",
            item.cell,
            item.value,
            rank(item.view) if item.cell in future.loads else 0,
            item.page,
            tuple((cell, rank(time)) for cell, time in item.entries),
            item.release,
            rank(item.reserved) if isinstance(item.reserved, int) else item.reserved,
            item.full,
            rank(item.pick) if item.cell in future.loads else 0,
            item.status,
        )
    if isinstance(item, Delayed):
        atomic = item.atomic
        return (
            "delayed",
            item.cell,
            item.name,
            rank(item.floor),
            item.page,
            tuple((cell, rank(time)) for cell, time in item.entries),
            rank(item.coherence),
            rank(item.limit),
            None if atomic is None else atomic._replace(view=rank(atomic.view)),
        )
    if isinstance(item, Mark):
        return "mark", item.before, rank(item.floor)
    return "update", item.cell, item.value


def _monitor(state: WeakState, cpu: WeakCpu) -> Hashable:
    """Whether the monitor still holds; not when its load was."""
    if cpu.monitor is None or cpu.pc is None:
        return None
    cell, loaded = cpu.monitor
    if not isinstance(loaded, int) or loaded < 0:
        return cell, loaded
    return cell, state.newest(cell)[0] == loaded
