"""arm64 with C1-Pro erratum 4193714: a CPU acknowledges a TLBI before the stores of its SME unit are done.

"arm64: errata: Work around early CME DVMSync acknowledgement" (0baba94a9779, 7.1; for 6.18.y: stable, 21 April 2026).
6.12.117 and 6.1.192 have the Kconfig entry and no code, so this is of the published patch.  __tlbi_sync_s1ish() is
followed by sme_dvmsync(): an interrupt, empty, to the CPUs that run the mm in user mode with SME.  To take an exception
is what completes the accesses (SCTLR_EL1.IESB).  mm_cpumask says which CPUs these are: sme_set_active() as a CPU
returns to user mode, sme_clear_active() as it leaves it.  A batch notes the masks behind a barrier of its own.

All tasks of a model use SME.  Loads are done at once in the model, so it is stores that come too late.
"""

from __future__ import annotations

from dataclasses import replace

from arch_plugins.arm64 import Arm64
from core.hookspecs import Facts, hookimpl
from core.machine.broadcast import complete
from core.machine.insn import insn
from core.machine.ipi import FlushRequest, send_ipis, wait_ipis
from core.machine.op import Cpu, barrier
from core.machine.order import Order
from core.mm.batched_unmap import UnmapBatch
from core.mm.mm import Mm, cpumask_clear_cpu, cpumask_set_cpu, mm_cpumask

NOTHING = FlushRequest(0, 0)
"""sme_dvmsync_ipi() does nothing."""


class Arm64Sme(Arm64):
    """6.18 with the patch, without FEAT_TLBIRANGE."""

    kernel = "6.18.y with 0baba94a9779"

    @hookimpl
    def arch_facts(self) -> Facts:
        facts = super().arch_facts()
        return replace(facts, sources=(*facts.sources, "arch/arm64/kernel/fpsimd.c"))

    async def dsb_ish(self, mm: Mm) -> None:
        """The barrier, which the affected CPUs let pass too early."""
        await insn(mm.task.cpu, self.barrier)
        await complete(mm.task.cpu, mm.everyone, mm.addrs, self.barrier, early=True)

    async def wait(self, mm: Mm) -> None:
        """__tlbi_sync_s1ish()."""
        await self.dsb_ish(mm)
        await self.sme_do_dvmsync(mm, await mm_cpumask(mm))

    async def sme_do_dvmsync(self, mm: Mm, cpus: frozenset[Cpu]) -> None:
        """smp_call_function_many(): not this CPU, whose own accesses were done as it entered the kernel."""
        others = sorted(cpus - {mm.task.cpu})
        if others:
            await send_ipis(mm.task, others, NOTHING)
            await wait_ipis(mm.task, others)

    @hookimpl
    async def arch_tlbbatch_add_pending(self, mm: Mm, batch: UnmapBatch, start: int, end: int) -> None:
        """__flush_tlb_range_nosync(), sme_dvmsync_add_pending()."""
        insns = self.given(self.of_range(start, end, 1, True), start, 1, True)
        await self.send(mm, insns, FlushRequest(start, end, leaf=True))
        await self.dsb_ish(mm)
        batch.cpus |= await mm_cpumask(mm)

    @hookimpl
    async def arch_tlbbatch_flush(self, mm: Mm, batch: UnmapBatch) -> None:
        """__tlbi_sync_s1ish_batch()."""
        await self.dsb_ish(mm)
        cpus, batch.cpus = batch.cpus, frozenset()
        await self.sme_do_dvmsync(mm, cpus)

    @hookimpl
    async def switch_mm(self, prev: Mm | None, next: Mm | None) -> None:
        """sme_clear_active(), sme_set_active(): a TLBI elsewhere waits for the store of the second, which is older than
        the accesses of user mode.
        """
        if prev is not None and prev is not next:
            await cpumask_clear_cpu(prev)
        await super().switch_mm(prev, next)
        if next is not None:
            await cpumask_set_cpu(next)
            await barrier(Order.SMP_MB)
