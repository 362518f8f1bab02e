"""kernel/exit.c: a thread drops its address space; the last one tears it down."""

from __future__ import annotations

from collections.abc import Sequence

from core.machine.op import Op, Outcome
from core.machine.order import Order
from core.mm.kthread import current_mm_cell, mmput
from core.mm.mm import Mm, Vma
from core.mm.mmap import exit_mmap


async def exit_mm(mm: Mm, vmas: Sequence[Vma]) -> None:
    """exit_mm(): the CPU continues like a kernel thread, on borrowed page tables; then mmput(), __mmput()."""
    await Op(
        "current->mm = NULL",
        (),
        (current_mm_cell(mm.task.cpu),),
        lambda: [Outcome(None, (False,))],
        order=Order.PRIVATE,
    )
    await mm.hook.enter_lazy_tlb(mm=mm)
    if await mmput():
        await exit_mmap(mm, vmas)
        await mm.hook.destroy_context(mm=mm)  # mmdrop(): nobody has borrowed its page tables any more
