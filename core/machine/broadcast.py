"""TLB invalidations broadcast by hardware: issued by one instruction, complete only after the issuer's own barrier.

Until the barrier every CPU may go on using what it has cached, so in the model it keeps the entry until then.  Where
every store is visible at once the latest moment is the worst case: a CPU that drops the entry earlier behaves like one
that never had it.  Where the issuer's own stores may still wait in its buffer it is not: a walker fills the old entry
anew, behind an invalidation that has had its effect.  There both moments are tried, the first and the last.  All CPUs
drop the entry at the same moment; one that keeps it longer is one whose walker fills it again.

An invalidation belongs to the CPU that has issued it, and so does the barrier: one on another CPU does not complete it
(arm64: DSB ISH; commit 4b634918384c), not even where it is the same thread, which has been moved.  So arm64 has a
barrier in __switch_to() (arch/arm64/kernel/process.c), and INVLPGB with TLBSYNC are one section without preemption.

It is complete only when what other CPUs have stored through the old entries is visible (Arm ARM D8.16, Power ISA III
6.9.3.3): `Outcome.awaits`.

Data types
    cell ('broadcast', cpu)    the requests that `cpu` has issued and not completed: a tuple
    cell ('unsynced', cpu)     has the CPU stored to an entry since its last DSB?
    Done                       a request that has dropped its entries already, and is not complete
    Lost                       a request that took effect before the store to the entry was visible: it drops nothing
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from core.machine.ipi import Request
from core.machine.memory import declare
from core.machine.op import Cell, Cpu, Op, Outcome, Tid
from core.machine.order import Order
from core.machine.tlb import tlb_cell

BROADCAST = declare("broadcast", (), "ghost")


def broadcast_cell(cpu: Cpu) -> Cell:
    """The requests that the CPU has issued and not completed. TypeError for the number of a thread, which has none."""
    if isinstance(cpu, Tid):
        raise TypeError("a broadcast and its barrier are the CPU's, not the thread's: expected mm.task.cpu, got a Tid")
    return Cell(BROADCAST, cpu)


UNSYNCED = declare("unsynced", False, "ghost")


def unsynced_cell(cpu: Cpu) -> Cell:
    """Has `cpu` stored to an entry since its last barrier that orders invalidations?  Only a weak machine says so."""
    return Cell(UNSYNCED, Cpu(cpu))


class Done(NamedTuple):
    """A request of which every TLB has dropped the entries, and which is not complete."""

    request: Request

    def __str__(self) -> str:
        return f"{self.request}, done"


class Lost(NamedTuple):
    """A request that had its effect before the entry was seen to change: to be completed, and for nothing."""

    request: Request

    def __str__(self) -> str:
        return f"{self.request}, too early"


def issue(cpu: Cpu, name: str, request: Request, effects: Sequence[tuple[int, Cell]] = ()) -> Op:
    """`cpu` broadcasts `request` to every TLB; `name` is the instruction.  It is not complete yet.

    `effects` are the entries (address and TLB cell) that it may drop at once; without them it does so in the end.
    A CPU that has stored to an entry and waited for no walker since may have issued it too early.
    """
    cell = broadcast_cell(cpu)
    if effects:
        return _issue_and_maybe_do(cpu, name, request, effects)
    return Op(
        f"{name}: {request}", (cell,), (cell,), lambda sent: [Outcome(None, ((*sent, request),))], order=Order.PRIVATE
    )


def _issue_and_maybe_do(cpu: Cpu, name: str, request: Request, effects: Sequence[tuple[int, Cell]]) -> Op:
    cell, unsynced = broadcast_cell(cpu), unsynced_cell(cpu)
    entries = tuple(entry for addr, entry in effects if request.covers(addr))
    addrs = [addr for addr, _ in effects if request.covers(addr)]

    def step(sent: tuple[Request | Done | Lost, ...], early: bool, *cached: object) -> list[Outcome]:
        later = Outcome(None, ((*sent, request), *cached))
        lost = [Outcome(None, ((*sent, Lost(request)), *cached))] if early else []
        dropped = tuple(
            None if request.forgets(addr, entry) else entry for addr, entry in zip(addrs, cached, strict=True)
        )
        return [later, Outcome(None, ((*sent, Done(request)), *dropped)), *lost]

    return Op(f"{name}: {request}", (cell, unsynced, *entries), (cell, *entries), step, order=Order.PRIVATE)


def synchronise(cpu: Cpu, addrs: Sequence[int]) -> Op:
    """ISB of the issuer: no instruction behind it uses what was dropped, not even one that was fetched before."""
    op = complete(cpu, [cpu], addrs, "ISB")
    op.order = Order.ISB
    return op


def complete(
    cpu: Cpu, cpus: Iterable[Cpu], addrs: Sequence[int], name: str, ahead: bool = False, early: bool = False
) -> Op:
    """The barrier of `cpu`: completes on all `cpus` everything that it has issued.

    `ahead`: on `cpu` itself, which is not one of `cpus`, instructions behind the barrier may have been fetched and
    translated already, so that only `synchronise` ends it there (Arm ARM D8.16: a context synchronisation event).
    `early`: other CPUs acknowledge before their stores are visible, as an erratum has it.
    """
    cell = broadcast_cell(cpu)
    pairs = [(there, addr) for there in sorted(cpus) for addr in addrs]
    entries = tuple(tlb_cell(there, addr) for there, addr in pairs)

    def step(sent: tuple[Request | Done | Lost, ...], *cached: object) -> list[Outcome]:
        late = [r for r in sent if not isinstance(r, Done | Lost)]
        every = [r.request if isinstance(r, Done | Lost) else r for r in sent]
        kept = tuple(
            None if any(r.forgets(addr, entry) for r in late) else entry
            for (_, addr), entry in zip(pairs, cached, strict=True)
        )
        covered = (cell for (_, addr), cell in zip(pairs, entries, strict=True) if any(r.covers(addr) for r in every))
        left = tuple(r for r in sent if not isinstance(r, Lost)) if ahead else ()
        return [Outcome(None, (left, *kept), awaits=frozenset() if early else frozenset(covered))]

    return Op(name, (cell, *entries), (cell, *entries), step, order=Order.COMPLETE)
