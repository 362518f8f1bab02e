"""kernel/kthread.c: a kernel thread starts to use an address space, uses it, and stops.

Afterwards it still has it: until its CPU switches to another user mm the hardware stays on the page tables of the last
one (lazy TLB), and may go on filling the TLB from them.  current->mm says whose memory the task may use, active_mm
which page tables the CPU is on.  Interrupts are off while the two change, so that an interrupt finds the CPU on one or
the other (38cf307c1f20).

Data types
    cell ('mm_users', None)      mm->mm_users: tasks that run on the mm, and holders of references by mmget()
    cell ('current_mm', cpu)     is current->mm == mm on `cpu`?
    cell ('active_mm', cpu)      is current->active_mm == mm there?
    cell ('on_mm', cpu)          is the hardware on its page tables?  Only where that matters
    ExitLazyTlb                  the request to leave an mm that is only borrowed, in a cell of `core.machine.ipi`
"""

from __future__ import annotations

from dataclasses import dataclass

from core.machine.ipi import csd_cell, irqs_off_cell
from core.machine.memory import declare
from core.machine.op import Cell, Cpu, Op, Outcome, Tid
from core.machine.order import Order
from core.machine.tlb import speculative_fill, tlb_cell
from core.mm.mm import CPUMASK, Mm

MM_USERS = Cell(declare("mm_users", 2, of_mm=True))


def mm_users() -> Op:
    """atomic_read(&mm->mm_users)."""
    return Op("mm_users", (MM_USERS,), (), lambda users: [Outcome(users)], order=Order.PLAIN)


def mmget_not_zero() -> Op:
    """Take a reference to the mm as a user of it, from outside. False if the mm is being torn down."""

    def step(users: int) -> list[Outcome]:
        return [Outcome(users > 0, (users + (users > 0),))]

    return Op("mmget_not_zero", (MM_USERS,), (MM_USERS,), step, order=Order.FULL)


def mmput() -> Op:
    """Drop a reference. Returns whether it was the last, whose owner tears the mm down (__mmput())."""
    return Op("mmput", (MM_USERS,), (MM_USERS,), lambda users: [Outcome(users == 1, (users - 1,))], order=Order.FULL)


CURRENT_MM = declare("current_mm", True, "ghost", of_mm=True)


def current_mm_cell(cpu: Cpu) -> Cell:
    """Is current->mm the mm, on this CPU?"""
    return Cell(CURRENT_MM, cpu)


ACTIVE_MM = declare("active_mm", True, "ghost", of_mm=True)


def active_mm_cell(cpu: Cpu) -> Cell:
    """Is current->active_mm the mm, on this CPU?"""
    return Cell(ACTIVE_MM, cpu)


ON_MM = declare("on_mm", False, "ghost", of_mm=True)


def on_mm_cell(cpu: Cpu) -> Cell:
    """Does the hardware of this CPU walk the mm's page tables?"""
    return Cell(ON_MM, cpu)


def current_mm(cpu: Cpu) -> Op:
    """current->mm == mm, tested by the task that has the CPU."""
    return Op("current->mm", (current_mm_cell(cpu),), (), lambda mine: [Outcome(mine)], order=Order.PRIVATE)


def active_mm(cpu: Cpu) -> Op:
    """current->active_mm == mm, tested by the task that has the CPU; true also for a kernel thread that has borrowed
    the mm.
    """
    return Op("current->active_mm", (active_mm_cell(cpu),), (), lambda mine: [Outcome(mine)], order=Order.PRIVATE)


async def alone(mm: Mm) -> bool:
    """current->mm == mm && mm_users == 1: no other task uses the mm, unless it is taken from outside just now."""
    return bool(await current_mm(mm.task.cpu)) and bool(await mm_users() == 1)


def trim_cpumask(cpu: Cpu) -> Op:
    """cpumask_copy(mm_cpumask(mm), cpumask_of(cpu))."""
    return Op(f"mm_cpumask = CPU{cpu}", (), (CPUMASK,), lambda: [Outcome(None, (frozenset({cpu}),))], order=Order.PLAIN)


def local_irq_disable(cpu: Cpu) -> Op:
    """Not while an interrupt handler is running on the CPU: the task continues only after it."""
    cell = irqs_off_cell(cpu)
    return Op(
        "local_irq_disable", (cell,), (cell,), lambda off: [] if off else [Outcome(None, (True,))], order=Order.PRIVATE
    )


def local_irq_enable(cpu: Cpu) -> Op:
    """Pending interrupts are taken from now on."""
    return Op("local_irq_enable", (), (irqs_off_cell(cpu),), lambda: [Outcome(None, (False,))], order=Order.PRIVATE)


async def kthread_use_mm(mm: Mm) -> None:
    """Start to use the mm; the caller keeps it from being torn down (`mmget_not_zero`)."""
    cpu = mm.task.cpu
    await local_irq_disable(cpu)
    await Op("active_mm = mm", (), (active_mm_cell(cpu),), lambda: [Outcome(None, (True,))], order=Order.PRIVATE)
    await Op("current->mm = mm", (), (current_mm_cell(cpu),), lambda: [Outcome(None, (True,))], order=Order.PRIVATE)
    await mm.hook.switch_mm(prev=None, next=mm)
    await local_irq_enable(cpu)


async def kthread_unuse_mm(mm: Mm) -> None:
    """Stop using the mm; active_mm and the hardware stay on it."""
    cpu = mm.task.cpu
    await local_irq_disable(cpu)
    await Op("current->mm = NULL", (), (current_mm_cell(cpu),), lambda: [Outcome(None, (False,))], order=Order.PRIVATE)
    await mm.hook.enter_lazy_tlb(mm=mm)
    await local_irq_enable(cpu)


def lazy_fill(cpu: Cpu, addr: int, hw_dirty: bool) -> Op:
    """Daemon: the walker of `cpu` caches a translation at any time, while the CPU is on the mm's page tables."""
    return while_on(cpu, speculative_fill(cpu, addr, hw_dirty))


def while_on(cpu: Cpu, walk: Op) -> Op:
    """`walk`, enabled only while the hardware is on the mm's page tables."""
    return Op(
        walk.name,
        (on_mm_cell(cpu), *walk.reads),
        walk.writes,
        lambda on, *v: walk.step(*v) if on else [],
        order=walk.order,
    )


@dataclass(frozen=True, slots=True)
class ExitLazyTlb:
    """do_exit_flush_lazy_tlb(): leave the mm if it is only borrowed, and drop everything cached of it."""

    def covers(self, addr: int) -> bool:
        """Does it flush virtual page `addr`?  It flushes all of the mm."""
        return True

    def forgets(self, addr: int, entry: object) -> bool:
        """Does it flush this TLB entry?  It flushes entries of every level."""
        return True

    def __str__(self) -> str:
        return "exit lazy TLB"


def exit_lazy_flush_tlb(mm: Mm, sender: Tid, cpu: Cpu) -> Op:
    """`cpu` receives the request to leave the mm: arch/powerpc/mm/book3s64/radix_tlb.c:exit_lazy_flush_tlb().

    A borrower switches to init_mm, and only a CPU that is off the mm clears its bit.  Before a665eec0a22e the sending
    CPU cleared all bits afterwards, and a task that ran on the mm here was taken for the sender itself and flushed
    nothing. One step, because only the sender, which waits, looks at what it changes.
    """
    csd, cells = csd_cell(sender, cpu), tuple(tlb_cell(cpu, addr) for addr in mm.addrs)
    gone = (None,) * len(cells)
    careful = mm.era.has("a665eec0a22e")

    def step(
        request: object, irqs_off: bool, uses: bool, active: bool, on: bool, mask: frozenset[Cpu], *tlb: object
    ) -> list[Outcome]:
        if not isinstance(request, ExitLazyTlb) or irqs_off:
            return []
        if uses:
            return [Outcome(None, (None, active, on, mask, *(gone if careful else tlb)))]
        return [Outcome(None, (None, False, on and not active, mask - {cpu} if careful else mask, *gone))]

    changed = (active_mm_cell(cpu), on_mm_cell(cpu), CPUMASK, *cells)
    reads = (csd, irqs_off_cell(cpu), current_mm_cell(cpu), *changed)
    return Op(f"IPI of T{sender}: exit lazy TLB", reads, (csd, *changed), step, order=Order.HANDLER)
