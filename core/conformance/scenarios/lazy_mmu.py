"""A task is moved to another CPU while it has a lazy-MMU section open, or is about to open one.

The queue of a section belongs to a CPU.  A section for kernel mappings is opened without a page-table lock
(arch/powerpc/mm/pageattr.c:change_memory_attr(), mm/memory.c:apply_to_pte_range()), so it must keep the task there.

B-49, b9ef323ea168, powerpc with a hash table, although __switch_to() closes and reopens a section that is open

CPU0 user            CPU1 change_memory_attr()      CPU1 reclaim
load: cached
                     enter: the queue of CPU1
                     preempted, continues on CPU2
                     it opens the queue of CPU1
                                                    clear the entry: queued
                                                    nothing left to flush: free the page
load: use after free

B-49s, sparc64: switch_to() does not look at the queue, and a section that is open stays so
"""

from __future__ import annotations

from collections.abc import Coroutine
from dataclasses import replace
from functools import cache
from typing import Any

from core.conformance.exhibit import Exhibit
from core.conformance.properties import all_freed, sometimes
from core.conformance.scenario import Scenario
from core.conformance.world import World, load, pick
from core.explore.model import Model
from core.machine.memory import declare
from core.machine.op import Cell, Cpu, Op, Outcome
from core.machine.order import Order
from core.machine.pte import Pte, pte_cell
from core.machine.tlb import tlb_cell
from core.mm.era import SPARC_LAZY_FIX, Era
from core.mm.init_mm import init_mm
from core.mm.mm import Mm, pte_lock, pte_unlock
from core.mm.page import put_page
from core.plugins.arch import Arch

ADDR, PAGE = 0, 0
KERNEL, KERNEL_PAGE = 1, 1
USER, HERE, THERE = Cpu(0), Cpu(1), Cpu(2)

TASK_CPU = Cell(declare("task_cpu", HERE))
"""Where the task that changes kernel mappings is; None when it has ended."""


def goes_to(cpu: Cpu | None) -> Op:
    """The scheduler's part: the task is on another CPU from now on, or has ended."""
    name = "schedule: end" if cpu is None else f"schedule: continue on CPU{cpu}"
    return Op(name, (), (TASK_CPU,), lambda: [Outcome(None, (cpu,))], order=Order.FULL)


async def moved_once(mm: Mm, program: Coroutine[Op, Any, Any]) -> None:
    """Run `program`, and move its task to the other CPU at most once, at any moment at which it may be preempted: also
    behind its last step.
    """
    preempt_count, moved, value = 0, False, None
    while True:
        try:
            op = program.send(value)
        except StopIteration:
            op = None
        if not (moved or preempt_count) and await pick(2):
            await move(mm)
            moved = True
        if op is None:
            await goes_to(None)
            return
        preempt_count += op.preempt
        value = await op


async def move(mm: Mm) -> None:
    """The task is switched away, and continues on the other CPU."""
    lazy = await mm.hook.arch_start_context_switch(mm=mm)
    await goes_to(THERE)
    await mm.hook.arch_end_context_switch(mm=mm, lazy=lazy)


async def change_memory_attr(mm: Mm) -> None:
    """apply_to_existing_page_range() of init_mm: change one kernel entry, without a page-table lock."""
    await mm.hook.arch_enter_lazy_mmu_mode(mm=mm)
    await mm.hook.ptep_get_and_clear(mm=init_mm(mm), addr=KERNEL, nr=1, full=False)
    await mm.hook.arch_leave_lazy_mmu_mode(mm=mm)


@cache
def movable(mm: Mm) -> Mm:
    """The mm as the task sees it that may be moved.  One object, because an Mm is compared by identity."""
    return replace(mm, on_cpu=TASK_CPU)


@cache
def over_here(mm: Mm) -> Mm:
    """The mm as a task of the other CPU sees it where the first one was at first."""
    return mm.on(replace(mm.task, cpu=HERE))


async def changes(mm: Mm) -> None:
    """The task that may be moved."""
    await moved_once(movable(mm), change_memory_attr(movable(mm)))


async def reader(mm: Mm) -> None:
    """Load twice."""
    if await load(mm, ADDR, [PAGE]):
        await load(mm, ADDR, [PAGE])


def starts() -> Op:
    """The scheduler starts another task: where the first one is not, or, once it has ended, where it has been."""

    def step(cpu: Cpu | None) -> list[Outcome]:
        return [Outcome(free) for free in (HERE, THERE) if cpu is None or cpu != free]

    return Op("schedule: start", (TASK_CPU,), (), lambda cpu: [] if cpu == HERE else step(cpu), order=Order.FULL)


async def reclaims(mm: Mm) -> None:
    """kswapd, on a CPU that the other task has left: it takes the page, with no section of its own."""
    if await starts() == HERE:
        mm = over_here(mm)
    await pte_lock(mm, ADDR)
    await mm.hook.ptep_clear_flush(mm=mm, addr=ADDR)
    await pte_unlock(mm, ADDR)
    await put_page(PAGE)


def moved(arch: Arch, era: Era) -> Model:
    """A user, a task that may be moved, and one that runs where that has been: each queue has one user at a time."""
    world = World(
        arch,
        era,
        {ADDR: Pte(PAGE, write=False), KERNEL: Pte(KERNEL_PAGE)},
        more={"cpus": frozenset({USER}), "online": frozenset({USER})},
    )
    world.task("user", reader)
    world.kthread("set_memory", changes)
    world.kthread("reclaim", reclaims)
    window = sometimes(
        "unmapped-after-the-move",
        "the task has been moved, the entry is gone, and the user has had it cached",
        (TASK_CPU, pte_cell(ADDR), tlb_cell(USER, ADDR)),
        lambda cpu, pte, entry: cpu == THERE and pte is None and entry is not None,
    )
    return world.model("lazy-mmu-moved", finally_=[all_freed(PAGE, 0)], sometimes=[window])


SCENARIOS = [
    Scenario(
        "lazy-mmu-moved",
        "no task leaves a lazy-MMU section open on a CPU that it has left: what reclaim clears there is flushed",
        "b9ef323ea168",
        moved,
        tier="optional",
        requires=("smp", "several_cpus", "cpu_queue"),
    ),
]

EXHIBITS = [
    Exhibit(
        "B-49",
        "b9ef323ea168",
        "a lazy-MMU section of kernel mappings can be preempted: it is opened on a CPU that its task has left",
        "lazy-mmu-moved",
        plugin="arch_plugins.powerpc_hash:PowerpcHash",
        era="6.12",
        lacks=frozenset({"b9ef323ea168"}),
    ),
    Exhibit(
        "B-49s",
        SPARC_LAZY_FIX,
        "the same on sparc64, where a section that is open stays so on the CPU that its task leaves",
        "lazy-mmu-moved",
        plugin="arch_plugins.sparc64:Sparc64",
        era="6.12",
        lacks=frozenset({SPARC_LAZY_FIX}),
    ),
]
