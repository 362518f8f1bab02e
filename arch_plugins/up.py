"""One CPU: no other TLB to flush, and no delayed rmap removal (CONFIG_SMP=n).

Flushes are local instructions (x86: arch/x86/mm/tlb.c; the others alike).  tlb_delay_rmap() is false, so a dirty page
does not force a flush under the page-table lock either.  Whether that is safe depends on which tasks can run between
the unlock and the flush, so the preemption model is a fact: `preemption` in arches.toml.
"""

from __future__ import annotations

from core.hookspecs import Architecture, Facts, hookimpl
from core.machine.pte import Entry, local_ptep_get_and_clear
from core.machine.tlb import invalidate
from core.mm.mm import Mm


class Up(Architecture):
    """Generic UP."""

    @hookimpl
    def arch_facts(self) -> Facts:
        return Facts(
            smp=False,
            family="uniprocessor",
            sources=("include/asm-generic/tlb.h", "include/linux/pgtable.h"),
        )

    @hookimpl
    async def ptep_get_and_clear(self, mm: Mm, addr: int, nr: int, full: bool) -> Entry:
        """Read, then clear: no other CPU walks the table, and the page-table lock keeps other tasks out."""
        return await local_ptep_get_and_clear(addr, nr)

    @hookimpl
    async def flush_tlb_mm(self, mm: Mm) -> None:
        await invalidate((mm.task.cpu,), mm.addrs, "flush_tlb_mm")

    @hookimpl
    async def flush_tlb_range(self, mm: Mm, start: int, end: int, stride: int) -> None:
        covered = [addr for addr in mm.addrs if start <= addr < end]
        await invalidate((mm.task.cpu,), covered, f"flush_tlb_range({start}, {end})")

    @hookimpl
    async def flush_tlb_page(self, mm: Mm, addr: int) -> None:
        await invalidate((mm.task.cpu,), [addr], f"flush_tlb_page({addr})")
