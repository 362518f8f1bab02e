"""alpha: a new ASN for any range (MMU_GATHER_NO_RANGE); IPI to every CPU, or ASN reset for a single user.

arch/alpha/kernel/smp.c:flush_tlb_mm(), flush_tlb_range().
"""

from __future__ import annotations

from arch_plugins.families.context import ContextReset, get_context
from core.hookspecs import Facts, hookimpl
from core.machine.tlb import invalidate
from core.mm.mm import Mm


class Alpha(ContextReset):
    """8 KiB pages; stores fault on write to set the dirty bit (FOW)."""

    ceiling, page_insn, mm_insn = 0, "tbi", "flush_tlb_current"
    FACTS = Facts(
        page_size=8192,
        ptes_per_table=1024,
        upper_entries=1024,
        no_range=True,
        hw_dirty=False,
        family="IPI to every CPU, context reset",
        sources=("arch/alpha/kernel/smp.c", "arch/alpha/include/asm/tlbflush.h", "arch/alpha/include/asm/tlb.h"),
    )

    @hookimpl
    async def switch_mm(self, mm: Mm) -> None:
        """A task that takes up another mm itself (kthread_use_mm()) gets a new ASN: ev5_switch_mm() of 6.12."""
        await get_context(mm.task.cpu)
        await invalidate((mm.task.cpu,), mm.addrs, "new context")
