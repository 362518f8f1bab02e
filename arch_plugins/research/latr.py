"""LATR: no interrupts; every CPU sweeps the states that others have posted, in its own time (tick, context switch).

Kumar et al., "LATR: Lazy Translation Coherence", ASPLOS 2018, doi 10.1145/3173162.3173198.

Safe on one condition: neither the page nor its addresses are used again before every CPU has swept.  The paper lets the
caller return and a background thread free the pages after two ticks.  The gather frees in the caller, so here it
waits for the sweeps; what remains of the policy is that nobody is interrupted.  `LatrReusesAtOnce` drops the condition:
a CPU that has not swept yet reaches a page that is free.

A posted state is kept where an IPI's request would be, and swept where one would be taken, at any time of the target's.
"""

from __future__ import annotations

from arch_plugins.generic import Smp
from core.hookspecs import Facts, hookimpl
from core.machine.ipi import FlushRequest, csd_cell, flush_here, wait_ipis
from core.machine.op import Cpu, Op, Outcome
from core.machine.order import Order
from core.machine.task import Task
from core.mm.batched_unmap import UnmapBatch
from core.mm.mm import Mm, mm_cpumask


def post_states(task: Task, targets: list[Cpu], request: FlushRequest) -> Op:
    """Write a state for each target; nobody is told."""
    cells = tuple(csd_cell(task.tid, cpu) for cpu in targets)
    return Op(f"post states: {request}", (), cells, lambda: [Outcome(None, (request,) * len(cells))], order=Order.PLAIN)


class Latr(Smp):
    """Generic SMP with posted states."""

    waits = True

    @hookimpl
    def arch_facts(self) -> Facts:
        return Facts(
            family="research: lazy sweep",
            capabilities=frozenset({"batched_unmap", "move_pmd", "shares_pmd_tables"}),
            sources=("doi:10.1145/3173162.3173198",),
        )

    async def flush(self, mm: Mm, request: FlushRequest) -> None:
        """Have `request` done by every CPU of mm_cpumask."""
        await self.flush_cpus(mm, await mm_cpumask(mm), request)

    async def flush_cpus(self, mm: Mm, cpus: frozenset[Cpu], request: FlushRequest) -> None:
        """Post, flush here, and put the reuse off until everybody has swept."""
        here = mm.task.cpu
        others = sorted(cpus - {here})
        if others:
            await post_states(mm.task, others, request)
        if here in cpus:
            await flush_here(here, mm.addrs, request, f"local {request}")
        if others and self.waits:
            await wait_ipis(mm.task, others)

    @hookimpl
    async def flush_tlb_mm(self, mm: Mm) -> None:
        await self.flush(mm, FlushRequest())

    @hookimpl
    async def flush_tlb_range(self, mm: Mm, start: int, end: int, stride: int) -> None:
        await self.flush(mm, FlushRequest(start, end))

    @hookimpl
    async def flush_tlb_page(self, mm: Mm, addr: int) -> None:
        await self.flush(mm, FlushRequest(addr, addr + 1))

    @hookimpl
    async def arch_tlbbatch_flush(self, mm: Mm, batch: UnmapBatch) -> None:
        cpus, batch.cpus = batch.cpus, frozenset()
        await self.flush_cpus(mm, cpus, FlushRequest())


class LatrReusesAtOnce(Latr):
    """Without the condition: must fail."""

    waits = False
