"""Reuse: a free page is nobody's until the allocator hands it out again.

`core.machine.tlb` treats an access to a free page as use-after-free at once, which is right for policies that flush
before freeing.  The operations here distinguish the two: through a stale entry a free page may be read, as long as it
has not been handed out and its contents are unchanged.

Data types
    cell ('owner', page)    who has been given the page since it was freed; None so far
"""

from __future__ import annotations

from core.machine.memory import declare
from core.machine.op import Cell, Cpu, Op, Outcome
from core.machine.order import Order
from core.machine.pte import pte_cell
from core.machine.tlb import Entry, ref_cell, tlb_cell, walk

ANOTHERS = "another's-page"

OWNER = declare("owner", None, "ghost", panel="page")


def owner_cell(page: int) -> Cell:
    """Who has been given the page since it was freed."""
    return Cell(OWNER, page)


def load_unless_reused(cpu: Cpu, addr: int, page: int, hw_dirty: bool) -> Op:
    """One load from virtual page `addr`, which only ever maps `page`. Returns 'ok' or 'fault'.

    Violates another's-page if the page has been given to somebody else.
    """
    cell = tlb_cell(cpu, addr)

    def step(entry: Entry | None, pte: object, owner: object) -> list[Outcome]:
        if entry is None:
            walked = walk(pte, False, hw_dirty)
            if walked is None:
                return [Outcome("fault", (None,))]
            entry = walked[0]
        return [Outcome("ok", (entry,), ANOTHERS if owner is not None else "")]

    return Op(
        f"load({addr})", (cell, pte_cell(addr), owner_cell(page)), (cell,), step, may_schedule="user", order=Order.WALK
    )


def take_free_page(page: int) -> Op:
    """The allocator takes the page from its free list; blocked until the page is free."""
    ref = ref_cell(page)
    return Op(
        f"take page{page} from the free list",
        (ref,),
        (),
        lambda ref: [] if ref else [Outcome(None)],
        order=Order.PRIVATE,
    )


def hand_out(page: int, to: str) -> Op:
    """The page is given to `to`, which writes to it."""
    cells = (ref_cell(page), owner_cell(page))
    return Op(f"page{page} is {to}'s", (), cells, lambda: [Outcome(None, (1, to))], order=Order.PRIVATE)
