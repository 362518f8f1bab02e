"""Context reset: an mm with one user is not chased around; elsewhere its context is dropped, and taken anew.

arch/mips/kernel/smp.c:flush_tlb_mm() and its likes in sh, loongarch and alpha: where mm_users is 1 and the mm is the
current one, no CPU but this runs it, so no interrupt is sent: the others' contexts are set to 0.  What they have
cached under the old context is out of use only because switch_mm() takes a new context when it finds 0.

Data types
    cell ('context', cpu)      cpu_context(cpu, mm) is not 0
"""

from __future__ import annotations

from collections.abc import Iterable

from arch_plugins.families.ipi import Ipi
from core.hookspecs import hookimpl
from core.machine.insn import insn
from core.machine.ipi import FlushRequest
from core.machine.op import Cell, Cpu, Op, Outcome
from core.machine.tlb import invalidate
from core.mm.kthread import mm_users
from core.mm.mm import Mm, mm_cpumask


def context_cell(cpu: Cpu) -> Cell:
    """Whether the mm has a context on `cpu`."""
    return Cell("context", cpu)


def zero_contexts(cpus: Iterable[Cpu]) -> Op:
    """set_cpu_context(cpu, mm, 0) for each of `cpus`."""
    cells = tuple(context_cell(cpu) for cpu in sorted(cpus))
    return Op("zero other CPUs' contexts", (), cells, lambda: [Outcome(None, (False,) * len(cells))])


def get_context(cpu: Cpu) -> Op:
    """Take a context if there is none. Returns whether there was one."""
    cell = context_cell(cpu)
    return Op("cpu_context", (cell,), (cell,), lambda valid: [Outcome(valid, (True,))])


class ContextReset(Ipi):
    """By IPI to all, or without any where the mm has one user."""

    async def ask(self, mm: Mm, request: FlushRequest) -> None:
        if await mm_users() != 1:
            await super().ask(mm, request)
            return
        here = mm.task.cpu
        others = await mm_cpumask(mm) - {here}
        if others:
            await zero_contexts(others)
        await insn(here, *self.insns(request))
        await invalidate((here,), [a for a in mm.addrs if request.covers(a)], f"local {request}")

    @hookimpl
    async def switch_mm(self, mm: Mm) -> None:
        """A new context has nothing cached."""
        cpu = mm.task.cpu
        if not await get_context(cpu):
            await invalidate((cpu,), mm.addrs, "new context")
