"""x86-64 as of 6.18 with 4-level paging and IPIs (no INVLPGB): what is flushed, of how much, on which CPUs.

arch/x86/mm/tlb.c:flush_tlb_mm_range() flushes page by page up to a ceiling, counted in strides (4 KiB, or the span of
the entries that were cleared if no smaller ones were), and everything above it.  If only this CPU is in mm_cpumask it
flushes by itself; otherwise every CPU of the mask is asked, or, when no page table was freed, those that are not lazy
and have the mm loaded (should_flush_tlb()).  A CPU that turns out to run something else leaves the mask.

Data types
    FlushInfo      struct flush_tlb_info: what one flush is about
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from arch_plugins.families.mm_range import MmRange
from arch_plugins.generic import flush_cpus_by_ipi
from core.hookspecs import Facts, hookimpl
from core.machine.ipi import FlushRequest, Request
from core.machine.tlb import Upper
from core.mm.mm import Mm, log
from core.mm.smp import on_each_cpu

TLB_SINGLE_PAGE_FLUSH_CEILING = 33
"""tlb_single_page_flush_ceiling: above this many strides the whole TLB is flushed."""

FLUSH_EVENT = "flush_tlb_mm_range"


class FlushInfo(NamedTuple):
    """Virtual pages `start` to `end` (exclusive; None is everything), in steps of `stride` pages.

    `extent` is how many strides were to be flushed before the ceiling made it everything; 0 if everything was.
    """

    start: int
    end: int | None
    stride: int
    freed_tables: bool
    extent: int

    @property
    def pages(self) -> int:
        """What the tracepoint of the sender reports: 4 KiB pages, -1 for everything."""
        return -1 if self.end is None else self.end - self.start

    @property
    def strides(self) -> int:
        """What the tracepoint of the flushing CPU reports: whole strides, -1 for everything."""
        return -1 if self.end is None else (self.end - self.start) // self.stride


def get_flush_tlb_info(start: int, end: int | None, stride: int, freed_tables: bool) -> FlushInfo:
    """get_flush_tlb_info() of 6.18 (flush_tlb_mm_range() before): everything, above the ceiling."""
    extent = 0 if end is None else (end - start) // stride
    if end is None or extent > TLB_SINGLE_PAGE_FLUSH_CEILING:
        return FlushInfo(0, None, stride, freed_tables, extent)
    return FlushInfo(start, end, stride, freed_tables, extent)


def kernel_request(start: int, end: int) -> FlushRequest:
    """What every CPU is asked: do_kernel_range_flush(), or do_flush_tlb_all() above the ceiling."""
    return FlushRequest(start, end) if end - start <= TLB_SINGLE_PAGE_FLUSH_CEILING else FlushRequest()


@dataclass(frozen=True, slots=True)
class Invlpg:
    """`request`, done by INVLPG on a CPU where that drops all paging-structure caches (Intel SDM 3A, 4.10.4.1)."""

    request: FlushRequest

    def covers(self, addr: int) -> bool:
        """What is remembered of upper entries goes for every address."""
        return True

    def forgets(self, addr: int, entry: object) -> bool:
        """Does it flush this TLB entry of `addr`?"""
        return isinstance(entry, Upper) or self.request.forgets(addr, entry)

    def __str__(self) -> str:
        return f"{self.request} and all upper entries"


class X86618(MmRange):
    """x86-64, 6.18: MMU_GATHER_RCU_TABLE_FREE, MMU_GATHER_MERGE_VMAS, PT_RECLAIM.

    Of upper entries a flush of a page drops those that translate its address, and no others: so does INVPCID, which
    flushes the user PCID under PTI, and INVLPG on AMD with EFER.TCE.
    """

    leaves_mask = False

    @hookimpl
    def arch_facts(self) -> Facts:
        return Facts(
            memory_model="tso",
            rcu_table_free=True,
            merge_vmas=True,
            runtime_p4d=True,
            kernel="6.18",
            family="synchronous IPI to mm_cpumask",
            capabilities=frozenset(
                {
                    "batched_unmap",
                    "gup_fast",
                    "huge_vmap",
                    "lazy_tlb",
                    "move_pmd",
                    "ordered_clear",
                    "per_vma_lock",
                    "shares_pmd_tables",
                    "thp",
                    "tlb_gen",
                }
            ),
            sources=("arch/x86/include/asm/tlb.h", "arch/x86/include/asm/tlbflush.h", "arch/x86/mm/tlb.c"),
        )

    async def flush_tlb_mm_range(self, mm: Mm, start: int, end: int | None, stride: int, freed_tables: bool) -> None:
        """Flush, and report the flush in the log."""
        info = get_flush_tlb_info(start, end, stride, freed_tables)
        await log(FLUSH_EVENT, info)
        request = FlushRequest(info.start, info.end)
        if mm.cpus is None:
            await self.flush_mask(mm, request, freed_tables, stride)
        else:
            await flush_cpus_by_ipi(mm, mm.cpus, self.done(request))

    def done(self, request: FlushRequest) -> Request:
        """What a CPU forgets that executes `request`."""
        return request

    @hookimpl
    async def flush_tlb_kernel_range(self, mm: Mm, start: int, end: int) -> None:
        await on_each_cpu(mm, kernel_request(start, end))


class X86618Invlpg(X86618):
    """On Intel without PTI: every page is flushed by INVLPG, and upper entries of all addresses go with it."""

    def done(self, request: FlushRequest) -> Request:
        return Invlpg(request)
