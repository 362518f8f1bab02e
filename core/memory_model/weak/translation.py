"""Translation-table walks, and the faults that they end in.

`walks` gives for each path of entries that there ever was what a walk that finds it would do.  An invalid entry, or one
with the access flag clear, is in no TLB: such a walk reads memory, so it takes effect before the value ends.  A valid
one may have been cached since, until a TLBI that covers it is complete.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from core.memory_model.machine import Fault
from core.memory_model.program import Cell
from core.memory_model.values import INVALID, Descriptor, NotExpressible, Value
from core.memory_model.weak.barriers import synchronise_context
from core.memory_model.weak.break_before_make import is_cacheable
from core.memory_model.weak.context import Context
from core.memory_model.weak.paths import Path, paths
from core.memory_model.weak.state import NEVER, BufferedStore, Delayed, Register, TlbiRecord, WeakState


class TableWalk(NamedTuple):
    """A walk that finds the entries of `path`, and takes effect at `floor` at the earliest; `behind` is what it is
    behind whichever entries it finds.

    `update` is what hardware makes of the last entry, `fault` the kind of fault ('' none); an access through it takes
    effect before `dies`."""

    path: Path
    behind: int
    floor: int
    dies: int
    update: Descriptor | None
    fault: str


def walks(
    context: Context, state: WeakState, i: int, page: str, writing: bool, address_floor: int
) -> Iterator[TableWalk]:
    """Every walk of `page` that CPU i can make."""
    floor = max(state.cpus[i].walks, address_floor)
    for path in paths(context.program, state, page):
        walk = _walk(context, state, i, path, writing, floor)
        if walk is not None:
            walk = _before_tlbis(state, i, page, walk)
        if walk is not None:
            yield walk


def _walk(context: Context, state: WeakState, i: int, path: Path, writing: bool, behind: int) -> TableWalk | None:
    fault, update = _outcome(context, i, path.value, writing)
    cpu = state.cpus[i]
    ordered = context.rules.ets3 if fault == "permission" else context.rules.ets2
    if fault and ordered:
        if any(isinstance(x, BufferedStore | Delayed) for x in cpu.buffer):
            return None
        behind = max(behind, cpu.newest_load, cpu.newest_store)
    floor = max(behind, path.begin)
    if not is_cacheable(path) and floor >= path.last_end:
        return None
    if update is not None and path.last_end != NEVER:
        return None  # hardware updates the entry that is there
    return TableWalk(path, behind, floor, NEVER, update, fault)


def _outcome(context: Context, i: int, value: Value, writing: bool) -> tuple[str, Descriptor | None]:
    """The fault that `value` leads to, and what hardware updates it to."""
    if not isinstance(value, Descriptor):
        if value != INVALID:
            raise NotExpressible("an entry that is neither an entry nor 0")
        return "translation", None
    hardware = context.hardware(i)
    if not value.valid:
        return "translation", None
    if not value.el0 and i in context.program.user:
        return "permission", None
    if not value.af and "HA" not in hardware:
        return "accessflag", None
    if writing and not value.db:
        if value.dbm and "HD" in hardware:
            return "", value._replace(db=1, af=1)
        return "permission", None
    return "", None if value.af else value._replace(af=1)


def _before_tlbis(state: WeakState, i: int, page: str, walk: TableWalk) -> TableWalk | None:
    """`walk` before the completion of every TLBI that takes its entries away; None if that is too late.

    Only the walk has to be before one's own TLBI, and of that what finds those entries: without ISB they still serve.
    Before another CPU's, its effect has to be as well: the access, the fault, and the walks of earlier accesses."""
    cpu = state.cpus[i]
    covering = [x for x in state.tlbis if x.covers(i, page) and state.is_taken_away(x, walk.path.entries)]
    if any((_found(state, x, walk) if x.issuer == i else walk.floor) >= x.done for x in covering):
        return None
    dies = min((x.done for x in covering if x.issuer != i), default=NEVER)
    if not walk.fault and cpu.newest_walk >= dies:
        return None
    if walk.fault and max(walk.floor, cpu.loads, cpu.ordered) >= dies:
        return None
    return walk._replace(dies=dies)


def _found(state: WeakState, record: TlbiRecord, walk: TableWalk) -> int:
    """When `walk` has found the last entry that `record` takes away, at the earliest."""
    entries = walk.path.entries
    while not state.is_taken_away(record, entries[-1:]):
        entries = entries[:-1]
    return max(walk.behind, *(time for _, time in entries))


def present(context: Context, state: WeakState, i: int, page: str) -> Iterator[tuple[Cell, Descriptor]]:
    """The entries that map `page`, are there now, and that a walk of CPU i may still be led to, with their values."""
    seen = set()
    for path in paths(context.program, state, page):
        if path.last_end != NEVER or path.last in seen or not isinstance(path.value, Descriptor):
            continue
        taken = (x for x in state.tlbis if x.covers(i, page) and state.is_taken_away(x, path.entries))
        if all(x.done > state.now for x in taken):
            seen.add(path.last)
            yield path.last, path.value


def fault(context: Context, state: WeakState, i: int, page: str, kind: str, floor: int) -> None:
    """CPU i, which may be changed, takes a fault on `page`."""
    cpu, code = state.cpus[i], context.program.threads[i]
    assert cpu.pc is not None
    in_handler = code.handler is not None and cpu.pc >= code.handler
    labels = () if in_handler else code.labels.get(cpu.pc, ())
    cpu.faults |= {Fault(i, labels, page, kind)}
    cpu.newest_walk = max(cpu.newest_walk, floor)
    if in_handler:
        cpu.pc = None
    elif i in context.program.skips:
        synchronise_context(cpu)
        for name, value in context.program.skips[i].items():
            cpu.registers[name] = Register(value)
        cpu.pc += 1
    elif code.handler is not None:
        synchronise_context(cpu)
        cpu.pc = code.handler
    elif not context.program.retries:
        cpu.pc = None
    elif cpu.retried:
        cpu.pc, state.dead = None, True
    else:
        synchronise_context(cpu)
        cpu.retried = True
