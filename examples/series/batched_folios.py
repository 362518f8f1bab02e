"""Batched unmap of large folios: arch_tlbbatch_add_pending(mm, batch, start, end), one call for a folio (2025-26).

try_to_unmap_one() clears the entries of a large folio together and adds them to the batch in one call.  On arm64 with
FEAT_TLBIRANGE that is one instruction for the folio, where each page took one.

The discussion.  `end` is exclusive, and the range is the folio's: who flushes what was the argument before, one page,
leaves the others (FirstOnly), and an off-by-one leaves the last (LastLeft).  The wait is the batch's, once
(NeverWaits); and whoever finds an entry of the batch gone must flush, not wait (arm64_batched_unmap.py).

    python -m core.compare run --plugin examples/series/batched_folios.py:OneRange --era 7.0
    python -m core.compare explain examples/series/batched_folios.py:FirstOnly folio-reclaim --era 7.0
    python -m core.compare compare examples/series/batched_folios.py:OneRange --against arm64-range \
        --config arches-all.toml --workload examples/series/batched_folios.py:DISCARDS
"""

from __future__ import annotations

from arch_plugins.arm64 import Arm64Range
from core.hookspecs import hookimpl
from core.scenarios import Turn, Turns, Workload
from core.words import FlushRequest, Mm, UnmapBatch


class OneRange(Arm64Range):
    """The series."""

    @hookimpl
    async def arch_tlbbatch_add_pending(self, mm: Mm, batch: UnmapBatch, start: int, end: int) -> None:
        """Issued at once, in one range; arch_tlbbatch_flush() waits."""
        start, end = self.covered(start, end)
        insns = self.given(self.of_range(start, end, 1, True), start, 1, True)
        await self.send(mm, insns, FlushRequest(start, end, leaf=True))

    def covered(self, start: int, end: int) -> tuple[int, int]:
        """What the instruction is for."""
        return start, end


class FirstOnly(OneRange):
    """Wrong: it flushes the page of the address, as before."""

    def covered(self, start: int, end: int) -> tuple[int, int]:
        return start, start + 1


class LastLeft(OneRange):
    """Wrong: it takes `end` for the last page."""

    def covered(self, start: int, end: int) -> tuple[int, int]:
        return start, max(end - 1, start + 1)


class NeverWaits(OneRange):
    """Wrong: nobody waits for what was issued."""

    @hookimpl
    async def arch_tlbbatch_flush(self, mm: Mm, batch: UnmapBatch) -> None:
        """Nothing."""


THREADS = tuple(Turn(cpu, "run") for cpu in range(4))

DISCARDS = Workload(
    "discards",
    "kswapd discards 512 pages of MADV_FREE in folios of 16",
    (Turns((*THREADS, Turn(0, "fault", 0, 512), Turn(4, "reclaim", 0, 512)), 512, folio=16, kind="lazyfree"),),
)
"""MADV_PAGEOUT's reclaim in folios of 64 KiB."""
