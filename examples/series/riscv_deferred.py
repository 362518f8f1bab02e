"""riscv: a CPU that runs something else flushes when it switches back (lazy TLB flush, RFC, October 2025).

Each CPU says which mm it has loaded.  A flusher notes the flush at every CPU of the mask, and interrupts only those
that have the mm loaded.  switch_mm() loads the mm and then does what has been noted.

A note is of one mm: a CPU that comes to another must not take it for done (NotedOnce).

The discussion: the two sides cross.  The flusher notes and then looks who has the mm loaded; the switch says that it
has it loaded and then looks what was noted.  In any other order a CPU comes in between (LooksFirst, DrainsFirst), and
both need a barrier between the two (NoBarrierHere, NoBarrierThere: riscv's rows run under the weak model).

    python -m core.compare run --plugin examples/series/riscv_deferred.py:Deferred --era 6.12
    python -m core.compare explain examples/series/riscv_deferred.py:LooksFirst switch-back --era 6.12
    python -m core.compare compare examples/series/riscv_deferred.py:Deferred --against riscv \
        --config arches-all.toml --workload switching --workload left_behind
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import replace

from arch_plugins.riscv import RiscvIpi
from core.hookspecs import Facts, hookimpl
from core.words import (
    Cell,
    Cpu,
    FlushRequest,
    Mm,
    Order,
    barrier,
    declare,
    flush_cpus_by_ipi,
    invalidate,
    mm_cpumask,
    read_once,
    write_once,
)

LOADED = declare("riscv_deferred.loaded", False, of_mm=True)
NOTED = declare("riscv_deferred.noted", False, of_mm=True)
NOTED_ONCE = declare("riscv_deferred.noted_once", False)


def loaded(cpu: Cpu) -> Cell:
    """Has this CPU the mm loaded?"""
    return Cell(LOADED, cpu)


def noted(cpu: Cpu) -> Cell:
    """Has it a flush to do before it runs the mm?"""
    return Cell(NOTED, cpu)


class Deferred(RiscvIpi):
    """The policy of the series, with IPIs of the kernel's own."""

    @hookimpl
    def arch_facts(self) -> Facts:
        return replace(super().arch_facts(), memory_model="weak")

    @hookimpl
    def cells_on_mm(self, mm: Mm, cpu: Cpu, lazy: bool) -> Mapping[Cell, Hashable]:
        return {loaded(cpu): True}

    @hookimpl
    async def switch_mm(self, prev: Mm | None, next: Mm | None) -> None:
        """What the CPU has cached of `prev` stays, under the ASID; its bit in the mask too."""
        if prev is not None and prev is not next:
            await write_once(loaded(prev.task.cpu), False)
        await super().switch_mm(prev, next)
        if next is not None and next.cpus is None:
            await self.load_and_drain(next)

    async def load_and_drain(self, mm: Mm) -> None:
        """Say that the mm is loaded, then do what was noted until now."""
        await write_once(loaded(mm.task.cpu), True)
        await barrier(Order.SMP_MB)
        await self.drain(mm)

    def note_of(self, cpu: Cpu) -> Cell:
        """Where a flush is noted."""
        return noted(cpu)

    async def drain(self, mm: Mm) -> None:
        """The flush that was put off.  The note goes first: one that comes later is another."""
        cpu = mm.task.cpu
        if await read_once(self.note_of(cpu)):
            await write_once(self.note_of(cpu), False)
            await barrier(Order.SMP_MB)
            await invalidate((cpu,), mm.addrs, "SFENCE.VMA of the ASID")

    async def fence(self, mm: Mm, request: FlushRequest, stride: int) -> None:
        if mm.cpus is not None or mm.context is not None:
            await super().fence(mm, request, stride)
            return
        if request.end is not None and (request.end - request.start) // stride > self.threshold:
            request = FlushRequest()
        cpus: frozenset[Cpu] = await mm_cpumask(mm)
        others = sorted(cpus - {mm.task.cpu})
        running = await self.note_and_look(mm, others)
        await flush_cpus_by_ipi(mm, frozenset(running) | (cpus & {mm.task.cpu}), request)

    async def note_and_look(self, mm: Mm, others: list[Cpu]) -> list[Cpu]:
        """Note the flush at all of them, then look which have the mm loaded."""
        for cpu in others:
            await write_once(self.note_of(cpu), True)
        await barrier(Order.SMP_MB)
        return [cpu for cpu in others if await read_once(loaded(cpu))]


class NotedOnce(Deferred):
    """Wrong: a note for the CPU and not for the mm: who comes to another mm takes it, and flushes the ASID of that."""

    def note_of(self, cpu: Cpu) -> Cell:
        return Cell(NOTED_ONCE, cpu)


class LooksFirst(Deferred):
    """Wrong: a CPU may come back between the look and the note."""

    async def note_and_look(self, mm: Mm, others: list[Cpu]) -> list[Cpu]:
        running = [cpu for cpu in others if await read_once(loaded(cpu))]
        for cpu in others:
            if cpu not in running:
                await write_once(self.note_of(cpu), True)
        return running


class DrainsFirst(Deferred):
    """Wrong: a flush may be noted between the drain and the load."""

    async def load_and_drain(self, mm: Mm) -> None:
        await self.drain(mm)
        await write_once(loaded(mm.task.cpu), True)


class NeverDrains(Deferred):
    """Wrong: the note is never read."""

    async def drain(self, mm: Mm) -> None:
        """Nothing."""


class NoBarrierHere(Deferred):
    """Wrong on riscv: the look may come before the note is visible."""

    async def note_and_look(self, mm: Mm, others: list[Cpu]) -> list[Cpu]:
        for cpu in others:
            await write_once(self.note_of(cpu), True)
        return [cpu for cpu in others if await read_once(loaded(cpu))]


class NoBarrierThere(Deferred):
    """Wrong on riscv: the drain may come before the load is visible."""

    async def load_and_drain(self, mm: Mm) -> None:
        await write_once(loaded(mm.task.cpu), True)
        await self.drain(mm)
