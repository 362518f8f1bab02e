"""Context reset: an mm with one user is not flushed by IPI; its contexts on other CPUs are dropped, and taken anew.

arch/mips/kernel/smp.c:flush_tlb_mm() and the same in sh, loongarch and (6.1) alpha: if mm_users is 1 and the mm is the
current one, only this CPU runs it, so no IPI is sent and the other CPUs' contexts are set to 0.  What they have cached
under the old context is out of use only because switch_mm() takes a new context when it finds 0.  alpha of 6.12 tests
instead whether there is a context elsewhere, and sends IPIs to all CPUs if so (mm_context_elsewhere()).

A task that flushes an mm that is not its own (kswapd, the oom reaper) has to send IPIs, however few use it: current->mm
is not the mm.  If mm_users is 0 the mm is being torn down (exit_mmap()), and mips and loongarch flush nothing of it.

Data types
    cell ('context', cpu)      cpu_context(cpu, mm) is not 0
"""

from __future__ import annotations

from collections.abc import Iterable

from arch_plugins.families.cpu_asids import CpuAsids, cpu_context_cell, flush_asid
from core.hookspecs import hookimpl
from core.machine.ipi import FlushRequest, flush_here
from core.machine.memory import declare
from core.machine.op import Cell, Cpu, Op, Outcome
from core.machine.order import Order
from core.machine.tlb import invalidate
from core.mm.kthread import current_mm, mm_users
from core.mm.mm import Mm, cpumask_set_cpu

CONTEXT = declare("context", True, of_mm=True)


def context_cell(cpu: Cpu) -> Cell:
    """Does the mm have a context on `cpu`?"""
    return Cell(CONTEXT, cpu)


def contexts(mm: Mm, cpus: Iterable[Cpu]) -> tuple[Cell, ...]:
    """cpu_context(cpu, mm) of each of `cpus`."""
    if mm.context is None:
        return tuple(context_cell(cpu) for cpu in sorted(cpus))
    return tuple(cpu_context_cell(mm.context, cpu) for cpu in sorted(cpus))


async def zero_contexts(mm: Mm, cpus: Iterable[Cpu]) -> None:
    """set_cpu_context(cpu, mm, 0) for each of `cpus`, one after another."""
    for cell in contexts(mm, cpus):
        await Op(f"{cell} = 0", (), (cell,), lambda: [Outcome(None, (False,))], order=Order.PLAIN)


def any_context(mm: Mm, cpus: Iterable[Cpu]) -> Op:
    """Does the mm have a context on one of `cpus`?  arch/alpha/kernel/smp.c:mm_context_elsewhere()."""
    cells = contexts(mm, cpus)
    return Op("mm_context_elsewhere", cells, (), lambda *valid: [Outcome(any(valid))], order=Order.PLAIN)


def get_context(cpu: Cpu) -> Op:
    """Take a context if there is none. Returns whether there was one."""
    cell = context_cell(cpu)
    return Op("cpu_context", (cell,), (cell,), lambda valid: [Outcome(valid, (True,))], order=Order.PLAIN)


class ContextReset(CpuAsids):
    """By IPI, or without any where the mm has one user. `leaves_dead`: an mm without users is not flushed."""

    leaves_dead = False
    reads_twice = True
    joins_last = False
    """switch_mm() sets the CPU's bit of mm_cpumask behind the rest."""

    async def only_user(self, mm: Mm, request: FlushRequest) -> bool:
        """mm_users is 1, and the caller is that user."""
        return bool(await mm_users() == 1) and bool(await current_mm(mm.task.cpu))

    async def leave_alone(self, mm: Mm, others: frozenset[Cpu]) -> bool:
        """Make sure that `others` start with a new context, if they can be left alone."""
        if others:
            await zero_contexts(mm, others)
        return True

    async def ask(self, mm: Mm, request: FlushRequest) -> None:
        here = mm.task.cpu
        if await self.only_user(mm, request) and await self.leave_alone(mm, mm.cpu_online_mask - {here}):
            await self.executed(here, request)
            if mm.context is None:
                await flush_here(here, mm.addrs, request, f"local {request}")
            else:
                await flush_asid(mm, mm.context, here, request)
        else:
            await super().ask(mm, request)

    @hookimpl
    async def flush_tlb_mm(self, mm: Mm) -> None:
        if not (self.leaves_dead and await mm_users() == 0):
            await self.ask(mm, FlushRequest())

    @hookimpl
    async def switch_mm(self, prev: Mm | None, next: Mm | None) -> None:
        if next is not None:
            await self.take_context(next)

    async def take_context(self, mm: Mm) -> None:
        """Take a context; nothing is cached under a new one."""
        cpu = mm.task.cpu
        if not self.joins_last:
            await cpumask_set_cpu(mm)
        if mm.context is not None:
            await self.renew(mm, mm.context)
        elif not await get_context(cpu):
            await invalidate((cpu,), mm.addrs, "new context")
        await self.load_tables(mm)
        if self.joins_last:
            await cpumask_set_cpu(mm)

    async def load_tables(self, mm: Mm) -> None:
        """Hand the ASID and the page tables to the hardware: a step where it walks by itself."""
