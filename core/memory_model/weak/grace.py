"""Read-side sections and grace periods.

`synchronize_rcu()` is a full barrier at its beginning and at its end.  In between every CPU passes, outside its
sections, with an empty buffer: what it executed before is visible, and the updater sees it; what it executes after sees
what the updater had seen at the beginning.  Those are two floors.

`srcu_read_lock()` and `srcu_read_unlock()` contain smp_mb(), and a grace period asks only whether the CPU is in a
section of its domain (kernel/rcu/srcutree.c: srcu_readers_lock_idx() and srcu_readers_unlock_idx() with the barriers
between).  So the floors go from and to the sections, and nothing else of the CPU waits.

membarrier(MEMBARRIER_CMD_GLOBAL_EXPEDITED) is the first without sections.
"""

from __future__ import annotations

from collections.abc import Iterator

from core.memory_model.program import GracePeriod, ReadLock, ReadUnlock
from core.memory_model.weak.context import Context, advance
from core.memory_model.weak.state import WeakCpu, WeakState


def read_lock(state: WeakState, i: int, instruction: ReadLock) -> WeakState | None:
    """The section begun; None while srcu_read_lock()'s barrier waits."""
    domain = instruction.domain
    if domain and state.cpus[i].buffer:
        return None
    new = state.with_cpu(i)
    cpu = new.cpus[i]
    cpu.sections = (*cpu.sections, domain)
    if domain:
        _full_barrier(cpu)
        cpu.raise_loads(cpu.entry.get(domain, 0))
    return advance(new, i)


def read_unlock(state: WeakState, i: int, instruction: ReadUnlock) -> WeakState | None:
    """The section ended; None while srcu_read_unlock()'s barrier waits."""
    domain = instruction.domain
    if domain and state.cpus[i].buffer:
        return None
    new = state.with_cpu(i)
    cpu = new.cpus[i]
    reader = _reader(new, i, domain)
    if reader is not None:
        at = len(reader.sections) - 1 - reader.sections[::-1].index(domain)
        reader.sections = reader.sections[:at] + reader.sections[at + 1 :]
    if domain:
        _full_barrier(cpu)
        for of in (cpu, reader or cpu):
            of.done[domain] = max(of.done.get(domain, 0), cpu.newest_load, cpu.newest_store)
    return advance(new, i)


def _reader(state: WeakState, i: int, domain: str) -> WeakCpu | None:
    """Whose section CPU i ends: its own, or that of another CPU, which has handed it over (srcu_up_read())."""
    if domain in state.cpus[i].sections:
        return state.cpus[i]
    for j, cpu in enumerate(state.cpus):
        if domain in cpu.sections:
            state.cpus[j] = cpu.copy()
            return state.cpus[j]
    return None


def begin(state: WeakState, i: int, domain: str | None) -> WeakState | None:
    """CPU i's grace period begins with a full barrier; None while that waits, and for ever inside a section."""
    if state.cpus[i].buffer or domain in state.cpus[i].sections:
        return None
    new = state.with_cpu(i)
    cpu = new.cpus[i]
    _full_barrier(cpu)
    cpu.waits = frozenset(range(len(new.cpus))) - {i}
    cpu.begun, cpu.gathered = cpu.loads, 0
    return new


def passing(context: Context, state: WeakState, i: int, block: int | None) -> Iterator[tuple[str, WeakState]]:
    """Every step in which a CPU passes CPU i's grace period; only CPU `block`, if that is not None."""
    waits = state.cpus[i].waits
    if waits is None:
        return
    instruction = context.program.threads[i].instructions[state.cpus[i].pc or 0]
    assert isinstance(instruction, GracePeriod)
    for j in sorted(waits):
        if block in (None, j) and is_quiescent(state.cpus[j], instruction.domain):
            yield f"CPU{j}: passes CPU{i}'s grace period", _pass(state, i, j, instruction.domain)


def locally(context: Context, state: WeakState, i: int) -> WeakState | None:
    """What CPU i's grace period does at once: it ends when all have passed, and who gains nothing by waiting passes."""
    waits = state.cpus[i].waits
    if waits is None:
        return None
    if not waits:
        return _end(state, i)
    instruction = context.program.threads[i].instructions[state.cpus[i].pc or 0]
    assert isinstance(instruction, GracePeriod)
    for j in sorted(waits):
        if is_quiescent(state.cpus[j], instruction.domain) and _gains_nothing(context, state, j, instruction.domain):
            return _pass(state, i, j, instruction.domain)
    return None


def _gains_nothing(context: Context, state: WeakState, j: int, domain: str | None) -> bool:
    """Whether CPU j reaches no more by passing a grace period of `domain` later.

    To pass raises its own floors, and later it raises the updater's as well.  So one that will neither load nor take
    part in a section or grace period again may pass now; in an SRCU domain, one without a section of it to come."""
    future = context.future(j, state.cpus[j].pc)
    if domain:
        return domain not in future.domains
    return not (future.loads or future.walks or future.acquires or future.sections)


def is_quiescent(cpu: WeakCpu, domain: str | None) -> bool:
    """Whether `cpu` may pass a grace period of `domain` now."""
    if domain:
        return domain not in cpu.sections
    return not cpu.buffer and (domain is None or domain not in cpu.sections)


def _pass(state: WeakState, i: int, j: int, domain: str | None) -> WeakState:
    new = state.with_cpu(i)
    new.cpus[j] = new.cpus[j].copy()
    updater, cpu = new.cpus[i], new.cpus[j]
    assert updater.waits is not None
    updater.waits -= {j}
    if domain:
        cpu.entry[domain] = max(cpu.entry.get(domain, 0), updater.begun)
        updater.gathered = max(updater.gathered, cpu.done.get(domain, 0))
    else:
        updater.gathered = max(updater.gathered, cpu.newest_load, cpu.newest_store)
        _full_barrier(cpu)
        cpu.raise_loads(updater.begun)
    return new


def _end(state: WeakState, i: int) -> WeakState:
    new = state.with_cpu(i)
    cpu = new.cpus[i]
    cpu.waits = None
    cpu.raise_loads(cpu.gathered)
    cpu.begun = cpu.gathered = 0
    return advance(new, i)


def _full_barrier(cpu: WeakCpu) -> None:
    cpu.raise_loads(max(cpu.newest_load, cpu.newest_store))
