"""riscv of 6.12: SFENCE.VMA here if nobody else has the mm, else one SBI call (or an IPI) to mm_cpumask.

arch/riscv/mm/tlbflush.c:__flush_tlb_range(); more than tlb_flush_all_threshold strides here are flushed as the whole
ASID.  asm/tlb.h:tlb_flush() flushes the mm where tables were freed: SFENCE.VMA of an address is of its last
level only.  6.1 knows no ranges in tlb_flush().
"""

from __future__ import annotations

from arch_plugins.families.asid import check_and_switch_context, context_id
from arch_plugins.families.fences import Fences, cpus_to_fence
from arch_plugins.generic import flush_cpus_by_ipi
from core.hookspecs import Facts, hookimpl
from core.machine.accessed import test_and_clear_young
from core.machine.asid import AsidRequest
from core.machine.insn import EVERYTHING, Operand, insn
from core.machine.ipi import FlushRequest, take_ipi
from core.machine.op import Cpu, Op, Tid
from core.mm.mm import Mm, cpumask_clear_cpu, cpumask_set_cpu, mm_cpumask
from core.mm.mmu_gather import MmuGather, tlb_get_unmap_size
from core.mm.pgtable import get_and_clear_pmd

COMMON = frozenset({"move_pmd", "ordered_clear", "shares_pmd_tables", "thp"})
SINCE_612 = frozenset({"batched_unmap", "gup_fast", "huge_vmap", "per_vma_lock"})
"""Capabilities."""

TLB_FLUSH_ALL_THRESHOLD = 64
"""Strides; above it the whole ASID goes."""


class Riscv(Fences):
    """6.12, remote fences by the firmware."""

    sbi, ranges = True, True
    firmware_pages = 1
    """Pages; above it whoever serves the call flushes the whole ASID: OpenSBI's tlb_range_flush_limit is 4 KiB."""

    @hookimpl
    def arch_facts(self) -> Facts:
        return Facts(
            rcu_table_free=self.ranges,
            user_asids=1 << 16,
            tables_at_once=() if self.ranges else ("pmd", "pud"),
            kernel="6.12.117" if self.ranges else "6.1.192",
            family="firmware call" if self.sbi else "synchronous IPI to mm_cpumask",
            capabilities=COMMON | (SINCE_612 if self.ranges else frozenset()),
            sources=("arch/riscv/mm/tlbflush.c", "arch/riscv/include/asm/tlb.h", "arch/riscv/mm/context.c"),
        )

    async def fence(self, mm: Mm, request: FlushRequest, stride: int) -> None:
        """__flush_tlb_range() of an mm."""
        if mm.context is not None:
            _, asid = await context_id(mm.context)  # get_mm_asid()
            await flush_cpus_by_ipi(mm, await mm_cpumask(mm), AsidRequest(asid, request))
        elif cpus := await cpus_to_fence(mm):
            await self.fence_on(mm, cpus, request, stride)

    async def fence_on(self, mm: Mm, cpus: frozenset[Cpu], request: FlushRequest, stride: int) -> None:
        """The fences on `cpus`. The firmware, which knows of no stride, sends and waits as an IPI does."""
        here = mm.task.cpu
        by_firmware = self.sbi and bool(cpus - {here})
        stride, limit = (1, self.firmware_pages) if by_firmware else (stride, self.threshold)
        nr = 0 if request.end is None else -(-(request.end - request.start) // stride)
        paged = 0 < nr <= limit
        if not paged:
            request = FlushRequest()
        if by_firmware:
            await insn(here, "SBI_ECALL")
        name = ("M_" if by_firmware else "") + ("SFENCE_va_asid" if paged else "SFENCE_all_asid")
        of = Operand(request.start, nr, stride, leaf=True) if paged else EVERYTHING
        for cpu in sorted(cpus):
            await insn(cpu, name, nr if paged else 1, of)
        await flush_cpus_by_ipi(mm, cpus, request)

    @hookimpl
    def flush_tlb_func(self, mm: Mm, sender: Tid, cpu: Cpu) -> Op:
        """The firmware serves a remote fence in M-mode, which the kernel's disabled interrupts do not delay."""
        return take_ipi(sender, cpu, mm.addrs, maskable=not self.sbi)

    @property
    def threshold(self) -> int:
        """Strides flushed one by one; 6.1 does that for a single page only."""
        return TLB_FLUSH_ALL_THRESHOLD if self.ranges else 1

    @hookimpl
    async def ptep_clear_flush_young(self, mm: Mm, addr: int) -> bool:
        """No flush: the next use of an entry that stays cached is not noticed, which is all."""
        return bool(await test_and_clear_young(addr))

    @hookimpl
    async def switch_mm(self, prev: Mm | None, next: Mm | None) -> None:
        """set_mm_asid(): as on arm64, except that the flush after a rollover follows the load of SATP.

        With ASIDs the entries of `prev` stay, and so does the CPU in its mask (commit 82dd33fde026).
        """
        if prev is not None and prev is not next and not prev.era.has("82dd33fde026"):
            await cpumask_clear_cpu(prev)
        if next is not None:
            await cpumask_set_cpu(next)
            if next.context is not None:
                await check_and_switch_context(next, next.context, compares=True, flushes_last=True, zero=True)

    @hookimpl
    async def pmdp_collapse_flush(self, mm: Mm, addr: int) -> int | None:
        """A fence of an address spares upper entries, so all is flushed; 6.1 has no override, and spares them."""
        table: int | None = await get_and_clear_pmd(mm, addr)
        if self.ranges:
            await mm.hook.flush_tlb_mm(mm=mm)
        else:
            await mm.hook.flush_tlb_range(mm=mm, start=addr, end=addr + mm.span[0], stride=1)
        return table

    @hookimpl
    async def tlb_flush(self, tlb: MmuGather) -> str | None:
        if not self.ranges or tlb.fullmm or tlb.need_flush_all or tlb.freed_tables:
            await self.fence(tlb.mm, FlushRequest(), 1)
            return "mm"
        await self.fence(tlb.mm, FlushRequest(tlb.start, tlb.end, leaf=True), tlb_get_unmap_size(tlb))
        return "range"


class RiscvIpi(Riscv):
    """6.12 with IPIs of its own (AIA)."""

    sbi = False


class RiscvV61(Riscv):
    """6.1."""

    ranges = False
