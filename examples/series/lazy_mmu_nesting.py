"""Lazy MMU mode nests, is paused and resumed (2025): an inner section ends, and the outer one goes on.

What a section puts off is done as it ends.  With nesting the architecture is told of the outermost section only, and
where an inner one ends it is asked to do what was put off (arch_flush_lazy_mmu_mode()): who opened the inner one relies
on it.  The policy: clearings are queued on the CPU while a section is open, and flushed in one go.

The discussion.  An inner end that does nothing leaves its caller with stale entries (FlushesLate).  A section that has
ended must not queue any more, or a pause puts off what its caller frees (StaysOpen); and its end must flush what it has
queued (NeverLeaves, LosesAtFlush), not throw it away.

    python -m core.compare run --plugin examples/series/lazy_mmu_nesting.py:Sections --era 7.0
    python -m core.compare explain examples/series/lazy_mmu_nesting.py:FlushesLate lazy-mmu-nested --era 7.0
"""

from __future__ import annotations

from arch_plugins.generic import Smp
from core.hookspecs import hookimpl
from core.words import (
    Cell,
    Cpu,
    Entry,
    FlushRequest,
    Mm,
    Op,
    Order,
    Outcome,
    declare,
    flush_by_ipi,
    xchg_pte,
)

Queue = tuple[int, ...] | None

QUEUE = declare("lazy_mmu_nesting.queue", None, "ghost")


def queue(cpu: Cpu) -> Cell:
    """The addresses that this CPU has still to flush; None outside of a section."""
    return Cell(QUEUE, cpu)


def swap_queue(cpu: Cpu, to: Queue) -> Op:
    """Take what is queued, and leave `to`."""
    cell = (queue(cpu),)
    return Op("take the queue", cell, cell, lambda was: [Outcome(was, (to,))], order=Order.PRIVATE)


def open_queue(cpu: Cpu) -> Op:
    """A section begins: what is queued stays."""
    cell = (queue(cpu),)
    return Op("open the queue", cell, cell, lambda was: [Outcome(None, (was or (),))], order=Order.PRIVATE)


def add(cpu: Cpu, addrs: tuple[int, ...]) -> Op:
    """Queue addresses. Returns whether a section is open."""
    cell = (queue(cpu),)

    def step(was: Queue) -> list[Outcome]:
        return [Outcome(was is not None, (None if was is None else (*was, *addrs),))]

    return Op(f"queue {addrs}", cell, cell, step, order=Order.PRIVATE)


class Sections(Smp):
    """The policy."""

    @hookimpl
    async def arch_enter_lazy_mmu_mode(self, mm: Mm) -> None:
        await open_queue(mm.task.cpu)

    @hookimpl
    async def arch_flush_lazy_mmu_mode(self, mm: Mm) -> None:
        """The section goes on."""
        await self.flush_queue(mm, ())

    @hookimpl
    async def arch_leave_lazy_mmu_mode(self, mm: Mm) -> None:
        await self.flush_queue(mm, None)

    async def flush_queue(self, mm: Mm, to: Queue) -> None:
        """One request from the first to the last."""
        addrs: Queue = await swap_queue(mm.task.cpu, to)
        if addrs:
            await flush_by_ipi(mm, FlushRequest(min(addrs), max(addrs) + 1))

    @hookimpl
    async def ptep_get_and_clear(self, mm: Mm, addr: int, nr: int, full: bool) -> Entry:
        """Outside of a section it is flushed at once."""
        pte: Entry = await xchg_pte(addr, nr)
        if not full and not await add(mm.task.cpu, tuple(range(addr, addr + nr))):
            await flush_by_ipi(mm, FlushRequest(addr, addr + nr))
        return pte

    @hookimpl
    async def flush_tlb_page(self, mm: Mm, addr: int) -> None:
        """In a section it is put off like any other."""
        if not await add(mm.task.cpu, (addr,)):
            await flush_by_ipi(mm, FlushRequest(addr, addr + 1))


class FlushesLate(Sections):
    """Wrong: the end of an inner section is left to the outer one."""

    @hookimpl
    async def arch_flush_lazy_mmu_mode(self, mm: Mm) -> None:
        """Nothing."""


class StaysOpen(Sections):
    """Wrong: the queue is flushed as a section ends, and stays open."""

    @hookimpl
    async def arch_leave_lazy_mmu_mode(self, mm: Mm) -> None:
        await self.flush_queue(mm, ())


class NeverLeaves(Sections):
    """Wrong: the end of a section flushes nothing."""

    @hookimpl
    async def arch_leave_lazy_mmu_mode(self, mm: Mm) -> None:
        await swap_queue(mm.task.cpu, None)


class LosesAtFlush(Sections):
    """Wrong: where an inner section ends the queue is emptied, and not flushed."""

    @hookimpl
    async def arch_flush_lazy_mmu_mode(self, mm: Mm) -> None:
        await swap_queue(mm.task.cpu, ())
