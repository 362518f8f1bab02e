"""An architecture without a range flush: every flush is one of the whole mm, on every CPU that may have entries."""

from core.hookspecs import Architecture, Facts, hookimpl
from core.words import FlushRequest, Mm, flush_by_ipi


class Allways(Architecture):
    """MMU_GATHER_NO_RANGE, and a page flush that is one of everything too."""

    @hookimpl
    def arch_facts(self) -> Facts:
        return Facts(no_range=True, family="synchronous IPI, no ranges", sources=("include/asm-generic/tlb.h",))

    @hookimpl
    async def flush_tlb_range(self, mm: Mm, start: int, end: int, stride: int) -> None:
        await flush_by_ipi(mm, FlushRequest())

    @hookimpl
    async def flush_tlb_page(self, mm: Mm, addr: int) -> None:
        await flush_by_ipi(mm, FlushRequest())
