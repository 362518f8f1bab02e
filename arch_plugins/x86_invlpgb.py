"""x86 with INVLPGB: AMD's broadcast for an mm with a global ASID; TLBSYNC waits for the issuer's own.

arch/x86/mm/tlb.c:broadcast_tlb_flush(), arch_tlbbatch_flush() (6.15 and later); the ceiling is that of
flush_tlb_mm_range().  Under PTI the user PCID is flushed as well.

An mm that has just got its global ASID is in transition: CPUs that run it under an ASID of their own are not reached by
INVLPGB, and finish_asid_transition() interrupts the CPUs of the mask too.
"""

from __future__ import annotations

from arch_plugins.families.access_flags import Refetches
from arch_plugins.families.broadcast import Broadcast, Insns, with_operands
from arch_plugins.families.needs_flush import X86Pte
from arch_plugins.generic import flush_cpus_by_ipi
from core.hookspecs import Facts, hookimpl
from core.machine.broadcast import complete
from core.machine.insn import Operand, insn
from core.machine.ipi import FlushRequest, Request
from core.machine.op import Cpu
from core.machine.order import Order
from core.mm.batched_unmap import UnmapBatch
from core.mm.init_mm import init_mm
from core.mm.mm import Mm, mm_cpumask


class X86Invlpgb(Refetches, X86Pte, Broadcast):
    """Zen 3 and later, an mm that has run on enough CPUs to get a global ASID."""

    barrier, mm_insn, page_insn, ceiling = "TLBSYNC", "INVLPGB_PCID", "INVLPGB_ADDR", 33
    takes_stride = True
    store_barrier = Order.SMP_MB  # inc_mm_tlb_gen(), a locked operation that flush_tlb_mm_range() does first
    count_max, pti = 8, False
    """invlpgb_count_max: strides that one INVLPGB takes, as CPUID 0x80000008 says (Zen 3: 8)."""

    FACTS = Facts(
        memory_model="tso",
        rcu_table_free=True,
        merge_vmas=True,
        runtime_p4d=True,
        capabilities=frozenset(
            {
                "batched_unmap",
                "gup_fast",
                "huge_vmap",
                "move_pmd",
                "ordered_clear",
                "per_vma_lock",
                "shares_pmd_tables",
                "thp",
            }
        ),
        sources=("arch/x86/mm/tlb.c", "arch/x86/include/asm/tlb.h"),
        kernel="6.15",
        family="hardware broadcast",
    )

    def of_range(self, start: int, end: int, stride: int, leaf: bool) -> Insns:
        nr = -(-(end - start) // stride)
        operands = [
            Operand(start + at * stride, min(self.count_max, nr - at), stride, everywhere=True)
            for at in range(0, nr, self.count_max)
        ]
        return [(self.page_insn, len(operands) * (1 + self.pti), tuple(operands))]

    async def send(self, mm: Mm, insns: Insns, request: Request) -> None:
        both = [(n, 2 if n == self.mm_insn and self.pti else nr, of) for n, nr, of in with_operands(insns)]
        await super().send(mm, both, request)

    @hookimpl
    async def flush_tlb_kernel_range(self, mm: Mm, start: int, end: int) -> None:
        """invlpgb_kernel_range_flush(): by address, of every ASID, and TLBSYNC; which ASID the mm has says nothing."""
        nr = -(-(end - start) // self.count_max)
        of = tuple(
            Operand(at, min(self.count_max, end - at), everywhere=True) for at in range(start, end, self.count_max)
        )
        await X86Invlpgb.send(self, init_mm(mm), [("INVLPGB_ADDR_NOSYNC", nr, of)], FlushRequest(start, end))
        await Broadcast.wait(self, init_mm(mm))

    @hookimpl
    async def arch_tlbbatch_add_pending(self, mm: Mm, batch: UnmapBatch, start: int, end: int) -> None:
        """batch->unmapped_pages, which is the core's `flush_required`: no CPU has to be noted."""

    @hookimpl
    async def arch_tlbbatch_flush(self, mm: Mm, batch: UnmapBatch) -> None:
        """invlpgb_flush_all_nonglobals()."""
        await self.broadcast(mm, [("INVLPGB_ALL_NONGLOBALS", 1)], FlushRequest())


class X86InvlpgbPti(X86Invlpgb):
    """With page-table isolation."""

    pti = True


class X86InvlpgbTransition(X86Invlpgb):
    """An mm in transition: CPU 1 has switched to the global ASID, the others have not."""

    moved = frozenset({Cpu(1)})

    async def broadcast(self, mm: Mm, insns: Insns, request: FlushRequest) -> None:
        """broadcast_tlb_flush(): the interrupts of finish_asid_transition() come before the wait."""
        await self.send(mm, insns, request)
        await self.finish_asid_transition(mm, request)
        await self.wait(mm)

    async def finish_asid_transition(self, mm: Mm, request: FlushRequest) -> None:
        """If one CPU is found that has not switched, all of the mask are sent an IPI."""
        cpus = await mm_cpumask(mm)
        if cpus - self.moved:
            await flush_cpus_by_ipi(mm, cpus, request)

    async def wait(self, mm: Mm) -> None:
        """TLBSYNC. What was issued reaches the CPUs that have switched."""
        await insn(mm.task.cpu, self.barrier)
        await complete(mm.task.cpu, mm.everyone & self.moved, mm.addrs, self.barrier)

    @hookimpl
    async def arch_tlbbatch_flush(self, mm: Mm, batch: UnmapBatch) -> None:
        """invlpgb_flush_all_nonglobals() flushes every ASID, also on CPUs that have not switched."""
        await super().send(mm, [("INVLPGB_ALL_NONGLOBALS", 1)], FlushRequest())
        await super().wait(mm)
