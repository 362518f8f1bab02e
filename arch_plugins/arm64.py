"""arm64: TLBI ...IS to the inner shareable domain, complete at the issuer's DSB ISH.

arch/arm64/include/asm/tlbflush.h:__flush_tlb_range(), flush_tlb_mm(); asm/tlb.h:tlb_flush().  Without range
instructions (FEAT_TLBIRANGE) each stride takes one; from MAX_TLBI_OPS (MAX_DVM_OPS) strides on the ASID goes as a
whole.  With them arch_plugins/arm64_tlbi.py says how many.
"""

from __future__ import annotations

from arch_plugins.arm64_pte import Arm64Entries
from arch_plugins.arm64_tlbi import MAX_TLBI_RANGE_PAGES, range_insns
from arch_plugins.families.broadcast import Insns
from core.hookspecs import Facts, hookimpl
from core.machine.insn import Operand
from core.mm.batched_unmap import UnmapBatch
from core.mm.mm import Mm
from core.mm.mmu_gather import MmuGather, tlb_get_unmap_size


class Arm64(Arm64Entries):
    """6.12, without FEAT_TLBIRANGE."""

    prologue, barrier, mm_insn = "DSB_ISHST", "DSB_ISH", "TLBI_ASIDE1IS"
    ceiling: int | None = 511
    ranges, upwards, lpa2, batched, spares_walks, takes_stride = False, False, False, True, True, True
    kernel, most_pages = "6.12.117", MAX_TLBI_RANGE_PAGES
    sync_again = True
    """__flush_tlb_range() waits again after a flush of the mm that __flush_tlb_range_nosync() has waited for."""

    @hookimpl
    def arch_facts(self) -> Facts:
        return Facts(
            memory_model="weak",
            rcu_table_free=True,
            kernel=self.kernel,
            family="hardware broadcast",
            user_asids=1 << 16,
            capabilities=frozenset(
                {
                    "break_before_make",
                    "gup_fast",
                    "huge_vmap",
                    "move_pmd",
                    "per_vma_lock",
                    "shares_pmd_tables",
                    "thp",
                    *(("batched_unmap",) if self.batched else ()),
                }
            ),
            sources=("arch/arm64/include/asm/tlb.h", "arch/arm64/include/asm/tlbflush.h"),
        )

    def asid_behind_barrier(self, mm: Mm) -> bool:
        return mm.era.has("5e10f9887ed8")

    def of_range(self, start: int, end: int, stride: int, leaf: bool) -> Insns:
        op = "TLBI_VALE1IS" if leaf else "TLBI_VAE1IS"
        if self.ranges:
            return range_insns(op, start, end, stride, self.upwards, self.lpa2)
        nr = (end - start) // stride
        return [(op, nr, (Operand(start, nr, stride, leaf=op == "TLBI_VALE1IS", everywhere=True),))]

    def above_ceiling(self, start: int, end: int, stride: int) -> bool:
        """__flush_tlb_range_nosync(): MAX_TLBI_RANGE_PAGES counts pages, whatever the stride, in either case."""
        if self.ranges:
            return super().above_ceiling(start, end, 1)
        return super().above_ceiling(start, end, stride) or end - start > self.most_pages

    async def flush_range(self, mm: Mm, start: int, end: int, stride: int, leaf: bool) -> None:
        """__flush_tlb_range(); `leaf` is its last_level, which flush_tlb_range() never sets."""
        await super().flush_range(mm, start, end, stride, leaf)
        start, end = start - start % stride, end + -end % stride
        if self.sync_again and self.above_ceiling(start, end, stride):
            await self.wait(mm)

    @hookimpl
    async def tlb_flush(self, tlb: MmuGather) -> str | None:
        """A whole-mm gather flushes only for the table walkers: the ASID is not used again before a flush of
        everything.
        """
        leaf = not (tlb.freed_tables or tlb.unshared_tables)
        if not tlb.fullmm:
            await self.flush_range(tlb.mm, tlb.start, tlb.end, tlb_get_unmap_size(tlb), leaf)
        elif not leaf:
            await tlb.mm.hook.flush_tlb_mm(mm=tlb.mm)
        return "mm" if tlb.fullmm else "range"

    @hookimpl
    async def arch_tlbbatch_add_pending(self, mm: Mm, batch: UnmapBatch, start: int, end: int) -> None:
        """Issued at once, completed by arch_tlbbatch_flush(); a TLBI for each page."""
        for addr in range(start, end):
            await self.flush_tlb_page_nosync(mm, addr)

    @hookimpl
    async def arch_tlbbatch_flush(self, mm: Mm, batch: UnmapBatch) -> None:
        await self.wait(mm)

    @hookimpl
    async def arch_flush_tlb_batched_pending(self, mm: Mm) -> None:
        """A barrier does not complete what another CPU has issued: flush (commit 4b634918384c)."""
        if not mm.era.has("4b634918384c"):
            await self.wait(mm)
            return
        await mm.hook.flush_tlb_mm(mm=mm)


class Arm64Range(Arm64):
    """6.12 with FEAT_TLBIRANGE and FEAT_LPA2, as Debian builds it (ARM64_PA_BITS_52 with 4 KiB pages)."""

    ranges, lpa2, ceiling = True, True, MAX_TLBI_RANGE_PAGES


class Arm64V61(Arm64):
    """6.1: no batched unmap."""

    upwards, batched, sync_again, kernel, most_pages = True, False, False, "6.1.192", MAX_TLBI_RANGE_PAGES - 1


class Arm64RangeV61(Arm64V61):
    """6.1 with FEAT_TLBIRANGE."""

    ranges, ceiling = True, Arm64V61.most_pages


class Arm64V72(Arm64):
    """7.2, without FEAT_TLBIRANGE. __do_flush_tlb_range() returns from its flush_tlb_mm() past its own barrier."""

    sync_again, kernel = False, "7.2"


class Arm64RangeV72(Arm64Range):
    """7.2 with FEAT_TLBIRANGE."""

    sync_again, kernel = False, "7.2"
