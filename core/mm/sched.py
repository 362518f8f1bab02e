"""kernel/sched/core.c:context_switch(), as far as it concerns address spaces."""

from __future__ import annotations

from core.mm.mm import Mm


async def switch_in(mm: Mm, prev: Mm | None = None) -> None:
    """Switch to `mm.task`, which runs in user mode on `mm`: switch_mm_irqs_off(), switch_to(), finish_task_switch().

    `prev` is rq->prev_mm, on whose page tables the CPU is: `mm` itself where a kernel thread has borrowed them, None
    for one that is not in the model.
    """
    await mm.hook.switch_mm(prev=prev, next=mm)
    await mm.hook.switch_to(mm=mm)


async def switch_out(mm: Mm, lazily: bool) -> None:
    """Switch away: the CPU continues with another mm or, `lazily`, with a kernel thread, which borrows this one."""
    if lazily:
        await mm.hook.enter_lazy_tlb(mm=mm)
    else:
        await mm.hook.switch_mm(prev=mm, next=None)
