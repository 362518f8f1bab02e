"""arm64: batched unmap (43b3dfdd0455, v6.6), and the hole that 4b634918384c closed.

Reclaim issues a TLBI for each page it unmaps and waits once, with one DSB, for all of them.  Whoever meets such an
entry in between calls arch_flush_tlb_batched_pending(), which first was a DSB too.

The discussion: a DSB waits for the TLBIs of its own CPU.  On another CPU it completes nothing, so munmap() frees a page
that reclaim's TLBI is still on its way for: WaitsThere.  The fix flushes the mm.  NeverWaits lacks the DSB of the
batch.  OneEach has one for every page: right, and what the series saves.

    python -m core.compare run --plugin examples/series/arm64_batched_unmap.py:Batched --era 6.12
    python -m core.compare explain examples/series/arm64_batched_unmap.py:WaitsThere reclaim-pending --era 6.12
    python -m core.compare compare examples/series/arm64_batched_unmap.py:Batched \
        --against examples/series/arm64_batched_unmap.py:OneEach --workload migrate
"""

from __future__ import annotations

from arch_plugins.arm64 import Arm64
from core.hookspecs import hookimpl
from core.words import Mm, UnmapBatch


class Batched(Arm64):
    """The series with its fix."""

    @hookimpl
    async def arch_tlbbatch_add_pending(self, mm: Mm, batch: UnmapBatch, start: int, end: int) -> None:
        for addr in range(start, end):
            await self.flush_tlb_page_nosync(mm, addr)

    @hookimpl
    async def arch_tlbbatch_flush(self, mm: Mm, batch: UnmapBatch) -> None:
        """dsb(ish), on the CPU that has issued."""
        await self.wait(mm)

    @hookimpl
    async def arch_flush_tlb_batched_pending(self, mm: Mm) -> None:
        """flush_tlb_mm(), on whatever CPU."""
        await mm.hook.flush_tlb_mm(mm=mm)


class OneEach(Batched):
    """Before the series: each page is waited for."""

    @hookimpl
    async def arch_tlbbatch_add_pending(self, mm: Mm, batch: UnmapBatch, start: int, end: int) -> None:
        for addr in range(start, end):
            await mm.hook.flush_tlb_page(mm=mm, addr=addr)


class WaitsThere(Batched):
    """Wrong: as merged. The barrier is another CPU's."""

    @hookimpl
    async def arch_flush_tlb_batched_pending(self, mm: Mm) -> None:
        await self.wait(mm)


class NeverWaits(Batched):
    """Wrong: nobody waits for the batch."""

    @hookimpl
    async def arch_tlbbatch_flush(self, mm: Mm, batch: UnmapBatch) -> None:
        """Nothing."""
