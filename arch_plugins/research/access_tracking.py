"""Page access tracking: no flush for an entry whose accessed bit is still clear when it is cleared.

Amit, "Optimizing the TLB Shootdown Algorithm with Page Access Tracking", USENIX ATC 2017.  The walker sets the bit
before a CPU caches the entry, so an entry that was never accessed is cached nowhere, and no CPU has to be interrupted.
(The paper also finds entries that only one CPU has cached; that part is not modelled.)

It is safe under two conditions.  First, a clear bit means that the entry is not cached.  Reclaim clears bits to learn
what is in use, on x86 without a flush, because there nothing depends on it; with this policy it must flush.
`AccessTrackingAgesLikeX86` drops that condition: reclaim tests a page, and the unmap that follows flushes no CPU.
Second, only flushes for entries that are cleared one by one are left out: a page table that processes share is dropped
as a whole (huge_pmd_unshare()), with bits in entries that nobody reads.  `AccessTrackingEverywhere` drops that
condition.

Data types
    cell ('cached', addr)    an entry of the address has been cleared with its bit set.  It stays set: a flush that
                             another task has begun for it may not be complete, and must not be relied on
"""

from __future__ import annotations

from arch_plugins.generic import Generic, Smp, flush_by_ipi
from core.hookspecs import Facts, hookimpl
from core.machine.accessed import test_and_clear_young, xchg_pte_young
from core.machine.ipi import FlushRequest
from core.machine.memory import declare
from core.machine.op import Cell, Op, Outcome
from core.machine.order import Order
from core.machine.pte import Entry
from core.mm.mm import Mm
from core.mm.mmu_gather import MmuGather

CACHED = declare("cached", False)


def cached_cell(addr: int) -> Cell:
    """May a CPU have cached an entry that was cleared at `addr`?"""
    return Cell(CACHED, addr)


def note_cached(addr: int, nr: int) -> Op:
    """From now on flushes of the addresses are needed."""
    cell = Cell(CACHED, addr, nr)
    return Op(f"cached({addr})", (), (cell,), lambda: [Outcome(None, (True,))], order=Order.PRIVATE)


def any_cached(mm: Mm, start: int, end: int) -> Op:
    """Is a flush of the range needed?  Always, where TLBs are not modelled (`mm.addrs` is empty)."""
    cells = tuple(cached_cell(addr) for addr in mm.addrs if start <= addr < end)
    unknown = not mm.addrs
    return Op("any cached?", cells, (), lambda *cached: [Outcome(unknown or any(cached))], order=Order.PRIVATE)


class AccessTracking(Smp):
    """Generic SMP that flushes what was accessed."""

    @hookimpl
    def arch_facts(self) -> Facts:
        return Facts(
            family="research: page access tracking",
            capabilities=frozenset({"batched_unmap", "move_pmd", "shares_pmd_tables", "access_tracking"}),
            sources=("USENIX ATC 2017, pages 27 to 39",),
        )

    @hookimpl
    async def ptep_get_and_clear(self, mm: Mm, addr: int, nr: int, full: bool) -> Entry:
        """The bit must be read in the step that clears the entry: the walker may set it until then."""
        pte: Entry
        pte, young = await xchg_pte_young(addr, nr)
        if young:
            await note_cached(addr, nr)
        return pte

    @hookimpl
    async def ptep_clear_flush(self, mm: Mm, addr: int) -> Entry:
        pte: Entry = await mm.hook.ptep_get_and_clear(mm=mm, addr=addr, nr=1, full=False)
        if await any_cached(mm, addr, addr + 1):
            await flush_by_ipi(mm, FlushRequest(addr, addr + 1))
        return pte

    @hookimpl
    async def tlb_flush(self, tlb: MmuGather) -> str | None:
        """Only where entries were cleared one by one; a table may be cached whatever its entries' bits are."""
        whole = tlb.fullmm or tlb.freed_tables or tlb.cleared_pmds or tlb.cleared_puds or tlb.cleared_p4ds
        if whole or await any_cached(tlb.mm, tlb.start, tlb.end):
            return await Generic().tlb_flush(tlb)
        return None

    @hookimpl
    async def ptep_clear_flush_young(self, mm: Mm, addr: int) -> bool:
        """The entry stays, and may be cached: after a flush, a clear bit again means that it is not.

        A CPU that walks again before the flush may set the bit; then it stays set.
        """
        young = bool(await test_and_clear_young(addr))
        if young:
            await flush_by_ipi(mm, FlushRequest(addr, addr + 1))
        return young


class AccessTrackingEverywhere(AccessTracking):
    """Without the second condition: must fail."""

    @hookimpl
    async def flush_tlb_range(self, mm: Mm, start: int, end: int, stride: int) -> None:
        if await any_cached(mm, start, end):
            await flush_by_ipi(mm, FlushRequest(start, end))


class AccessTrackingAgesLikeX86(AccessTracking):
    """Without the first condition: must fail."""

    @hookimpl
    async def ptep_clear_flush_young(self, mm: Mm, addr: int) -> bool:
        """arch/x86/mm/pgtable.c:ptep_clear_flush_young()."""
        return bool(await test_and_clear_young(addr))
