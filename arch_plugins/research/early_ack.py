"""Early acknowledgement: a CPU answers the interrupt as it enters the handler, and flushes before it leaves.

Amit, Tai and Wei, "Don't shoot down TLB shootdowns!", EuroSys 2020, doi 10.1145/3342195.3387518, section on early
acknowledgement: the initiator need not wait for the flush itself, because no user code runs on the responder before it.

Safe on one condition: no page tables were freed.  The hardware walker works on in the handler, and would read them;
such requests are answered when they have been served.  `EarlyAckAlways` drops the condition.  (The paper has a second
one: an NMI that comes in the window may not touch user memory, as nmi_uaccess_okay() sees to.  No model has an NMI.)
"""

from __future__ import annotations

from collections.abc import Sequence

from arch_plugins.generic import Generic, Smp, flush_cpus_by_ipi
from core.hookspecs import Facts, hookimpl
from core.machine.early_ack import EarlyRequest, leave_handler, take_or_answer
from core.machine.ipi import FlushRequest, Request
from core.machine.op import Cpu, Op, Tid
from core.mm.batched_unmap import UnmapBatch
from core.mm.mm import Mm, mm_cpumask
from core.mm.mmu_gather import MmuGather


class EarlyAck(Smp):
    """Generic SMP with early acknowledgement."""

    always = False

    @hookimpl
    def arch_facts(self) -> Facts:
        return Facts(
            family="research: early acknowledgement",
            capabilities=frozenset({"batched_unmap", "move_pmd", "shares_pmd_tables", "early_ack"}),
            sources=("doi:10.1145/3342195.3387518",),
        )

    def request(self, start: int, end: int | None, freed_tables: bool) -> Request:
        """A request that may be acknowledged first, unless page tables were freed."""
        return FlushRequest(start, end) if freed_tables and not self.always else EarlyRequest(start, end)

    async def ask(self, mm: Mm, request: Request) -> None:
        """Send an IPI to the CPUs of mm_cpumask, flush here, and wait for the acknowledgements."""
        await flush_cpus_by_ipi(mm, await mm_cpumask(mm), request)

    @hookimpl
    def flush_tlb_func(self, mm: Mm, sender: Tid, cpu: Cpu) -> Op:
        return take_or_answer(sender, cpu, mm.addrs)

    @hookimpl
    def cpu_daemons(self, mm: Mm, cpu: Cpu) -> Sequence[Op]:
        return (leave_handler(cpu, mm.addrs),)

    @hookimpl
    async def flush_tlb_mm(self, mm: Mm) -> None:
        """Tables may have been freed: the callers do not say."""
        await self.ask(mm, self.request(0, None, True))

    @hookimpl
    async def tlb_flush(self, tlb: MmuGather) -> str | None:
        """The gather knows whether tables were freed, or left to others who may free them."""
        if tlb.fullmm or tlb.need_flush_all or not tlb.end:
            return await Generic().tlb_flush(tlb)
        await self.ask(tlb.mm, self.request(tlb.start, tlb.end, tlb.freed_tables or tlb.unshared_tables))
        return "range"

    @hookimpl
    async def flush_tlb_range(self, mm: Mm, start: int, end: int, stride: int) -> None:
        """Tables may have been moved or collapsed: the callers do not say."""
        await self.ask(mm, self.request(start, end, True))

    @hookimpl
    async def flush_tlb_page(self, mm: Mm, addr: int) -> None:
        await self.ask(mm, self.request(addr, addr + 1, False))

    @hookimpl
    async def arch_tlbbatch_flush(self, mm: Mm, batch: UnmapBatch) -> None:
        cpus, batch.cpus = batch.cpus, frozenset()
        await flush_cpus_by_ipi(mm, cpus, self.request(0, None, False))


class EarlyAckAlways(EarlyAck):
    """Without the condition: must fail."""

    always = True
