"""alpha: a new ASN for any range (MMU_GATHER_NO_RANGE); IPI to every CPU, or none for a single user.

arch/alpha/kernel/smp.c:flush_tlb_mm(), flush_tlb_range().  6.1 sets the contexts of the other CPUs to 0 for a single
user; 6.12 leaves them alone only if there are none (mm_context_elsewhere()).
"""

from __future__ import annotations

from dataclasses import replace

from arch_plugins.families.context import ContextReset, any_context
from core.hookspecs import Facts
from core.machine.op import Cpu


class Alpha(ContextReset):
    """8 KiB pages; stores fault on write to set the dirty bit (FOW)."""

    ceiling, page_insn, mm_insn, to_all = 0, "tbi", "flush_tlb_current", True
    FACTS = Facts(
        page_size=8192,
        ptes_per_table=1024,
        upper_entries=1024,
        levels=3,
        no_range=True,
        hw_dirty=False,
        kernel="6.12",
        family="IPI to every CPU, context reset",
        sources=("arch/alpha/kernel/smp.c", "arch/alpha/include/asm/tlbflush.h", "arch/alpha/include/asm/tlb.h"),
    )

    async def leave_alone(self, others: frozenset[Cpu]) -> bool:
        return not await any_context(others)


class AlphaV61(Alpha):
    """6.1."""

    FACTS = replace(Alpha.FACTS, kernel="6.1")

    async def leave_alone(self, others: frozenset[Cpu]) -> bool:
        return await ContextReset.leave_alone(self, others)
