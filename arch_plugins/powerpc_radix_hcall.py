"""powerpc book3s64 radix in a guest without GTSE: the hypervisor flushes, by H_RPT_INVALIDATE.

arch/powerpc/mm/book3s64/radix_tlb.c: !mmu_has_feature(MMU_FTR_GTSE) and FLUSH_TYPE_GLOBAL; plpar_wrappers.h:
pseries_rpt_invalidate().  Where no other CPU has the mm the guest executes tlbiel itself.
"""

from __future__ import annotations

from dataclasses import replace

from arch_plugins.families.broadcast import Insns, with_operands
from arch_plugins.powerpc_radix import PowerpcRadix
from core.machine.broadcast import complete
from core.machine.insn import Operand
from core.machine.ipi import FlushRequest
from core.mm.mm import Mm


class PowerpcRadixHcall(PowerpcRadix):
    """A pseries guest. A range is one call, however long."""

    ceiling, mm_insn, page_insn = None, "H_RPT_INVALIDATE", "H_RPT_INVALIDATE"

    FACTS = replace(PowerpcRadix.FACTS, family="hypercall")

    def of_range(self, start: int, end: int, stride: int, leaf: bool) -> Insns:
        """One hypercall, whatever the range."""
        return [(self.page_insn, 1, (Operand(start, -(-(end - start) // stride), stride, 1, leaf, everywhere=True),))]

    async def flush(self, mm: Mm, insns: Insns, request: FlushRequest, local: bool) -> None:
        """pseries_rpt_invalidate() returns when the flush is complete."""
        if local:
            name = "tlbie_pid" if request.end is None else "tlbie_va"
            await super().flush(mm, [(name, 1, of) for _, _, of in with_operands(insns)], request, local)
            return
        await self.send(mm, insns, request)
        await complete(mm.task.cpu, mm.everyone, mm.addrs, self.mm_insn)
