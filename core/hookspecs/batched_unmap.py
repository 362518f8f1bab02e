"""Flushes that reclaim and migration put off: mm/rmap.c, struct tlbflush_unmap_batch."""

from __future__ import annotations

from core.hookspecs.marker import hookspec
from core.mm.batched_unmap import UnmapBatch
from core.mm.mm import Mm


class BatchedUnmapSpec:
    """The hooks of this area."""

    @hookspec
    async def arch_tlbbatch_should_defer(self, mm: Mm) -> bool:  # type: ignore[empty-body]
        """Program. Reclaim is about to clear an entry of `mm`, or several: may their flush be put off?

        Called under the page-table lock, only with the capability batched_unmap
        (CONFIG_ARCH_WANT_BATCHED_UNMAP_TLB_FLUSH).  If not, the caller flushes at once.  The generic one says yes; x86
        looks whether another CPU is in mm_cpumask, arm64 for an erratum.
        """

    @hookspec
    async def arch_tlbbatch_add_pending(self, mm: Mm, batch: UnmapBatch, start: int, end: int) -> None:
        """Program. Reclaim has cleared the entries from `start` to `end` and defers their flush; the page-table lock
        is held.

        Only with the capability batched_unmap.  Notes in `batch` (`batch.cpus`, or `batch.arch` for anything else)
        what arch_tlbbatch_flush() has to reach, or issues the flush without waiting for it.  A batch may have entries
        of several mms.  Up to 6.15 the kernel passes the address of one entry.
        """

    @hookspec
    async def arch_tlbbatch_flush(self, mm: Mm, batch: UnmapBatch) -> None:
        """Program. Flush everything that was added to `batch`, on every CPU, and empty the batch; at most a folio lock
        is held.

        On return no CPU may use any of these entries: their pages are freed next.
        """

    @hookspec
    async def arch_flush_tlb_batched_pending(self, mm: Mm) -> None:
        """Program. Somebody relies on entries that a reclaimer has cleared; the page-table lock is held.

        On return no CPU may use an entry of this mm that was added to any task's batch before the call.
        """
