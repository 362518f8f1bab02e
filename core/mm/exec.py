"""fs/exec.c: a kernel thread that becomes a process drops the mm whose page tables it has borrowed."""

from __future__ import annotations

from core.machine.op import Op, Outcome
from core.machine.order import Order
from core.mm.kthread import active_mm_cell, local_irq_disable, local_irq_enable, on_mm_cell
from core.mm.mm import Mm


async def exec_mmap(mm: Mm) -> None:
    """exec_mmap(), seen from `mm`, which was only borrowed: current->mm was NULL and is a new mm afterwards.

    Since d53c3dfb23c4 interrupts stay off until the hardware is on the page tables of active_mm
    (CONFIG_ARCH_WANT_IRQS_OFF_ACTIVATE_MM).
    """
    cpu = mm.task.cpu
    await local_irq_disable(cpu)
    await Op("active_mm = new mm", (), (active_mm_cell(cpu),), lambda: [Outcome(None, (False,))], order=Order.PRIVATE)
    if not mm.era.has("d53c3dfb23c4"):
        await local_irq_enable(cpu)
    await Op("activate_mm(new mm)", (), (on_mm_cell(cpu),), lambda: [Outcome(None, (False,))], order=Order.PRIVATE)
    if mm.era.has("d53c3dfb23c4"):
        await local_irq_enable(cpu)
