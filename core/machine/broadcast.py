"""Invalidations broadcast by hardware: issued by one instruction, complete only at the issuer's own barrier.

Between the two every CPU may go on using what it has cached, so the model keeps it all that time: the latest moment
is the worst one, and a CPU that forgets earlier is like one that never had the entry.  What has been issued belongs to
its issuer, and a barrier on another CPU completes nothing of it (arm64: DSB ISH; commit 4b634918384c).

Data types
    cell ('broadcast', tid)    what `tid` has issued and not completed: a tuple of requests
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from core.machine.ipi import Request
from core.machine.op import Cell, Cpu, Op, Outcome, Tid
from core.machine.tlb import tlb_cell


def broadcast_cell(tid: Tid) -> Cell:
    """What the thread has issued and not completed."""
    return Cell("broadcast", tid)


def issue(tid: Tid, name: str, request: Request) -> Op:
    """Send `request` to every TLB; nothing is promised yet."""
    cell = broadcast_cell(tid)
    return Op(f"{name}: {request}", (cell,), (cell,), lambda sent: [Outcome(None, ((*sent, request),))])


def complete(tid: Tid, cpus: Iterable[Cpu], addrs: Sequence[int], name: str) -> Op:
    """The issuer's barrier: on return everything it has sent has been done on all `cpus`."""
    cell = broadcast_cell(tid)
    pairs = [(cpu, addr) for cpu in sorted(cpus) for addr in addrs]
    entries = tuple(tlb_cell(cpu, addr) for cpu, addr in pairs)

    def step(sent: tuple[Request, ...], *cached: object) -> list[Outcome]:
        kept = tuple(
            None if any(r.forgets(addr, entry) for r in sent) else entry
            for (_, addr), entry in zip(pairs, cached, strict=True)
        )
        return [Outcome(None, ((), *kept))]

    return Op(name, (cell, *entries), (cell, *entries), step)
