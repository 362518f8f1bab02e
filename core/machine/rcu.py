"""RCU's grace periods and the IPI of tlb_remove_table_sync_one(), for readers that run with interrupts off.

A lockless walk in software (GUP-fast) keeps the tables that it walks by nothing but disabled interrupts.  Two things
wait for it: a grace period of RCU-sched, and an interrupt to its CPU that is waited for.

A grace period is over once every CPU that was a reader when call_rcu() was called has been seen outside of its section.
The model takes each CPU out of the set by itself, at any moment at which its interrupts are on, and runs the callback
at any moment after the last one.  So a section that starts later delays nothing, as in the kernel, and a callback may
run at once where no reader was inside.  Kernel: kernel/rcu/tree.c:call_rcu(), Documentation/RCU/whatisRCU.rst.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterator

from core.machine.ipi import irqs_off_cell
from core.machine.op import Cell, Cpu, Op, Outcome, Tid
from core.machine.order import Order
from core.machine.task import Task


def rcu_head_cell(what: Hashable) -> Cell:
    """The readers that a grace period for `what` still waits for; None where no callback is queued."""
    return Cell("rcu_head", what)


def call_rcu(what: Hashable, readers: Collection[Cpu]) -> Op:
    """Queue the callback that frees `what`: `readers` with interrupts off at this moment hold it up."""
    cpus = tuple(sorted(readers))

    def step(*off: bool) -> list[Outcome]:
        return [Outcome(None, (frozenset(cpu for cpu, inside in zip(cpus, off, strict=True) if inside),))]

    return Op(f"call_rcu({what})", tuple(map(irqs_off_cell, cpus)), (rcu_head_cell(what),), step, order=Order.FULL)


def quiescent_state(what: Hashable, cpu: Cpu) -> Op:
    """The environment's step: the grace period for `what` sees `cpu` outside of a section."""
    head = rcu_head_cell(what)

    def step(waits: frozenset[Cpu] | None, off: bool) -> list[Outcome]:
        return [Outcome(None, (waits - {cpu},))] if waits and cpu in waits and not off else []

    return Op(f"quiescent state for {what}", (head, irqs_off_cell(cpu)), (head,), step, order=Order.HANDLER)


def rcu_callback(what: Hashable, free: Op) -> Op:
    """The environment's step: the grace period for `what` is over, and the callback does `free`."""
    head = rcu_head_cell(what)

    def step(waits: frozenset[Cpu] | None, *values: Hashable) -> list[Outcome]:
        if waits is None or waits:
            return []
        return [outcome._replace(written=(None, *outcome.written)) for outcome in free.step(*values)]

    return Op(f"RCU callback: {free.name}", (head, *free.reads), (head, *free.writes), step, order=Order.PRIVATE)


def sync_cell(sender: Tid, target: Cpu) -> Cell:
    """Whether `sender` waits for `target` to take the interrupt that does nothing."""
    return Cell("sync", (sender, target))


def send_sync_ipis(task: Task, targets: Collection[Cpu]) -> Op:
    """smp_call_function(tlb_remove_table_smp_sync): interrupt `targets`, of which the task's own CPU is none."""
    cells = tuple(sync_cell(task.tid, cpu) for cpu in sorted(targets))
    return Op(
        "send sync IPI", (), cells, lambda: [Outcome(None, (True,) * len(cells))], event=("ipi_sync",), order=Order.FULL
    )


def take_sync_ipi(sender: Tid, cpu: Cpu) -> Op:
    """The environment's step: `cpu` is interrupted, which is all."""
    cell = sync_cell(sender, cpu)

    def step(asked: bool, off: bool) -> list[Outcome]:
        return [Outcome(None, (False,))] if asked and not off else []

    return Op(f"take sync IPI of T{sender}", (cell, irqs_off_cell(cpu)), (cell,), step, order=Order.HANDLER)


def wait_sync_ipis(task: Task, targets: Collection[Cpu]) -> Op:
    """Wait until all `targets` have been interrupted."""
    cells = tuple(sync_cell(task.tid, cpu) for cpu in sorted(targets))
    return Op("wait for sync IPI", cells, (), lambda *asked: [] if any(asked) else [Outcome(None)], order=Order.ACQUIRE)


def environment(whats: Collection[Hashable], readers: Collection[Cpu]) -> Iterator[tuple[Cpu, Op]]:
    """Each (CPU, step) by which grace periods for `whats` advance while `readers` may hold them up."""
    for what in whats:
        for cpu in sorted(readers):
            yield cpu, quiescent_state(what, cpu)
