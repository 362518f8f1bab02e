"""hexagon: up to six hardware threads share one MMU, so one hypercall (vmclrmap) is enough.

arch/hexagon/mm/vm_tlb.c:flush_tlb_range(), flush_tlb_mm(), flush_tlb_page(): only if the mm is the map of the thread
that flushes (current->active_mm).
"""

from __future__ import annotations

from dataclasses import replace

from arch_plugins.families.facts import TWO_LEVELS
from arch_plugins.families.local import Local
from core.machine.insn import Operand
from core.machine.ipi import FlushRequest
from core.mm.kthread import active_mm
from core.mm.mm import Mm


class Hexagon(Local):
    """4 KiB pages."""

    page_insn, mm_insn = "vmclrmap", "vmclrmap_all"
    FACTS = replace(
        TWO_LEVELS,
        kernel="6.12.117",
        family="one TLB shared by hardware threads",
        sources=("arch/hexagon/mm/vm_tlb.c", "arch/hexagon/include/asm/pgtable.h"),
    )

    def insns(self, request: FlushRequest) -> tuple[str, int]:
        """One hypercall for a range of any length."""
        return (self.mm_insn if request.end is None else self.page_insn), 1

    def operand(self, name: str, nr: int, request: FlushRequest) -> Operand:
        of = super().operand(name, nr, request)
        return of if request.end is None else of._replace(nr=request.end - request.start)

    async def ask(self, mm: Mm, request: FlushRequest) -> None:
        if await active_mm(mm.task.cpu):
            await super().ask(mm, request)
