"""parisc: clearing an entry purges it on all CPUs (pdtlb, pitlb are broadcast), and the gather flushes again.

arch/parisc/include/asm/pgtable.h:set_ptes(), purge_tlb_entries(); arch/parisc/kernel/cache.c:__flush_tlb_range(): pages
are purged as the entries were, without an interrupt; only what reaches parisc_tlb_flush_threshold, and the whole mm,
is flush_tlb_all() on every CPU.  The delayed rmap that the generic code adds costs and gains nothing here.
"""

from __future__ import annotations

from arch_plugins.families.facts import rcu_freed
from arch_plugins.families.ipi import Ipi
from core.hookspecs import Facts, hookimpl
from core.machine.insn import Operand, insn
from core.machine.ipi import FlushRequest
from core.machine.pte import Entry, xchg_pte
from core.machine.tlb import invalidate
from core.mm.mm import Mm


class Parisc(Ipi):
    """PA 2.0, 64 bit, 4 KiB pages; the threshold is the least that calibration at boot allows: 16 KiB."""

    ceiling, mm_insn, to_all = 3, "flush_tlb_all", True
    FACTS = Facts(
        levels=3,
        upper_entries=2048,  # PTRS_PER_PMD: two pages of 4-byte entries
        hw_dirty=False,
        walker="writes",
        tables_at_once=("pte", "pmd"),
        kernel="6.12.117",
        family="flush at PTE clear",
        sources=(
            "arch/parisc/include/asm/pgtable.h",
            "arch/parisc/include/asm/tlb.h",
            "arch/parisc/kernel/cache.c",
            "arch/parisc/kernel/entry.S",
        ),
    )

    async def ask(self, mm: Mm, request: FlushRequest) -> None:
        if request.end is None:
            await super().ask(mm, request)
        else:
            await purge(mm, request.start, request.end)

    @hookimpl
    async def flush_tlb_kernel_range(self, mm: Mm, start: int, end: int) -> None:
        """__flush_tlb_range() of space 0."""
        await self.ask(mm, self.request(start, end))

    @hookimpl
    async def ptep_get_and_clear(self, mm: Mm, addr: int, nr: int, full: bool) -> Entry:
        """The entry first, then the purge: otherwise a walk in between could cache the old entry again.

        A load and a store, but every walker takes the page-table lock (arch/parisc/kernel/entry.S:ptl_lock).
        """
        pte: Entry = await xchg_pte(addr, nr, ("clear", addr, nr))
        await self.purge(mm, addr, addr + nr)
        return pte

    async def purge(self, mm: Mm, start: int, end: int) -> None:
        """set_ptes(): behind the store of each entry."""
        await purge(mm, start, end)


class PariscV70(Parisc):
    """7.0: 46231ba5f4e1."""

    FACTS = rcu_freed(Parisc.FACTS)


async def purge(mm: Mm, start: int, end: int) -> None:
    """purge_tlb_entries() of each page: one CPU purges the TLBs of all."""
    await insn(mm.task.cpu, "pdtlb", end - start, Operand(start, end - start, everywhere=True))
    await insn(mm.task.cpu, "pitlb", end - start)
    await invalidate(
        sorted(mm.everyone), [a for a in mm.addrs if start <= a < end], f"purge_tlb_entries({start}, {end})"
    )
