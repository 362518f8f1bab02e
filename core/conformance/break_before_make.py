"""Break-before-make: a translation that a TLB may hold makes way for another only through an invalid entry and a flush.

Arm ARM D8.16 (FEAT_BBM level 0): where an entry that can be cached changes its output address, or a block takes the
place of a table or the other way round, the old one is first replaced by an entry that cannot be cached, and a TLBI
that covers it is completed by the DSB of the CPU that writes.  Otherwise a walk may find the two together, a huge and a
small one or an upper entry and a leaf, and use either, or a mixture, or abort.  A change of permissions, of the dirty
or of the access flag is none.

`watched` runs a program of one task and keeps, for each virtual page, the translation that a TLB may still hold.  It
goes by the order of the program: whether the barriers are strong enough for that is what other scenarios find.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Hashable, Sequence
from copy import copy
from typing import Any, NamedTuple

from core.conformance.monitor import report
from core.machine.broadcast import BROADCAST, Done, Lost
from core.machine.contpte import BREAK_BEFORE_MAKE
from core.machine.ipi import Request
from core.machine.op import Cell, Op, doing
from core.machine.pte import Pte, pte_cell
from core.mm.pgtable import upper_entry


class Translation(NamedTuple):
    """What a walk for a page ends in: a leaf of one page, or a block; and the page that it is of."""

    block: bool
    frame: int


class Pages:
    """The pages of one pmd, in the order of the program.

    `entries` has the pmd and the entries below it, `held` what a TLB may hold of each page; None: nothing.
    """

    def __init__(self, pages: Sequence[int], initial: Callable[[Cell], Hashable]) -> None:
        self.pmd = upper_entry(0, 0)
        self.entries = {cell: initial(cell) for cell in (self.pmd, *map(pte_cell, pages))}
        self.pages = tuple(pages)
        self.held = {page: self.translation(page) for page in pages}

    def translation(self, page: int) -> Translation | None:
        """What a walk for `page` ends in now; None if that cannot be cached."""
        pmd, pte = self.entries[self.pmd], self.entries[pte_cell(page)]
        if isinstance(pmd, Pte):
            return Translation(True, pmd.frame)
        return Translation(False, pte.frame) if pmd is not None and isinstance(pte, Pte) else None

    def write(self, cell: Cell, value: Hashable) -> bool:
        """Write an entry. True if a TLB may now hold two translations of a page."""
        self.entries[cell] = value
        broken = False
        for page in self.pages:
            now = self.translation(page)
            if now is not None:
                broken |= self.held[page] not in (None, now)
                self.held[page] = now
        return broken

    def flushed(self, page: int) -> None:
        """A TLBI of `page` is complete."""
        self.held[page] = self.translation(page)

    def chosen(self, cell: Cell, value: Hashable) -> None:
        """The scenario begins with this entry."""
        self.entries[cell] = value
        self.held = {page: self.translation(page) for page in self.pages}


def completed(op: Op, values: Sequence[Any], written: Sequence[Any]) -> tuple[Request, ...]:
    """The broadcast requests that `op` completes: issued before it, and not outstanding behind it.

    Not `Outcome.awaits`, which says whose accesses are waited for: a barrier that lets those pass (an erratum) has
    nevertheless invalidated, and what it has not waited for uses no translation that is made later.
    """
    before = {cell: sent for cell, sent in zip(op.reads, values, strict=True) if cell.array == BROADCAST}
    after = {cell: sent for cell, sent in zip(op.writes, written, strict=True) if cell in before}
    gone = [sent for cell, left in after.items() for sent in before[cell] if sent not in left]
    return tuple(sent.request if isinstance(sent, Done | Lost) else sent for sent in gone)


async def watched(program: Coroutine[Op, Any, Any], pages: Pages) -> Any:
    """Run `program`, and report a write that breaks the rule as soon as it is made."""

    async def do(op: Op) -> Any:
        there = copy(op)
        there.step = lambda *values: [
            o._replace(value=(o.value, o.written, completed(op, values, o.written))) for o in op.step(*values)
        ]
        value, written, requests = await there
        broken = False
        for cell, new in zip(op.writes, written, strict=True):
            if cell in pages.entries:
                if op.name.startswith("choose:"):
                    pages.chosen(cell, new)
                else:
                    broken |= pages.write(cell, new)
        for request in requests:
            for page in filter(request.covers, pages.pages):
                pages.flushed(page)
        if broken:
            await report(BREAK_BEFORE_MAKE)
        return value

    return await doing(program, do)
