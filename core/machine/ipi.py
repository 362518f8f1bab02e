"""Inter-processor interrupts as smp_call_function_many() sends them: send, be served, wait.

A cell ('csd', (sender, target)) holds the request that `sender` has sent to the CPU `target`, None once it has been
served. Each sender has a slot of its own at each target, as each call_single_data has (kernel/smp.c), so the requests
of different senders are served in any order.  A CPU serves a request between two instructions of whatever it runs,
unless it has interrupts off.

Sending to several CPUs is one step here.  No behaviour is lost: until the last request is sent, the sender does nothing
that another CPU could see, and a request that is served before that could as well be served after it.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from typing import NamedTuple, Protocol

from core.machine.memory import declare
from core.machine.op import Cell, Cpu, Op, Outcome, Tid
from core.machine.order import Order
from core.machine.task import Task
from core.machine.tlb import Upper, invalidate, tlb_cell


class Request(Hashable, Protocol):
    """What one CPU can request from another in an IPI: forget some TLB entries."""

    def covers(self, addr: int) -> bool:
        """Does it flush virtual page `addr`?"""

    def forgets(self, addr: int, entry: object) -> bool:
        """Does it flush this TLB entry of `addr`?"""


class FlushRequest(NamedTuple):
    """Flush virtual pages `start` to `end` (exclusive); everything if `end` is None.

    `leaf` spares cached entries of upper levels (TLBI VALE1IS, SFENCE.VMA of an address, tlbie with RIC=0).
    """

    start: int = 0
    end: int | None = None
    leaf: bool = False

    def covers(self, addr: int) -> bool:
        """Does it flush virtual page `addr`?"""
        return self.end is None or self.start <= addr < self.end

    def forgets(self, addr: int, entry: object) -> bool:
        """Does it flush this TLB entry of `addr`?"""
        return self.covers(addr) and not (self.leaf and isinstance(entry, Upper))

    def __str__(self) -> str:
        what = "flush leaf" if self.leaf else "flush"
        return f"{what} all" if self.end is None else f"{what} [{self.start}, {self.end})"


def flush_here(cpu: Cpu, addrs: Sequence[int], request: Request, name: str) -> Op:
    """`cpu` executes `request` itself, as it would if it received it in an IPI."""
    covered = [addr for addr in addrs if request.covers(addr)]
    if isinstance(request, FlushRequest) and not request.leaf:
        return invalidate((cpu,), covered, name)
    cells = tuple(tlb_cell(cpu, addr) for addr in covered)

    def step(*entries: object) -> list[Outcome]:
        kept = (None if request.forgets(addr, e) else e for addr, e in zip(covered, entries, strict=True))
        return [Outcome(None, tuple(kept))]

    return Op(name, cells, cells, step, order=Order.FLUSH)


CSD = declare("csd", None)


def csd_cell(sender: Tid, target: Cpu) -> Cell:
    """The slot for requests of `sender` at `target`."""
    return Cell(CSD, (sender, target))


IRQS_OFF = declare("irqs_off", False, "ghost")


def irqs_off_cell(cpu: Cpu) -> Cell:
    """Does `cpu` run with interrupts disabled?"""
    return Cell(IRQS_OFF, cpu)


def send_ipis(task: Task, targets: Iterable[Cpu], request: Request) -> Op:
    """Send `request` to every CPU in `targets`, which must not contain the task's own."""
    cells = tuple(csd_cell(task.tid, cpu) for cpu in sorted(targets))
    name = f"send IPI to {', '.join(f'CPU{c.index[1]}' for c in cells)}: {request}"  # type: ignore[index]
    event = ("ipi", len(cells))
    return Op(name, (), cells, lambda: [Outcome(None, (request,) * len(cells))], event=event, order=Order.FULL)


def wait_ipis(task: Task, targets: Iterable[Cpu]) -> Op:
    """Wait until every CPU in `targets` has served the task's request."""
    cells = tuple(csd_cell(task.tid, cpu) for cpu in sorted(targets))
    return Op(
        "wait for IPIs",
        cells,
        (),
        lambda *reqs: [Outcome(None)] if all(r is None for r in reqs) else [],
        order=Order.ACQUIRE,
    )


def take_ipi(sender: Tid, cpu: Cpu, addrs: Sequence[int], maskable: bool = True) -> Op:
    """Daemon: `cpu` is interrupted, executes the request of `sender` and acknowledges it.

    Disabled interrupts hold it up, unless it is not `maskable`: firmware in a higher mode serves it.
    """
    request_cell = csd_cell(sender, cpu)
    entries = tuple(tlb_cell(cpu, addr) for addr in addrs)

    def step(request: Request | None, irqs_off: bool, *tlb: object) -> list[Outcome]:
        if request is None or (irqs_off and maskable):
            return []
        kept = tuple(None if request.forgets(addr, e) else e for addr, e in zip(addrs, tlb, strict=True))
        return [Outcome(None, (None, *kept))]

    reads = (request_cell, irqs_off_cell(cpu), *entries)
    return Op(f"take IPI of T{sender}", reads, (request_cell, *entries), step, order=Order.HANDLER)
