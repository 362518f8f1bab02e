"""TLB invalidations broadcast by hardware: issued by one instruction, complete only after the issuer's own barrier.

Until the barrier every CPU may go on using what it has cached, so in the model it keeps the entry until then: the
latest moment is the worst case, and a CPU that drops it earlier behaves like one that never had it.  An invalidation
belongs to its issuer; a barrier on another CPU does not complete it (arm64: DSB ISH; commit 4b634918384c).

Data types
    cell ('broadcast', tid)    the requests that `tid` has issued and not completed: a tuple
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from core.machine.ipi import Request
from core.machine.memory import declare
from core.machine.op import Cell, Cpu, Op, Outcome, Tid
from core.machine.order import Order
from core.machine.tlb import tlb_cell

BROADCAST = declare("broadcast", ())


def broadcast_cell(tid: Tid) -> Cell:
    """The requests that the thread has issued and not completed."""
    return Cell(BROADCAST, tid)


def issue(tid: Tid, name: str, request: Request) -> Op:
    """Broadcast `request` to every TLB; `name` is the instruction.  It is not complete yet."""
    cell = broadcast_cell(tid)
    return Op(
        f"{name}: {request}", (cell,), (cell,), lambda sent: [Outcome(None, ((*sent, request),))], order=Order.PRIVATE
    )


def complete(tid: Tid, cpus: Iterable[Cpu], addrs: Sequence[int], name: str) -> Op:
    """The issuer's barrier: completes on all `cpus` everything that the thread has issued."""
    cell = broadcast_cell(tid)
    pairs = [(cpu, addr) for cpu in sorted(cpus) for addr in addrs]
    entries = tuple(tlb_cell(cpu, addr) for cpu, addr in pairs)

    def step(sent: tuple[Request, ...], *cached: object) -> list[Outcome]:
        kept = tuple(
            None if any(r.forgets(addr, entry) for r in sent) else entry
            for (_, addr), entry in zip(pairs, cached, strict=True)
        )
        return [Outcome(None, ((), *kept))]

    return Op(name, (cell, *entries), (cell, *entries), step, order=Order.COMPLETE)
