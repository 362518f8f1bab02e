"""Inter-processor interrupts as smp_call_function_many() sends them: ask, be served, wait.

A cell ('csd', (sender, target)) holds the request that `sender` has put to the CPU `target`, None once it has been
served.  Each sender has a slot of its own at each target, as each call_single_data has (kernel/smp.c), so requests
of different senders are served in any order.  Serving is the target's, between two instructions of whatever it
runs, unless it has interrupts off.

Sending to a set of CPUs is one step here.  That loses nothing: until the last request is out the sender does
nothing that another CPU could see, and a request served early is one that could as well be served then.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from typing import NamedTuple, Protocol

from core.machine.op import Cell, Cpu, Op, Outcome, Tid
from core.machine.task import Task
from core.machine.tlb import Upper, invalidate, tlb_cell


class Request(Hashable, Protocol):
    """What one CPU can ask of another."""

    def covers(self, addr: int) -> bool:
        """Whether virtual page `addr` is to be forgotten."""

    def forgets(self, addr: int, entry: object) -> bool:
        """Whether what a CPU remembers of `addr` is to be forgotten."""


class FlushRequest(NamedTuple):
    """Forget the pages from `start` to `end` (exclusive); end None is everything.

    `leaf` spares what is remembered of upper levels (TLBI VALE1IS, SFENCE.VMA of an address, tlbie with RIC=0).
    """

    start: int = 0
    end: int | None = None
    leaf: bool = False

    def covers(self, addr: int) -> bool:
        """Whether virtual page `addr` is to be forgotten."""
        return self.end is None or self.start <= addr < self.end

    def forgets(self, addr: int, entry: object) -> bool:
        """Whether what a CPU remembers of `addr` is to be forgotten."""
        return self.covers(addr) and not (self.leaf and isinstance(entry, Upper))

    def __str__(self) -> str:
        what = "flush leaf" if self.leaf else "flush"
        return f"{what} all" if self.end is None else f"{what} [{self.start}, {self.end})"


def flush_here(cpu: Cpu, addrs: Sequence[int], request: Request, name: str) -> Op:
    """`cpu` does by itself what it would do if it were asked."""
    covered = [addr for addr in addrs if request.covers(addr)]
    if isinstance(request, FlushRequest) and not request.leaf:
        return invalidate((cpu,), covered, name)
    cells = tuple(tlb_cell(cpu, addr) for addr in covered)

    def step(*entries: object) -> list[Outcome]:
        kept = (None if request.forgets(addr, e) else e for addr, e in zip(covered, entries, strict=True))
        return [Outcome(None, tuple(kept))]

    return Op(name, cells, cells, step)


def csd_cell(sender: Tid, target: Cpu) -> Cell:
    """The request of `sender` to `target`."""
    return Cell("csd", (sender, target))


def irqs_off_cell(cpu: Cpu) -> Cell:
    """Whether `cpu` runs with interrupts disabled."""
    return Cell("irqs_off", cpu)


def send_ipis(task: Task, targets: Iterable[Cpu], request: Request) -> Op:
    """Put `request` to every CPU in `targets` (which leaves out the task's own)."""
    cells = tuple(csd_cell(task.tid, cpu) for cpu in sorted(targets))
    name = f"send IPI to {', '.join(f'CPU{c.index[1]}' for c in cells)}: {request}"  # type: ignore[index]
    event = ("ipi", len(cells))
    return Op(name, (), cells, lambda: [Outcome(None, (request,) * len(cells))], event=event)


def wait_ipis(task: Task, targets: Iterable[Cpu]) -> Op:
    """Wait until every CPU in `targets` has served the task's request."""
    cells = tuple(csd_cell(task.tid, cpu) for cpu in sorted(targets))
    return Op("wait for IPIs", cells, (), lambda *reqs: [Outcome(None)] if all(r is None for r in reqs) else [])


def take_ipi(sender: Tid, cpu: Cpu, addrs: Sequence[int]) -> Op:
    """The environment's step: `cpu` is interrupted, does what `sender` asked and says so."""
    request_cell = csd_cell(sender, cpu)
    entries = tuple(tlb_cell(cpu, addr) for addr in addrs)

    def step(request: Request | None, irqs_off: bool, *tlb: object) -> list[Outcome]:
        if request is None or irqs_off:
            return []
        kept = tuple(None if request.forgets(addr, e) else e for addr, e in zip(addrs, tlb, strict=True))
        return [Outcome(None, (None, *kept))]

    reads = (request_cell, irqs_off_cell(cpu), *entries)
    return Op(f"take IPI of T{sender}", reads, (request_cell, *entries), step)
