"""A handler of TLB misses that sets the dirty bit of an entry, without the page-table lock and with interrupts off.

It reads the entry and writes it back: by an exclusive store (LL/SC), which fails if somebody has written to the entry
in between, or by a plain one, which does not notice.
"""

from __future__ import annotations

from core.machine.op import Cpu, Op, Outcome
from core.machine.order import Order
from core.machine.pte import Pte, pte_cell, ptep_get, set_pte
from core.machine.tlb import Entry, tlb_cell
from core.machine.walk import begin_walk, end_walk


async def refill_for_store(cpu: Cpu, addr: int, exclusive: bool) -> bool:
    """A store to `addr` has missed: mark a writable entry dirty and put it into the TLB. False if that is a fault."""
    await begin_walk(cpu, "TLB miss: exception")
    filled = await _refill(cpu, addr, exclusive)
    await end_walk(cpu, "return from exception")
    return filled


async def _refill(cpu: Cpu, addr: int, exclusive: bool) -> bool:
    while isinstance(pte := await ptep_get(addr), Pte) and pte.write:
        dirty = pte._replace(dirty=True)
        if exclusive:
            stored = await store_conditional(addr, pte, dirty)
        else:
            stored = await set_pte(addr, dirty) is None
        if stored:
            await write_tlb(cpu, addr, Entry(pte.frame, True, True))
            return True
    return False


def refill_for_load(cpu: Cpu, addr: int, by_permission: bool) -> Op:
    """A load of `addr` has missed: cache the entry. One step, for models in which nobody else is at work.

    `by_permission`: it allows stores where the entry is writable, dirty or not. Returns 'ok' or 'fault'.
    """
    cells = (pte_cell(addr), tlb_cell(cpu, addr))

    def step(pte: object, cached: Entry | None) -> list[Outcome]:
        if not isinstance(pte, Pte):
            return [Outcome("fault", (cached,))]
        stores = pte.write and (pte.dirty or by_permission)
        return [Outcome("ok", (Entry(pte.frame, stores, pte.dirty or by_permission),))]

    return Op(f"load({addr})", cells, cells[1:], step, may_schedule="user", order=Order.WALK)


def write_tlb(cpu: Cpu, addr: int, entry: Entry) -> Op:
    """The handler's last step but its return."""
    return Op(
        f"write the TLB entry of {addr}",
        (),
        (tlb_cell(cpu, addr),),
        lambda: [Outcome(None, (entry,))],
        order=Order.PRIVATE,
    )


def store_conditional(addr: int, expected: Pte, new: Pte) -> Op:
    """Write `new` if the entry still is what was loaded. Returns whether it was."""
    cell = pte_cell(addr)

    def step(now: object) -> list[Outcome]:
        return [Outcome(True, (new,)) if now == expected else Outcome(False, (now,))]

    return Op(f"SC of pte[{addr}] = {new}", (cell,), (cell,), step, order=Order.ATOMIC)
