"""arch/powerpc/mm/book3s64/radix_tlb.c: tlbie, or tlbiel where no other CPU has the mm, and of how much.

radix__tlb_flush(), __radix__flush_tlb_range(): above tlb_single_page_flush_ceiling pages the PID is flushed, with the
page-walk cache only where tables were freed or moved.  flush_type_needed() trims mm_cpumask for the only thread of an
mm: the other CPUs are asked to leave it, and the flush stays local.  context.active_cpus is how many CPUs the mask has;
coprocessors and the clock that trims the mask of other processes now and then are left out.
"""

from __future__ import annotations

from arch_plugins.families.broadcast import Broadcast, Insns, with_operands
from arch_plugins.families.radix_lazy import FlushType, exit_flush_lazy_tlbs, flush_type_needed
from core.hookspecs import hookimpl
from core.machine.insn import EVERYWHERE, Operand, insn
from core.machine.ipi import FlushRequest, flush_here
from core.machine.op import barrier
from core.machine.order import Order
from core.mm.init_mm import init_mm
from core.mm.mm import Mm
from core.mm.mmu_gather import MmuGather


class RadixTlb(Broadcast):
    """The flushes. In none of them does a CPU that is not in mm_cpumask matter."""

    barrier, mm_insn, page_insn = "eieio;tlbsync;ptesync", "tlbie_pid", "tlbie_va"
    ceiling: int | None = 33
    store_barrier = Order.PTESYNC  # the first instruction of _tlbie_pid(), _tlbie_va() and of their local forms
    spares_walks = True  # RIC_FLUSH_TLB; radix__flush_tlb_pwc_range_psize() takes the page-walk cache along

    local_ceiling = 2 * 128
    """tlb_local_single_page_flush_ceiling: twice the sets of a POWER9's TLB."""

    async def broadcast(self, mm: Mm, insns: Insns, request: FlushRequest) -> None:
        await self.flush(mm, insns, request, await self.flush_type_needed(mm))

    async def flush_type_needed(self, mm: Mm, fullmm: bool = False) -> FlushType:
        """The entries are seen to be clear before mm_cpumask is read, which a CPU joins before it walks."""
        await barrier(Order.SMP_MB)
        return await flush_type_needed(mm, fullmm)

    @hookimpl
    async def flush_tlb_mm(self, mm: Mm) -> None:
        """radix__flush_tlb_mm(): RIC_FLUSH_TLB, which spares the page-walk cache."""
        await self.broadcast(mm, self.whole(leaf=True), FlushRequest(leaf=True))

    @hookimpl
    async def flush_tlb_kernel_range(self, mm: Mm, start: int, end: int) -> None:
        """radix__flush_tlb_kernel_range(): _tlbie_pid(0, RIC_FLUSH_ALL), whatever the mask of the task's mm is."""
        await super().broadcast(init_mm(mm), self.whole(leaf=False), FlushRequest())

    async def flush_all_mm(self, mm: Mm, fullmm: bool = False) -> None:
        """radix__flush_all_mm(), __flush_all_mm(): RIC_FLUSH_ALL."""
        await self.flush(mm, self.whole(leaf=False), FlushRequest(), await self.flush_type_needed(mm, fullmm))

    def whole(self, leaf: bool) -> Insns:
        """_tlbie_pid(): RIC_FLUSH_TLB, or RIC_FLUSH_ALL."""
        return [(self.mm_insn, 1, (EVERYWHERE._replace(leaf=leaf),))]

    def pages(self, mm: Mm, start: int, end: int, stride: int, leaf: bool, both: bool) -> Insns:
        """The page-walk cache first, by one tlbie of the PID; `both`: as 2 MiB pages too, whatever was there."""
        nr, span = -(-(end - start) // stride), mm.span[0]
        insns: list[tuple[str, int, tuple[Operand, ...]]] = [] if leaf else [(self.mm_insn, 1, ())]
        insns.append((self.page_insn, nr, (Operand(start, nr, stride, leaf=leaf, everywhere=True),)))
        first, last = start + -start % span, end - end % span
        if both and first < last:
            huge = (last - first) // span
            insns.append((self.page_insn, huge, (Operand(first, huge, span, leaf=leaf, everywhere=True),)))
        return insns

    @hookimpl
    async def flush_tlb_range(self, mm: Mm, start: int, end: int, stride: int) -> None:
        """__radix__flush_tlb_range() takes the page-walk cache along from PMD_SIZE on, on which mremap() depends."""
        leaf = end - start < mm.span[0]
        thp = "thp" in mm.facts.capabilities
        await self.flush_some(mm, self.pages(mm, start, end, 1, leaf, both=thp), FlushRequest(start, end, leaf), 1)

    @hookimpl
    async def flush_pmd_tlb_range(self, mm: Mm, start: int, end: int) -> None:
        """radix__flush_pmd_tlb_range(), which spares the page-walk cache."""
        await self.flush_range(mm, start, end, mm.span[0], leaf=True)

    async def flush_range(self, mm: Mm, start: int, end: int, stride: int, leaf: bool) -> None:
        """__radix__flush_tlb_range_psize()."""
        start, end = start - start % stride, end + -end % stride
        insns = self.pages(mm, start, end, stride, leaf, both=False)
        await self.flush_some(mm, insns, FlushRequest(start, end, leaf), stride, spares=leaf)

    async def flush_some(self, mm: Mm, insns: Insns, request: FlushRequest, stride: int, spares: bool = False) -> None:
        """A range, or the PID: how many pages are too many depends on whether another CPU has the mm.

        `spares`: a flush of the PID spares the page-walk cache.
        """
        kind = await self.flush_type_needed(mm)
        ceiling = self.ceiling if kind == "global" else self.local_ceiling
        assert request.end is not None
        if ceiling is not None and (request.end - request.start) // stride > ceiling:
            insns, request = self.whole(spares), FlushRequest(leaf=spares)
        await self.flush(mm, insns, request, kind)

    @hookimpl
    async def tlb_flush(self, tlb: MmuGather) -> str | None:
        """radix__tlb_flush(): CPUs still on an mm that is torn down are sent a request to leave it
        (MMU_LAZY_TLB_SHOOTDOWN).
        """
        if tlb.fullmm:
            await exit_flush_lazy_tlbs(tlb.mm)
            await self.flush_all_mm(tlb.mm, fullmm=True)
            return "mm"
        await self.flush_range(tlb.mm, tlb.start, tlb.end, tlb.page_size or 1, leaf=not tlb.freed_tables)
        return "range"

    async def flush(self, mm: Mm, insns: Insns, request: FlushRequest, kind: FlushType) -> None:
        """FLUSH_TYPE_NONE, FLUSH_TYPE_LOCAL or FLUSH_TYPE_GLOBAL."""
        if kind == "none":
            return
        if kind == "global":
            await super().broadcast(mm, insns, request)
            return
        await barrier(Order.PTESYNC)
        for name, nr, operands in with_operands(insns):
            here = (of._replace(everywhere=False) for of in operands)
            await insn(mm.task.cpu, name.replace("tlbie", "tlbiel"), nr, *here)
        await flush_here(mm.task.cpu, mm.addrs, request, f"tlbiel: {request}")
