"""powerpc book3s64 radix: tlbie to all, eieio; tlbsync; ptesync by the issuer; tlbiel where no other CPU has the mm.

arch/powerpc/mm/book3s64/radix_tlb.c:radix__tlb_flush(), __radix__flush_tlb_range(): above tlb_single_page_flush_ceiling
pages the PID is flushed.  flush_type_needed() trims mm_cpumask for the only thread of an mm: the other CPUs are asked
to leave it, and the flush stays local.  context.active_cpus is how many CPUs the mask has; coprocessors and the clock
that trims the mask of other processes now and then are left out.
"""

from __future__ import annotations

from arch_plugins.families.broadcast import Broadcast, Insns, with_operands
from arch_plugins.families.needs_flush import RadixPte
from arch_plugins.families.radix_lazy import exit_flush_lazy_tlbs, flush_type_local, load_pid
from core.hookspecs import Facts, hookimpl
from core.machine.insn import insn
from core.machine.ipi import FlushRequest, flush_here, take_ipi
from core.machine.op import Cpu, Op, Tid, barrier
from core.machine.order import Order
from core.mm.kthread import exit_lazy_flush_tlb
from core.mm.mm import Mm, cpumask_set_cpu
from core.mm.mmu_gather import MmuGather
from core.mm.pgtable import get_and_clear_pmd


class PowerpcRadix(RadixPte, Broadcast):
    """64 KiB pages, GTSE."""

    barrier, mm_insn, page_insn = "eieio;tlbsync;ptesync", "tlbie_pid", "tlbie_va"
    ceiling: int | None = 33
    store_barrier = Order.PTESYNC  # the first instruction of _tlbie_pid(), _tlbie_va() and of their local forms
    spares_walks = True  # RIC_FLUSH_TLB; radix__flush_tlb_pwc_range_psize() takes the page-walk cache along

    FACTS = Facts(
        memory_model="weak",
        page_size=65536,
        ptes_per_table=32,
        upper_entries=512,
        rcu_table_free=True,
        merge_vmas=True,
        gather_page_size=True,
        capabilities=frozenset({"gup_fast", "move_pmd", "per_vma_lock", "thp", "trims_mm_cpumask"}),
        sources=("arch/powerpc/mm/book3s64/radix_tlb.c", "arch/powerpc/include/asm/tlb.h"),
        kernel="6.12.117",
        family="hardware broadcast",
    )

    local_ceiling = 2 * 128
    """tlb_local_single_page_flush_ceiling: twice the sets of a POWER9's TLB."""

    async def broadcast(self, mm: Mm, insns: Insns, request: FlushRequest) -> None:
        await self.flush(mm, insns, request, await self.flush_type_local(mm))

    async def flush_type_local(self, mm: Mm) -> bool:
        """The entries are seen to be clear before mm_cpumask is read, which a CPU joins before it walks."""
        await barrier(Order.SMP_MB)
        return await flush_type_local(mm)

    @hookimpl
    async def flush_tlb_range(self, mm: Mm, start: int, end: int, stride: int) -> None:
        """__radix__flush_tlb_range() takes the page-walk cache along from PMD_SIZE on, on which mremap() depends;
        radix__flush_pmd_tlb_range() does not."""
        await self.flush_range(mm, start, end, stride, leaf=stride > 1 or end - start < mm.span[0])

    async def flush_range(self, mm: Mm, start: int, end: int, stride: int, leaf: bool) -> None:
        """__radix__flush_tlb_range_psize(): how many pages are too many depends on whether another CPU has the mm."""
        local = await self.flush_type_local(mm)
        start, end = start - start % stride, end + -end % stride
        ceiling = self.local_ceiling if local else self.ceiling
        whole = ceiling is not None and (end - start) // stride > ceiling
        paged = self.given(self.of_range(start, end, stride, leaf), start, stride, leaf)
        insns: Insns = [(self.mm_insn, 1)] if whole else paged
        request = FlushRequest() if whole else FlushRequest(start, end, leaf)
        await self.flush(mm, insns, request, local)

    @hookimpl
    async def pmdp_collapse_flush(self, mm: Mm, addr: int) -> int | None:
        """radix__flush_tlb_collapsed_pmd(): the page-walk cache, then page by page, however many; with 4 KiB all."""
        table: int | None = await get_and_clear_pmd(mm, addr)
        if mm.facts.page_size == 4096:
            await mm.hook.flush_tlb_mm(mm=mm)
            return table
        end = addr + mm.span[0]
        insns = self.of_range(addr, end, 1, leaf=False)
        await self.flush(mm, insns, FlushRequest(addr, end), await self.flush_type_local(mm))
        return table

    @hookimpl
    async def tlb_flush(self, tlb: MmuGather) -> str | None:
        """radix__tlb_flush(): CPUs still on an mm that is torn down are sent a request to leave it
        (MMU_LAZY_TLB_SHOOTDOWN).
        """
        if tlb.fullmm:
            await exit_flush_lazy_tlbs(tlb.mm)
            await tlb.mm.hook.flush_tlb_mm(mm=tlb.mm)
            return "mm"
        await self.flush_range(tlb.mm, tlb.start, tlb.end, tlb.page_size or 1, leaf=not tlb.freed_tables)
        return "range"

    async def flush(self, mm: Mm, insns: Insns, request: FlushRequest, local: bool) -> None:
        """FLUSH_TYPE_LOCAL or FLUSH_TYPE_GLOBAL."""
        if not local:
            await super().broadcast(mm, insns, request)
            return
        await barrier(Order.PTESYNC)
        for name, nr, operands in with_operands(insns):
            here = (of._replace(everywhere=False) for of in operands)
            await insn(mm.task.cpu, name.replace("tlbie", "tlbiel"), nr, *here)
        await flush_here(mm.task.cpu, mm.addrs, request, f"tlbiel: {request}")

    @hookimpl
    def flush_tlb_func(self, mm: Mm, sender: Tid, cpu: Cpu) -> Op:
        """The only request that a CPU can receive is to leave the mm."""
        return take_ipi(sender, cpu, mm.addrs) if mm.cpus is not None else exit_lazy_flush_tlb(mm, sender, cpu)

    @hookimpl
    async def switch_mm(self, mm: Mm) -> None:
        """switch_mm_irqs_off(): the bit is set before the PID is loaded; only exit_lazy_flush_tlb() clears it."""
        if mm.cpus is None:
            await cpumask_set_cpu(mm)
            await barrier(Order.SMP_MB)
            await load_pid(mm.task.cpu)
