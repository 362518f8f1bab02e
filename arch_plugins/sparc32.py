"""sparc32: cross calls (xc3) to mm_cpumask; the SRMMU sets the modified bit itself.

arch/sparc/mm/srmmu.c:smp_flush_tlb_range(), smp_flush_tlb_mm().
"""

from __future__ import annotations

from arch_plugins.families.ipi import Ipi
from core.hookspecs import Facts, hookimpl
from core.machine.ipi import FlushRequest
from core.mm.kthread import active_mm, mm_users, trim_cpumask
from core.mm.mm import Mm, cpumask_set_cpu, mm_cpumask


class Sparc32(Ipi):
    """sun4m."""

    page_insn, mm_insn = "sta_ASI_M_FLUSH_PROBE", "sta_ASI_M_FLUSH_PROBE_CTX"
    FACTS = Facts(
        pointer_size=4,
        ptes_per_table=64,
        upper_entries=64,
        levels=3,
        kernel="6.12",
        family="synchronous IPI to mm_cpumask",
        sources=(
            "arch/sparc/mm/srmmu.c",
            "arch/sparc/include/asm/pgtable_32.h",
            "arch/sparc/include/asm/switch_to_32.h",
        ),
    )

    @hookimpl
    async def flush_tlb_mm(self, mm: Mm) -> None:
        """smp_flush_tlb_mm(): the only user of the mm takes the other CPUs out of the mask once they have flushed.

        So does a kernel thread that has borrowed the mm: it asks for active_mm.
        """
        here = mm.task.cpu
        others = await mm_cpumask(mm) - {here}
        await self.ask(mm, FlushRequest())
        if mm.cpus is None and others and await mm_users() == 1 and await active_mm(here):
            await trim_cpumask(here)

    @hookimpl
    async def switch_mm(self, mm: Mm) -> None:
        """arch/sparc/mm/srmmu.c: loads the context, and sets no bit; so do activate_mm() and kthread_use_mm()."""

    @hookimpl
    async def switch_to(self, mm: Mm) -> None:
        """arch/sparc/include/asm/switch_to_32.h: the only place where a CPU joins mm_cpumask."""
        await cpumask_set_cpu(mm)
