"""clear_flush_young_ptes(): reclaim asks a large folio as a whole whether it has been used (2025-26).

folio_referenced_one() took entry by entry: on arm64 a TLBI each.  The series passes the run of entries to the
architecture, which clears the accessed bits of all and flushes once, without waiting: nobody depends on it.

The discussion.  A folio has been used if any of its entries has: a loop that stops at the first answer, or that returns
the last, forgets the others (AsksFirst, SaysLast).  And the bit must be cleared in one step each: an entry that is
read, made old and written back loses a dirty bit that hardware sets meanwhile (WritesBack).

    python -m core.compare run --plugin examples/series/young_folios.py:OneFlush --era 7.0
    python -m core.compare explain examples/series/young_folios.py:SaysLast folio-young --era 7.0
    python -m core.compare workloads --plugin examples/series/young_folios.py:OneFlush --era 7.0 \
        --workload examples/series/young_folios.py:AGES --workload examples/series/young_folios.py:EACH
"""

from __future__ import annotations

from functools import partial

from arch_plugins.arm64 import Arm64Range
from core.hookspecs import hookimpl
from core.scenarios import Turn, Turns, Workload, pte_lock, pte_unlock
from core.words import FlushRequest, Mm, Op, Order, Outcome, Pte, accessed_cell, ptep_get, set_pte, test_and_clear_young


class OneFlush(Arm64Range):
    """The series."""

    @hookimpl
    async def clear_flush_young_ptes(self, mm: Mm, addr: int, nr: int) -> bool:
        """One range, without DSB: whoever uses a cached entry in between is noticed a little later."""
        young = await self.clear_young(mm, addr, nr)
        if young:
            insns = self.given(self.of_range(addr, addr + nr, 1, True), addr, 1, True)
            await self.send(mm, insns, FlushRequest(addr, addr + nr, leaf=True))
        return young

    async def clear_young(self, mm: Mm, addr: int, nr: int) -> bool:
        """All of them, and whether any was young."""
        young = False
        for page in range(addr, addr + nr):
            young = await test_and_clear_young(page) or young
        return young


class AsksFirst(OneFlush):
    """Wrong: only the first entry is asked."""

    async def clear_young(self, mm: Mm, addr: int, nr: int) -> bool:
        return bool(await test_and_clear_young(addr))


class SaysLast(OneFlush):
    """Wrong: what is returned is of the last entry."""

    async def clear_young(self, mm: Mm, addr: int, nr: int) -> bool:
        young = False
        for page in range(addr, addr + nr):
            young = await test_and_clear_young(page)
        return young


def make_old(addr: int) -> Op:
    """The accessed bit, by a plain store."""
    cell = (accessed_cell(addr),)
    return Op(f"old({addr})", cell, cell, lambda young: [Outcome(young, (False,))], order=Order.PLAIN)


class WritesBack(OneFlush):
    """Wrong: each entry is read, made old, and written back, with the dirty bit that it had."""

    async def clear_young(self, mm: Mm, addr: int, nr: int) -> bool:
        young = False
        for page in range(addr, addr + nr):
            pte = await ptep_get(page)
            young = await make_old(page) or young
            if isinstance(pte, Pte):
                await set_pte(page, pte)
        return young


# ---- numbers -----------------------------------------------------------------------------------------------------

FOLIO = 16
"""64 KiB."""


async def ages(mm: Mm, nr: int) -> None:
    """folio_referenced() of 512 pages, `nr` entries at a time."""
    for addr in range(0, 512, nr):
        await pte_lock(mm, addr)
        await mm.hook.clear_flush_young_ptes(mm=mm, addr=addr, nr=nr)
        await pte_unlock(mm, addr)


def workload(name: str, nr: int) -> Workload:
    """kswapd asks for the pages of a process with four threads."""
    threads = tuple(Turn(cpu, "run") for cpu in range(4))
    turns = (*threads, Turn(0, "fault", 0, 512), Turn(4, partial(ages, nr=nr), kthread=True))
    return Workload(name, f"kswapd ages 512 pages, {nr} at a time", (Turns(turns, 512, folio=FOLIO),))


AGES = workload("ages", FOLIO)
EACH = workload("ages_each", 1)
