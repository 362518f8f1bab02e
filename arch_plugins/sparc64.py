"""sparc64: entries queued as they are cleared; TSB purge and cross call on leaving the lazy-MMU section.

arch/sparc/mm/tlb.c:flush_tlb_pending(), arch/sparc/kernel/smp_64.c:smp_flush_tlb_pending().
"""

from __future__ import annotations

from dataclasses import dataclass

from arch_plugins.families.queued import Queued
from arch_plugins.generic import flush_cpus_by_ipi
from core.hookspecs import Facts, hookimpl
from core.machine.insn import Operand, insn
from core.machine.ipi import FlushRequest, Request
from core.machine.op import Cpu
from core.machine.pte import Pte, ptep_get
from core.machine.tlb import invalidate
from core.mm.era import SPARC_LAZY_FIX
from core.mm.kthread import alone, trim_cpumask
from core.mm.mm import Mm, cpumask_set_cpu, mm_cpumask
from core.mm.pgtable import get_and_clear_pmd, set_pte_at


@dataclass(frozen=True, slots=True)
class Vaddrs:
    """tlb_pending_func(): a request to flush a list of virtual pages."""

    pages: tuple[int, ...]

    def covers(self, addr: int) -> bool:
        """Is `addr` one of them?"""
        return addr in self.pages

    def forgets(self, addr: int, entry: object) -> bool:
        """Does it flush this entry?  It flushes entries of every level: the hardware walks no tables of Linux."""
        return self.covers(addr)

    def __str__(self) -> str:
        return f"flush {', '.join(map(str, self.pages))}"


class Sparc64(Queued):
    """sun4u and sun4v, 8 KiB pages."""

    FACTS = Facts(
        memory_model="tso",
        page_size=8192,
        ptes_per_table=1024,
        upper_entries=1024,
        rcu_table_free=True,
        merge_vmas=True,
        hw_dirty=False,
        walker="handler",
        kernel="6.12.117",
        capabilities=frozenset({"cpu_queue", "thp"}),
        family="flush on leaving the lazy-MMU section",
        sources=("arch/sparc/mm/tlb.c", "arch/sparc/kernel/smp_64.c", "arch/sparc/include/asm/tlb_64.h"),
    )

    async def flush_pages(self, mm: Mm, addrs: tuple[int, ...]) -> None:
        """One cross call with the whole vector.

        Before bafb056ce279 there was none for the only user of the mm: instead, other CPUs left mm_cpumask.
        """
        if not mm.era.has("bafb056ce279") and await alone(mm):
            await trim_cpumask(mm.task.cpu)
        cpus: frozenset[Cpu] = await mm_cpumask(mm)
        await self.cross_call(mm, cpus, Vaddrs(addrs), addrs)

    async def cross_call(self, mm: Mm, cpus: frozenset[Cpu], request: Request, addrs: tuple[int, ...]) -> None:
        """smp_cross_call_masked(), smp_call_function_many(): the other CPUs first; this one whatever the mask says."""
        for cpu in sorted(cpus | {mm.task.cpu}):
            await insn(cpu, "stxa_DMMU_DEMAP", len(addrs), *(Operand(addr, 1) for addr in addrs))
        await flush_cpus_by_ipi(mm, cpus | {mm.task.cpu}, request, "last")

    @hookimpl
    async def ptep_set_access_flags(self, mm: Mm, addr: int, entry: Pte) -> None:
        """set_pte_at(): maybe_tlb_batch_add() of what was there; no section is open in a fault, so at once."""
        await set_pte_at(mm, addr, entry)
        await self.need_flush(mm, addr)

    async def need_flush(self, mm: Mm, page: int) -> None:
        """maybe_tlb_batch_add(): what maps the kernel is left to flush_tlb_kernel_range()."""
        if not mm.is_init_mm:
            await super().need_flush(mm, page)

    def stays(self, mm: Mm) -> bool:
        """No part of switch_to() looks at the queue."""
        return mm.era.has(SPARC_LAZY_FIX)

    async def flush_huge(self, mm: Mm, addr: int) -> None:
        """Two entries (REAL_HPAGE_SIZE), a cross call each: global_flush_tlb_page()."""
        half = -(-mm.span[0] // 2)
        for start in (addr, addr + half):
            await self.cross_call(mm, await mm_cpumask(mm), FlushRequest(start, start + half), (start,))

    @hookimpl
    async def pmdp_collapse_flush(self, mm: Mm, addr: int) -> int | None:
        """set_pmd_at() goes through the table that it takes away and flushes each valid entry: tlb_batch_pmd_scan().

        There is no section, so each is flushed at once.
        """
        table: int | None = await get_and_clear_pmd(mm, addr)
        for page in range(addr, addr + mm.span[0]):
            if isinstance(await ptep_get(page), Pte):
                await self.flush_pages(mm, (page,))
        return table

    @hookimpl
    async def switch_mm(self, prev: Mm | None, next: Mm | None) -> None:
        """A CPU that is not in mm_cpumask flushes when it switches to the mm."""
        if next is not None and next.cpus is None and next.task.cpu not in await mm_cpumask(next):
            await cpumask_set_cpu(next)
            await invalidate((next.task.cpu,), next.addrs, "__flush_tlb_mm")
