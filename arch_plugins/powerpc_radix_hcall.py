"""powerpc book3s64 radix in a guest without GTSE: the hypervisor flushes, by H_RPT_INVALIDATE.

arch/powerpc/mm/book3s64/radix_tlb.c: !mmu_has_feature(MMU_FTR_GTSE) and FLUSH_TYPE_GLOBAL; plpar_wrappers.h:
pseries_rpt_invalidate().  Where no other CPU has the mm the guest executes tlbiel itself.
"""

from __future__ import annotations

from dataclasses import replace

from arch_plugins.families.broadcast import Insns, with_operands
from arch_plugins.families.radix_lazy import FlushType
from arch_plugins.powerpc_radix import PowerpcRadix
from core.machine.broadcast import complete
from core.machine.ipi import FlushRequest
from core.mm.mm import Mm


class PowerpcRadixHcall(PowerpcRadix):
    """A pseries guest. A range is one call, however long."""

    ceiling, hypercall = None, "H_RPT_INVALIDATE"

    FACTS = replace(PowerpcRadix.FACTS, family="hypercall")

    async def flush(self, mm: Mm, insns: Insns, request: FlushRequest, kind: FlushType) -> None:
        """pseries_rpt_invalidate() returns when the flush is complete."""
        if kind != "global":
            await super().flush(mm, insns, request, kind)
            return
        operands = tuple(of for _, _, each in with_operands(insns) for of in each)
        await self.send(mm, [(self.hypercall, 1, operands)], request)
        await complete(mm.task.cpu, mm.everyone, mm.addrs, self.hypercall)
