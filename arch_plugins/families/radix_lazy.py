"""CPUs that are on an mm of powerpc radix only because nobody has taken its page tables from them.

arch/powerpc/mm/book3s64/radix_tlb.c: the only thread of an mm sends the other CPUs of mm_cpumask the request to leave
it, and then flushes locally.
"""

from __future__ import annotations

from typing import Literal

from core.machine.ipi import send_ipis, wait_ipis
from core.machine.op import Cpu, Op, Outcome
from core.machine.order import Order
from core.mm.kthread import ExitLazyTlb, alone, on_mm_cell, trim_cpumask
from core.mm.mm import Mm, mm_cpumask


def load_pid(cpu: Cpu) -> Op:
    """radix__switch_mmu_context()."""
    return Op("load PID", (), (on_mm_cell(cpu),), lambda: [Outcome(None, (True,))], order=Order.PRIVATE)


FlushType = Literal["none", "local", "global"]
"""enum tlb_flush_type."""


async def flush_type_needed(mm: Mm, fullmm: bool = False) -> FlushType:
    """Nothing for an mm that no CPU is on; on this CPU alone where no other is, or can be made to leave.

    `fullmm`: the mm is taken down, and nobody is made to leave.
    """
    here = mm.task.cpu
    mask: frozenset[Cpu] = await mm_cpumask(mm)
    if not mask:
        return "none"
    if mask == {here}:
        return "local"
    if fullmm or not await alone(mm):
        return "global"
    await exit_flush_lazy_tlbs(mm)
    if not mm.era.has("a665eec0a22e"):
        await trim_cpumask(here)  # mm_reset_thread_local()
    return "local"


async def exit_flush_lazy_tlbs(mm: Mm) -> None:
    """Send the other CPUs of the mask the request to leave the mm."""
    others = await mm_cpumask(mm) - {mm.task.cpu}
    if others:
        await send_ipis(mm.task, others, ExitLazyTlb())
        await wait_ipis(mm.task, others)
