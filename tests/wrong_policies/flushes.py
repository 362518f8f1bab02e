"""Mistakes in what is flushed: ranges, ceilings, strides, pages, the whole mm."""

from __future__ import annotations

from arch_plugins.generic import Smp, flush_by_ipi
from core.hookspecs import hookimpl
from core.machine.ipi import FlushRequest
from core.mm.mm import Mm
from core.mm.mmu_gather import MmuGather, tlb_get_unmap_size

CEILING = 33


class Ceiling(Smp):
    """Right: up to 33 strides one by one, above that everything. x86's get_flush_tlb_info()."""

    def request(self, start: int, end: int, stride: int) -> FlushRequest | None:
        """What is asked of each CPU; None is nothing."""
        return FlushRequest() if (end - start) // stride > CEILING else FlushRequest(start, end)

    @hookimpl
    async def flush_tlb_range(self, mm: Mm, start: int, end: int, stride: int) -> None:
        request = self.request(start, end, stride)
        if request is not None:
            await flush_by_ipi(mm, request)


class NothingAboveCeiling(Ceiling):
    """Above the ceiling nothing is flushed."""

    def request(self, start: int, end: int, stride: int) -> FlushRequest | None:
        return None if (end - start) // stride > CEILING else FlushRequest(start, end)


class NothingAtCeiling(Ceiling):
    """Exactly 33 strides fall between the two cases."""

    def request(self, start: int, end: int, stride: int) -> FlushRequest | None:
        strides = (end - start) // stride
        if strides < CEILING:
            return FlushRequest(start, end)
        return FlushRequest() if strides > CEILING else None


class OneShortAtCeiling(Ceiling):
    """The loop runs to 32 of 33."""

    def request(self, start: int, end: int, stride: int) -> FlushRequest | None:
        if (end - start) // stride > CEILING:
            return FlushRequest()
        return FlushRequest(start, min(end, start + (CEILING - 1) * stride))


class CutAtCeiling(Ceiling):
    """A longer range is cut to the ceiling instead of being flushed as a whole."""

    def request(self, start: int, end: int, stride: int) -> FlushRequest | None:
        return FlushRequest(start, min(end, start + CEILING * stride))


class CeilingOf64(Ceiling):
    """Nothing from 65 pages on: riscv's threshold, taken for a limit of the instruction."""

    def request(self, start: int, end: int, stride: int) -> FlushRequest | None:
        return None if end - start > 64 else FlushRequest(start, end)


class NothingFrom512(Ceiling):
    """arm64's limit of 512 operations, above which nothing is left to do."""

    def request(self, start: int, end: int, stride: int) -> FlushRequest | None:
        return None if end - start >= 512 else FlushRequest(start, end)


class Counts8Bits(Ceiling):
    """The number of pages is kept in a byte."""

    def request(self, start: int, end: int, stride: int) -> FlushRequest | None:
        return FlushRequest(start, start + (end - start) % 256)


class Counts16Bits(Ceiling):
    """The number of pages is kept in 16 bits."""

    def request(self, start: int, end: int, stride: int) -> FlushRequest | None:
        return FlushRequest(start, start + (end - start) % 65536)


class StartRoundedUp(Ceiling):
    """The start is rounded up to pairs of pages, as the end is."""

    def request(self, start: int, end: int, stride: int) -> FlushRequest | None:
        if end - start < 4:
            return FlushRequest(start, end)
        return FlushRequest(start + start % 2, end + end % 2)


class EndRoundedDown(Ceiling):
    """The end is rounded down to groups of eight pages."""

    def request(self, start: int, end: int, stride: int) -> FlushRequest | None:
        return FlushRequest(start, end) if end - start < 8 else FlushRequest(start, end - end % 8)


class OneTableOnly(Ceiling):
    """A range is flushed to the end of the page table that it starts in."""

    def request(self, start: int, end: int, stride: int) -> FlushRequest | None:
        return FlushRequest(start, min(end, start - start % 512 + 512))


class EndInclusive(Ceiling):
    """The end is taken for the last page, except where the range is short."""

    def request(self, start: int, end: int, stride: int) -> FlushRequest | None:
        return FlushRequest(start, end if end - start <= 3 else end - 1)


class SkipsFirstOfMany(Ceiling):
    """A range that does not start at a table's start has its first page left out."""

    def request(self, start: int, end: int, stride: int) -> FlushRequest | None:
        return FlushRequest(start + 1, end) if start % 512 and end - start > 3 else FlushRequest(start, end)


class SmallRangeDropped(Ceiling):
    """A single page is not worth a flush, if there is no other: flush_tlb_page() is for those."""

    def request(self, start: int, end: int, stride: int) -> FlushRequest | None:
        return None if end - start == 1 else FlushRequest(start, end)


class EveryStride(FlushRequest):
    """Only the first page of each stride."""

    stride = 512

    def covers(self, addr: int) -> bool:
        assert self.end is not None
        return self.start <= addr < self.end and (addr - self.start) % self.stride == 0

    def forgets(self, addr: int, entry: object) -> bool:
        return self.covers(addr)


class HighestStride(Smp):
    """The gather is flushed in steps of the highest level that it has cleared, not the lowest."""

    @hookimpl
    async def tlb_flush(self, tlb: MmuGather) -> str | None:
        if tlb.fullmm or tlb.need_flush_all:
            await tlb.mm.hook.flush_tlb_mm(mm=tlb.mm)
            return "mm"
        whole = FlushRequest(tlb.start, tlb.end)
        highest = tlb.cleared_pmds and not tlb.freed_tables
        await flush_by_ipi(tlb.mm, EveryStride(tlb.start, tlb.end) if highest else whole)
        return "range"


class LowestStride(Smp):
    """Right: in steps of the lowest level."""

    @hookimpl
    async def tlb_flush(self, tlb: MmuGather) -> str | None:
        if tlb.fullmm or tlb.need_flush_all:
            await tlb.mm.hook.flush_tlb_mm(mm=tlb.mm)
            return "mm"
        only = tlb_get_unmap_size(tlb) == tlb.mm.span[0] and not tlb.freed_tables
        start = tlb.start - tlb.start % tlb.mm.span[0]
        await flush_by_ipi(tlb.mm, EveryStride(start, tlb.end) if only else FlushRequest(tlb.start, tlb.end))
        return "range"


class NothingForTables(Smp):
    """A gather that has freed tables and cleared no entry is not flushed."""

    @hookimpl
    async def tlb_flush(self, tlb: MmuGather) -> str | None:
        if tlb.freed_tables and not tlb.cleared_ptes:
            return None
        await flush_by_ipi(tlb.mm, FlushRequest())
        return "mm"


class MmForTables(Smp):
    """Right: with everything."""

    @hookimpl
    async def tlb_flush(self, tlb: MmuGather) -> str | None:
        await flush_by_ipi(tlb.mm, FlushRequest())
        return "mm"


class LastLevelOfTables(Smp):
    """The last level alone, also where tables have been freed."""

    @hookimpl
    async def tlb_flush(self, tlb: MmuGather) -> str | None:
        await flush_by_ipi(tlb.mm, FlushRequest(0, None, leaf=True))
        return "mm"


class NoFlush(Smp):
    """The gather is never flushed."""

    @hookimpl
    async def tlb_flush(self, tlb: MmuGather) -> str | None:
        return "range"


class OnlyUnderLock(Smp):
    """Flushes for dirty pages, whose rmap waits for it, and never otherwise."""

    @hookimpl
    async def tlb_flush(self, tlb: MmuGather) -> str | None:
        if not tlb.delayed_rmap:
            return None
        await flush_by_ipi(tlb.mm, FlushRequest())
        return "mm"


class MmFlushesAPage(Smp):
    """flush_tlb_mm() flushes the first page."""

    @hookimpl
    async def flush_tlb_mm(self, mm: Mm) -> None:
        await flush_by_ipi(mm, FlushRequest(0, 1))


class MmLastLevel(Smp):
    """flush_tlb_mm() spares what is remembered of tables."""

    @hookimpl
    async def flush_tlb_mm(self, mm: Mm) -> None:
        await flush_by_ipi(mm, FlushRequest(0, None, leaf=True))


class NoMmFlush(Smp):
    """flush_tlb_mm() is empty: fork() flushes nothing."""

    @hookimpl
    async def flush_tlb_mm(self, mm: Mm) -> None:
        return None


class PageBesides(Smp):
    """flush_tlb_page() flushes the page behind."""

    @hookimpl
    async def flush_tlb_page(self, mm: Mm, addr: int) -> None:
        await flush_by_ipi(mm, FlushRequest(addr + 1, addr + 2))


class NoPageFlush(Smp):
    """flush_tlb_page() is empty."""

    @hookimpl
    async def flush_tlb_page(self, mm: Mm, addr: int) -> None:
        return None


class PageFlushOfTheGather(Smp):
    """flush_tlb_page() is left to the gather that is open."""

    @hookimpl
    async def flush_tlb_page(self, mm: Mm, addr: int) -> None:
        from core.mm.mm import mm_tlb_flush_pending

        if not await mm_tlb_flush_pending():
            await flush_by_ipi(mm, FlushRequest(addr, addr + 1))


class TablesSparedByRange(Smp):
    """flush_tlb_range() is of the last level, also for who has moved a table (move_normal_pmd())."""

    @hookimpl
    async def flush_tlb_range(self, mm: Mm, start: int, end: int, stride: int) -> None:
        await flush_by_ipi(mm, FlushRequest(start, end, leaf=True))

    @hookimpl
    async def tlb_flush(self, tlb: MmuGather) -> str | None:
        await flush_by_ipi(tlb.mm, FlushRequest())
        return "mm"


class RangeOfOne(Smp):
    """flush_tlb_range() with a stride flushes one stride."""

    @hookimpl
    async def flush_tlb_range(self, mm: Mm, start: int, end: int, stride: int) -> None:
        await flush_by_ipi(mm, FlushRequest(start, end if stride == 1 else start + stride))


class NothingForHuge(Smp):
    """Flushes small pages, and nothing where entries are larger."""

    @hookimpl
    async def flush_tlb_range(self, mm: Mm, start: int, end: int, stride: int) -> None:
        if stride == 1:
            await flush_by_ipi(mm, FlushRequest(start, end))
