"""kernel/exit.c: a thread drops its address space; the last one tears it down."""

from __future__ import annotations

from collections.abc import Sequence

from core.machine.op import Op, Outcome
from core.machine.order import Order
from core.mm.kthread import current_mm_cell, mmput
from core.mm.mm import Mm, Vma
from core.mm.mmap import exit_mmap


async def exit_mm(mm: Mm, vmas: Sequence[Vma]) -> None:
    """exit_mm() of a thread whose mm nobody has borrowed, so that the last one to exit is the last one on it."""
    if await exit_and_mmput(mm, vmas):
        await mm.hook.destroy_context(mm=mm)  # mmdrop()


async def exit_and_mmput(mm: Mm, vmas: Sequence[Vma]) -> bool:
    """exit_mm(): the CPU continues like a kernel thread, on borrowed page tables; then mmput(), __mmput().

    Returns whether it was the last user.  The mm itself goes with the last mmdrop(), which is the caller's.
    """
    await Op(
        "current->mm = NULL",
        (),
        (current_mm_cell(mm.task.cpu),),
        lambda: [Outcome(None, (False,))],
        order=Order.PRIVATE,
    )
    await mm.hook.enter_lazy_tlb(mm=mm)
    last = bool(await mmput())
    if last:
        await exit_mmap(mm, vmas)
    return last
