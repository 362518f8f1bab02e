"""A context that switch_mm() writes to the process control block, from where only switch_to() loads it: alpha of 6.1.

Data types
    cell ('pcb_asn', cpu)      the PCB of the task on `cpu` has an ASN that the hardware has not loaded yet
"""

from __future__ import annotations

from arch_plugins.families.context import ContextReset, get_context
from core.hookspecs import hookimpl
from core.machine.memory import declare
from core.machine.op import Cell, Cpu, Op, Outcome
from core.machine.order import Order
from core.machine.tlb import tlb_cell
from core.mm.mm import Mm, cpumask_set_cpu

PCB_ASN = declare("pcb_asn", False, of_mm=True)


def pcb_asn_cell(cpu: Cpu) -> Cell:
    """Whether the PCB of the task on `cpu` has an ASN that the hardware has not loaded yet."""
    return Cell(PCB_ASN, cpu)


def alpha_switch_to(mm: Mm) -> Op:
    """Load the PCB: nothing is cached under an ASN that is new."""
    cpu = mm.task.cpu
    pcb, tlb = pcb_asn_cell(cpu), tuple(tlb_cell(cpu, addr) for addr in mm.addrs)

    def step(new: bool, *entries: object) -> list[Outcome]:
        return [Outcome(None, (False, *((None,) * len(entries) if new else entries)))]

    return Op("alpha_switch_to", (pcb, *tlb), (pcb, *tlb), step, order=Order.FLUSH)


class PcbContext(ContextReset):
    """kthread_use_mm() calls switch_mm() alone: the kernel thread goes on under the ASN that is loaded."""

    @hookimpl
    async def switch_mm(self, prev: Mm | None, next: Mm | None) -> None:
        """arch/alpha/include/asm/mmu_context.h:ev5_switch_mm(). 6.12 loads the ASN where next == current."""
        if next is None:
            return
        if next.cpus is not None:
            await self.take_context(next)
            return
        cpu = next.task.cpu
        await cpumask_set_cpu(next)
        if not await get_context(cpu):
            await Op("pcb.asn = new", (), (pcb_asn_cell(cpu),), lambda: [Outcome(None, (True,))], order=Order.PLAIN)

    @hookimpl
    async def switch_to(self, mm: Mm) -> None:
        await alpha_switch_to(mm)

    @hookimpl
    async def activate_mm(self, mm: Mm) -> None:
        """__load_new_mm_context()."""
        await self.take_context(mm)
