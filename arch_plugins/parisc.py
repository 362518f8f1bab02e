"""parisc: clearing an entry purges it on all CPUs (pdtlb, pitlb are broadcast), and the gather flushes again.

arch/parisc/include/asm/pgtable.h:pte_clear(), purge_tlb_entries(); arch/parisc/kernel/cache.c:__flush_tlb_range().
The delayed rmap that the generic code adds costs and gains nothing here.
"""

from __future__ import annotations

from arch_plugins.families.ipi import Ipi
from core.hookspecs import Facts, hookimpl
from core.machine.insn import insn
from core.machine.pte import xchg_pte
from core.machine.tlb import invalidate
from core.mm.mm import Mm


class Parisc(Ipi):
    """PA 2.0, 64 bit, 4 KiB pages; the threshold is the least that calibration at boot allows: 16 KiB."""

    ceiling, page_insn, mm_insn, to_all = 3, "pdtlb", "flush_tlb_all", True
    FACTS = Facts(
        levels=3,
        upper_entries=2048,  # PTRS_PER_PMD: two pages of 4-byte entries
        hw_dirty=False,
        kernel="6.12",
        family="flush at PTE clear",
        sources=("arch/parisc/include/asm/pgtable.h", "arch/parisc/kernel/cache.c"),
    )

    @hookimpl
    async def ptep_get_and_clear(self, mm: Mm, addr: int, nr: int, full: bool) -> object:
        """The entry first, then the purge: a walk in between could bring the old entry back otherwise."""
        pte = await xchg_pte(addr, nr, ("clear", addr, nr))
        await insn(mm.task.cpu, "pdtlb", nr)
        await invalidate(
            sorted(mm.everyone), [a for a in mm.addrs if addr <= a < addr + nr], f"purge_tlb_entries({addr})"
        )
        return pte
