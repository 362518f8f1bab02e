"""riscv without ASIDs, or with too few of them: every switch of the mm flushes everything, and a hart leaves the mask.

arch/riscv/mm/context.c:set_mm_noasid(), set_mm(); asids_init() wants more than twice as many ASIDs as CPUs.
"""

from __future__ import annotations

from dataclasses import replace

from arch_plugins.riscv import Riscv
from core.hookspecs import Facts, hookimpl
from core.machine.op import Cpu, Op, Outcome
from core.machine.order import Order
from core.machine.tlb import tlb_cell
from core.mm.kthread import on_mm_cell
from core.mm.mm import Mm, cpumask_clear_cpu, cpumask_set_cpu


class RiscvNoAsid(Riscv):
    """6.12."""

    @hookimpl
    def arch_facts(self) -> Facts:
        return replace(super().arch_facts(), user_asids=0)

    @hookimpl
    async def switch_mm(self, prev: Mm | None, next: Mm | None) -> None:
        """switch_mm() returns where prev == next; set_mm() changes both bits before SATP is written."""
        if prev is not None and prev is not next:
            await cpumask_clear_cpu(prev)
            await self.set_mm_noasid(prev, on=False)
        if next is not None and next.cpus is None and not await on_mm(next.task.cpu):
            await cpumask_set_cpu(next)
            await self.set_mm_noasid(next, on=True)

    async def set_mm_noasid(self, mm: Mm, on: bool) -> None:
        """Load SATP and flush everything; interrupts are off, so no request is served between the two."""
        cpu = mm.task.cpu
        cells = (on_mm_cell(cpu), *(tlb_cell(cpu, addr) for addr in mm.addrs))
        empty = (None,) * len(mm.addrs)
        await Op("load SATP; SFENCE.VMA", (), cells, lambda: [Outcome(None, (on, *empty))], order=Order.FLUSH)


def on_mm(cpu: Cpu) -> Op:
    """prev == next: is SATP already that of the mm?"""
    return Op("prev == next", (on_mm_cell(cpu),), (), lambda on: [Outcome(on)], order=Order.PRIVATE)
