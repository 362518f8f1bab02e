"""kernel/sched/core.c:context_switch(), as far as it concerns address spaces."""

from __future__ import annotations

from core.mm.mm import Mm


async def switch_in(mm: Mm) -> None:
    """Switch to `mm.task`, which runs in user mode on `mm`: switch_mm_irqs_off(), switch_to(), finish_task_switch()."""
    await mm.hook.switch_mm(mm=mm)
    await mm.hook.switch_to(mm=mm)


async def switch_out(mm: Mm, lazily: bool) -> None:
    """Switch away: the CPU continues with another mm or, `lazily`, with a kernel thread, which borrows this one."""
    await (mm.hook.enter_lazy_tlb if lazily else mm.hook.leave_mm)(mm=mm)
