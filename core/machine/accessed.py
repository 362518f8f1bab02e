"""The accessed bit: the walker sets it before a CPU may cache a translation (Intel SDM 3A, 4.10.2.3).

So an entry whose accessed bit is clear is cached in no TLB, unless software has cleared the bit since.

Data types
    cell ('accessed', addr)    the accessed bit of the entry of virtual page `addr`; always set in models that do not
                               follow it
"""

from __future__ import annotations

from typing import Any

from core.machine.memory import declare
from core.machine.op import Cell, Cpu, Op, Outcome
from core.machine.order import Order
from core.machine.pte import pte_cell
from core.machine.tlb import tlb_cell

ACCESSED = declare("accessed", True, "ghost", panel="tables")


def accessed_cell(addr: int, nr: int = 1) -> Cell:
    """The accessed bit of an entry (or of `nr` entries from there)."""
    return Cell(ACCESSED, addr, nr)


def tracked(access: Op, cpu: Cpu, addr: int) -> Op:
    """An access of user code, or a speculative fill, that also sets the accessed bit if it walks the page table."""
    bit, entry = accessed_cell(addr), tlb_cell(cpu, addr)
    before, after = access.reads.index(entry), access.writes.index(entry)

    def step(young: bool, *values: Any) -> list[Outcome]:
        return [
            o._replace(
                written=(young or (o.written[after] is not None and o.written[after] != values[before]), *o.written)
            )
            for o in access.step(*values)
        ]

    reads, writes = (bit, *access.reads), (bit, *access.writes)
    return Op(
        access.name, reads, writes, step, event=access.event, may_schedule=access.may_schedule, order=access.order
    )


def test_and_clear_young(addr: int) -> Op:
    """ptep_test_and_clear_young(): one atomic step. Returns whether the bit was set."""
    cell = accessed_cell(addr)
    return Op(
        f"ptep_test_and_clear_young({addr})",
        (cell,),
        (cell,),
        lambda young: [Outcome(young, (False,))],
        order=Order.ATOMIC,
    )


def xchg_pte_young(addr: int, nr: int) -> Op:
    """Read and clear the entry together with its accessed bit, in one atomic step. Returns (entry, bit)."""
    pte, bit = pte_cell(addr, nr), accessed_cell(addr, nr)
    return Op(
        f"ptep_get_and_clear({addr})",
        (pte, bit),
        (pte, bit),
        lambda old, young: [Outcome((old, young), (None, False))],
        event=("clear", addr, nr),
        order=Order.ATOMIC,
    )
