"""include/linux/pgtable.h: sections of lazy-MMU mode that nest, and that can be left out for a while (2025).

An architecture may put off the updates of entries that are made in a section.  Up to 6.18 sections must not nest, and
one that does (an allocation in a section that maps its page) ends the outer one early.  Then the core counts how deep
the task is: only the outermost begins and ends the architecture's section, and where an inner one ends the updates are
flushed, for its caller relies on them.  Between pause and resume entries change at once, whatever the depth.

Data types
    cell ('lazy_mmu', tid)    task_struct.lazy_mmu_state: (how deep, paused at which depth; 0 is none)
"""

from __future__ import annotations

from core.machine.memory import declare
from core.machine.op import Cell, Op, Outcome
from core.machine.order import Order
from core.mm.mm import Mm

State = tuple[int, int]

LAZY_MMU = declare("lazy_mmu", (0, 0))


def lazy_mmu_cell(mm: Mm) -> Cell:
    """The state of this task."""
    return Cell(LAZY_MMU, mm.task.tid)


def _state(mm: Mm) -> Op:
    return Op("lazy_mmu_state", (lazy_mmu_cell(mm),), (), lambda state: [Outcome(state)], order=Order.PRIVATE)


def _set(mm: Mm, state: State) -> Op:
    name = f"lazy_mmu_state = {state[0]}{', paused' if state[1] else ''}"
    return Op(name, (), (lazy_mmu_cell(mm),), lambda: [Outcome(None, (state,))], order=Order.PRIVATE)


async def lazy_mmu_mode_enable(mm: Mm) -> None:
    """A section begins, perhaps within another."""
    depth, paused = await _state(mm)
    await _set(mm, (depth + 1, paused))
    if not depth and not paused:
        await mm.hook.arch_enter_lazy_mmu_mode(mm=mm)


async def lazy_mmu_mode_disable(mm: Mm) -> None:
    """The innermost section ends: what it has put off is done on return."""
    depth, paused = await _state(mm)
    assert depth > 0, "lazy_mmu_mode_disable() outside a section"
    await _set(mm, (depth - 1, paused))
    if paused:
        return
    if depth == 1:
        await mm.hook.arch_leave_lazy_mmu_mode(mm=mm)
    else:
        await mm.hook.arch_flush_lazy_mmu_mode(mm=mm)


async def lazy_mmu_mode_pause(mm: Mm) -> None:
    """Entries change at once from here on."""
    depth, paused = await _state(mm)
    await _set(mm, (depth, paused + 1))
    if depth and not paused:
        await mm.hook.arch_leave_lazy_mmu_mode(mm=mm)


async def lazy_mmu_mode_resume(mm: Mm) -> None:
    """The end of what lazy_mmu_mode_pause() has begun."""
    depth, paused = await _state(mm)
    assert paused > 0, "lazy_mmu_mode_resume() without lazy_mmu_mode_pause()"
    await _set(mm, (depth, paused - 1))
    if depth and paused == 1:
        await mm.hook.arch_enter_lazy_mmu_mode(mm=mm)
