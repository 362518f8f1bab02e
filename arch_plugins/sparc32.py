"""sparc32: cross calls (xc3) to every CPU, if mm_cpumask has any but this one; the SRMMU sets the modified bit itself.

arch/sparc/mm/srmmu.c:smp_flush_tlb_range(), smp_flush_tlb_mm(): mm_cpumask decides whether to call, and
arch/sparc/include/asm/smp_32.h:xc3() calls cpu_online_mask.  Of these machines it is sun4m alone: for sun4d, whose
CPUs broadcast what they flush, and LEON load_mmu() puts the local flushes in their place (local_ops).
"""

from __future__ import annotations

from arch_plugins.families.ipi import Ipi
from arch_plugins.families.load_store import LoadStore
from arch_plugins.generic import flush_cpus_by_ipi
from core.hookspecs import Facts, hookimpl
from core.machine.insn import Operand
from core.machine.ipi import FlushRequest
from core.machine.op import Cpu
from core.mm.kthread import active_mm, mm_users, trim_cpumask
from core.mm.mm import Mm, cpumask_set_cpu, mm_cpumask
from core.mm.smp import LocalPart

PGDIR = 1 << 24 - 12
"""Pages of an entry of the topmost table, which one store flushes as a whole: a region (PGDIR_SIZE is 16 MiB)."""


class Sparc32(LoadStore, Ipi):
    """sun4m with SuperSPARC or HyperSPARC: arch/sparc/mm/viking.S, hypersparc.S.

    An entry is cleared by a load, and a swap whose result nobody looks at (asm/pgtable_32.h:set_pte()).
    """

    page_insn, mm_insn = "sta_ASI_M_FLUSH_PROBE", "sta_ASI_M_FLUSH_PROBE_CTX"
    local_part: LocalPart = "last"  # behind sun4m_cross_call()
    FACTS = Facts(
        pointer_size=4,
        ptes_per_table=64,
        upper_entries=64,
        levels=3,
        tables_at_once=("pte", "pmd"),
        kernel="6.12.117",
        family="synchronous IPI to every CPU",
        sources=(
            "arch/sparc/mm/srmmu.c",
            "arch/sparc/mm/viking.S",
            "arch/sparc/include/asm/smp_32.h",
            "arch/sparc/include/asm/pgtable_32.h",
            "arch/sparc/include/asm/switch_to_32.h",
        ),
    )

    def request(self, start: int, end: int, mm: Mm | None = None) -> FlushRequest:
        """viking_flush_tlb_range(): the regions that the range touches."""
        return FlushRequest(start - start % PGDIR, end + -end % PGDIR)

    def insns(self, request: FlushRequest) -> tuple[str, int]:
        if request.end is None or request.end - request.start < PGDIR:
            return super().insns(request)
        return "sta_ASI_M_FLUSH_PROBE_REGION", (request.end - request.start) // PGDIR

    def operand(self, name: str, nr: int, request: FlushRequest) -> Operand:
        of = super().operand(name, nr, request)
        return of._replace(stride=PGDIR, size=PGDIR) if name.endswith("REGION") else of

    async def ask(self, mm: Mm, request: FlushRequest) -> None:
        await self.cross_call(mm, request)

    async def cross_call(self, mm: Mm, request: FlushRequest) -> bool:
        """Flush here, and on all CPUs if mm_cpumask has another CPU. Returns whether it has."""
        here = mm.task.cpu
        mask: frozenset[Cpu] = await mm_cpumask(mm)
        any_other = bool(mask - {here})  # any_other_mm_cpus()
        cpus = mm.cpu_online_mask if any_other else frozenset({here})
        for cpu in sorted(cpus):
            await self.executed(cpu, request)
        await flush_cpus_by_ipi(mm, cpus, request, self.local_part)
        return any_other

    @hookimpl
    async def flush_tlb_mm(self, mm: Mm) -> None:
        """smp_flush_tlb_mm(): the only user of the mm removes the other CPUs from the mask once they have flushed.

        So does a kernel thread that has borrowed the mm, because active_mm is tested.
        """
        called = await self.cross_call(mm, FlushRequest())
        if called and mm.cpus is None and await mm_users() == 1 and await active_mm(mm.task.cpu):
            await trim_cpumask(mm.task.cpu)

    @hookimpl
    async def flush_tlb_kernel_range(self, mm: Mm, start: int, end: int) -> None:
        """asm/tlbflush_32.h: flush_tlb_all(), which is smp_flush_tlb_all()."""
        await flush_cpus_by_ipi(mm, mm.cpu_online_mask, FlushRequest(start, end), self.local_part)

    @hookimpl
    async def switch_mm(self, prev: Mm | None, next: Mm | None) -> None:
        """arch/sparc/mm/srmmu.c: loads the context, and sets no bit; so do activate_mm() and kthread_use_mm()."""

    @hookimpl
    async def switch_to(self, mm: Mm) -> None:
        """arch/sparc/include/asm/switch_to_32.h: the only place where a CPU joins mm_cpumask."""
        await cpumask_set_cpu(mm)
