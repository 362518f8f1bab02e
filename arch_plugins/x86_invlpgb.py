"""x86 with INVLPGB: AMD's broadcast for an mm with a global ASID; TLBSYNC waits for the issuer's own.

arch/x86/mm/tlb.c:broadcast_tlb_flush(), arch_tlbbatch_flush() (6.15 and later); the ceiling is that of
flush_tlb_mm_range().
"""

from __future__ import annotations

from arch_plugins.families.broadcast import Broadcast
from core.hookspecs import Facts, hookimpl
from core.machine.ipi import FlushRequest
from core.mm.batched_unmap import UnmapBatch
from core.mm.mm import Mm


class X86Invlpgb(Broadcast):
    """Zen 3 and later, an mm that has run on enough CPUs to get a global ASID."""

    barrier, mm_insn, page_insn, ceiling = "TLBSYNC", "INVLPGB_PCID", "INVLPGB_ADDR", 33
    takes_stride = True

    FACTS = Facts(
        rcu_table_free=True,
        merge_vmas=True,
        runtime_p4d=True,
        capabilities=frozenset({"batched_unmap", "gup_fast", "move_pmd", "ordered_clear", "shares_pmd_tables"}),
        sources=("arch/x86/mm/tlb.c", "arch/x86/include/asm/tlb.h"),
        kernel="6.15",
        family="hardware broadcast",
    )

    @hookimpl
    async def arch_tlbbatch_add_pending(self, mm: Mm, batch: UnmapBatch, addr: int) -> None:
        """batch->unmapped_pages, which is the core's `flush_required`: no CPU need be known."""

    @hookimpl
    async def arch_tlbbatch_flush(self, mm: Mm, batch: UnmapBatch) -> None:
        """invlpgb_flush_all_nonglobals()."""
        await self.broadcast(mm, [("INVLPGB_ALL_NONGLOBALS", 1)], FlushRequest())
