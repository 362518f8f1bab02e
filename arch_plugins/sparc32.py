"""sparc32: cross calls (xc3) to mm_cpumask; the SRMMU sets the modified bit itself.

arch/sparc/mm/srmmu.c:smp_flush_tlb_range(), smp_flush_tlb_mm().
"""

from __future__ import annotations

from arch_plugins.families.ipi import Ipi
from core.hookspecs import Facts, hookimpl
from core.machine.ipi import FlushRequest
from core.mm.kthread import alone, trim_cpumask
from core.mm.mm import Mm, mm_cpumask


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
        """smp_flush_tlb_mm(): the only user of the mm takes the other CPUs out of the mask once they have flushed."""
        others = await mm_cpumask(mm) - {mm.task.cpu}
        await self.ask(mm, FlushRequest())
        if mm.cpus is None and others and await alone(mm):
            await trim_cpumask(mm.task.cpu)

    @hookimpl
    async def activate_mm(self, mm: Mm) -> None:
        """arch/sparc/mm/srmmu.c:switch_mm() loads the context; the CPU's bit in mm_cpumask comes with switch_to()."""
