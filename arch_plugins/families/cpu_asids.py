"""ASIDs that each CPU gives out by itself, in cycles: mips, loongarch, sh, alpha, arc, xtensa.

get_new_mmu_context(): the CPU's counter (asid_cache) goes on; where its ASID bits run over, a new cycle begins and the
CPU's TLB is flushed as a whole, for what is cached under the ASIDs of the cycle before.  An mm whose context is 0, or
of another cycle, takes a new one as it is switched to: check_mmu_context() and its likes.  A flush is of the ASID that
the mm has on each CPU.

Where a model does not follow ASIDs (`Mm.context` is None) an mm has its own for good.

Data types
    cell ('cpu_context', (mm, cpu))   cpu_context(cpu, mm): (cycle, ASID), or a false value for 0
    cell ('asid_cache', cpu)          asid_cache(cpu): (cycle, ASID), the last one given out
"""

from __future__ import annotations

from typing import Any

from arch_plugins.families.ipi import Ipi
from core.hookspecs import hookimpl
from core.machine.asid import AsidRequest, load_ttbr
from core.machine.ipi import FlushRequest, csd_cell, irqs_off_cell, take_ipi
from core.machine.memory import declare
from core.machine.op import Cell, Cpu, Op, Outcome, Tid
from core.machine.order import Order
from core.machine.tlb import invalidate, tlb_cell
from core.mm.mm import Mm, cpumask_set_cpu
from core.mm.smp import call_cpus

CPU_CONTEXT = declare("cpu_context", None)
ASID_CACHE = declare("asid_cache", (1, 0))

Context = tuple[int, int]


def cpu_context_cell(context: Cell, cpu: Cpu) -> Cell:
    """The mm's context on `cpu`."""
    return Cell(CPU_CONTEXT, (context.index, cpu))


def asid_cache_cell(cpu: Cpu) -> Cell:
    """The last context that `cpu` has allocated."""
    return Cell(ASID_CACHE, cpu)


def get_new_mmu_context(context: Cell, cpu: Cpu, asids: int) -> Op:
    """A context of the CPU's cycle. Returns its ASID (1 to `asids` - 1), and whether it begins a new cycle."""
    cells = (cpu_context_cell(context, cpu), asid_cache_cell(cpu))

    def step(mine: Context | None, last: Context) -> list[Outcome]:
        if mine and mine[0] == last[0]:
            return [Outcome((mine[1], False), (mine, last))]
        begins = last[1] + 1 == asids
        new = (last[0] + 1, 1) if begins else (last[0], last[1] + 1)
        return [Outcome((new[1], begins), (new, new))]

    return Op("get_new_mmu_context", cells, cells, step, order=Order.PLAIN)


def cpu_asid(context: Cell, cpu: Cpu) -> Op:
    """cpu_asid(): the ASID bits of the mm's context on `cpu`, which are 0 where the context is 0."""
    mine = cpu_context_cell(context, cpu)
    return Op("cpu_asid", (mine,), (), lambda now: [Outcome(now[1] if now else 0)], order=Order.PLAIN)


def flush_asid(mm: Mm, context: Cell, cpu: Cpu, request: FlushRequest) -> Op:
    """`cpu` executes the request itself, for the ASID that the mm has there."""
    mine, tlb = cpu_context_cell(context, cpu), tuple(tlb_cell(cpu, addr) for addr in mm.addrs)
    return Op(
        f"local {request}",
        (mine, *tlb),
        tlb,
        lambda now, *e: [Outcome(None, _kept(mm, now, request, e))],
        order=Order.FLUSH,
    )


def take_asid_ipi(mm: Mm, context: Cell, sender: Tid, cpu: Cpu) -> Op:
    """Daemon: `cpu` flushes the ASID that the mm has there."""
    csd, mine = csd_cell(sender, cpu), cpu_context_cell(context, cpu)
    tlb = tuple(tlb_cell(cpu, addr) for addr in mm.addrs)

    def step(request: FlushRequest | None, irqs_off: bool, now: Context | None, *entries: Any) -> list[Outcome]:
        if request is None or irqs_off:
            return []
        return [Outcome(None, (None, *_kept(mm, now, request, entries)))]

    return Op(f"take IPI of T{sender}", (csd, irqs_off_cell(cpu), mine, *tlb), (csd, *tlb), step, order=Order.HANDLER)


def _kept(mm: Mm, now: Context | None, request: FlushRequest, entries: tuple[Any, ...]) -> tuple[Any, ...]:
    if not now:
        return entries  # cpu_context() is 0: nothing is cached that could be used
    asked = AsidRequest(now[1], request)
    return tuple(None if asked.forgets(addr, e) else e for addr, e in zip(mm.addrs, entries, strict=True))


class CpuAsids(Ipi):
    """By IPI; each CPU flushes its own ASID of the mm."""

    reads_twice = False
    """switch_mm() reads the context once for its cycle, and again for the ASID that it loads."""

    async def renew(self, mm: Mm, context: Cell) -> None:
        """check_mmu_context(), and the load of the ASID."""
        cpu = mm.task.cpu
        asid, begins = await get_new_mmu_context(context, cpu, mm.facts.user_asids)
        if begins:
            await self.start_cycle(mm)
        if self.reads_twice:
            asid = await cpu_asid(context, cpu)
        await load_ttbr(cpu, asid)

    async def start_cycle(self, mm: Mm) -> None:
        """Flush what is cached under the ASIDs of the previous cycle, of whichever mm."""
        await invalidate((mm.task.cpu,), mm.addrs, "local_flush_tlb_all")

    async def ask(self, mm: Mm, request: FlushRequest) -> None:
        if mm.context is None:
            await super().ask(mm, request)
            return
        here = mm.task.cpu
        await call_cpus(
            mm, await self.asked(mm) | {here}, request, flush_asid(mm, mm.context, here, request), self.local_part
        )

    @hookimpl
    def flush_tlb_func(self, mm: Mm, sender: Tid, cpu: Cpu) -> Op:
        """Serve the request, for the ASID that the mm has on this CPU."""
        if mm.context is None:
            return take_ipi(sender, cpu, mm.addrs)
        return take_asid_ipi(mm, mm.context, sender, cpu)

    @hookimpl
    async def switch_mm(self, prev: Mm | None, next: Mm | None) -> None:
        """Entries are tagged: the CPU is sent flushes from now on, also while it runs other mms."""
        if next is None:
            return
        await cpumask_set_cpu(next)
        if next.context is not None:
            await self.renew(next, next.context)
