"""Fences, DSB, ISB and TLBI: what they wait for, and which floors they raise.

Waiting loses nothing: later loads can still look back in the history, and to the own last store as if it had been
forwarded before.  Only a RISC-V fence that orders no later store (`w,r`, `r,r`, `rw,r`) must not stop the CPU: it
becomes a mark in the buffer that holds back later loads alone.
"""

from __future__ import annotations

from core.memory_model.program import Dsb, Fence, Tlbi
from core.memory_model.values import NotExpressible, PageNumber, Pointer, is_pending
from core.memory_model.weak.context import Context, advance, operand
from core.memory_model.weak.state import (
    NEVER,
    BufferedStore,
    Delayed,
    Mark,
    TlbiRecord,
    Update,
    WeakCpu,
    WeakState,
    changes,
)


def fence(state: WeakState, i: int, instruction: Fence) -> WeakState | None:
    """The fence done, or marked; None while it waits."""
    cpu = state.cpus[i]
    loads_wait = any(type(x) is Delayed for x in cpu.buffer)
    stores_wait = any(changes(x) for x in cpu.buffer)
    before, after = instruction.before, instruction.after
    waits = ("r" in before and loads_wait) or ("w" in before and stores_wait)
    if waits and "w" in after:
        return None
    new = state.with_cpu(i)
    cpu = new.cpus[i]
    if before == "w":
        cpu.ordered = max(cpu.ordered, cpu.newest_store)
    if "r" in after:
        by_stores = cpu.newest_store if "w" in before and not instruction.tso else 0
        floor = max(cpu.newest_load if "r" in before else 0, by_stores)
        if waits or any(type(x) is Mark for x in cpu.buffer):
            cpu.buffer = (*cpu.buffer, Mark(before, floor))
        else:
            cpu.raise_loads(floor)
    return advance(new, i)


def dsb(context: Context, state: WeakState, i: int, instruction: Dsb) -> WeakState | None:
    """The DSB done; None while it waits."""
    cpu = state.cpus[i]
    if instruction.reads and any(type(x) is Delayed for x in cpu.buffer):
        return None
    if instruction.writes and any(changes(x) for x in cpu.buffer):
        return None
    if instruction.full and any(type(x) is Update for x in cpu.buffer):
        return None
    if instruction.full and _is_in_use(state, i):
        return None
    new = state.with_cpu(i)
    cpu = new.cpus[i]
    floor = max(
        cpu.newest_load if instruction.reads else 0,
        cpu.newest_store if instruction.writes else 0,
    )
    if instruction.writes:
        cpu.ordered = max(cpu.ordered, cpu.newest_store)
    if instruction.full:
        floor = max(floor, cpu.newest_walk, cpu.newest_update, _complete(new, i))
    cpu.raise_loads(floor)
    cpu.tlbi = max(cpu.tlbi, floor)
    cpu.context = max(cpu.context, floor)
    if context.rules.ets2:
        cpu.walks = max(cpu.walks, floor)
    return advance(new, i)


def completes_tlbi(state: WeakState, i: int, instruction: Dsb) -> bool:
    """Whether the DSB completes a TLBI of CPU i: a step that other CPUs see."""
    return instruction.full and any(x.issuer == i and x.done == NEVER for x in state.tlbis)


def _is_in_use(state: WeakState, i: int) -> bool:
    """Whether another CPU still has a store or delayed load whose entry a TLBI of CPU i has killed."""
    for record in state.tlbis:
        if record.issuer != i or record.done != NEVER or not record.broadcast:
            continue
        for j, cpu in enumerate(state.cpus):
            for item in cpu.buffer:
                if j == i or not isinstance(item, BufferedStore | Delayed) or item.page is None:
                    continue
                if record.covers(j, item.page) and state.is_taken_away(record, item.entries):
                    return True
    return False


def _complete(state: WeakState, i: int) -> int:
    """Complete every TLBI of CPU i: the time at which they are, or 0 if there are none."""
    if not any(x.issuer == i and x.done == NEVER for x in state.tlbis):
        return 0
    state.now += 1
    state.tlbis = tuple(x._replace(done=state.now) if x.issuer == i and x.done == NEVER else x for x in state.tlbis)
    return state.now


def synchronise_context(cpu: WeakCpu) -> None:
    """ISB, exception entry and return."""
    floor = max(cpu.context, cpu.newest_walk)
    cpu.raise_loads(floor)
    cpu.walks = max(cpu.walks, floor)


def tlbi(context: Context, state: WeakState, i: int, instruction: Tlbi) -> WeakState | None:
    """The TLBI issued; None while its page depends on a delayed load."""
    cpu = state.cpus[i]
    page, floor = instruction.page, 0
    if instruction.register is not None:
        value, _, floor = operand(cpu, instruction.register)
        if is_pending(value):
            return None
        if not isinstance(value, Pointer | PageNumber):
            raise NotExpressible("a TLBI of something that is no page")
        page = value.cell if isinstance(value, Pointer) else value.page
    new = advance(state.with_cpu(i), i)
    if instruction.nowhere or not context.future(i, new.cpus[i].pc).waits:
        return new
    acts = max(cpu.tlbi, cpu.walks, floor)
    program = context.program
    cells = program.pages_of if page is None else program.entries_of(page)
    if any(state.end_of(cell, 0) <= acts for cell in cells):  # else nothing was overwritten by then: it does nothing
        new.tlbis = (*new.tlbis, TlbiRecord(i, page, instruction.broadcast, instruction.last, acts, NEVER))
    return new
